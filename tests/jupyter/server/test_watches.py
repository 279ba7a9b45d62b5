"""The watch of a target: one that takes its time, and one that others use, too."""

from __future__ import annotations

import queue
import threading

from sovlab.core.job import JobRecord, JobsSeen, JobState, JobStatus
from sovlab.jupyter.server.asked import JobsQuery
from sovlab.jupyter.server.listing import page
from sovlab.jupyter.server.models import Health
from sovlab.jupyter.server.stream.watches import Revisions, TargetWatch


def test_a_target_that_does_not_answer_is_said_to_be_down_while_it_is_asked_on():
    answer, told = threading.Event(), queue.Queue()

    def source(stop: threading.Event):
        assert answer.wait(60)
        yield JobsSeen(records=[])
        stop.wait(60)

    watch = TargetWatch("lab", source, Revisions(), lambda watch: told.put(watch.health), answer=0.05)
    watch.start()
    try:
        assert watch.health.state in ("connecting", "down")
        down = told.get(timeout=60)
        assert (down.state, down.seen) == ("down", None)
        assert down.problem.title == "It took too long"
        assert "lab has not answered" in down.problem.detail
        assert "sovlab target show lab" in down.problem.hint
        answer.set()
        assert told.get(timeout=60).state == "live"
    finally:
        answer.set()
        watch.stop()


def records():
    status = JobStatus(state=JobState.RUNNING)
    return [
        JobRecord(id="his-abc123", target="lab", spec=None, status=status, owner="bob", own=False),
        JobRecord(id="hers-abc123", target="lab", spec=None, status=status, owner="alice"),
    ]


def test_others_jobs_are_told_to_nobody_who_does_not_ask():
    told = queue.Queue()

    def source(stop: threading.Event):
        yield JobsSeen(records=records())
        stop.wait(60)

    watch = TargetWatch("lab", source, Revisions(), lambda watch: told.put(watch.since(0)))
    watch.start()
    try:
        snapshot = told.get(timeout=60)
        assert ([row.id for row in snapshot.jobs], snapshot.total) == (["hers-abc123"], 1)
        assert snapshot.counts == {"running": 1}
    finally:
        watch.stop()


def test_a_list_of_all_users_says_whose_each_is():
    health = Health(target="lab", state="live", seen=0.0, problem=None)
    mine = page("lab", records(), JobsQuery(), health)
    assert [(row.id, row.owner, row.own) for row in mine.jobs] == [("hers-abc123", "alice", True)]
    everything = page("lab", records(), JobsQuery(all_users=True, q="bob"), health)
    assert [(row.id, row.owner, row.own) for row in everything.jobs] == [("his-abc123", "bob", False)]
