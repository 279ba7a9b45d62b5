"""What earlier runs of the same code took: which runs count, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.energy.earlier import MOST, earlier_runs
from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.core.job import JobRecord, JobState, JobStatus
from sovlab.core.spec import JobSpec, PayloadKind, Resources
from sovlab.sensors.reading import Reading
from tests.hostile import NOW, examples

SPEC = JobSpec(
    name="digits",
    kind=PayloadKind.CELL,
    payload="0" * 64,
    backend="cuda",
    resources=Resources(gpus=1),
    code="c" * 64,
)
ASKED = JobRecord(
    id="digits-zzzzzz", target="local", spec=SPEC, status=JobStatus(state=JobState.QUEUED, submitted=NOW)
)


def energy(joules=43_200.0, source="counter", coverage=1.0, kind="gpu", **report):
    scope = "package" if kind == "cpu" else "device"
    value = joules if joules is not None else None
    reading = Reading(
        "energy", "J", value, source if joules is not None else "unavailable", "NVML", scope, coverage, kind
    )
    return EnergyReport(
        devices=(DeviceReport(id=kind, kind=kind, energy=reading, scope=scope),), seconds=240, **report
    )


def run(number, seconds=240.0, measured=None, state=JobState.SUCCEEDED, spec=SPEC, target="local"):
    begin = NOW - 1000 * (number + 1)
    status = JobStatus(
        state=state, submitted=begin, started=begin + 1, ended=begin + 1 + seconds, energy=measured
    )
    return JobRecord(id=f"digits-{number:06}", target=target, spec=spec, status=status)


def said(*runs, **options):
    found = earlier_runs(ASKED, runs, **options)
    return found.words if found is not None else None


def test_the_last_runs_are_told_with_their_energy_and_its_source():
    runs = [
        run(n, seconds, energy(wh * 3600)) for n, seconds, wh in ((1, 200, 9), (2, 240, 7.2), (3, 300, 8))
    ]
    assert said(*runs) == "last 3 runs: 4 min, 8.0 Wh (counted)"
    found = earlier_runs(ASKED, runs)
    assert found is not None
    assert (found.count, found.measured, found.seconds) == (3, 3, 240)
    assert (found.energy.value, found.energy.source) == (8 * 3600, "counter")
    assert found.energy.method == "median of 3 earlier runs: NVML"


def test_of_runs_that_were_not_measured_only_the_time_is_told():
    assert said(run(1, 35)) == "last run: 35 s"
    assert said(run(1, 35, EnergyReport(unavailable={"rapl": "masked"}))) == "last run: 35 s"
    assert said(run(1, 35, energy(None))) == "last run: 35 s"


def test_without_a_run_nothing_is_said():
    assert said() is None
    assert said(ASKED, run(1, state=JobState.FAILED), run(2, state=JobState.CANCELLED)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "d" * 64},
        {"code": ""},
        {"kind": PayloadKind.SCRIPT},
        {"backend": "rocm"},
        {"nodes": 2},
        {"procs": 2},
        {"resources": Resources(gpus=2)},
        {"args": ("--epochs", "100")},
    ],
)
def test_other_code_and_other_hardware_do_not_count(changes):
    assert said(run(1, spec=replace(SPEC, **changes))) is None


def test_what_does_not_change_the_work_does_not_matter():
    other = replace(SPEC, name="again", payload="1" * 64, origin="In[9]", timeout=60.0)
    assert said(run(1, spec=other)) == "last run: 4 min"


def test_where_records_do_not_tell_arguments_these_are_not_compared():
    asked = replace(ASKED, spec=replace(SPEC, args=("--epochs", "100")))
    assert earlier_runs(asked, [run(1)]) is None
    assert earlier_runs(asked, [run(1)], arguments=False) is not None


def test_code_without_a_mark_has_no_earlier_runs():
    unmarked = replace(SPEC, code="")
    assert earlier_runs(replace(ASKED, spec=unmarked), [run(1, spec=unmarked)]) is None
    assert earlier_runs(replace(ASKED, spec=None), [run(1)]) is None


def test_jobs_of_other_targets_later_ones_and_damaged_ones_do_not_count():
    later = replace(run(1), status=replace(run(1).status, submitted=NOW + 1))
    assert said(run(1, target="cluster"), later, replace(run(2), spec=None)) is None


def test_only_the_newest_count_in_whatever_order_they_come():
    runs = [run(n, 10.0 * (n + 1)) for n in range(20)]
    assert said(*runs) == said(*reversed(runs)) == f"last {MOST} runs: 30 s"


def test_joules_of_different_sources_are_not_mixed():
    three = [
        run(1, measured=energy(3600.0)),
        run(2, measured=energy(7200.0)),
        run(3, measured=energy(9e9, "sampled")),
    ]
    assert said(*three) == "last 3 runs: 4 min, 1.5 Wh (counted, in 2 of them)"
    assert said(run(1, measured=energy()), run(2, measured=energy(source="sampled"))) == "last 2 runs: 4 min"
    assert said(run(1, measured=energy()), run(2)) == "last 2 runs: 4 min"


def test_joules_of_different_devices_are_not_mixed():
    mixed = [run(1, measured=energy(kind="gpu")), run(2, measured=energy(kind="cpu"))]
    assert said(*mixed) == "last 2 runs: 4 min"


def test_joules_of_a_part_of_the_time_are_left_out():
    assert said(run(1, measured=energy(coverage=0.5))) == "last run: 4 min"


@pytest.mark.parametrize(("source", "word"), [("modelled", "modelled"), ("attributed", "attributed")])
def test_a_source_that_is_no_measurement_is_said(source, word):
    assert said(run(1, measured=energy(source=source))) == f"last run: 4 min, 12 Wh ({word})"


def test_what_the_joules_are_of_is_said():
    assert said(run(1, measured=energy(nodes=4))) == "last run: 4 min, 12 Wh (counted; of one of 4 nodes)"
    words = said(run(1, measured=energy(kind="cpu")))
    assert words == "last run: 4 min, processors 12 Wh (counted; of the whole machine, whoever used it)"


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e9),
            st.none() | st.floats(0, 1e300),
            st.sampled_from(["counter", "sampled", "modelled"]),
        ),
        max_size=8,
    )
)
def test_medians_lie_within_what_was_measured_and_carry_its_source(runs):
    records = [run(n, seconds, energy(joules, source)) for n, (seconds, joules, source) in enumerate(runs)]
    found = earlier_runs(ASKED, records)
    if not runs:
        assert found is None
        return
    assert found is not None
    newest = runs[:MOST]
    lengths = [record.status.elapsed(record.status.ended) for record in records[:MOST]]
    assert min(lengths) <= found.seconds <= max(lengths)
    assert found.count == len(newest)
    same = [joules for _, joules, source in newest if joules is not None and source == found.energy.source]
    if found.energy.value is None:
        assert found.energy.source == "unavailable"
        assert "Wh" not in found.words
    else:
        assert 2 * len(same) > len(newest)
        assert found.measured == len(same)
        assert min(same) <= found.energy.value <= max(same)
