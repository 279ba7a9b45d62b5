"""papermill, called in process: a notebook of one cell, in a kernel of its own."""

from __future__ import annotations

import time

from serving import serve

MISSING = ""
try:
    import ipykernel  # noqa: F401
    import nbformat
    import papermill
except ModuleNotFoundError as error:
    MISSING = "not installed" if error.name == "papermill" else f"{error.name} is not installed beside it"


def trivial() -> float:
    """Seconds to execute the notebook and save it."""
    begun = time.perf_counter()
    done = papermill.execute_notebook("one.ipynb", "out.ipynb", progress_bar=False, kernel_name="python3")
    assert done.cells[-1].outputs[0]["text"] == "42\n"
    return time.perf_counter() - begun


if __name__ == "__main__":
    if not MISSING:
        cell = nbformat.v4.new_code_cell("print(2 * 21)")
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), "one.ipynb")
    serve({"trivial": trivial}, MISSING)
