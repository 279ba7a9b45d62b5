"""The shipped archive under the oldest and newest interpreters that this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runner.conftest import RunningJob


def interpreters() -> dict[str, str]:
    """Version → path; also from ``SOVLAB_TEST_PYTHONS``, paths joined by colons."""
    candidates = [shutil.which(f"python3.{minor}") for minor in (9, 10, 12, 13)]
    candidates += os.environ.get("SOVLAB_TEST_PYTHONS", "").split(os.pathsep)
    root = os.environ.get("PYENV_ROOT", "")
    pyenv = shutil.which("pyenv")
    if not root and pyenv:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
    if root:
        candidates += sorted(map(str, Path(root).glob("versions/3.*/bin/python")))
    found = {}
    for path in filter(None, candidates):
        told = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        version = told.stdout.strip()
        if told.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 9):
            found.setdefault(version, path)
    return found


FOUND = interpreters()


@pytest.fixture(params=["3.9", "3.10", "3.12", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param not in FOUND:
        pytest.skip(f"no Python {request.param} here")
    return FOUND[request.param]


def test_a_cell_with_everything(job: RunningJob, python: str) -> None:
    job.python = python
    record = job.run(
        """
        import asyncio, sys
        import sovlab
        from beside import VALUE
        class Point:
            def __init__(self, x): self.x = x
        sovlab.progress(1, 1)
        print("version", "%d.%d" % sys.version_info[:2])
        x = await asyncio.sleep(0, data[0] + VALUE)
        def f(a): return a * x
        Point(x).x
        """,
        variables={"data": [1, {"a": 2}]},
        files={"beside.py": "VALUE = 41"},
        outputs=["x", "f"],
    )
    assert record["reason"] == "succeeded", job.log
    version = ".".join(record["python"].split(".")[:2])
    assert job.log == f"version {version}\n"
    assert job.values["x"] == 42
    assert job.outputs == [{"data": {"text/plain": "42"}, "metadata": {}}]
    assert job.frames("progress")[0]["step"] == 1


def test_an_error_in_a_local_module(job: RunningJob, python: str) -> None:
    job.python = python
    record = job.run(
        "import beside\nbeside.fail()", files={"beside.py": "def fail():\n    raise KeyError('x')\n"}
    )
    assert record["reason"] == "user_error"
    assert [(f["label"], f["line"]) for f in record["error"]["frames"]] == [
        ("Cell In[7]", 2),
        ("File beside.py", 2),
    ]


def test_timeout_with_a_hook(job: RunningJob, python: str) -> None:
    job.python = python
    source = """
        import sovlab, time
        @sovlab.checkpoint
        def save(directory): (directory / "state").write_text("saved")
        print("ready")
        time.sleep(60)
    """
    assert job.run_out_of_time(source)["reason"] == "timeout"
    assert (job.directory / "checkpoint" / "state").read_text() == "saved"


def test_nothing_but_the_archive_is_imported(job: RunningJob, python: str) -> None:
    job.python = python
    record = job.run(
        """
        import os, sys
        odd = [n for n, m in sys.modules.items() if "site-packages" in (getattr(m, "__file__", None) or "")]
        assert not [n for n in odd if n not in ("_virtualenv", "_distutils_hack")], odd
        """
    )
    assert record["reason"] == "succeeded", job.log
