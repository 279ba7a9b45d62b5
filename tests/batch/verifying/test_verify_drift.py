"""What else was different between two runs is told in sentences; what is not recorded is never the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.record import lock_digest
from sovlab.batch.recorded import record_of, with_packages
from sovlab.batch.verifying.drift import devices_differ, drift

RUN = {
    "image": {"digest": "sha256:aaaa"},
    "lock": {"sha256": "1" * 64, "count": 95, "python": "3.11.7"},
    "accel": {
        "backend": "cuda",
        "devices": ["NVIDIA A100", "NVIDIA A100"],
        "driver": "580.1",
        "runtime": "12.8",
    },
    "code": {"commit": "c0ffee", "dirty": False},
}


def changed(**parts):
    return {key: {**value, **parts.get(key, {})} for key, value in RUN.items()}


def sentences(recorded, again):
    return [each.sentence for each in drift(recorded, again)]


def test_runs_with_equal_records_have_no_drift():
    assert drift(RUN, changed()) == ()


def test_packages_image_and_devices_come_first():
    again = changed(
        lock={"sha256": "2" * 64, "count": 96, "python": "3.12.1"},
        image={"digest": "sha256:bbbb"},
        accel={
            "backend": "rocm",
            "devices": [{"name": "AMD MI300X", "count": 8}],
            "driver": "6.1",
            "runtime": "6.4",
        },
        code={"commit": "decaf", "dirty": True},
    )
    assert sentences(RUN, again) == [
        "The packages differ: 95 packages, lock 111111111111 in the record, "
        "96 packages, lock 222222222222 now.",
        "Python differs: 3.11.7 in the record, 3.12.1 now.",
        "The image differs: sha256:aaaa in the record, sha256:bbbb now.",
        "The devices differ: NVIDIA A100 × 2 in the record, AMD MI300X × 8 now.",
        "The backend differs: cuda in the record, rocm now.",
        "The driver differs: 580.1 in the record, 6.1 now.",
        "The runtime of the devices differs: 12.8 in the record, 6.4 now.",
        "The commit of the code differs: c0ffee in the record, decaf now.",
        "The code had changes that are in no commit, in this run.",
    ]
    assert devices_differ(drift(RUN, again))


def test_packages_that_are_listed_are_named():
    before = changed(lock={"packages": ["numpy==2.0", "torch==2.4.0", "old==1"]})
    now = changed(lock={"sha256": "2" * 64, "packages": ["numpy==2.0", "torch==2.5.0", "new==3"]})
    assert sentences(before, now) == ["The packages differ: new none → 3, old 1 → none, torch 2.4.0 → 2.5.0."]


@pytest.mark.parametrize("part", ["image", "lock", "accel", "code"])
def test_what_one_run_does_not_say_is_not_recorded_and_not_the_same(part):
    less = {key: value for key, value in RUN.items() if key != part}
    for found in (drift(RUN, less), drift(less, RUN)):
        assert found
        assert all(not each.known and "not recorded" in each.sentence for each in found)
        assert not devices_differ(found)


def test_what_neither_run_says_is_not_recorded():
    less = {key: value for key, value in RUN.items() if key != "image"}
    assert sentences(less, less) == ["The image is not recorded."]


def test_runs_without_any_record_are_told_once():
    assert sentences({}, {}) == ["Neither run says which packages, image and devices it had."]


def test_the_same_devices_listed_otherwise_are_the_same():
    one = changed(accel={"devices": [{"name": "A", "count": 2}]})
    assert drift(one, changed(accel={"devices": ["A", "A"]})) == ()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["digest", "sha256", "count", "devices", "name", "packages", "dirty"]), inner
        )
    ),
    max_leaves=20,
)


@given(*[st.dictionaries(st.sampled_from(["image", "lock", "accel", "code"]), JUNK)] * 2)
def test_no_record_is_too_odd_to_be_told_of(recorded, again):
    for each in drift(recorded, again):
        assert each.sentence.endswith(".")
        assert len(each.sentence) < 3000


def test_all_packages_are_compared_where_both_runs_tell_them():
    lines = ["a==1", "b==1"], ["a==1", "b==2"]
    runs = [{"lock": {"sha256": lock_digest(each), "packages": ["a==1"]}} for each in lines]
    notebooks = [{"cells": [], "metadata": {"sovlab": run}} for run in runs]
    before, now = (
        record_of(with_packages(notebook, {"packages": each}))
        for notebook, each in zip(notebooks, lines, strict=True)
    )
    assert "The packages differ: b 1 → 2." in [each.sentence for each in drift(before, now)]
    # Of one run alone: only what both tell can be compared.
    assert not any("b 1" in each.sentence for each in drift(before, runs[1]))
    other = with_packages(notebooks[0], {"packages": ["a==1", "c==3"]})
    assert record_of(other) == runs[0]  # what the record's digest is not of is not taken
