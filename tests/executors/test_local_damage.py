"""Jobs of this machine whose files say what no runner writes: each is by itself, and hides no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core import decoding
from sovlab.core.event import LogChunk, ProgressChanged, StatusChanged
from sovlab.core.job import JobState, Progress
from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.executors.local import LocalExecutor
from sovlab.executors.local.store import JobDirectory
from sovlab.runner.system import processes
from tests import hostile
from tests.hostile import NOW, RECORD

NONCE = "00ff00ff00ff00ff"


class Shelf:
    """Directories of jobs, written by hand."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.executor = LocalExecutor(state)
        self._jobs = state / "jobs"
        self.whole = self.add(exit_json=json.dumps({**RECORD, "reason": "succeeded"}).encode())

    def add(self, *, exit_json: bytes | None = None, log: bytes = b"", **files: bytes) -> str:
        job_id = new_job_id("shelf")
        place = self._jobs / job_id
        place.mkdir()
        spec = JobSpec(name="shelf", kind=PayloadKind.CELL, payload="0" * 64)
        accepted = {"version": 1, "submitted": NOW - 90, "spec": spec}
        (place / "spec.json").write_bytes(msgspec.json.encode(accepted))
        (place / "order.json").write_text(json.dumps({"nonce": NONCE}))
        (place / "log").write_bytes(log)
        if exit_json is not None:
            (place / "exit.json").write_bytes(exit_json)
        for name, data in files.items():
            (place / f"{name}.json").write_bytes(data)
        return job_id

    def running(self, *, log: bytes, **changes: Any) -> str:
        """A job whose supervisor is this process."""
        me = processes.process(os.getpid())
        assert me is not None
        about = {"pid": os.getpid(), "start": me.start, "boot": processes.boot(), "sid": 1, "started": NOW}
        return self.add(log=log, run=json.dumps({**about, **changes}).encode())


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with tempfile.TemporaryDirectory(prefix="sov-") as directory:
        yield Shelf(Path(directory))


def check(shelf: Shelf, job_id: str) -> JobState:
    """The job can be asked for and listed with the one that is whole; its state."""
    shelf.executor._ended.clear()
    listed = {record.id: record for record in shelf.executor.records()}
    assert listed[shelf.whole].status.state is JobState.SUCCEEDED
    assert shelf.executor.record(job_id) == listed[job_id]
    hostile.assert_can_be_shown(listed[job_id], listed[shelf.whole])
    *_, last = shelf.executor.events(job_id, follow=False)
    assert isinstance(last, StatusChanged)
    state = listed[job_id].status.state
    if state is JobState.UNKNOWN:
        hostile.assert_unreadable(listed[job_id])
    assert state.ended == (shelf.executor.wait(job_id, 1).status.state is not JobState.UNKNOWN)
    return state


once = hostile.examples(60)


@given(hostile.records)
@once
def test_a_record_with_anything_in_any_place_is_shown_or_unknown(
    shelf: Shelf, record: dict[str, Any]
) -> None:
    job_id = shelf.add(exit_json=json.dumps(record).encode())
    check(shelf, job_id)
    shelf.executor.delete(job_id)


@given(hostile.garbage)
@once
def test_what_is_no_record_makes_the_job_unknown(shelf: Shelf, data: bytes) -> None:
    job_id = shelf.add(exit_json=data)
    assert check(shelf, job_id) is JobState.UNKNOWN
    shelf.executor.delete(job_id)


@pytest.mark.parametrize("name", ["spec", "run"])
@pytest.mark.parametrize(
    "data",
    [
        *(b"[" * 200_000, b'{"a":' * 100_000, b"\xff", b"", b"{}"),
        *(b'{"version": 1, "submitted": 1e300, "spec": {"name": "x", "kind": "cell", "payload": ""}}',),
        *(b'{"version": 1, "submitted": 1, "spec": {"name": "", "kind": "cell", "payload": ""}}',),
        *(b'{"pid": 1, "start": "1", "boot": "x", "sid": 1, "started": 1e300}',),
        *(b'{"pid": 1, "start": "1", "boot": "x", "sid": 1, "started": -1}',),
    ],
)
def test_other_files_of_a_job_are_checked_too(shelf: Shelf, name: str, data: bytes) -> None:
    assert check(shelf, shelf.add(**{name: data})) is JobState.UNKNOWN


DEFERRED: dict[str, Any] = {
    "name": "shelf",
    "kind": "cell",
    "payload": "0" * 64,
    "finish_by": NOW + 7200,
    "deferral": {
        "asked": NOW - 90,
        "start": NOW - 60,
        "duration": 55.0,
        "signal": "carbon intensity",
        "unit": "gCO2e/kWh",
        "most": False,
        "times": [NOW - 90, NOW - 60, NOW + 3600],
        "values": [340.0, 210.0],
        "why": "",
    },
}
"""A request that was held back."""


