"""``sovlab run``: a notebook as a job, from a shell."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook


@pytest.fixture
def run(client, tmp_path):
    """Run ``sovlab run in.ipynb out.ipynb …`` in a directory of its own, on a notebook of these cells."""

    def run(*args, cells=("lr = 0.1", "lr * 2"), output="out.ipynb", source="in.ipynb"):
        made = [new_code_cell(cells[0], metadata={"tags": ["parameters"]}), *map(new_code_cell, cells[1:])]
        spec = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
        nbformat.write(new_notebook(cells=made, metadata=spec), tmp_path / "in.ipynb")
        return subprocess.run(
            [sys.executable, "-m", "sovlab", "run", source, output, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )

    return run


def test_runs_a_notebook_with_its_parameters(run, tmp_path):
    done = run("-p", "lr", "0.5", output="out-{lr}.ipynb")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    cells = json.loads((tmp_path / "out-0.5.ipynb").read_text())["cells"]
    assert cells[-1]["outputs"][0]["data"]["text/plain"] == ["1.0"]
    assert re.findall(r"^\[cell (\d) of 3\] took ", done.stderr, re.MULTILINE) == ["1", "2", "3"]


def test_parameters_are_those_that_python_binds(run, tmp_path):
    done = run("-p", "b", "5", cells=("a = b = 1", "a * b"))
    assert done.returncode == 0, done.stderr
    last = json.loads((tmp_path / "out.ipynb").read_text())["cells"][-1]
    assert last["outputs"][0]["data"]["text/plain"] == ["5"]


def test_a_misspelt_parameter_is_refused_before_anything_runs(run, tmp_path):
    done = run("-p", "lrr", "0.5")
    assert done.returncode == 2
    assert "no parameter 'lrr'" in done.stderr
    assert "Did you mean lr?" in done.stderr
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("gone.ipynb", "out.ipynb", "There is no notebook gone.ipynb. Give the path"),
        ("folder", "out.ipynb", "folder is a directory. Give the path"),
        ("in.ipynb", "folder", "The output folder is a directory. Name a file: folder/out.ipynb."),
        ("in.ipynb", "no/out.ipynb", "The folder of no/out.ipynb is not there. Make it"),
        ("in.ipynb", "/dev/full", "No space left on device"),
        ("text.ipynb", "out.ipynb", "The notebook was not run: Notebook does not appear to be JSON"),
        ("bare.ipynb", "out.ipynb", "No kernel name found in notebook and no override provided. Say which"),
    ],
)
def test_what_cannot_be_run_or_written_is_said_before_anything_runs(run, tmp_path, source, output, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.ipynb").write_text("no notebook")
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "bare.ipynb")
    done = run(source=source, output=output)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Job " not in done.stderr


SECRET = f"hf_{'a' * 34}"


def test_a_secret_is_no_parameter(run, tmp_path):
    done = run("-p", "lr", SECRET)
    assert done.returncode == 2
    assert "Parameter lr looks like a secret" in done.stderr
    assert "--env LR" in done.stderr
    assert SECRET not in done.stderr
    assert not (tmp_path / "out.ipynb").exists()


def test_a_target_that_is_none_leaves_an_earlier_output_alone(run, tmp_path):
    assert run().returncode == 0
    before = (tmp_path / "out.ipynb").read_bytes()
    done = run("--target", "nowhere")
    assert done.returncode == 2
    assert "Target 'nowhere' is not defined." in done.stderr
    assert (tmp_path / "out.ipynb").read_bytes() == before


def test_a_cell_that_fails_ends_with_one_and_names_the_notebook(run, tmp_path):
    done = run(cells=("lr = 1", "1/0", "2"))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "out.ipynb" in done.stderr.splitlines()[-1]
    assert (tmp_path / "out.ipynb").exists()


def test_a_cell_that_may_fail_ends_with_one_also_when_its_run_is_there(run, tmp_path):
    spec = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    cells = [new_code_cell("1/0", metadata={"tags": ["raises-exception"]}), new_code_cell("print('on')")]
    nbformat.write(new_notebook(cells=cells, metadata=spec), tmp_path / "may.ipynb")
    first, again = (run(source="may.ipynb") for _ in range(2))
    assert first.returncode == again.returncode == 1
    assert "The same run is there" in again.stderr
    for done in (first, again):
        assert "ZeroDivisionError" in done.stderr
    assert json.loads((tmp_path / "out.ipynb").read_text())["cells"][-1]["outputs"][0]["text"] == ["on\n"]


def test_a_dead_kernel_and_a_slow_cell_have_their_own_status(run):
    dead = run(cells=("lr = 1", "import os; os._exit(3)"))
    assert dead.returncode == 138
    assert "The kernel died. It ended itself with status 3." in dead.stderr
    assert "Kernel died. The notebook as far as it came: out.ipynb" in dead.stderr
    assert run("--execution-timeout", "8", cells=("lr = 1", "import time; time.sleep(600)")).returncode == 124


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--backend", "gpu"), "gpu"),
        (("--gpus", "nan"), "nan"),
        (("--energy-budget", "2"), "2"),
        (("--dry-run",), "--prepare-only"),
        (("--target", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_request_is_one_sentence(run, args, said):
    done = run(*args)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_notebook_that_is_not_there_or_is_none_is_one_sentence(run, tmp_path):
    command = [sys.executable, "-m", "sovlab", "run"]
    for name in ("nothing.ipynb", "text.ipynb"):
        (tmp_path / "text.ipynb").write_text("no notebook")
        done = subprocess.run(
            [*command, name, "o.ipynb"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode in (2, 3)
        assert "Traceback" not in done.stderr
        assert done.stderr


def test_a_notebook_that_says_no_kernel_and_no_language_is_told_both(run, tmp_path):
    bare = new_notebook(cells=[new_code_cell("a = 1", metadata={"tags": ["parameters"]}), new_code_cell("a")])
    nbformat.write(bare, tmp_path / "bare.ipynb")
    given = ("-p", "a", "2")
    for words, hint in (((), "Say which with -k"), (("-k", "python3"), "Say which with --language")):
        done = run(*given, *words, source="bare.ipynb")
        assert done.returncode == 2
        assert hint in done.stderr
        assert "Traceback" not in done.stderr
    said = ("-k", "python3", "-l", "python")
    assert "Did you mean a?" in run("-p", "aa", "2", *said, source="bare.ipynb").stderr
    done = run(*given, *said, source="bare.ipynb")
    assert done.returncode == 0, done.stderr
    last = json.loads((tmp_path / "out.ipynb").read_text())["cells"][-1]
    assert last["outputs"][0]["data"]["text/plain"] == ["2"]
    again = run(*given, *said, source="bare.ipynb")
    assert "out.ipynb is there already, of the same run" in again.stderr


def test_parameters_of_a_language_that_nobody_reads_are_taken(run, tmp_path):
    spec = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
    cells = [new_code_cell("x <- 1", metadata={"tags": ["parameters"]}), new_code_cell("x")]
    nbformat.write(new_notebook(cells=cells, metadata=spec), tmp_path / "r.ipynb")
    done = run("-p", "x", "2", source="r.ipynb")
    assert done.returncode == 2
    assert "There is no kernel 'ir' where the job runs" in done.stderr
    assert "Traceback" not in done.stderr
    injected = json.loads((tmp_path / "out.ipynb").read_text())["cells"][1]
    assert injected["source"] == ["# Parameters\n", "x = 2\n"]
