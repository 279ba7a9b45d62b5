"""The watch of a target that takes its time."""

from __future__ import annotations

import queue
import threading

from sovlab.core.job import JobsSeen
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
