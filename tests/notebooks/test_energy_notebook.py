"""The notebook on energy as a batch, by papermill: on this machine as it is, and on one that has a meter."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MIME = "application/vnd.sovlab.job.v1+json"
# Training on a machine that is busy with other things takes several times as long.
pytestmark = pytest.mark.timeout(900)

# A site's own sensor: a node that draws 200 W, as an entry point brings it into jobs.
METER = """
import time
from sovlab.sensors.sensor import Device, Probe, Sample, Sensor

class Meter(Probe):
    def __init__(self):
        super().__init__(Device("rack-7", "node", "a node", scope="node"))
        self.energy_method, self.power_method = "the rack's meter", "the rack's meter"

    def read(self, thorough=True):
        return Sample(200.0, 200.0 * time.monotonic(), {"board": 51.0}, slowed={"heat": (0.0, time.monotonic())})

SENSOR = Sensor("rack", "the rack's meter", lambda machine: [Meter()])
"""


def execute(folder, epochs=2):
    out = folder / "energy.ipynb"
    papermill.execute_notebook(
        NOTEBOOKS / "energy.ipynb", out, {"epochs": epochs}, cwd=NOTEBOOKS, progress_bar=False
    )
    return nbformat.read(out, as_version=4)


def outputs_of(notebook, word):
    """Outputs of the first cell that has the word in it."""
    return next(cell.outputs for cell in notebook.cells if cell.cell_type == "code" and word in cell.source)


def text_of(notebook, word):
    return "".join(o.get("text", "") for o in outputs_of(notebook, word))


def lines_of_table(notebook):
    (shown,) = (o.data["text/markdown"] for o in outputs_of(notebook, "Markdown("))
    head, _, *lines = ([cell.strip() for cell in line.strip("| ").split("|")] for line in shown.splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_it_runs_whatever_the_machine_has(client, tmp_path):
    executed = execute(tmp_path)
    states = [
        o.data[MIME]["state"]
        for c in executed.cells
        for o in c.get("outputs", ())
        if MIME in o.get("data", {})
    ]
    assert states == ["succeeded", "succeeded"]
    lines = lines_of_table(executed)
    assert [line["job"] for line in lines] == ["small-batches", "large-batches"]
    for line in lines:
        # Where it is from stands beside each number, and what is not known is a dash.
        assert (line["per image"] == "—") == (line["energy"] == "—") == (line["source"] == "unavailable")
    if lines[0]["source"] == "unavailable":
        assert text_of(executed, 'print(f"{name}: {job.energy}")').count("<Energy — (") == 2
        assert "is not known here: " in text_of(executed, "Which took fewer joules")
        assert "There is no power of job small-batches to plot." in text_of(executed, ".plot()")


def test_on_a_machine_with_a_meter_its_joules_are_told(client, tmp_path, monkeypatch):
    site = tmp_path / "site"
    about = site / "sovlab_rack-1.dist-info"
    about.mkdir(parents=True)
    (site / "sovlab_rack.py").write_text(METER)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sovlab-rack\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[sovlab.sensors]\nrack = sovlab_rack:SENSOR\n")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    executed = execute(tmp_path)
    for line in lines_of_table(executed):
        assert line["energy"].endswith(" J"), line
        assert line["per image"].endswith(" J"), line
        assert line["source"] in ("counter", "sampled", "attributed")
    assert any("image/png" in o.get("data", {}) for o in outputs_of(executed, ".plot()"))
    assert " °C (" in text_of(executed, "heat.hottest")


def test_the_saved_one_names_no_machine_and_no_folder():
    saved = (NOTEBOOKS / "energy.ipynb").read_text()
    assert [
        word
        for word in ("/home/", "/root/", "/Users/", "/tmp/", "site-packages", "Traceback")
        if word in saved
    ] == []
