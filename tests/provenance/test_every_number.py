"""No output shows a number of energy, power or heat without where it is from, whatever the sensors tell.

Each state is left in a job's directory as the runner leaves it, and read by what people use.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sovlab.card.bundle import MIME, render
from sovlab.cli import main
from sovlab.client import Call
from sovlab.client.job import Job
from sovlab.client.measuring import history_of
from sovlab.client.sweeping import Run, Sweep
from sovlab.core.energy.earlier import earlier_runs
from sovlab.core.energy.nodes import together
from sovlab.core.job import JobState
from sovlab.errors import UsageError
from sovlab.options.job import Options
from sovlab.options.sweep import grid
from sovlab.runner.protocol import frames
from sovlab.runner.system import processes
from sovlab.settings import Site
from sovlab.views.document import energy_document, job_document
from sovlab.views.energy import energy_rows
from sovlab.views.power import power_table
from sovlab.views.sweep import sweep_document
from tests.hostile import CARD, JOB
from tests.provenance import checker
from tests.provenance.states import BEGUN, State, states

SITE = Site(carbon_intensity=350, pue=1.3, tariff=0.25, currency="EUR", embodied=10)
STATES = states()
BY_NAME = {state.name: state for state in STATES}


@pytest.fixture(scope="module")
def ran(client: Any) -> Path:
    """The directory of a job that has run."""
    job = client.submit(Call(abs, (-42,)), Options(name="template")).job
    assert job.result() == 42
    return Path(os.environ["SOVLAB_STATE_DIR"]) / "jobs" / job.id


@pytest.fixture
def left(ran: Path, client: Any) -> Iterator[Any]:
    """Leaves a state in the directory of a job of its own, which has ended or runs; its handle."""
    made: list[Path] = []

    def leave(state: State, *, runs: bool = False) -> Job:
        place = ran.parent / f"walked-{os.urandom(3).hex()}"
        shutil.copytree(ran, place)
        made.append(place)
        nonce = json.loads((place / "order.json").read_text())["nonce"]
        with (place / "log").open("ab") as log:
            for frame in state.frames:
                log.write(frames.encode(nonce, dict(frame)))
        spec = json.loads((place / "spec.json").read_text())
        spec["spec"].update(name="walked", backend=state.backend, code="c" * 64)
        spec["submitted"] = time.time()  # no other job is as new
        (place / "spec.json").write_text(json.dumps(spec))
        record = json.loads((place / "exit.json").read_text())
        (place / "exit.json").unlink()
        if runs:
            mine = processes.process(os.getpid())
            assert mine is not None
            running = {"pid": os.getpid(), "start": mine.start, "boot": processes.boot(), "sid": os.getsid(0)}
            (place / "run.json").write_text(json.dumps({**running, "started": BEGUN, "host": "node-1"}))
        else:
            energy = {"energy": dict(state.energy)} if state.energy is not None else {"energy": None}
            record.update(
                started=BEGUN, ended=BEGUN + 90, progress={"step": 4, "total": 4, "time": BEGUN + 9}
            )
            (place / "exit.json").write_text(json.dumps({**record, **energy}))
        return client.job(place.name)

    yield leave
    for place in made:
        shutil.rmtree(place)


def command(*words: str) -> str:
    """What the shell's command prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(words) == 0, err.getvalue()
    return out.getvalue() + err.getvalue()


def of_api(job: Job) -> list[str]:
    """What is wrong with the handle's numbers."""
    energy, thermal, curves = job.energy, job.thermal, job.power_history()
    faults = checker.in_row(repr(energy)) + checker.in_row(repr(curves))
    readings = [energy.reading, *energy.by_device.values(), *energy.by_rank.values()]
    readings += [group.energy for group in energy.groups]
    readings += [phase.energy for phase in energy.by_phase.values()]
    if energy.footprint is not None:
        made = ("it", "energy", "carbon", "per_step", "cost")
        readings += filter(None, (getattr(energy.footprint, name) for name in made))
    for reading in readings:
        if (reading.value is None) != (reading.source == "unavailable"):
            faults.append(f"{reading} has a value without a source, or none with one")
        if reading.value is None and not reading.why:
            faults.append(f"{reading} says not why")
        if reading.value == 0:
            faults.append(f"{reading} is 0")
    if (energy.joules is None) != (energy.source == "unavailable") or (energy.kwh == 0):
        faults.append(f"{energy!r} has no source")
    if (thermal.hottest is None) == (thermal.source == "sampled") and thermal.margin is None:
        faults.append(f"{thermal} has no source")
    if thermal.hottest is None and not thermal.why:
        faults.append("nobody says why no temperature is known")
    if set(curves) != set(curves.sources) or not set(curves.sources.values()) <= {"counter", "sampled"}:
        faults.append(f"{curves!r} has no sources")
    if not curves and not curves.why:
        faults.append("nobody says why there is no power")
    return faults + [
        f"{device} drew 0 W" for device, found in curves.items() if any(not p.watts for p in found)
    ]


