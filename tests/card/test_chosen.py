"""On cards: why a job's backend is the one it is, until the job has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sovlab.card.bundle import MIME
from sovlab.core.job import JobState
from tests.card.test_earlier_and_footprint import BEFORE, card, text_of
from tests.card.test_power import record
from tests.hostile import NOW

WHY = "cuda, because 3 of 8 GPUs are free, 61 °C; rocm was passed over: slowed by heat (92 °C)."


def chosen(backend, why, state=JobState.QUEUED, **more):
    made = record(state, **more)
    return replace(made, spec=replace(made.spec, backend=backend, backend_why=why))


@pytest.mark.parametrize("state", BEFORE)
def test_it_is_one_quiet_line_before_the_end(state):
    bundle = card(chosen("cuda", WHY, state))
    assert f"Backend: {WHY}" in text_of(bundle)
    assert bundle["text/plain"].splitlines()[1] == f"Backend: {WHY}"
    assert bundle[MIME]["backend_why"] == WHY


@pytest.mark.parametrize("state", sorted(set(JobState) - set(BEFORE)))
def test_once_it_has_ended_nobody_needs_it(state):
    bundle = card(chosen("cuda", WHY, state, ended=NOW))
    assert "passed over" not in bundle["text/html"] + bundle["text/plain"]


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("cpu, because no accelerator was found here.", False),
        ("cpu, as requested.", False),
        ("", False),
        ("cpu, because no accelerator is free (cuda: 0 of 2 GPUs are free).", True),
    ],
)
def test_where_there_was_no_accelerator_to_choose_nothing_is_said(why, shown):
    bundle = card(chosen("cpu", why))
    assert ("Backend: " in text_of(bundle)) is shown
    assert ("Backend: " in bundle["text/plain"]) is shown


def test_it_cannot_inject():
    bundle = card(chosen("cuda", "<script>alert(1)</script>\x1b[31m"))
    assert "<script>" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]
