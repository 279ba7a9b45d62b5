"""The harness measures what it says: turns, ratios, holds, and drivers that are real processes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

import pytest

from benchmarks import __main__ as command
from benchmarks import showing
from benchmarks.driving import Driver
from benchmarks.measuring import CaseFailed, Hold, Report, Series, ratio, take_turns
from benchmarks.rows import log_lines, power_history, sampled_start, sampling
from benchmarks.rows.kube import kube_copy, kube_list, kube_log, kube_submit
from benchmarks.surroundings import Surroundings


def timed(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.fixture
def pipe(tmp_path):
    driver = Driver(sys.executable, "bare_pipe", tmp_path, os.environ)
    yield driver
    driver.close()


def test_cases_take_turns_and_the_warm_up_does_not_count():
    calls = []
    cases = {name: lambda name=name: float(calls.append(name) or len(calls)) for name in "ab"}
    taken = take_turns(cases, 2, warmup=1, before=lambda: calls.append("-"))
    assert "".join(calls) == "-a-b-b-a-a-b"
    assert taken["a"].samples == [8.0, 10.0]
    assert taken["b"].samples == [6.0, 12.0]


def test_a_case_that_fails_leaves_the_others_alone():
    attempts = []

    def broken():
        attempts.append(1)
        raise CaseFailed("not installed")

    taken = take_turns({"peer": broken, "ours": lambda: timed(lambda: sum(range(1000)))}, 3)
    assert attempts == [1]
    assert taken["peer"].note == "not installed"
    assert taken["peer"].median is None
    assert len(taken["ours"].samples) == 3


def test_ratios_are_taken_within_the_rounds():
    # The machine was ten times slower in the last round: for both.
    ours, theirs = Series("ours", samples=[2.0, 2.2, 20.0]), Series("theirs", samples=[1.0, 1.1, 10.0])
    assert ratio(ours, theirs) == pytest.approx(2.0)
    assert ratio(ours, Series("absent")) is None
    assert ratio(ours, Series("fewer", samples=[1.0])) == pytest.approx(2.2)


def test_spread_tells_a_noisy_run():
    assert Series("quiet", samples=[1.0, 1.0, 1.01, 1.02, 1.0]).noisy is False
    assert Series("noisy", samples=[1.0, 2.0, 1.0, 3.0, 2.5]).noisy is True
    assert Series("few", samples=[1.0, 2.0]).spread is None


@pytest.mark.parametrize(
    ("value", "at_most", "kept", "said"),
    [
        (0.4, True, True, "holds: a / b 0.40 × (≤ 0.50 ×)"),
        (0.6, True, False, "MISSED: a / b 0.60 × (≤ 0.50 ×)"),
        (0.6, False, True, "holds: a / b 0.60 × (≥ 0.50 ×)"),
        (None, True, None, "not measured: a / b — (≤ 0.50 ×)"),
    ],
)
def test_a_hold_says_whether_it_is_kept(value, at_most, kept, said):
    hold = Hold("a / b", value, 0.5, at_most=at_most)
    assert hold.kept is kept
    assert said in showing.text(Report("t", [Series("a")], holds=[hold]))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.0000123, "s", "12.3 µs"),
        (0, "", "0"),
        (1.5, "s", "1.50 s"),
        (12.5e6, "B", "12.5 MB"),
        (2.5e9, "B", "2.50 GB"),
        (0.00125, "%", "0.125 %"),
        (123456.7, "1/s", "123,457 1/s"),
        (None, "s", "—"),
    ],
)
def test_quantities_are_readable(value, unit, shown):
    assert showing.quantity(value, unit) == shown


def test_the_table_names_a_peer_that_is_not_there_and_invents_no_number():
    report = Report("t", [Series("ours", samples=[0.1] * 4), Series("peer", note="not installed")], "ours")
    row = next(line for line in showing.text(report).splitlines() if "peer" in line)
    assert row.split() == ["peer", "—", "—", "—", "0", "—", "not", "installed"]


def test_the_json_holds_every_sample():
    report = Report("t", [Series("a", samples=[1.0, 3.0]), Series("b", samples=[2.0, 6.0])], "a")
    read = json.loads(json.dumps(showing.data({"system": "x"}, [report])))
    assert [s["samples"] for s in read["benchmarks"][0]["series"]] == [[1.0, 3.0], [2.0, 6.0]]
    assert [s["ratio"] for s in read["benchmarks"][0]["series"]] == [1.0, 2.0]


def test_a_driver_follows_a_real_log_and_misses_no_line(pipe):
    code = log_lines.CODE.format(lines=500, pause=1e-4)
    answer = pipe.call("log", code=code, expected=500)
    assert (answer["lost"], answer["misplaced"], len(answer["latencies"])) == (0, 0, 500)
    assert all(latency >= 0 for latency in answer["latencies"])


def test_lines_that_do_not_come_are_counted(pipe):
    code = "import time\nfor n in (0, 1, 3): print(n, time.time_ns(), flush=True)"
    answer = pipe.call("log", code=code, expected=4)
    assert (answer["lost"], answer["misplaced"]) == (1, 1)


def test_a_driver_says_what_failed_and_goes_on(pipe):
    with pytest.raises(CaseFailed, match="TypeError"):
        pipe.call("log", nonsense=1)
    assert pipe.call("log", code="", expected=0)["lost"] == 0


def test_a_peer_without_its_environment_is_not_installed(tmp_path):
    driver = Driver(None, "torchx_local", tmp_path, {})
    with pytest.raises(CaseFailed, match="not installed"):
        driver.call("trivial")
    driver.close()


def test_a_driver_whose_library_is_missing_says_so(tmp_path):
    driver = Driver(sys.executable, "submitit_local", tmp_path, os.environ)
    with pytest.raises(CaseFailed, match="not installed"):
        driver.call("trivial")
    driver.close()


def test_nothing_of_a_run_is_left():
    with Surroundings(None, quick=True) as surroundings:
        with surroundings.driver("bare_pipe") as pipe:
            pids = {process.pid for process in surroundings.ours()}
            assert pids == {pipe.pid}
            surroundings.stop_agent(surroundings.state, keep=pipe.pid)
            assert pipe.call("log", code="", expected=0)["lost"] == 0
        assert surroundings.bare("pass") > 0
    assert not surroundings.scratch.exists()


def test_an_unknown_benchmark_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "nothing"])
    assert ended.value.code == 2
    assert "load_ext" in capsys.readouterr().err


@pytest.fixture(scope="module")
def fake():
    """A quick run on the fake API server, as short as can be."""
    with pytest.MonkeyPatch.context() as patch, Surroundings(None, quick=True) as surroundings:
        patch.setattr(surroundings, "repeats", lambda usual: 1)
        for module, small in ((kube_list, 40), (kube_copy, 1 << 20), (kube_log, 0.5)):
            patch.setattr(module, "QUICK", small)
        yield surroundings


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", [kube_submit, kube_log, kube_list, kube_copy])
def test_clusters_are_measured_on_the_fake_server_and_the_tables_say_so(fake, benchmark):
    for report in benchmark.run(fake):
        assert report.title.endswith("on the fake API server")
        ours = [series for series in report.series if series.name.startswith("sovlab")]
        assert ours
        assert all(series.samples for series in ours), showing.text(report)
        assert [h.text for h in report.holds if "lost" in h.text and not h.kept] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("benchmark", [sampling, sampled_start, power_history])
def test_what_sampling_costs_is_measured(benchmark, monkeypatch):
    for module, name, small in (
        (sampling, "WINDOW", 0.5), (sampling, "QUICK_DAYS", 0.01), (power_history, "QUICK_DAYS", 0.1),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, small)
    with Surroundings(None, quick=True) as surroundings:
        monkeypatch.setattr(surroundings, "repeats", lambda usual: 1)
        reports = benchmark.run(surroundings)
    for series in (series for report in reports for series in report.series):
        # Few machines have sensors that a test may read.
        assert series.samples or "that can be read" in series.note, f"{series.name}: {series.note}"
