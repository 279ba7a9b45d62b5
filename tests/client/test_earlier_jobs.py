"""What earlier runs took, of real local jobs: on the handle and on the card, and nothing at the submit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.jupyter.live_cards import LiveCard
from sovlab.options.job import Options
from sovlab.payload.code import Call, Cell
from sovlab.payload.scripts import Script
from sovlab.settings import Site
from tests.executors.conftest import local, local_harness
from tests.kube.proxy import until


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.display_pub = CapturingDisplayPublisher(parent=made)
    yield made
    InteractiveShell.clear_instance()


def submit(client: Any, code: Any, **options: Any) -> Job:
    job: Job = client.submit(code, Options(**options)).job
    return job


def runs_before(client: Any, code: Any) -> int:
    """Submit it, and say how many runs it has had before; waits for its end."""
    job = submit(client, code)
    found = job.earlier_runs()
    assert job.wait(60).state is JobState.SUCCEEDED
    return found.count if found is not None else 0


def test_the_same_cell_again_knows_what_it_took(client: Any, tmp_path: Any) -> None:
    source = f"from pathlib import Path\nx = 1 + len(str(y))  # {tmp_path.name}"
    first = submit(client, Cell(source, {"y": 1}, label="In[1]", directory=tmp_path), name="first")
    assert first.earlier_runs() is None
    assert first.wait(60).state is JobState.SUCCEEDED
    # Other data, another name and number of the cell: the same code.
    again = submit(client, Cell(source, {"y": 22}, label="In[9]", directory=tmp_path), name="again")
    found = again.earlier_runs()
    assert found is not None
    assert (found.count, found.seconds) == (1, pytest.approx(first.status.ended - first.status.started))
    assert found.words.startswith("last run: ")
    assert again.wait(60).state is JobState.SUCCEEDED
    assert client.job(first.id).earlier_runs() is None  # of the first there was none, and there is none
    other = submit(client, Cell(source + "\n", {"y": 1}, directory=tmp_path), name="other")
    assert other.earlier_runs() is None
    other.wait(60)


def test_a_run_that_failed_tells_nothing(client: Any, tmp_path: Any) -> None:
    cell = Cell(f"1 / 0  # {tmp_path.name}", {}, directory=tmp_path)
    assert submit(client, cell).wait(60).state is JobState.FAILED
    again = submit(client, cell)
    assert again.earlier_runs() is None
    again.wait(60)


def test_functions_are_known_by_their_name_and_scripts_by_their_source(client: Any, tmp_path: Any) -> None:
    assert submit(client, Call(time.sleep, (0,))).wait(60).state is JobState.SUCCEEDED
    assert runs_before(client, Call(time.sleep, (0.01,))) == 1
    assert runs_before(client, Call(lambda: 1)) == 0
    assert runs_before(client, Call(lambda: 1)) == 0
    script = tmp_path / "train.py"
    script.write_text(f"print({tmp_path.name!r})\n")
    assert [runs_before(client, Script(script, ("--epochs", "1"))) for _ in range(2)] == [0, 1]
    assert runs_before(client, Script(script, ("--epochs", "9"))) == 0
    script.write_text("print()\n")
    assert runs_before(client, Script(script, ("--epochs", "1"))) == 0


def test_the_card_says_it_while_the_job_runs_and_no_longer(
    client: Any, tmp_path: Any, shell: InteractiveShell
) -> None:
    gate = tmp_path / "gate"
    source = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)"
    cell = Cell(source, {}, directory=tmp_path)
    gate.touch()
    assert submit(client, cell).wait(60).state is JobState.SUCCEEDED
    gate.unlink()
    card = LiveCard(submit(client, cell))
    card.show()

    def painted() -> list[str]:
        return [output["data"]["text/plain"] for output in shell.display_pub.outputs]

    until(lambda: any("\nlast run: " in text for text in painted()), 60)
    gate.touch()
    assert card.final.wait(60)
    assert "last run" not in painted()[-1]


def test_a_history_that_cannot_be_read_does_not_disturb_the_card(
    client: Any, tmp_path: Any, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def broken(self: Job) -> None:
        asked.append(self.id)
        raise OSError("the disk is gone")

    monkeypatch.setattr(Job, "earlier_runs", broken)
    gate = tmp_path / "gate"
    source = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)"
    card = LiveCard(submit(client, Cell(source, {}, directory=tmp_path)))
    card.show()
    until(lambda: asked, 60)
    gate.touch()
    assert card.final.wait(60)
    assert asked == [card.job.id]
    last = shell.display_pub.outputs[-1]["data"]["text/plain"]
    assert "succeeded" in last
    assert "disk" not in last


def test_a_submit_asks_for_no_history(client: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = client.executor()
    for name in ("own_records", "records"):
        monkeypatch.setattr(executor, name, lambda *_: pytest.fail("a submit asked for it"))
    assert submit(client, Cell("1", {}, directory=tmp_path)).wait(60).state is JobState.SUCCEEDED


def test_only_the_newest_jobs_are_looked_at_and_damage_hides_none() -> None:
    for harness in local_harness():
        ids = [harness.submit("1") for _ in range(3)]
        for job_id in ids:
            harness.executor.wait(job_id, 60)
        jobs = harness.objects.parent / "jobs"
        for age, job_id in enumerate(ids):
            os.utime(jobs / job_id, (age, age))
        assert [record.id for record in harness.executor.own_records(2)] == [ids[2], ids[1]]
        (jobs / ids[2] / "spec.json").write_text("{")
        os.utime(jobs / ids[2], (9, 9))
        # What has ended is read once; another process reads it anew.
        states = [record.status.state for record in local(jobs.parent).own_records(2)]
        assert states == [JobState.UNKNOWN, JobState.SUCCEEDED]


def test_the_handle_tells_the_footprint_of_a_site(client: Any, tmp_path: Any) -> None:
    job = submit(client, Cell("1", {}, directory=tmp_path))
    job.wait(60)
    assert job.energy.footprint is None
    job.site = Site(carbon_intensity=350)
    found = job.energy.footprint
    assert found is not None
    assert found.carbon is not None
    measured = job.energy.joules
    if measured is None:
        assert found.carbon.source == "unavailable"
        assert found.carbon.why
    else:
        assert found.carbon.value == pytest.approx(measured / 3.6e6 * 350)
