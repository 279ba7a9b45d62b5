"""`sovlab.record`: in a kernel, in a job's cell, in a script, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import sovlab
from sovlab.errors import SpecError
from sovlab.payload.shipping import runner_zip
from sovlab.runner.notebook.kernels import python_path
from sovlab.runner.protocol.recorded import MIME


def test_in_a_script_they_are_printed(capsys):
    sovlab.record(loss=0.5, name="adam", layers=(64, 32), best={"epoch": 3}, none=None)
    assert capsys.readouterr().out == (
        "loss = 0.5\nname = 'adam'\nlayers = [64, 32]\nbest = {'epoch': 3}\nnone = None\n"
    )
    sovlab.record()
    assert capsys.readouterr().out == ""


def test_numbers_of_libraries_are_numbers_and_what_json_lacks_is_text(capsys):
    torch = pytest.importorskip("torch")
    sovlab.record(
        a=np.float32(0.5), b=torch.tensor(2), c=np.array([3]), d=float("nan"), e=True, f=np.bool_(1)
    )
    assert capsys.readouterr().out == "a = 0.5\nb = 2\nc = 3\nd = 'nan'\ne = True\nf = True\n"


def nested(levels):
    made = 1
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.zeros(3), "x is ndarray, which cannot be recorded"),
        (object(), "x is object, which cannot be recorded"),
        (b"bytes", "x is bytes, which cannot be recorded"),
        ({1: 2}, "x has keys that are no text"),
        ("x" * 20_000, "20,002 characters as JSON, too large to record"),
        (nested(9), "x is nested too deeply"),
    ],
)
def test_other_values_are_refused_with_what_to_do_and_nothing_is_recorded(capsys, value, says):
    with pytest.raises(SpecError, match=says) as refused:
        sovlab.record(first=1, x=value)
    assert "what is larger belongs in a file" in str(refused.value)
    assert capsys.readouterr().out == ""


def test_in_the_cell_of_a_job_they_come_back_with_its_outputs(client):
    from sovlab.client import Cell
    from sovlab.options.job import Options

    job = client.submit(Cell("import sovlab\nsovlab.record(loss=0.5)", {}), Options()).job
    job.wait(60)
    (bundle,) = job.outputs
    assert bundle["data"] == {MIME: {"version": 1, "values": {"loss": 0.5}}, "text/plain": "loss = 0.5"}


def test_what_travels_with_a_job_has_it(tmp_path):
    environ = {"PYTHONPATH": str(runner_zip(tmp_path)), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sovlab; sovlab.record(x=1); print(sovlab.__file__)"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("x = 1\n"), done.stderr
    assert ".pyz" in done.stdout


def test_a_kernel_finds_what_travels_only_where_sovlab_is_not_installed(tmp_path):
    archive = str(runner_zip(tmp_path))
    nowhere = [archive, str(tmp_path)]
    assert python_path(archive, {}, nowhere) == {"PYTHONPATH": archive}
    assert python_path(archive, {"PYTHONPATH": "/a"}, nowhere) == {"PYTHONPATH": f"/a{os.pathsep}{archive}"}
    assert python_path("", {}, nowhere) == {}
    (tmp_path / "sovlab").mkdir()
    (tmp_path / "sovlab" / "__init__.py").write_text("")
    assert python_path(archive, {}, nowhere) == {}
