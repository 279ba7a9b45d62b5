"""A forecast by a query: a real Prometheus evaluates its expression over the time to come."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from prometheus_site import Exporters, binary, job, prometheus, wait_for

from sovlab.client import Client
from sovlab.client.deferral.forecasts import NoForecast, forecast_of
from sovlab.core.job import JobState, Reason
from sovlab.options.job import from_keywords
from sovlab.payload.code import Cell
from sovlab.settings import load

STEP = 2.0


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    exporters = Exporters()
    exporters.pages["live"] = 'grid_carbon{zone="a"} 340\ngrid_carbon{zone="b"} 90\n'
    folder = tmp_path_factory.mktemp("forecast")
    with (
        exporters.serve() as pages,
        prometheus(folder, [job("live", pages, instance="grid")]) as found,
    ):
        wait_for(found, "count(count_over_time(grid_carbon[20s]) >= 9) == 2", seconds=60)
        yield found


@pytest.fixture
def client_of(tmp_path):
    """A client whose forecast is a query, asked of a port."""
    made = []

    def client(port: int, query: str) -> Client:
        (tmp_path / "config.toml").write_text(
            f"[forecast]\nquery = '''{query}'''\nstep = '{STEP:g}s'\nname = 'grid carbon'\n"
            f"[targets.local.prometheus]\nurl = 'http://127.0.0.1:{port}'\ntimeout = '5s'\n"
        )
        environ = {
            "SOVLAB_CONFIG_FILE": str(tmp_path / "config.toml"),
            "SOVLAB_STATE_DIR": str(tmp_path / "s"),
        }
        made.append(Client(load(tmp_path, environ)))
        return made[-1]

    yield client
    for each in made:
        each.executor().stop_agent()


def asked(client: Client, seconds: float):
    now = time.time()
    return now, forecast_of(client.settings.forecast, client.site, now, now + seconds)


def test_an_expression_is_a_forecast_of_its_values_from_now_on(client_of, port):
    turn = (time.time() // STEP + 5) * STEP
    now, found = asked(client_of(port, f"vector(340) - 130 * (time() >= bool {turn})"), 20)
    assert found.covers(now, now + 20)
    assert found.begin > now - 2 * STEP - 2  # two seconds of clocks that differ do not count
    assert found.mean(turn - 1, turn) == 340
    assert found.mean(turn, turn + 5) == 210


def test_what_was_is_a_forecast_where_the_query_says_so(client_of, port):
    """As ``grid_carbon offset 1w`` is in a server that has been there for a week."""
    now, found = asked(client_of(port, 'grid_carbon{zone="a"} offset 3s'), 10)
    assert found.mean(now, now + 10) == 340


def test_a_long_time_is_asked_for_in_steps_of_the_same_length(client_of, port):
    now, found = asked(client_of(port, "vector(1)"), 30 * 86400)
    assert len(found.values) <= 2000
    assert {round(end - begin, 3) for begin, end in zip(found.times, found.times[1:], strict=False)} == {STEP}
    assert found.begin <= now


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("grid_carbon", r"its query gives 2 series, not one"),
        ("no_such_metric", r"its query gives no series, not one"),
        ("vector(0) / 0", r"its query gives no series, not one"),
        ("grid_carbon{", r"cannot be had \("),
        ("'text'", r"cannot be had \("),
        ("vector(1) and on() (vector(time()) > {later})", r"says nothing of now"),
        ("vector(1) unless on() (vector(time()) > {soon} < {later})", r"there is a gap before it"),
    ],
)
def test_an_answer_that_is_no_forecast_is_refused(client_of, port, query, why):
    now = time.time()
    text = query.replace("{soon}", f"{now + 5}").replace("{later}", f"{now + 12}")
    with pytest.raises(NoForecast, match=why):
        asked(client_of(port, text), 30)


def test_a_server_that_is_away_is_one_sentence(client_of):
    with pytest.raises(NoForecast, match=r"the forecast cannot be had \(") as caught:
        asked(client_of(9, "vector(1)"), 30)
    assert len(str(caught.value)) < 300


def test_a_job_waits_for_what_the_query_says(client_of, port, tmp_path: Path):
    cell = Cell("y = 2", {}, directory=tmp_path)
    before = client_of(port, "vector(1)")
    assert before.submit(cell, from_keywords({})).job.wait(60).state is JobState.SUCCEEDED
    turn = (time.time() // STEP + 4) * STEP
    client = client_of(port, f"vector(340) - 130 * (time() >= bool {turn})")
    found = client.submit(cell, from_keywords({"finish_by": "+40s", "outputs": ("y",)}))
    assert "for the lowest grid carbon before" in found.messages[-1]
    assert found.job.status.reason is Reason.DEFERRED
    assert found.job.result("y", timeout=60) == 2
    status = found.job.status
    assert status.started is not None
    assert status.started >= turn - 2


def test_a_job_starts_at_once_where_the_server_is_away(client_of, port, tmp_path: Path):
    cell = Cell("y = 2", {}, directory=tmp_path)
    assert client_of(port, "vector(1)").submit(cell, from_keywords({})).job.wait(60).state.ended
    found = client_of(9, "vector(1)").submit(cell, from_keywords({"finish_by": "+40s"}))
    assert found.messages[-1].startswith("It starts at once: the forecast cannot be had (")
    assert found.job.wait(60).state is JobState.SUCCEEDED


def test_samples_that_lie_in_the_future_are_a_forecast(client_of, tmp_path: Path):
    """As a site has them that writes the forecast of its grid into its Prometheus."""
    begin = (time.time() // STEP - 5) * STEP
    turn = begin + 40 * STEP
    lines = [f'grid_forecast{{zone="a"}} {340 if t < turn else 210} {t:.3f}' for t in every(begin, 200)]
    (tmp_path / "forecast.txt").write_text("# TYPE grid_forecast gauge\n" + "\n".join(lines) + "\n# EOF\n")
    folder = tmp_path / "future"
    made = [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*made, str(tmp_path / "forecast.txt"), str(folder / "data")], check=True, capture_output=True
    )
    with prometheus(folder, []) as there:
        now, found = asked(client_of(there, "last_over_time(grid_forecast[4s])"), turn - time.time() + 30)
        assert found.covers(now, turn + 20)
        assert found.mean(turn - 4 * STEP, turn - 2 * STEP) == 340
        assert found.mean(turn + 4 * STEP, turn + 8 * STEP) == 210
        now, longer = asked(client_of(there, "last_over_time(grid_forecast[4s])"), 4000)
        assert not longer.covers(now, now + 4000)


def every(begin: float, count: int):
    return (begin + n * STEP for n in range(count))
