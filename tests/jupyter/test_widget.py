"""A job's widget: its comm's traffic, what it does when it is asked, and what it shows where."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comm
import pytest

import sovlab
from sovlab.card.bundle import MIME
from sovlab.client import Cell, Client
from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.errors import UsageError
from sovlab.jupyter import showing, widget
from sovlab.options.job import Options

BUILT = (Path(widget.__file__).parent / "front/widget.js").exists()
pytestmark = pytest.mark.skipif(not BUILT, reason="The front end is not built here; `make lab` does it.")


class Wire(comm.base_comm.BaseComm):
    """The kernel's end of a comm, which keeps what it is given to send."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.news = threading.Condition()
        super().__init__(*args, **keywords)

    def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
        with self.news:
            self.sent.append({"type": msg_type, **(data or {})})
            self.news.notify_all()

    def wait(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self.news:
            assert self.news.wait_for(lambda: any(map(fits, self.sent)), 60), self.sent
            return next(filter(fits, self.sent))

    def ask(self, number: int, what: str) -> dict[str, Any]:
        content = {"type": "ask", "id": number, "what": what}
        data = {"method": "custom", "content": content}
        self.handle_msg({"content": {"data": data}, "buffers": []})
        return self.wait(lambda sent: sent.get("content", {}).get("id") == number)["content"]


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    made: list[Wire] = []

    def create(*args: Any, **keywords: Any) -> Wire:
        wire = Wire(*args, **keywords)
        if "card" in keywords["data"]["state"]:  # the others are of ipywidgets' own layouts
            made.append(wire)
        return wire

    monkeypatch.setattr(comm, "create_comm", create)
    return made


@pytest.fixture
def gated(client: Client, tmp_path: Path) -> Iterator[Callable[[], tuple[Job, Path]]]:
    """Submits a job that runs until a file is there."""
    gates: list[Path] = []

    def submit() -> tuple[Job, Path]:
        gate = tmp_path / f"gate-{len(gates)}"
        gates.append(gate)
        source = (
            f"import os, time\nprint('it runs')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
        )
        cell = Cell(source, {}, directory=tmp_path)
        return client.submit(cell, Options(backend="cpu", name="widget")).job, gate

    yield submit
    for gate in gates:
        gate.touch()


def cards(wire: Wire) -> list[dict[str, Any]]:
    return [sent["state"]["card"] for sent in wire.sent if "card" in sent.get("state", {})]


def test_the_model_follows_the_job_and_carries_its_own_front_end(gated, wires):
    job, gate = gated()
    job.widget()
    (wire,) = wires
    opened = wire.sent[0]
    assert opened["type"] == "comm_open"
    state = opened["state"]
    assert state["_model_module"] == "anywidget"
    assert "render" in state["_esm"]
    assert "http" not in state["_esm"].replace("http://www.w3.org/", "").replace("^https?:", "")
    assert ".jp-Sovlab-card" in state["_css"]
    assert state["card"]["id"] == job.id
    wire.wait(lambda sent: any("it runs" in line["text"] for line in _lines(sent)))
    assert not any(sent["state"].get("html") for sent in wire.sent if "state" in sent)
    gate.touch()
    last = wire.wait(lambda sent: sent.get("state", {}).get("card", {}).get("state") == "succeeded")
    assert job.wait().state is JobState.SUCCEEDED
    assert last["method"] == "update"
    # What the job displayed is in the HTML, which therefore comes once.
    wire.wait(lambda sent: "succeeded" in sent.get("state", {}).get("html", ""))
    assert cards(wire)[-1]["ended"] is not None


def _lines(sent: dict[str, Any]) -> list[dict[str, Any]]:
    return sent.get("state", {}).get("card", {}).get("log", {}).get("lines", [])


def test_a_card_of_which_only_the_clock_has_changed_is_not_sent(gated, wires):
    job, _ = gated()
    made = job.widget()
    (wire,) = wires
    wire.wait(lambda sent: any("it runs" in line["text"] for line in _lines(sent)))
    card = dict(made.card)
    made._card_sent = time.monotonic()
    count = len(wire.sent)
    bundle = {MIME: {**card, "updated": card["updated"] + 1, "headline": "running 99 s"}, "text/html": ""}
    made._live.stop()  # nobody else sends now
    made._take(bundle)
    assert len([each for each in cards(wire)[count:] if each["headline"] == "running 99 s"]) == 0
    made._card_sent -= widget._SILENCE
    made._take(bundle)
    assert cards(wire)[-1]["headline"] == "running 99 s"


def test_cancel_rerun_and_remove_are_asked_by_messages(gated, wires):
    job, _ = gated()
    job.widget()
    (wire,) = wires
    wire.wait(lambda sent: sent.get("state", {}).get("card", {}).get("state") == "running")
    refused = wire.ask(1, "remove")
    assert "problem" in refused
    assert "answer" not in refused
    assert wire.ask(2, "cancel")["answer"]["id"] == job.id
    wire.wait(lambda sent: sent.get("state", {}).get("card", {}).get("state") == "cancelled")
    again = wire.ask(3, "rerun")["answer"]["job"]
    assert again["id"] != job.id
    assert again["name"] == job.name
    found = sovlab.job(again["id"])
    found.cancel()
    found.wait(60)
    assert wire.ask(4, "remove")["answer"] is None
    with pytest.raises(sovlab.SovlabError):
        sovlab.job(job.id)


@pytest.mark.parametrize(
    "content", ["cancel", None, {"type": "ask", "id": 1}, {"type": "ask", "what": "_repr"}]
)
def test_what_it_does_not_know_it_does_not_do(gated, wires, content):
    job, _ = gated()
    made = job.widget()
    made._hear(made, content, [])
    assert not job.state.ended
    answers = [sent["content"] for sent in wires[0].sent if sent.get("method") == "custom"]
    assert all(answer["problem"] == "It cannot be asked for that." for answer in answers)


def test_a_widget_that_is_closed_follows_the_job_no_more(gated, wires):
    job, gate = gated()
    made = job.widget()
    made.close()
    assert made._live.final.wait(60)
    count = len(wires[0].sent)
    gate.touch()
    job.wait()
    assert len(wires[0].sent) == count


def test_the_bundle_of_a_job_is_its_card(gated):
    job, gate = gated()
    gate.touch()
    job.wait()
    bundle = job._repr_mimebundle_()
    assert list(bundle) == [MIME, "text/html", "text/plain"]
    assert bundle[MIME]["state"] == "succeeded"
    assert "it runs" in bundle["text/plain"]
    assert job._repr_html_() == bundle["text/html"]
    assert list(job._repr_mimebundle_(include=["text/plain"])) == ["text/plain"]
    assert MIME not in job._repr_mimebundle_(exclude=[MIME])


def test_without_anywidget_the_card_is_html_and_the_error_says_what_to_install(gated, monkeypatch):
    job, gate = gated()
    gate.touch()
    job.wait()
    monkeypatch.setattr(showing, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"sovlab\[widget\]"):
        job.widget()
    assert "succeeded" in job._display_()._repr_html_()


def test_importing_sovlab_and_submitting_loads_no_widget():
    import subprocess

    code = (
        "import sovlab, sys; sovlab.job; assert not {'anywidget', 'ipywidgets', 'traitlets'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
