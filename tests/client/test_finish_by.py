"""Jobs that are to end by some time, on this machine: real jobs, and forecasts of seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sovlab.card.bundle import MIME, render
from sovlab.client import Client
from sovlab.client.job import Job
from sovlab.client.sweeping.preparing import coded
from sovlab.core.job import JobState, Reason
from sovlab.core.spec import Deferral
from sovlab.errors import SpecError
from sovlab.executors.local.agent_client import AgentClient
from sovlab.options.job import Options, from_keywords
from sovlab.options.sweep import grid
from sovlab.payload.code import Call, Cell
from sovlab.payload.scripts import Script
from sovlab.settings import Settings, load
from sovlab.views.document import job_document
from sovlab.views.jobs import jobs_table
from tests.executors.conftest import local_harness
from tests.hostile import CARD, JOB
from tests.kube.proxy import until

SOON, LONG = 8.0, 120.0


@pytest.fixture
def site(client: Any, tmp_path: Path) -> Callable[..., Client]:
    """A client with a section ``[forecast]``, on the same jobs as all tests'."""

    def made(text: str) -> Client:
        (tmp_path / "config.toml").write_text(text)
        return Client(settings(tmp_path))

    return made


def settings(folder: Path) -> Settings:
    environ = {"SOVLAB_CONFIG_FILE": str(folder / "config.toml")}
    return load(folder, environ | {"SOVLAB_STATE_DIR": os.environ["SOVLAB_STATE_DIR"]})


def forecast(folder: Path, *values: float, step: float = SOON) -> str:
    """A file that says a forecast from now on, and the settings that name it."""
    begin = time.time() - 0.5
    lines = [f"{begin + n * step},{begin + (n + 1) * step},{value}" for n, value in enumerate(values)]
    (folder / "forecast.csv").write_text("\n".join(["start,end,value", *lines]))
    return "[forecast]\nfile = 'forecast.csv'\n"


def falling(folder: Path) -> str:
    """A forecast that is best in some seconds."""
    return forecast(folder, 340, 210, *[340] * 8)


def submit(client: Client, code: Any, **options: Any) -> tuple[Job, str]:
    found = client.submit(code, from_keywords(options))
    return found.job, " ".join(found.messages)


@pytest.fixture
def known(client: Any, tmp_path: Path) -> Cell:
    """A cell that has run before."""
    cell = Cell(f"y = 2  # {tmp_path}", {}, directory=tmp_path)
    assert client.submit(cell, Options(outputs=("y",))).job.wait(60).state is JobState.SUCCEEDED
    return cell


