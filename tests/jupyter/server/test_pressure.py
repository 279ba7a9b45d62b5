"""Pages that are slower than what they are told of: the server stays as it is, and nothing is lost unsaid."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil

from sovlab.client import Cell, Client
from sovlab.core.job import JobRecord, JobsSeen
from sovlab.errors import ExecutorError
from sovlab.jupyter.server.stream.watches import Revisions, TargetWatch
from sovlab.options.job import from_keywords

LINES, WIDTH = 400_000, 150
"""Some 60 MB of log."""
LOUD = f"""
line = 'x' * {WIDTH - 9}
for begin in range(0, {LINES}, 4000):
    print(''.join(f'{{n:08}}{{line}}\\n' for n in range(begin, begin + 4000)), end='')
"""


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


async def test_a_page_that_does_not_read_costs_nothing_and_can_have_all_of_it(
    page, submit, ended, api, services
):
    quiet = await page()
    job_id = await submit(LOUD, name="loud")
    before = resident()
    await quiet.say(type="follow", job=job_id)  # and then reads nothing for long
    other = await page()
    await other.say(type="follow", job=job_id, have={})
    end = await other.until(type="job", ended=True)
    assert end["job"]["state"] == "succeeded"
    grown = resident() - before - sum(len(str(message)) for message in other.told)
    assert grown < 40 << 20, f"the server has grown by {grown >> 20} MB"
    await quiet.until(type="job", ended=True)
    size, have, missing = LINES * WIDTH, 0, []
    for message in quiet.told:
        if message["type"] == "gap":
            assert message["start"] == have
            assert message["why"] == "skipped"
            missing.append((message["start"], message["end"]))
            have = message["end"]
        for piece in message.get("pieces", ()):
            assert piece["start"] == have
            have += piece["bytes"]
    assert have == size
    assert missing, "a page that slow cannot have had all of it"
    begin, end = missing[-1]
    # A part late in the log is not read from the log's begin.
    assert services.marks.at(("local", job_id), None, size - 1).before(None) > size - (4 << 20)
    found = ""
    while begin + len(found) < end:
        part = (
            await api("GET", "jobs", job_id, "log", params={"offset": begin + len(found), "limit": 1 << 20})
        ).body
        found += "".join(piece["text"] for piece in part["pieces"])
    first = begin // WIDTH + (begin % WIDTH > 0)
    line = found[first * WIDTH - begin :].partition("\n")[0]
    assert line == f"{first:08}" + "x" * (WIDTH - 9)


class Busy:
    """A target whose jobs change as often as is said: real records, and no place to run them."""

    def __init__(self, records: list[JobRecord]) -> None:
        self.records = records
        self.asked = threading.Semaphore(0)
        self.taken = threading.Semaphore(0)
        self.error: ExecutorError | None = None

    def __call__(self, stop: threading.Event) -> Iterator[JobsSeen]:
        while not stop.is_set():
            if self.asked.acquire(timeout=0.1):
                yield JobsSeen(records=list(self.records), error=self.error)

    def told(self, watch: TargetWatch) -> None:
        self.taken.release()

    def tell(self) -> None:
        self.asked.release()
        assert self.taken.acquire(timeout=60)


def made(client: Client, count: int) -> list[JobRecord]:
    job = client.submit(Cell("pass", {}), from_keywords({"name": "model"})).job
    job.wait()
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    suffixes = ("".join(digits[n >> shift & 31] for shift in range(25, -5, -5)) for n in range(count))
    return [replace(job.record, id=f"model-{suffix}") for suffix in suffixes]


def test_states_that_a_page_misses_are_told_as_the_newest_of_each_job(client):
    busy = Busy(made(client, 300))
    watch = TargetWatch("local", busy, Revisions(), busy.told)
    watch.start()
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(watch.stop)
        busy.tell()
        snapshot: Any = watch.since(-1)
        assert (snapshot.total, len(snapshot.jobs)) == (300, 200)
        revision = snapshot.revision
        assert watch.since(revision) is None
        for turn in range(200):
            status = replace(busy.records[7].status, message=f"turn {turn}")
            busy.records[7] = replace(busy.records[7], status=status)
            busy.tell()
        records: Any = watch.since(revision)
        assert [row.message for row in records.jobs] == ["turn 199"]
        assert watch.since(records.revision) is None
        # All of them change at once: told in parts, each whole up to its revision.
        before = records.revision
        busy.records = [
            replace(each, status=replace(each.status, message="all")) for each in busy.records[:250]
        ]
        busy.tell()
        seen, gone, revision = set(), set(), before
        while (part := watch.since(revision)) is not None:
            assert len(part.jobs) + len(part.removed) <= 200
            assert part.revision > revision
            revision = part.revision
            seen |= {row.id for row in part.jobs}
            gone |= set(part.removed)
        assert len(seen) == 250
        assert len(gone) == 50


def test_what_is_down_keeps_what_was_known(client):
    busy = Busy(made(client, 3))
    watch = TargetWatch("lab", busy, Revisions(), busy.told)
    watch.start()
    assert watch.health.state == "connecting"
    busy.tell()
    assert watch.health.state == "live"
    busy.error = ExecutorError("The cluster does not answer.", "Is the VPN up?")
    busy.tell()
    health = watch.health
    assert health.state == "down"
    assert health.problem is not None
    assert health.problem.hint == "Is the VPN up?"
    records, _ = watch.listed() or ((), None)
    assert len(records) == 3
    watch.stop()
    assert watch.listed() is None


async def test_a_target_that_hangs_holds_up_no_other(services, api):
    over = threading.Event()
    hung = [asyncio.ensure_future(services.pool.run("moon", over.wait, 600)) for _ in range(20)]
    await asyncio.sleep(0)
    assert (await api("GET", "jobs")).status == 200
    assert sum(thread.name == "sovlab-server moon" for thread in threading.enumerate()) <= 4
    over.set()
    await asyncio.gather(*hung)
