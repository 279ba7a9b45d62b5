"""Libraries that draw with widgets and scripts in a notebook, and what of it a job shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sovlab.card.outputs import render_output
from sovlab.card.terminal import TerminalTail
from tests.runner.conftest import RunningJob

pytest.importorskip("tqdm")
SHAPE = "bar_format='{desc} {n}/{total}', mininterval=0"
NESTED = f"""
for i in tqdm(range(3), desc="outer", {SHAPE}):
    for k in tqdm(range(2), desc="inner", leave=False, {SHAPE}):
        pass
bar = tqdm(total=5, desc="by hand", {SHAPE})
bar.update(2)
bar.set_description("named")
bar.update()
bar.close()
for word in trange(2, {SHAPE}):
    tqdm.write("a line")
"""


@pytest.mark.parametrize("module", ["notebook", "auto", "autonotebook"])
def test_bars_of_a_notebook_are_written_as_those_of_a_terminal(job: RunningJob, module: str) -> None:
    plain = subprocess.run(
        [sys.executable, "-c", f"from tqdm import tqdm, trange\n{NESTED}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=True,
    )
    job.run(f"from tqdm.{module} import tqdm, trange\n{NESTED}")
    assert job.output == plain.stdout
    assert job.outputs == []
    tail = TerminalTail()
    tail.feed(job.output)
    assert [line.text for line in tail.lines()][:2] == ["outer 3/3", "named:  3/5"]


def test_a_bar_is_seen_while_it_moves(job: RunningJob, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job.write(
        f"""
        import os, time
        from tqdm.notebook import tqdm
        for i in tqdm(range(4), {SHAPE}):
            while i == 2 and not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
        """
    )
    job.start()
    job.until("2/4")
    tail = TerminalTail()
    tail.feed(job.log.encode())
    assert tail.lines()[-1].text.strip() == "2/4"
    gate.touch()
    assert job.wait() == 0


def test_what_only_a_widget_has_is_taken_as_well(job: RunningJob) -> None:
    job.run(
        f"""
        import pickle
        from tqdm.notebook import tqdm, tqdm_notebook
        bar = tqdm(total=2, ncols="100%", display=False, {SHAPE})
        bar.update(2)
        bar.close()
        assert pickle.loads(pickle.dumps(tqdm)) is tqdm is tqdm_notebook
        bar.container is bar
        """
    )
    assert b"2/2" in job.output
    assert job.outputs[-1]["data"]["text/plain"] == "True"


def test_a_widget_is_said_to_need_more_than_a_card_has(job: RunningJob) -> None:
    pytest.importorskip("ipywidgets")
    job.run("import ipywidgets\nipywidgets.IntSlider(3)")
    shown, left_out = render_output(job.outputs[0], "")
    assert "IntSlider(value=3)" in shown
    assert left_out


@pytest.mark.parametrize("last", ["fig.show()", "fig", "display(fig)"])
def test_a_plotly_figure_is_displayed_or_says_what_it_needs(job: RunningJob, last: str) -> None:
    pytest.importorskip("plotly")
    record = job.run(f"import plotly.graph_objects as go\nfig = go.Figure(go.Scatter(y=[1, 2, 3]))\n{last}")
    assert record["error"] is None, record
    (bundle,) = job.outputs
    assert bundle["data"]["application/vnd.plotly.v1+json"]["data"][0]["y"] == [1, 2, 3]
    shown, left_out = render_output(bundle, "")
    assert left_out
    assert "<img" in shown or "needs kaleido" in shown or "With kaleido" in shown
    assert job.output == b""


def test_a_renderer_of_plotly_that_was_asked_for_is_used(job: RunningJob) -> None:
    pytest.importorskip("plotly")
    source = "import plotly.io, sys\nprint(plotly.io.renderers.default)"
    job.run(source, environ={**os.environ, "PLOTLY_RENDERER": "json"})
    assert job.output == b"json\n"
