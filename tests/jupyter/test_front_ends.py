"""The README's table of front ends: each row is tested here, or names the test in a browser that does it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sovlab.card.bundle import MIME
from sovlab.client import Cell, Client
from sovlab.client.job import Job
from sovlab.jupyter import showing, widget
from sovlab.options.job import Options

ROOT = Path(__file__).parents[2]
BUILT = (Path(widget.__file__).parent / "front/widget.js").exists()
VIEW = "application/vnd.jupyter.widget-view+json"


def rows() -> dict[str, tuple[str, str]]:
    """What the table says: by front end, what is shown and how that was tested."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.search(r"\| Front end \|.*\n\|[-|]+\n((?:\|.*\n)+)", text)
    assert table is not None
    found = [[part.strip() for part in line.strip("|\n").split("|")] for line in table[1].splitlines()]
    return {name: (shown, tested) for name, shown, tested in found}


@pytest.fixture
def ended(client: Client, tmp_path: Path) -> Job:
    source = "print('what it said')\nclass Bold:\n    def _repr_html_(self): return '<b>shown</b>'\nBold()"
    job = client.submit(Cell(source, {}, directory=tmp_path), Options(backend="cpu", name="table")).job
    job.wait()
    return job


def in_notebook(data: dict[str, Any]) -> dict[str, Any]:
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cell = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": "job"}
    return {"cells": [{**cell, "outputs": [output]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def jupyterlab(job: Job, tmp_path: Path) -> None:
    bundle = job._repr_mimebundle_()
    assert bundle[MIME]["id"] == job.id
    assert VIEW not in bundle  # it would be shown in place of the HTML by whoever knows no card


def as_html(job: Job, tmp_path: Path) -> None:
    """Of the types in the bundle these know HTML, and their widget managers know anywidget's models."""
    html = job._repr_mimebundle_()["text/html"]
    assert "what it said" in html
    assert "<b>shown</b>" in html
    assert not re.search(r"<script|<style|<link|<iframe|\son\w+=", html)
    made = job.widget()
    data, _ = made._repr_mimebundle_()
    assert data[VIEW]["model_id"] == made.model_id
    assert (made._model_module, made._view_name) == ("anywidget", "AnyView")
    made.close()


def marimo(job: Job, tmp_path: Path) -> None:
    """Its own runtime, in a process of its own, as it saves a page."""
    shown = {}
    for without in (False, True):
        hidden = (
            "    import sovlab.jupyter.showing as s; s.find_spec = lambda name: None\n" if without else ""
        )
        source = f"import marimo\napp = marimo.App()\n@app.cell\ndef _():\n    import sovlab\n{hidden}"
        file, page = tmp_path / "nb.py", tmp_path / "page.html"
        file.write_text(f"{source}    sovlab.job({job.id!r})\n")
        command = [sys.executable, "-m", "marimo", "export", "html", str(file), "-o", str(page), "-f"]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        shown[without] = page.read_text(encoding="utf-8")
    assert "marimo-anywidget" in shown[False]
    assert "marimo-anywidget" not in shown[True]
    assert "what it said" in shown[True]


def ipython(job: Job, tmp_path: Path) -> None:
    code = f"import sovlab; sovlab.job({job.id!r})"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "-c", code]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "table: succeeded in" in done.stdout
    assert "what it said" in done.stdout
    assert "<div" not in done.stdout


def nbconvert(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "saved.ipynb"
    file.write_text(json.dumps(in_notebook(job._repr_mimebundle_())))
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    html = file.with_suffix(".html").read_text(encoding="utf-8")
    assert "what it said" in html
    assert "<b>shown</b>" in html


CHECKS: dict[str, Callable[[Job, Path], None]] = {
    "JupyterLab 4.6": jupyterlab,
    "JupyterLab 4.4": jupyterlab,
    "Notebook 7": jupyterlab,
    "marimo": marimo,
    "VS Code": as_html,
    "Colab": as_html,
    "IPython in a terminal": ipython,
    "nbconvert, GitHub, nbviewer": nbconvert,
}


def test_the_table_has_a_test_for_each_row():
    assert set(rows()) == set(CHECKS)


@pytest.mark.skipif(not BUILT, reason="The front end is not built here; `make lab` does it.")
@pytest.mark.parametrize("name", CHECKS)
def test_a_job_is_shown_as_the_table_says(name: str, ended: Job, tmp_path: Path) -> None:
    CHECKS[name](ended, tmp_path)


def test_what_the_table_calls_tested_in_a_browser_is():
    titles = " ".join(path.read_text() for path in (ROOT / "extension/ui-tests/tests").glob("*.spec.ts"))
    names = {
        "JupyterLab 4.6": "JupyterLab",
        "JupyterLab 4.4": "from a cell to its card",  # by make browser-lowest
        "Notebook 7": "Notebook 7 shows",
        "marimo": "marimo shows",
    }
    in_browser = {name for name, (_, tested) in rows().items() if tested.startswith("in a browser")}
    assert in_browser == set(names)
    for words in names.values():
        assert words in titles


def test_what_is_shown_without_being_asked_needs_no_widget(ended, monkeypatch):
    monkeypatch.setattr(showing, "find_spec", lambda name: None)
    assert list(ended._repr_mimebundle_()) == [MIME, "text/html", "text/plain"]