def test_it_waits_for_the_best_time_and_says_what_that_has_brought(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    client = site(falling(tmp_path))
    job, said = submit(client, known, finish_by="+60s", outputs=("y",))
    assert "for the lowest carbon intensity before " in said
    assert "210 instead of 340 gCO2e/kWh, 38 % less than at once (forecast)" in said
    assert said.endswith("as its last run.")
    for status in (job.last.status, job.status):
        assert (status.state, status.reason) == (JobState.PENDING, Reason.DEFERRED)
        assert status.message.startswith("waiting until ")
    record = job.record
    assert record.spec is not None
    assert record.spec.deferral is not None
    assert "waiting until" in jobs_table([record], time.time()).text()
    JOB.validate(job_document(record))
    bundle = render(record, b"", (), time.time())
    CARD.validate(bundle[MIME])
    assert "waiting until" in bundle["text/plain"].splitlines()[0]
    assert job.result("y", timeout=60) == 2
    ended = job.status
    assert ended.due is None
    assert ended.started is not None
    assert ended.started >= record.spec.deferral.start
    document = job_document(job.record)
    JOB.validate(document)
    told = document["deferral"]
    assert (told["ran"], told["at_once"], told["signal"]) == (210, 340, "carbon intensity")
    assert told["waited"] == pytest.approx(ended.started - record.spec.deferral.asked)
    bundle = render(job.record, b"", (), time.time())
    CARD.validate(bundle[MIME])
    words = "Finish by: Waited "
    line = next(line for line in bundle["text/plain"].splitlines() if line.startswith(words))
    assert "for carbon intensity: 210 instead of 340 gCO2e/kWh, 38 % less than at once" in line
    assert "38 % less than at once" in bundle["text/html"]


def test_the_signal_is_called_as_the_site_calls_it(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    text = (
        forecast(tmp_path, 1, 5, *[1] * 8) + "kind = 'headroom'\nname = 'free power of hall 2'\nunit = 'MW'\n"
    )
    job, said = submit(site(text), known, finish_by="+60s")
    assert "for the highest free power of hall 2 before " in said
    assert "5 instead of 1 MW, 400 % more than at once" in said
    job.cancel()


def test_a_price_is_in_the_currency_of_the_site(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    text = (
        forecast(tmp_path, 0.3, 0.1, *[0.3] * 8) + "kind = 'price'\n[site]\ncurrency = 'EUR'\ntariff = 0.3\n"
    )
    job, said = submit(site(text), known, finish_by="+60s")
    assert "0.1 instead of 0.3 EUR/kWh" in said
    job.cancel()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "the settings name no [forecast]"),
        ("new", "no earlier run of the same code tells how long it takes"),
        ("flat", "no later start before "),
        ("short", "the forecast ends at "),
        ("past", "says nothing of now"),
        ("missing", "cannot be read (No such file or directory)"),
        ("odd", "a\ufffdb cannot be read (No such file"),
        ("folder", "cannot be read (Is a directory)"),
        ("pipe", "cannot be used (it is not a file)"),
        ("device", "cannot be used (it is not a file)"),
        ("huge", "cannot be used (it is longer than 4 MiB)"),
        ("gap", "cannot be used (line 3: there is a gap before it)"),
        ("latin", "cannot be used (it is not UTF-8)"),
        ("lines", "cannot be used (line 1: it does not name the columns start and value)"),
        ("query", "cannot be used (the target names no Prometheus to ask)"),
    ],
)
def test_what_is_not_known_makes_it_start_at_once_and_say_so(
    site: Callable[..., Client], known: Cell, tmp_path: Path, name: str, why: str
) -> None:
    path, text = tmp_path / "forecast.csv", falling(tmp_path)
    if name == "none":
        text = ""
    elif name == "flat":
        text = forecast(tmp_path, *[340] * 8)
    elif name == "short":
        known = slow(site(text), tmp_path)
        text = forecast(tmp_path, 340, step=50.0)
    elif name == "past":
        path.write_text("start,end,value\n1000,2000,1\n")
    elif name == "new":
        known = Cell(f"z = 1  # {tmp_path}", {}, directory=tmp_path)
    elif name in ("missing", "folder", "pipe"):
        path.unlink()
        {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "missing": lambda: None}[name]()
    elif name == "device":
        text = "[forecast]\nfile = '/dev/zero'\n"
    elif name == "odd":
        text = '[forecast]\nfile = "a\\u001bb"\n'
    elif name == "huge":
        path.write_bytes(b"start,value\n" + b"1,1\n" * (2 << 20))
    elif name == "gap":
        path.write_text("start,end,value\n1,2,1\n3,4,1\n")
    elif name == "latin":
        path.write_bytes("start,value\n1,é\n".encode("latin-1"))
    elif name == "lines":
        path.write_bytes(b"\n" * (4 << 20))
    elif name == "query":
        text = "[forecast]\nquery = 'up'\nstep = '30m'\n"
    job, said = submit(site(text), known, finish_by="+90s")
    assert said.startswith("It starts at once: ")
    assert why in said
    assert job.wait(60).state is JobState.SUCCEEDED
    words = job_document(job.record)["deferral"]["words"]
    assert words.startswith("did not wait: ")
    assert why in words


