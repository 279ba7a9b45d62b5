"""What cells took is told where it was measured, of those that ran for long enough."""

from __future__ import annotations

import os

import pytest

from sovlab.batch.provenance.cell_energy import energy_between
from sovlab.core.energy.history import Point
from tests.fake_nvml import FakeNvml

SECONDS = [Point(100.0 + n, 1.0, 200.0 + n, 0.0) for n in range(60)]


def test_it_is_what_was_drawn_between_the_begin_and_the_end():
    assert energy_between(SECONDS, 110.0, 130.0) == pytest.approx(sum(range(210, 230)))
    missed = [*SECONDS[:15], *SECONDS[16:]]
    assert energy_between(missed, 110.0, 130.0) == pytest.approx((sum(range(210, 230)) - 215) * 20 / 19)
    assert energy_between(SECONDS, 110.5, 125.25) == pytest.approx(
        0.5 * 210 + sum(range(211, 225)) + 0.25 * 225
    )


@pytest.mark.parametrize(
    ("points", "begin", "end"),
    [
        (SECONDS, 110.0, 119.5),  # too short
        (SECONDS, 95.0, 130.0),  # nobody looked at first
        (SECONDS, 150.0, 170.0),  # nor in the end
        ([*SECONDS[:20], *SECONDS[25:]], 105.0, 150.0),
        ([Point(0.0, 60.0, 200.0, 0.0), *SECONDS], 50.0, 130.0),  # a part of it is known by the minute
        ([], 110.0, 130.0),
        (SECONDS, 130.0, 110.0),
    ],
)
def test_what_is_not_known_well_enough_is_not_told(points, begin, end):
    assert energy_between(points, begin, end) is None


def test_cells_of_a_run_say_what_they_took(here, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    here.write("1", "import time\ntime.sleep(16)")
    with FakeNvml(here.work.parent / "nvml", [300.0, 200.0]) as fake:
        for _ in range(3):  # where a machine is very busy, whole seconds are missed
            done = here.run("--backend", "cuda", "--gpus", "2", "--fresh", **fake.environ)
            assert done.status == 0, done
            nb = here.notebook()
            if "sovlab" in nb["cells"][1]["metadata"]:
                break
    assert nb["metadata"]["sovlab"]["energy"]["source"] in ("counter", "sampled")
    short, long = (cell["metadata"].get("sovlab") for cell in nb["cells"])
    assert short is None
    assert long["energy_J"] == pytest.approx(500 * 16, rel=0.1)
    assert long["energy_source"] in ("counter", "sampled")
    assert long["energy_J"] <= nb["metadata"]["sovlab"]["energy"]["joules"] * 1.05
    beside = here.notebook("out.ipynb.sovlab.json")["cells"]
    assert beside[1]["energy_j"] == long["energy_J"]
    assert "energy_j" not in beside[0]


def test_where_nothing_is_measured_nothing_is_told(here):
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("this machine measures")
    here.write("import time\ntime.sleep(11)")
    assert here.run().status == 0
    assert "energy_J" not in here.notebook()["cells"][0]["metadata"].get("sovlab", {})