def of_plot(job: Job) -> list[str]:
    """What is wrong with the picture: each curve says where it is from."""
    try:
        (axes,) = job.plot().axes
    except UsageError as error:
        return checker.in_text(f"{error.message} {error.hint}")
    labels = [line.get_label() for line in axes.lines]
    return [f"the curve {label!r} has no source" for label in labels if not checker.SOURCE.search(label)]


def bundle_of(job: Job, at: float = 30.0) -> dict[str, Any]:
    record = job.record
    earlier = earlier_runs(record, [replace(record, id="other", status=ended(record))])
    return render(record, b"", [], BEGUN + at, power=history_of(job), site=SITE, earlier=earlier, at_site="")


def ended(record: Any) -> Any:
    """The status of an earlier run that took what a counter said."""
    from sovlab.core import decoding
    from tests.hostile import RECORD

    known = decoding.exit_record(RECORD).energy
    energy = record.status.energy if record.status.energy is not None else known
    return replace(
        record.status, state=JobState.SUCCEEDED, started=BEGUN - 900, ended=BEGUN - 800, energy=energy
    )


def of_card(job: Job) -> list[str]:
    """What is wrong with the card in all its forms, and in a saved notebook."""
    bundle = bundle_of(job)
    CARD.validate(bundle[MIME])
    cell = nbformat.v4.new_code_cell("%%sovsubmit", outputs=[nbformat.v4.new_output("display_data", bundle)])
    text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
    (saved,) = nbformat.reads(text, as_version=4).cells[0].outputs
    faults = []
    for data in (bundle, saved["data"]):
        faults += checker.in_html(data["text/html"])
        faults += checker.in_text(data["text/plain"])
        faults += checker.in_json(data[MIME])
    return faults


def of_shell(job: Job) -> list[str]:
    """What is wrong with what the command prints."""
    faults = checker.in_text(command("jobs")) + checker.in_text(command("power", job.id))
    listed = json.loads(command("jobs", "--json"))
    for document in listed:
        JOB.validate(document)
    faults += checker.in_json([each for each in listed if each["id"] == job.id])
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(("power", job.id, "--json")) == 0
    return faults + checker.in_json(json.loads(out.getvalue()))


def of_sweep(job: Job, client: Any) -> list[str]:
    """What is wrong with the table of a sweep whose run the job is, and with its data."""
    (point,) = grid({"lr": [0.1]})
    run = Run(point)
    run.settle(job)
    sweep = Sweep("train", [run], client)
    table = sweep.table()
    faults = checker.in_table(table.columns, table.rows)
    return faults + checker.in_json(sweep_document("train", sweep.rows()))


@pytest.mark.parametrize("runs", [False, True], ids=["ended", "running"])
@pytest.mark.parametrize("name", BY_NAME)
def test_every_number_says_where_it_is_from(name: str, runs: bool, left: Any, client: Any) -> None:
    pytest.importorskip("matplotlib")
    state = BY_NAME[name]
    job = left(state, runs=runs)
    faults = of_api(job) + of_plot(job) + of_card(job) + of_shell(job) + of_sweep(job, client)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", [state.name for state in STATES if state.energy is not None])
def test_what_a_machine_draws_now_says_where_it_is_from(name: str, left: Any) -> None:
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    from sovlab.jupyter import tables

    report = left(BY_NAME[name]).record.status.energy
    assert report is not None
    table = power_table(report)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.display_pub = CapturingDisplayPublisher(parent=shell)
    try:
        tables.show_power(report)
        (shown,) = [output["data"] for output in shell.display_pub.outputs]
    finally:
        InteractiveShell.clear_instance()
    faults = checker.in_table(table.columns, table.rows) + checker.in_json(energy_document(report))
    without_limits = shown["text/html"].replace("700 W", "")
    assert not (faults + checker.in_html(without_limits)), "\n".join(faults)