def slow(client: Client, folder: Path) -> Cell:
    """A cell whose earlier run took a minute, by its record."""
    cell = Cell(f"1  # {folder} again", {}, directory=folder)
    job, _ = submit(client, cell)
    assert job.wait(60).state is JobState.SUCCEEDED
    path = client.settings.state / "jobs" / job.id / "exit.json"
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "started": record["ended"] - 60}))
    return cell


def test_a_deadline_that_is_too_near_makes_it_start_at_once(
    site: Callable[..., Client], tmp_path: Path
) -> None:
    client = site(falling(tmp_path))
    job, said = submit(site(falling(tmp_path)), slow(client, tmp_path), finish_by="+50s")
    assert "It starts at once: it is expected to run 1 min, as its last run, which ends after" in said
    assert job.wait(60).state is JobState.SUCCEEDED


@pytest.mark.parametrize("value", ["yesterday", "2020-01-01T08:00", "25:00", 3, True, [1], float("nan")])
def test_a_deadline_that_is_none_is_one_sentence_and_nothing_is_submitted(
    site: Callable[..., Client], known: Cell, tmp_path: Path, value: Any
) -> None:
    client = site(falling(tmp_path))
    before = len(client.jobs())
    with pytest.raises(SpecError) as caught:
        submit(client, known, finish_by=value)
    assert caught.value.hint
    assert len(client.jobs()) == before


def test_a_plan_says_when_it_would_start(site: Callable[..., Client], known: Cell, tmp_path: Path) -> None:
    client = site(falling(tmp_path))
    before = len(client.jobs())
    plan = client.plan(known, from_keywords({"finish_by": "+60s", "outputs": ("y",)}))
    assert any("for the lowest carbon intensity before" in message for message in plan.messages)
    assert len(client.jobs()) == before


