"""papermill in process, with an engine that is named: its own, or ours on this machine."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from serving import serve

MISSING = ""
try:
    import nbformat
    import papermill
except ModuleNotFoundError as error:
    MISSING = f"{error.name} is not installed"

NOTEBOOKS = {
    "one": ["print(2 * 21)"],
    "fifty": [f"x = {number}\nprint(x)" for number in range(50)],
    "large": ["print('x' * 1_000_000)"] * 10,
}
ENGINE = {"own": "nbclient", "sovlab": "sovlab"}


def execute(engine: str, notebook: str) -> float:
    """Seconds to execute a notebook and save it; with ours, as a run that was not there before."""
    fresh = {"fresh": True} if engine == "sovlab" else {}
    begun = time.perf_counter()
    done = papermill.execute_notebook(
        f"{notebook}.ipynb",
        f"{notebook}-{engine}.ipynb",
        progress_bar=False,
        engine_name=ENGINE[engine],
        **fresh,
    )
    taken = time.perf_counter() - begun
    assert all(cell.outputs for cell in done.cells)
    return taken


def again(notebook: str) -> float:
    """Seconds until the outcome of a run is there that has ended before."""
    begun = time.perf_counter()
    papermill.execute_notebook(
        f"{notebook}.ipynb", f"{notebook}-again.ipynb", progress_bar=False, engine_name="sovlab"
    )
    return time.perf_counter() - begun


def write_notebooks() -> None:
    """Write what is executed into the working directory."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, sources in NOTEBOOKS.items():
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), f"{name}.ipynb")


if __name__ == "__main__":
    if not MISSING:
        write_notebooks()
    # What engines say is for whoever looks into the directory.
    with Path("papermill.log").open("a") as log, contextlib.redirect_stderr(log):
        serve({"execute": execute, "again": again}, MISSING)