def test_this_machine_says_where_its_numbers_are_from() -> None:
    assert not checker.in_json(json.loads(command("power", "--json")))


@pytest.mark.parametrize("other", [state.name for state in STATES if state.energy is not None])
def test_every_number_of_several_nodes_says_where_it_is_from(other: str, left: Any) -> None:
    reports = [left(BY_NAME[name]).record.status.energy for name in ("counter", other)]
    report = together(dict(enumerate(reports)), 3)
    job = left(BY_NAME["counter"])
    record = replace(job.record, status=replace(job.record.status, energy=report))
    bundle = render(record, b"", [], BEGUN, site=SITE)
    faults = checker.in_html(bundle["text/html"]) + checker.in_text(bundle["text/plain"])
    faults += checker.in_json(bundle[MIME]) + checker.in_json(job_document(record, SITE))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_known_is_shown_and_what_is_not_is_a_dash(name: str, left: Any) -> None:
    state = BY_NAME[name]
    job = left(state)
    bundle = bundle_of(job)
    found = [*checker.re.finditer(checker.NUMBER, bundle["text/plain"])]
    report = job.record.status.energy
    if state.known and report is not None:
        assert found, bundle["text/plain"]
    elif report is not None:
        rows = {label: text for label, text, _ in energy_rows(report)}
        assert rows["Energy"].startswith("—"), rows
    else:
        assert job.energy.joules is None
        assert job.energy.reading.why
        assert command("power", job.id).startswith("Energy: — (")


# --- the checker itself


@pytest.mark.parametrize(
    "bad",
    [
        "Energy: 44 Wh, mean 300 W",
        "802 W · 79 °C · 27 Wh · NVIDIA H100",
        "Hottest: 71 °C on GPU 0",
        "Energy: 0 J (counted, NVML)",
        "Energy: 0.0 Wh (sampled)",
        "Budget: 0.139 kWh of 166.7 Wh, 83% (counted)",
        "It used 2.03 kWh of energy, and --energy-budget allows 2 kWh.",
    ],
)
def test_a_bad_line_is_found(bad: str) -> None:
    assert checker.in_text(f"fine\n{bad}\n")
    assert checker.in_html(f"<div><div>counted</div><div><b>x</b>{bad}</div></div>")


@pytest.mark.parametrize(
    "bad",
    [
        {"value": 5.0, "unit": "J", "source": "unavailable", "method": "m", "why": ""},
        {"value": 0, "unit": "W", "source": "counter", "method": "m", "why": ""},
        {"value": 5.0, "unit": "J", "source": "counter", "method": "", "why": ""},
        {"value": None, "unit": "J", "source": "counter", "method": "", "why": "no"},
        {"value": None, "unit": "J", "source": "unavailable", "method": "", "why": ""},
        {"mean": 300.0, "sources": {}},
        {"mean": 300.0},
        {"joules": 0, "source": "counter"},
        {"joules": 5, "source": "unavailable"},
        {"hottest": {"gpu": 61.0}},
        {"hottest": {"gpu": 61.0}, "sources": {}},
        {"words": "last run: 4 min, 9.0 Wh"},
    ],
)
def test_a_bad_object_is_found(bad: dict[str, Any]) -> None:
    assert checker.in_json({"a": [bad]})


def test_a_planted_number_is_found_in_each_output(left: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a source's word left out of the product's words, each output would be found out."""
    from sovlab.core.energy import report

    monkeypatch.setitem(report.SOURCE_WORDS, "counter", "")
    monkeypatch.setitem(report.SOURCE_WORDS, "sampled", "")
    counted, runs = left(BY_NAME["counter only"]), left(BY_NAME["sampled"], runs=True)
    table = power_table(counted.record.status.energy)
    assert checker.in_row(repr(counted.energy))
    assert checker.in_text(bundle_of(counted)["text/plain"])
    assert checker.in_html(bundle_of(counted)["text/html"])
    assert checker.in_text(bundle_of(runs)["text/plain"])
    assert checker.in_html(bundle_of(runs)["text/html"])
    assert of_plot(counted)
    assert checker.in_table(table.columns, ((*table.rows[0][:-1], ""),))
    assert not checker.in_text("Energy: 44 Wh (counted)")
