"""What the jobs of a sweep took, in its table and its picture: GPUs of a library made here, and made up."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest

from sovlab.client.sweeping import Run, Sweep
from sovlab.core.energy.decoding import measured
from sovlab.core.job import JobRecord, JobState, JobStatus, Reason
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.core.untrusted import Part
from sovlab.errors import UsageError
from sovlab.options.sweep import Point, grid
from sovlab.views.sweep import sweep_document
from tests.fake_nvml import FakeNvml
from tests.hostile import NOW, strict

PROGRAM = """
import json, sys
import sovlab

def train(seconds):
    import time
    time.sleep(seconds)
    return seconds

if __name__ == "__main__":
    sweep = sovlab.sweep(train, {"seconds": [1.2, 2.5]}, backend="cuda", gpus=1).wait()
    best = sweep.best()
    print(json.dumps({"rows": sweep.rows(), "best": best["point"], "table": str(sweep.table())}))
    sweep.plot().savefig(sys.argv[1])
"""


def test_the_joules_of_each_point_are_measured_and_drawn(client: Any, tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "program.py").write_text(PROGRAM)
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        env = {**os.environ, **fake.environ, "SOVLAB_STATE_DIR": str(tmp_path / "state")}
        env.pop("CUDA_VISIBLE_DEVICES", None)
        done = subprocess.run(
            [sys.executable, "program.py", "sweep.png"],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    short, long = told["rows"]
    for row in (short, long):
        assert row["source"] in ("counter", "sampled")
        assert row["of"] == "accelerators"
        assert row["mean"] == pytest.approx(300, rel=0.1)
    assert 0 < short["joules"] < long["joules"]
    assert told["best"] == {"seconds": 1.2}
    assert "accelerators, " in told["table"]
    assert (tmp_path / "sweep.png").stat().st_size > 1000


def record(
    number: int, joules: float | None, seconds: float, kind: str = "gpu", state: JobState = JobState.SUCCEEDED
) -> JobRecord:
    """Of a job that has ended, with what an exit record says of it."""
    device: dict[str, Any] = {"id": f"{kind}-0", "kind": kind, "name": "made up", "mean": 300.0}
    if joules is not None:
        device["energy"] = {"j": joules, "source": "counter", "method": "energy counter", "coverage": 1.0}
    else:
        device["energy"] = {"source": "unavailable", "why": "it has no counter"}
    status = JobStatus(
        state=state,
        reason=Reason.NONE if state is JobState.SUCCEEDED else Reason.USER_ERROR,
        started=NOW + 1000 * number,
        ended=NOW + 1000 * number + seconds,
        host="node-1",
        energy=measured(Part("", {"devices": [device], "seconds": seconds})),
    )
    spec = JobSpec(name="train", kind=PayloadKind.CALL, payload="0" * 64)
    return JobRecord(id=f"train-{number:06d}", target="local", spec=spec, status=status)


def made_up(client: Any, points: list[Point], records: list[JobRecord]) -> Sweep:
    runs = []
    for point, each in zip(points, records, strict=True):
        run = Run(point)
        run.settle(client.handle(each))
        runs.append(run)
    return Sweep("train", runs, client)


@pytest.fixture
def three(client: Any) -> Sweep:
    """The fastest, the one with least energy, and one without."""
    points = grid({"lr": [0.1, 0.01, 0.001]})
    return made_up(client, points, [record(0, 900, 3), record(1, 600, 4), record(2, None, 5)])


def test_the_table_has_each_energy_with_its_source(three: Sweep) -> None:
    table = three.table()
    assert table.columns == ("Point", "lr", "State", "Ran", "Energy", "Source", "Mean", "Job")
    source = "accelerators, counted, energy counter"
    assert table.rows[0] == ("1", "0.1", "succeeded", "3.0 s", "900 J", source, "300 W", "train-000000")
    assert table.rows[2] == ("3", "0.001", "succeeded", "5.0 s", "—", "not measured", "—", "train-000002")
    notes = [part for part in three.describe() if isinstance(part, str)]
    assert "Without energy: it has no counter (1 run)." in notes


def test_the_best_has_the_least(three: Sweep) -> None:
    assert three.best()["point"] == {"lr": 0.01}
    assert three.best("time")["point"] == {"lr": 0.1}
    assert three.best(lambda row: -row["seconds"])["point"] == {"lr": 0.001}
    assert three.best(lambda row: row["joules"] and -row["joules"])["point"] == {"lr": 0.1}
    with pytest.raises(UsageError, match="by is 'watts'"):
        three.best("watts")
    with pytest.raises(UsageError, match="What counts is 'x', not a number"):
        three.best(lambda row: "x")  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="Of no run of sweep train what counts is known"):
        three.best(lambda row: math.nan)


def test_of_several_runs_their_mean_counts(client: Any) -> None:
    points = grid({"lr": [0.1, 0.01]}, repeats=2)
    records = [record(0, 100, 1), record(1, 900, 9), record(2, 300, 3), record(3, 200, 2)]
    best = made_up(client, points, records).best()
    assert (best["point"], best["repeat"], best["joules"]) == ({"lr": 0.01}, 2, 200)


def test_one_that_failed_is_not_the_best_though_it_took_least(client: Any) -> None:
    records = [record(0, 1, 0.1, state=JobState.FAILED), record(1, 900, 9)]
    sweep = made_up(client, grid({"lr": [0.1, 0.01]}), records)
    assert sweep.best()["point"] == {"lr": 0.01}
    assert labels(sweep) == ["lr=0.01"]
    assert "Without energy: lr=0.1." in under(sweep)


def test_energies_of_different_devices_are_not_compared_unasked(client: Any) -> None:
    points = grid({}, {"backend": ["cpu", "cuda"]})
    sweep = made_up(client, points, [record(0, 100, 5, "cpu"), record(1, 900, 1)])
    with pytest.raises(UsageError, match=r"of processors at backend=cpu; of accelerators at backend=cuda"):
        sweep.best()
    assert sweep.best(lambda row: row["joules"])["point"] == {"backend": "cpu"}
    note = next(part for part in sweep.describe() if isinstance(part, str) and "not all" in part)
    assert "1 run of processors, counted; 1 run of accelerators, counted" in note
    axes = sweep.plot().axes[0]
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        "processors, counted",
        "accelerators, counted",
    }


def labels(sweep: Sweep) -> list[str]:
    return [text.get_text() for text in sweep.plot().axes[0].texts]


def under(sweep: Sweep) -> str:
    """The note under the picture."""
    return " ".join(text.get_text() for text in sweep.plot().texts).replace("\n", " ")


def test_the_picture_has_a_mark_for_each_point_and_names_those_without_energy(
    three: Sweep, tmp_path: Any
) -> None:
    pytest.importorskip("matplotlib")
    figure = three.plot()
    marks, _ = figure.axes[0].collections
    assert marks.get_offsets().tolist() == [[3, 900], [4, 600]]
    assert labels(three) == ["lr=0.1", "lr=0.01"]
    assert "Without energy: lr=0.001." in under(three)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("run time, s", "energy, J")
    figure.savefig(tmp_path / "sweep.svg")


def test_units_of_the_picture_go_with_its_numbers(client: Any) -> None:
    sweep = made_up(client, grid({"lr": [1, 2]}), [record(0, 7.2e6, 7200), record(100, 3.6e6, 3600)])
    axes = sweep.plot().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("run time, h", "energy, kWh")
    assert axes.collections[0].get_offsets().tolist() == [[2, 2], [1, 1]]


def test_of_many_points_those_are_labelled_that_no_other_beats(client: Any, tmp_path: Any) -> None:
    points = grid({"lr": range(60)})
    records = [record(n, 1000 - 10 * n if n < 5 else 2000, 1 + n) for n in range(60)]
    sweep = made_up(client, points, records)
    assert labels(sweep) == [f"lr={n}" for n in range(5)]
    assert "no other beats" in under(sweep)
    sweep.plot().savefig(tmp_path / "many.svg")


def test_where_no_energy_is_known_the_picture_says_why(client: Any) -> None:
    sweep = made_up(client, grid({"lr": [1]}), [record(0, None, 1)])
    with pytest.raises(UsageError, match=r"There is no energy of sweep train to plot\. it has no counter"):
        sweep.plot()
    with pytest.raises(UsageError, match="Of no run of sweep train energy is known"):
        sweep.best()


def test_runs_at_the_same_time_on_one_machine_are_told(client: Any) -> None:
    sweep = made_up(client, grid({"lr": [1, 2]}), [record(0, 1, 2000), record(1, 1, 5)])
    assert any("at the same time" in str(part) for part in sweep.describe())
    apart = made_up(client, grid({"lr": [1, 2]}), [record(0, 1, 20), record(1, 1, 5)])
    assert not any("at the same time" in str(part) for part in apart.describe())


def test_whatever_a_value_is_it_is_text_in_the_table_and_the_document(client: Any, tmp_path: Any) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    values = [
        "<b>x</b>",
        "\x1b[31mred\n$y$",
        "\ud800\u202e",
        Odd(),
        math.inf,
        10**400,
        None,
        True,
        [1] * 500,
        int,
    ]
    records = [record(n, 100.0 + n, 1 + n) for n in range(len(values))]
    sweep = made_up(client, grid({"odd": values}), records)
    html = sweep._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    for text in (html, str(sweep.table()), repr(sweep)):
        assert "\x1b" not in text
        text.encode()
    assert max(map(len, str(sweep.table()).splitlines())) < 300
    document = strict(json.dumps(sweep_document(sweep.name, sweep.rows()), allow_nan=False))
    assert document["runs"][7]["point"] == {"odd": True}
    assert document["runs"][6]["point"] == {"odd": None}
    sweep.plot().savefig(tmp_path / "odd.svg")


def test_of_very_many_runs_some_are_shown_and_the_others_counted(client: Any) -> None:
    sweep = made_up(client, grid({"lr": range(205)}), [record(n, 1.0, 1) for n in range(205)])
    text = "\n".join(map(str, sweep.describe()))
    assert "5 more are not shown here: rows() has all of them." in text
    assert "train-000199" in text
    assert "train-000200" not in text
    assert len(sweep.table().rows) == 205
