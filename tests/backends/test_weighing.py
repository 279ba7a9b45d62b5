"""The rule by which ``auto`` takes one of several accelerators, step by step, and what always holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.backends import choose
from sovlab.backends.choice import automatic, undecided
from sovlab.backends.weighing import WATTS, Need, fits
from sovlab.core.backend import Detection
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure, unknown
from sovlab.errors import BackendError

NAMES = ("cuda", "rocm", "xpu", "hpu")


def offer(name, total=8, free=4, queued=0, **more):
    found = Detection(backend=name, devices=(), why="Looked.")
    return Capacity(detection=found, total=total, free=free, queued=queued, source="test", **more)


def state(celsius=None, slowed=None, headroom=None):
    return Condition(
        celsius=Figure(value=celsius), slowed=Figure(value=slowed), headroom=Figure(value=headroom)
    )


CPU = offer("cpu", 8, 8)
COOL = state(61.0, 0.0, 600.0)


@pytest.mark.parametrize(
    ("cuda", "rocm", "conditions", "taken", "says"),
    [
        # What is free comes before all else.
        (offer("cuda", free=0), offer("rocm", queued=9), {}, "rocm", "cuda was passed over: 0 of 8 GPUs are"),
        (offer("cuda", free=None), offer("rocm"), {}, "rocm", "how many GPUs are free is not known"),
        # The queue comes before heat: unknown is not nobody, and not many either.
        (
            offer("cuda", queued=2),
            offer("rocm"),
            {"rocm": state(92, 1)},
            "rocm",
            "cuda was passed over: 2 wait",
        ),
        (offer("cuda", queued=3), offer("rocm", queued=1), {}, "rocm", "cuda was passed over: 3 wait for it"),
        (offer("cuda", queued=None), offer("rocm"), {}, "rocm", "how many wait for it is not known"),
        (
            offer("cuda", queued=None),
            offer("rocm", queued=1),
            {},
            "cuda",
            "rocm was passed over: 1 waits for it",
        ),
        # Heat comes before power.
        (
            offer("cuda"),
            offer("rocm"),
            {"cuda": state(92, 1, 900), "rocm": state(60, 0, 100)},
            "rocm",
            "cuda was passed over: slowed by heat (92 °C)",
        ),
        (offer("cuda"), offer("rocm"), {"rocm": COOL}, "rocm", "whether heat slows it is not known"),
        (
            offer("cuda"),
            offer("rocm"),
            {"rocm": state(92, 1)},
            "cuda",
            "rocm was passed over: slowed by heat",
        ),
        # Power comes before the order, in steps.
        (
            offer("cuda"),
            offer("rocm"),
            {"cuda": state(60, 0, 199), "rocm": state(60, 0, 901)},
            "rocm",
            "901 W of power headroom; cuda was passed over: less power headroom (199 W)",
        ),
        (
            offer("cuda"),
            offer("rocm"),
            {"cuda": state(60, 0, 900), "rocm": state(60, 0, 930)},
            "cuda",
            "rocm was passed over: all else is even, and cuda is first",
        ),
        (
            offer("cuda"),
            offer("rocm"),
            {"cuda": state(60, 0, 0), "rocm": state(60, 0)},
            "rocm",
            "cuda was passed over: at its power limit",
        ),
    ],
)
def test_each_step_decides_only_where_those_before_it_are_even(cuda, rocm, conditions, taken, says):
    choice = automatic(0, [CPU, cuda, rocm], conditions)
    assert choice.backend.name == taken
    assert says in choice.why
    assert set(choice.passed) == {"cuda", "rocm"} - {taken}


def test_the_sentence_says_what_was_looked_at():
    choice = automatic(0, [CPU, offer("cuda", free=3), offer("rocm")], {"cuda": COOL, "rocm": state(92, 1)})
    assert choice.why == (
        "cuda, because 3 of 8 GPUs are free, nobody waits, 61 °C; "
        "rocm was passed over: slowed by heat (92 °C)."
    )


def test_a_choice_without_heat_says_so():
    silent = {name: unknown("Prometheus did not answer within 1 s") for name in NAMES}
    choice = automatic(0, [CPU, offer("cuda"), offer("rocm")], silent)
    assert choice.backend.name == "cuda"
    assert choice.why.endswith("; heat unknown: Prometheus did not answer within 1 s.")
    decided = automatic(0, [CPU, offer("cuda"), offer("rocm", free=0)], silent)
    assert "heat unknown" not in decided.why, "it would have changed nothing"
    assert "°C" not in choice.why
    assert "0 W" not in choice.why


def test_what_was_asked_for_is_never_overridden_and_what_is_wrong_with_it_is_told():
    offers = [CPU, offer("cuda"), offer("rocm", free=0, queued=2)]
    conditions = {"cuda": COOL, "rocm": state(92, 1, 0)}
    backend, why = choose("rocm", 1, offers, conditions)
    assert backend.name == "rocm"
    assert why == (
        "rocm, as requested; 0 of 8 GPUs are free, 2 wait for it, slowed by heat (92 °C), at its power limit."
    )
    assert choose("cuda", 1, offers, conditions)[1] == "cuda, as requested; 4 of 8 GPUs are free."


@pytest.mark.parametrize(
    ("by_node", "gpus", "nodes", "fit"),
    [
        ((1, 1, 1, 1), 4, 1, False),
        ((4, 0), 4, 1, True),
        ((2, 2), 2, 2, True),
        ((3, 1), 2, 2, False),
        ((4,), 2, 2, True),
        ((), 4, 1, True),
        ((), 4, 2, False),
    ],
)
def test_devices_fit_only_as_they_lie_on_nodes(by_node, gpus, nodes, fit):
    assert fits(offer("cuda", free=4, free_by_node=by_node), Need(gpus, nodes)) is fit


def test_no_node_that_is_large_enough_is_no_accelerator_that_can_run_it():
    many, one = offer("cuda", free=8, largest=1), offer("rocm", total=4, free=0, largest=4)
    assert automatic(4, [CPU, many, one]).backend.name == "rocm"
    with pytest.raises(BackendError, match="the most of one kind on one node of this target is 1"):
        automatic(2, [CPU, many])


def test_jobs_of_several_nodes_need_free_devices_for_all_of_them():
    offers = [CPU, offer("cuda", free=2), offer("rocm", free=4)]
    assert automatic(1, offers, nodes=4).backend.name == "rocm"
    assert automatic(0, offers, nodes=8).why.startswith("cpu, because no accelerator is free for 8 nodes")
    assert (
        automatic(2, [CPU, offer("cuda", total=4), offer("rocm", total=8, free=0)], nodes=4).backend.name
        == "rocm"
    )


def test_heat_is_asked_for_only_where_it_decides():
    assert undecided(0, [CPU, offer("cuda"), offer("rocm")]) == ["cuda", "rocm"]
    assert undecided(0, [CPU, offer("cuda"), offer("rocm", queued=1)]) == []
    assert undecided(0, [CPU, offer("cuda"), offer("rocm", free=0)]) == []
    assert undecided(0, [CPU, offer("cuda", free=0), offer("rocm", free=0)]) == [], "it is the processor"
    assert undecided(2, [CPU, offer("cuda", free=0), offer("rocm", free=0)]) == ["cuda", "rocm"]
    assert undecided(0, [CPU, offer("cuda")]) == []
    assert undecided(0, [CPU]) == []


# --- what holds for all

_number = st.one_of(st.none(), st.integers(0, 9))
_figures = st.one_of(st.none(), st.floats(0, 1000))
_conditions = st.builds(
    state, celsius=st.one_of(st.none(), st.floats(20, 110)), slowed=_number, headroom=_figures
)


@st.composite
def _offers(draw):
    found = [CPU]
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        total = draw(st.one_of(st.none(), st.integers(0, 16)))
        free = None if total is None else draw(st.one_of(st.none(), st.integers(0, total)))
        largest = None if total is None else draw(st.one_of(st.none(), st.integers(min(total, 1), total)))
        found.append(offer(name, total, free, draw(_number), largest=largest))
    return found


_given = given(
    _offers(), st.dictionaries(st.sampled_from(NAMES), _conditions), st.integers(0, 8), st.integers(1, 3)
)


def taken(gpus, offers, conditions, nodes):
    try:
        return automatic(gpus, offers, conditions, nodes=nodes)
    except BackendError as error:
        return error.message


@_given
@settings(deadline=None)
def test_the_same_gives_the_same_and_only_what_can_run(offers, conditions, gpus, nodes):
    choice = taken(gpus, offers, conditions, nodes)
    again = taken(gpus, list(offers), dict(reversed(list(conditions.items()))), nodes)
    assert choice == again
    by_name = {each.detection.backend: each for each in offers}
    if isinstance(choice, str):
        assert gpus, "without devices there is always the processor"
        assert all(
            min(each.total, each.total if each.largest is None else each.largest) < gpus
            for name, each in by_name.items()
            if name != "cpu" and each.total is not None
        )
        return
    assert choice.backend.name in by_name
    mine = by_name[choice.backend.name]
    if choice.backend.is_accelerator:
        assert mine.total != 0
        assert mine.total is None or mine.total >= gpus
        assert mine.largest is None or mine.largest >= gpus
        assert gpus or fits(mine, Need(gpus, nodes)), "a job that asks for none does not wait for one"
    else:
        assert gpus == 0
    assert choice.why.startswith(f"{choice.backend.name}, because ")


@_given
@settings(max_examples=300, deadline=None)
def test_one_that_is_not_taken_is_not_taken_when_it_gets_hotter(offers, conditions, gpus, nodes):
    before = taken(gpus, offers, conditions, nodes)
    if isinstance(before, str):
        return
    for name in NAMES:
        if name == before.backend.name:
            continue
        old = conditions.get(name, Condition())
        for slowed in (old.slowed.value, (old.slowed.value or 0) + 1):
            hot = replace(
                old,
                celsius=Figure(value=(old.celsius.value or 90.0) + 20.0),
                slowed=Figure(value=slowed),
            )
            assert taken(gpus, offers, {**conditions, name: hot}, nodes).backend is before.backend


@_given
@settings(max_examples=300, deadline=None)
def test_nor_when_less_of_it_is_free_more_wait_or_it_has_less_power(offers, conditions, gpus, nodes):
    before = taken(gpus, offers, conditions, nodes)
    if isinstance(before, str) or not before.backend.is_accelerator:
        return
    for index, each in enumerate(offers):
        name = each.detection.backend
        if name in ("cpu", before.backend.name):
            continue
        worse = [
            replace(each, free=0 if each.free is not None else None),
            replace(each, queued=(each.queued or 0) + 1),
        ]
        for other in worse:
            changed = [*offers[:index], other, *offers[index + 1 :]]
            assert taken(gpus, changed, conditions, nodes).backend is before.backend
        old = conditions.get(name, Condition())
        weaker = replace(old, headroom=Figure(value=max((old.headroom.value or 0.0) - 2 * WATTS, 0.0)))
        assert taken(gpus, offers, {**conditions, name: weaker}, nodes).backend is before.backend


@_given
@settings(deadline=None)
def test_what_is_not_known_is_never_told_as_a_number(offers, conditions, gpus, nodes):
    silent = {name: unknown("nobody tells") for name in NAMES}
    choice = taken(gpus, offers, silent, nodes)
    text = choice if isinstance(choice, str) else choice.why
    assert "°C" not in text
    assert " W" not in text
    assert "None" not in text
