"""``sovlab verify``: a notebook run again, and compared, from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

SPEC = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2, lr]);"


@pytest.fixture
def shell(client, tmp_path):
    """Run ``sovlab …`` in a directory of its own."""

    def run(*args):
        return subprocess.run(
            [sys.executable, "-m", "sovlab", *args], cwd=tmp_path, capture_output=True, text=True, timeout=150
        )

    return run


@pytest.fixture
def executed(shell, tmp_path):
    """A notebook of these cells, run as a job."""

    def execute(*cells, status=0):
        made = [new_code_cell("lr = 0.1", metadata={"tags": ["parameters"]}), *map(new_code_cell, cells)]
        nbformat.write(new_notebook(cells=made, metadata=SPEC), tmp_path / "in.ipynb")
        done = shell("run", "in.ipynb", "out.ipynb", "-p", "lr", "0.5")
        assert done.returncode == status, done.stderr
        return tmp_path / "out.ipynb"

    return execute


def change(path, do):
    notebook = json.loads(path.read_text())
    do(notebook)
    path.write_text(json.dumps(notebook))


def verdicts(done):
    return [cell["verdict"] for cell in json.loads(done.stdout)["cells"]]


def test_a_notebook_is_the_same_as_itself_run_again(shell, executed, tmp_path):
    executed("lr * 2", PLOT)
    done = shell(
        "verify", "out.ipynb", "--all", "--junit", "j.xml", "--report", "r.ipynb", "--output", "2.ipynb"
    )
    assert done.returncode == 0, done.stderr
    assert "4 code cells: 4 same." in done.stdout
    assert "packages" not in done.stdout  # they are the same, and known
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("out.ipynb", "2.ipynb"))
    ids = [notebook["metadata"]["sovlab"]["run"]["id"] for notebook in (first, second)]
    assert ids[0] != ids[1]
    assert second["cells"][2]["outputs"] == first["cells"][2]["outputs"]
    suite = ET.parse(tmp_path / "j.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "0", "0")
    nbformat.validate(nbformat.read(tmp_path / "r.ipynb", as_version=4))


def test_a_changed_number_picture_and_cell_are_named(shell, executed):
    path = executed("lr * 2", PLOT, "'stays'")

    def number(notebook):
        notebook["cells"][2]["outputs"][0]["data"]["text/plain"] = ["1.25"]

    def rest(notebook):
        number(notebook)
        outputs = notebook["cells"][3]["outputs"]
        picture = next(output for output in outputs if "image/png" in output.get("data", ()))
        picture["data"]["image/png"] = BLACK
        notebook["cells"].append({**notebook["cells"][4], "id": "more", "source": "'gone'"})

    change(path, rest)
    # What ran the second time has it all: the record is compared with a run of what it was before.
    done = shell("verify", "out.ipynb", "--json", "--output", "again.ipynb")
    assert done.returncode == 1
    assert verdicts(done) == ["same", "same", "differs", "differs", "same", "differs"]
    assert "Its cells are not those of its record" in done.stderr
    change(path.with_name("again.ipynb"), lambda notebook: notebook["cells"].pop())
    done = shell("verify", "out.ipynb", "--against", "again.ipynb")
    assert done.returncode == 1
    assert "1.25 → 1.0" in done.stdout
    assert "missing" in done.stdout


def test_other_packages_are_told_first(shell, executed):
    path = executed("import matplotlib")

    def older(notebook):
        lock = notebook["metadata"]["sovlab"]["lock"]
        lock["packages"] = [f"{line.partition('==')[0]}==0.1" for line in lock["packages"]]
        lock["sha256"] = "0" * 64

    change(path, older)
    done = shell("verify", "out.ipynb")
    assert done.returncode == 0
    assert "The packages differ: matplotlib 0.1 → " in done.stdout.splitlines()[0]


def test_tolerances_are_the_users(shell, executed):
    path = executed("lr * 2")
    change(path, lambda nb: nb["cells"][2]["outputs"][0]["data"].update({"text/plain": ["1.001"]}))
    again = path.with_name("again.ipynb")
    assert shell("verify", "out.ipynb", "--output", "again.ipynb").returncode == 1
    assert again.exists()
    near = shell("verify", "out.ipynb", "--against", "again.ipynb", "--rtol", "0.01", "--json")
    assert (near.returncode, verdicts(near)) == (0, ["same", "same", "within tolerance"])
    assert shell("verify", "out.ipynb", "--against", "again.ipynb", "--rtol", "-1").returncode == 2


def test_a_second_run_that_fails_is_compared_as_far_as_it_came(shell, executed, tmp_path):
    executed(
        f"import pathlib; flag = pathlib.Path({str(tmp_path / 'flag')!r})", "assert not flag.exists()", "1"
    )
    (tmp_path / "flag").touch()
    done = shell("verify", "out.ipynb", "--json")
    assert done.returncode == 1
    assert verdicts(done) == ["same", "same", "same", "error", "not run"]


def test_a_record_that_failed_can_be_compared_too(shell, executed):
    executed("1/0", "2", status=1)
    done = shell("verify", "out.ipynb", "--json")
    assert done.returncode == 1
    assert verdicts(done) == ["same", "same", "error", "not run"]
    assert "as in the record" in json.loads(done.stdout)["cells"][2]["why"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("none.ipynb",), "none.ipynb cannot be read: No such file or directory."),
        (("text.ipynb",), "text.ipynb is no notebook of nbformat 4."),
        (("nb.ipynb", "--against", "none.ipynb"), "none.ipynb cannot be read"),
        (("nb.ipynb", "--against", "nb.ipynb", "--sanitize", "none.cfg"), "none.cfg cannot be read"),
        (("nb.ipynb", "--against", "nb.ipynb", "--likeness", "2"), "likeness is 2.0."),
        (("nb.ipynb", "--against", "nb.ipynb", "--junit", "no/dir.xml"), "no/dir.xml cannot be written"),
    ],
)
def test_a_wrong_request_is_2_and_says_what_is_wrong(shell, tmp_path, args, says):
    (tmp_path / "text.ipynb").write_text("no json")
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "nb.ipynb")
    done = shell("verify", *args)
    assert done.returncode == 2
    assert says in done.stderr


BLACK = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAADUlEQVR4nGNgGAXIAAABEAABoJMRpQAAAABJRU5ErkJggg=="