def test_a_job_that_is_cancelled_while_it_is_held_back_never_runs(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    job, _ = submit(site(forecast(tmp_path, 340, 210, 340, step=LONG)), known, finish_by="+300s")
    assert job.status.reason is Reason.DEFERRED
    job.cancel()
    status = job.wait(60)
    assert (status.state, status.due) == (JobState.CANCELLED, None)
    assert status.message == "It was cancelled before it started."
    assert job_document(job.record)["deferral"]["words"] == ""


def test_a_rerun_starts_at_once(site: Callable[..., Client], known: Cell, tmp_path: Path) -> None:
    client = site(forecast(tmp_path, 340, 210, 340, step=LONG))
    job, _ = submit(client, known, finish_by="+300s", outputs=("y",))
    job.cancel()
    job.wait(60)
    again = job.rerun()
    assert again.result("y", timeout=60) == 2
    spec = again.last.spec
    assert spec is not None
    assert (spec.finish_by, spec.deferral) == (None, None)


def test_the_agent_starts_it_when_its_submitter_has_gone(known: Cell, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(falling(tmp_path))
    script = tmp_path / "train.py"
    script.write_text("print('ran')\n")
    environ = {**os.environ, "SOVLAB_CONFIG_FILE": str(tmp_path / "config.toml")}

    def sovlab(*words: str) -> str:
        command = [sys.executable, "-m", "sovlab", *words]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    sovlab("submit", "train.py", "--wait")
    (tmp_path / "config.toml").write_text(falling(tmp_path))
    said = sovlab("submit", "train.py", "--finish-by", "+60s", "--name", "later")
    assert "It starts at " in said
    client = Client(settings(tmp_path))
    job = client.job("later")
    ended = job._executor._store.jobs / job.id / "exit.json"  # type: ignore[attr-defined]
    until(ended.exists, 60)
    assert "38 % less than at once" in sovlab("wait", "later")


def test_it_goes_on_when_the_agent_is_killed_while_it_is_held_back(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    client = site(falling(tmp_path))
    job, _ = submit(client, known, finish_by="+60s", outputs=("y",))
    agent = client.executor()._agent  # type: ignore[attr-defined]
    assert isinstance(agent, AgentClient)
    os.kill(agent.wake(), signal.SIGKILL)
    until(lambda: not agent.running(), 30)
    assert job.status.reason is Reason.DEFERRED
    assert job.result("y", timeout=60) == 2


def test_a_list_starts_the_agent_again_that_went_with_the_machine(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    client = site(falling(tmp_path))
    job, _ = submit(client, known, finish_by="+60s")
    agent = client.executor()._agent  # type: ignore[attr-defined]
    os.kill(agent.wake(), signal.SIGKILL)
    until(lambda: not agent.running(), 30)
    assert job.id in [record.id for record in client.jobs()]
    assert agent.running()
    until((client.settings.state / "jobs" / job.id / "exit.json").exists, 60)


@pytest.fixture
def one_core() -> Iterator[Any]:
    yield from local_harness(cores=1)


def test_it_holds_no_slot_and_nobody_waits_behind_it(one_core: Any) -> None:
    now = time.time()
    spec, path = one_core.spec("y = 1")
    deferral = Deferral(asked=now, start=now + 3600)
    spec = replace(spec, finish_by=now + 7200, deferral=deferral)
    one_core.executor.submit("held-abcdef", spec, path, dict(os.environ))
    other = one_core.submit("import time\nprint('began', flush=True)\ntime.sleep(60)")
    one_core.until_printed(other, b"began")
    behind = one_core.submit("1")
    assert one_core.executor.record(behind).status.ahead == 0
    (cpu,) = [each for each in one_core.executor.capacity() if each.detection.backend == "cpu"]
    assert (cpu.free, cpu.queued) == (0, 1)
    one_core.executor.cancel(other)
    one_core.executor.wait(behind, 60)
    assert one_core.executor.record("held-abcdef").status.reason is Reason.DEFERRED
    one_core.executor.cancel("held-abcdef")
    assert one_core.executor.wait("held-abcdef", 60).status.state is JobState.CANCELLED


def test_a_sweep_has_no_deadline(site: Callable[..., Client], tmp_path: Path) -> None:
    client = site(falling(tmp_path))
    before = len(client.jobs())
    planned = coded(grid({"x": [1, 2]}), lambda values: Call(abs, (values["x"],)))
    with pytest.raises(SpecError, match="A sweep has no --finish-by"):
        client.sweep(planned, from_keywords({"finish_by": "+1h"}))
    over = coded(grid({"x": [1]}, {"finish_by": ["+1h", None]}), lambda values: Call(abs, (1,)))
    with pytest.raises(SpecError, match="A sweep has no --finish-by"):
        client.sweep(over, Options())
    assert len(client.jobs()) == before


def test_every_run_of_a_sweep_counts_as_an_earlier_run(client: Any, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"print({str(tmp_path)!r})\n")
    planned = coded(grid({}, {}, repeats=3), lambda values: Script(script))
    client.sweep(planned, Options()).wait()
    job = client.submit(Script(script), Options()).job
    found = job.earlier_runs()
    assert found is not None
    assert found.count == 3
    assert found.longest >= found.seconds
    job.wait(60)


def test_a_folder_that_somebody_cloned_chooses_no_forecast(
    site: Callable[..., Client], known: Cell, tmp_path: Path
) -> None:
    (tmp_path / "sovlab.toml").write_text("[forecast]\nfile = '/etc/passwd'\n")
    client = site("")
    assert client.settings.forecast is None
    (sentence,) = client.settings.ignored
    assert "sets forecast.file, which was left aside" in sentence
    _, said = submit(client, known, finish_by="+60s")
    assert "the settings name no [forecast]" in said


def test_a_submit_without_a_deadline_loads_nothing_of_this(client: Any, tmp_path: Path) -> None:
    code = (
        "import sys, sovlab\n"
        "from sovlab.client import default\n"
        "from sovlab.options.job import Options\n"
        "from sovlab.payload.code import Cell\n"
        "job = default().submit(Cell('1', {}), Options()).job\n"
        "job.wait(60)\n"
        "import json; print(json.dumps([name for name in sys.modules if 'deferral' in name]))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == []
