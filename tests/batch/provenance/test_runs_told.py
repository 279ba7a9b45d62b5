"""Real runs: what their notebooks and the files beside them say, and what they do not."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import local_file_io_cwd

from sovlab.batch.provenance.places import Places
from tests.batch.provenance.crates import check_crate, check_statement

SPEC = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
NAME = "telltale-zaphod"
TOKEN = "hf_" + "tellTale9" * 4


@pytest.fixture
def shell(client, tmp_path):
    """Run ``sovlab …`` as a user of a telling name, in a directory of its home."""
    work = tmp_path / NAME / "project"
    work.mkdir(parents=True)
    variables = {
        **os.environ,
        **{"HOME": str(work.parent), "USER": NAME, "LOGNAME": NAME},
        **{"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
    }

    def run(*args, program=(sys.executable, "-m", "sovlab")):
        return subprocess.run(
            [*program, *args], cwd=work, env=variables, capture_output=True, text=True, timeout=150
        )

    run.work = work
    return run


def write(folder, *cells):
    made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    nbformat.write(new_notebook(cells=made, metadata=SPEC), folder / "in.ipynb")


def parameters(source):
    return new_code_cell(source, metadata={"tags": ["parameters"]})


def committed(shell):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "--allow-empty", "-m", "x")):
        shell(*words, program=("git",))
    return shell("rev-parse", "HEAD", program=("git",)).stdout.strip()


def read(path):
    return json.loads(path.read_text())


def test_a_large_run_is_told_in_4_kb_with_the_rest_beside_and_nothing_private(shell):
    packages = shell.work / "installed"
    for number in range(300):
        (packages / f"pkg_of_the_test_{number}-1.2.{number}.dist-info").mkdir(parents=True)
    names = [f"parameter_{number}" for number in range(100)]
    imported = ", ".join(f"pkg_of_the_test_{number}" for number in range(300))
    write(
        shell.work,
        parameters("\n".join(f"{name} = 0" for name in names)),
        f"if False:\n    import {imported}",
        "import torch\ntorch.manual_seed(2**63)\ntorch.use_deterministic_algorithms(True)",
        f"import os\nopen('{shell.work}/nothing/' + os.environ['HF_TOKEN'][:2])",
        "1",
    )
    commit = committed(shell)
    shell("remote", "add", "origin", f"https://{NAME}:{TOKEN}@git.example.org/lab/x.git", program=("git",))
    given = [word for name in names for word in ("-p", name, "x" * 100)]
    done = shell(
        *("run", "in.ipynb", "out.ipynb", *given),
        *("--env", f"PYTHONPATH={packages}", "--env", f"HF_TOKEN={TOKEN}"),
        *("--env", "CUBLAS_WORKSPACE_CONFIG=:4096:8"),
    )
    assert done.returncode == 1, done.stderr

    path, beside = shell.work / "out.ipynb", shell.work / "out.ipynb.sovlab.json"
    notebook, more = read(path), read(beside)
    nbformat.validate(nbformat.from_dict(notebook))
    record = notebook["metadata"]["sovlab"]
    for size in (len(json.dumps(record)), len(json.dumps(record, ensure_ascii=False).encode())):
        assert size <= 4000
    for told in (json.dumps(record), beside.read_text()):
        for private in (NAME, TOKEN, "telltale", str(shell.work.parent)):
            assert private not in told
        assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", told)
    assert {key: record["code"][key] for key in ("commit", "dirty", "remote")} == {
        "commit": commit,
        "dirty": False,
        "remote": "https://git.example.org/lab/x.git",
    }
    assert record["parameters"]["count"] == 100
    switches = record["determinism"]
    assert (switches["torch_seed"], switches["torch_deterministic"]) == (str(2**63), True)
    assert switches["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert "runtime" not in record["accel"]  # of no device that was used
    assert record["lock"]["packages"][0].startswith("numpy==")
    assert "FileNotFoundError" in record["run"]["message"]
    assert "~/project/nothing/hf" in record["run"]["message"]
    assert "source" in record["energy"]

    lines = set(more["packages"])
    assert {f"pkg-of-the-test-{number}==1.2.{number}" for number in range(300)} <= lines
    assert len(lines) == record["lock"]["count"]
    assert more["environment"] == ["CUBLAS_WORKSPACE_CONFIG", "HF_TOKEN", "PYTHONPATH"]
    assert more["system"]["machine"] == platform.machine()
    assert [cell["status"] for cell in more["cells"]][-2:] == ["failed", "not run"]
    assert more["run"]["id"] == record["run"]["id"]

    assert shell("show", "out.ipynb", "--rocrate", "crate").returncode == 0
    graph = check_crate(read(shell.work / "crate" / "ro-crate-metadata.json"), shell.work / "crate")
    assert sum(each["@id"].startswith("#parameter-") for each in graph.values()) == 100
    assert "in.ipynb" in graph
    slsa = shell("show", "out.ipynb", "--slsa")
    predicate = check_statement(json.loads(slsa.stdout))
    assert predicate["runDetails"]["metadata"]["invocationId"] == record["run"]["id"]
    for told in (slsa.stdout, (shell.work / "crate" / "ro-crate-metadata.json").read_text()):
        assert NAME not in told

    # The traceback, and a source that names the home, which is its author's to change.
    published = shell("publish", "out.ipynb")
    assert published.returncode == 1
    assert "outputs: a home directory" in published.stderr
    assert "its source names a home directory" in published.stderr
    copy = read(shell.work / "out.public.ipynb")
    nbformat.validate(nbformat.from_dict(copy))
    for cell in copy["cells"]:
        assert NAME not in json.dumps(cell.get("outputs", []))
    assert NAME not in json.dumps(copy["metadata"])


def test_the_same_run_again_is_told_with_the_commit_that_it_ran_at(shell):
    stale = new_code_cell("x = a + 1", metadata={"sovlab": {"status": "not run"}})
    write(shell.work, parameters("a = 1"), stale, "x")
    notebook = nbformat.read(shell.work / "in.ipynb", 4)
    notebook.metadata["sovlab"] = {"run": {"id": "another"}, "code": {"commit": "ab" * 20}}
    nbformat.write(notebook, shell.work / "in.ipynb")
    first = committed(shell)
    assert shell("run", "in.ipynb", "one.ipynb", "-p", "a", "2").returncode == 0
    second = committed(shell)
    assert second != first
    (shell.work / "two.ipynb.sovlab.json").mkdir()
    done = shell("run", "in.ipynb", "two.ipynb", "-p", "a", "2")
    assert done.returncode == 0, done.stderr
    assert "cannot be written beside two.ipynb" in done.stderr
    one, two = (read(shell.work / f"{name}.ipynb") for name in ("one", "two"))
    assert two["metadata"]["sovlab"]["run"]["id"] == one["metadata"]["sovlab"]["run"]["id"]
    assert two["metadata"]["sovlab"]["code"] == one["metadata"]["sovlab"]["code"]
    assert one["metadata"]["sovlab"]["code"] == {"commit": first, "dirty": False}
    assert "sidecar" not in two["metadata"]["sovlab"]
    assert not any("sovlab" in cell["metadata"] for cell in one["cells"])

    # What was compared when the packages of the record are those of its file, and when they are not.
    assert shell("verify", "one.ipynb", "--against", "two.ipynb").returncode == 0
    beside = shell.work / "one.ipynb.sovlab.json"
    beside.write_text(beside.read_text() + " ")
    done = shell("verify", "one.ipynb", "--against", "two.ipynb")
    assert done.returncode == 0
    assert "is not the one of this run" in done.stderr


@pytest.mark.parametrize(
    ("said", "output", "elsewhere"),
    [
        (None, None, False),
        ("-", None, False),
        ("s3://bucket/out.ipynb", None, True),
        ("gs://bucket/out.ipynb", None, True),
        ("missing/out.ipynb", None, False),
        ("out.ipynb", "out.ipynb", False),
        (5, None, False),
    ],
)
def test_only_beside_a_local_notebook_is_something_written(said, output, elsewhere, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Places.of({"output_path": said})
    assert found.output == (tmp_path / output if output else None)
    assert found.elsewhere is elsewhere
    sentences = []
    record = found.with_details({"schema": 1}, {"x": 1}, sentences.append)
    assert ("sidecar" in record) == (output is not None)
    assert len(sentences) == (1 if elsewhere else 0)


def test_an_output_is_where_papermill_was_told_not_where_its_kernel_works(tmp_path, monkeypatch):
    (tmp_path / "kernel").mkdir()
    monkeypatch.chdir(tmp_path)
    with local_file_io_cwd():
        monkeypatch.chdir(tmp_path / "kernel")
        assert Places.of({"output_path": "out.ipynb"}).output == tmp_path / "out.ipynb"