@given(hostile.changed(DEFERRED))
@once
def test_a_deferral_with_anything_in_any_place_is_shown_or_unknown(
    shelf: Shelf, spec: dict[str, Any]
) -> None:
    accepted = json.dumps({"version": 1, "submitted": NOW - 90, "spec": spec}).encode()
    whole = json.dumps({**RECORD, "reason": "succeeded"}).encode()
    job_id = shelf.add(exit_json=whole, spec=accepted)
    check(shelf, job_id)
    shelf.executor.delete(job_id)
    waits = shelf.add(spec=accepted)
    hostile.assert_can_be_shown(shelf.executor.record(waits))
    (shelf.state / "jobs" / waits / "exit.json").write_bytes(whole)
    shelf.executor.delete(waits)


def test_a_job_whose_files_are_damaged_can_be_cancelled_and_deleted(shelf: Shelf) -> None:
    job_id = shelf.add(run=b"[" * 200_000)
    shelf.executor.cancel(job_id)
    shelf.executor.delete(job_id)
    assert [record.id for record in shelf.executor.records()] == [shelf.whole]
    shelf.executor.stop_agent()


def test_a_shell_sees_the_others_and_what_is_wrong_with_one(shelf: Shelf) -> None:
    bad = [shelf.add(exit_json=data) for data in (b"[" * 200_000, b'{"reason": "lost", "ended": 1e400}')]
    bad.append(shelf.add(spec=b'{"version": 1, "submitted": 1, "spec": {"name": "", "kind": "cell"}}'))

    def sovlab(*args: str) -> str:
        env = {**os.environ, "SOVLAB_STATE_DIR": str(shelf.state)}
        command = [sys.executable, "-m", "sovlab", *args]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout

    listed = {document["id"]: document for document in hostile.strict(sovlab("jobs", "--json"))}
    assert listed[shelf.whole]["state"] == "succeeded"
    for job_id in bad:
        hostile.JOB.validate(listed[job_id])
        assert (listed[job_id]["state"], listed[job_id]["reason"]) == ("unknown", "unreadable")
    table = sovlab("jobs")
    assert all(job_id in table for job_id in listed)
    assert table.count("unknown") == len(bad)


def framed(frame: bytes) -> bytes:
    return b"\x1esovlab:%b %b\n" % (NONCE.encode(), frame)


@given(st.lists(hostile.frames.map(lambda frame: json.dumps(frame).encode()), min_size=1, max_size=4))
@once
def test_frames_with_anything_in_any_place_end_no_reading(shelf: Shelf, frames: list[bytes]) -> None:
    log = b"first\n" + b"".join(framed(frame) + b"more\n" for frame in frames)
    job_id = shelf.add(exit_json=json.dumps(RECORD).encode(), log=log)
    events = list(shelf.executor.events(job_id))
    assert isinstance(events[-1], StatusChanged)
    printed = b"".join(e.data for e in events if isinstance(e, LogChunk))
    assert printed.startswith(b"first\n")
    assert printed.count(b"more\n") == len(frames)
    hostile.assert_can_be_shown(
        shelf.executor.record(job_id),
        history=tuple(e.progress for e in events if isinstance(e, ProgressChanged)),
    )
    for event in events[:-1]:
        if isinstance(event, LogChunk):
            list(shelf.executor.events(job_id, offset=event.offset))
    shelf.executor.delete(job_id)


BAD = [b'{"t":"progress","step":[1]}', b'{"t":"progress","step":NaN}', b'{"t":"progress","step":1e999}', b"["]


def test_the_last_progress_of_a_running_job_is_the_last_that_is_one(shelf: Shelf) -> None:
    good = framed(b'{"t":"progress","step":2,"total":4,"metrics":{},"time":1.5}')
    log = good + b"".join(framed(frame) for frame in BAD) + framed(b'{"t":"rank","rank":0}') + b"printed\n"
    job_id = shelf.running(log=log)
    status = shelf.executor.record(job_id).status
    assert status.state is JobState.RUNNING
    assert status.progress == Progress(step=2, total=4, time=1.5)
    assert shelf.executor.record(shelf.running(log=b"".join(map(framed, BAD)))).status.progress is None


def test_a_frame_that_is_nested_deeply_is_output(shelf: Shelf) -> None:
    bomb = framed(b"[" * 50_000)
    job_id = shelf.add(exit_json=json.dumps(RECORD).encode(), log=b"a\n" + bomb + b"b\n")
    printed = b"".join(e.data for e in shelf.executor.events(job_id) if isinstance(e, LogChunk))
    assert printed == b"a\n" + bomb + b"b\n"


def test_the_name_of_a_machine_is_bounded(shelf: Shelf) -> None:
    job_id = shelf.running(log=b"", host="h" * 1_000_000)
    assert len(shelf.executor.record(job_id).status.host) < 400


@given(st.one_of(hostile.records.map(lambda values: json.dumps(values).encode()), hostile.garbage))
@hostile.examples(300)
def test_a_record_that_is_parsed_fast_is_read_and_refused_as_at_the_door(tmp_path, data: bytes) -> None:
    def told(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except decoding.DamagedRecord as error:
            return str(error)

    job = JobDirectory(tmp_path, "shelf-000000")
    job.path.mkdir(exist_ok=True)
    (job / "exit.json").write_bytes(data)
    assert told(job.ended) == told(lambda: decoding.exit_record(data))
