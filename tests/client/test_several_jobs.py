"""Several jobs at once, a job in a pickle, and a job that is awaited."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sovlab
from sovlab.errors import CaptureError, SpecError, WaitTimeout


@pytest.fixture
def gated(client: object, tmp_path: Path) -> Iterator[Callable[[str], tuple[sovlab.Job, Callable[[], None]]]]:
    """Jobs that end when they are let go."""
    opened: list[Path] = []

    def submit(name: str) -> tuple[sovlab.Job, Callable[[], None]]:
        gate = tmp_path / f"gate-{name}"
        os.mkfifo(gate)
        opened.append(gate)
        job = sovlab.submit(_read, str(gate), name=name, cpu=0.1)
        return job, lambda: _open(gate, name)

    def _open(gate: Path, text: str) -> None:
        if gate in opened:
            opened.remove(gate)
            gate.write_text(text)

    yield submit
    for gate in opened:
        _open(gate, "")


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _fail(text: str) -> None:
    raise ValueError(text)


def test_jobs_come_as_they_end(gated: Callable[[str], tuple[sovlab.Job, Callable[[], None]]]) -> None:
    first, let_first = gated("first")
    second, let_second = gated("second")
    ended = sovlab.submit(abs, -3, cpu=0.1)
    ended.wait(60)
    found = sovlab.as_completed([first, second, ended, first])
    assert next(found) is ended
    let_second()
    assert next(found) is second
    let_first()
    assert next(found) is first
    assert next(found, None) is None
    assert {job.result() for job in sovlab.as_completed([first, second])} == {"first", "second"}


def test_the_words_of_wait_are_those_of_futures(
    gated: Callable[[str], tuple[sovlab.Job, Callable[[], None]]],
) -> None:
    slow, let = gated("slow")
    quick, bad = sovlab.submit(abs, -3, cpu=0.1), sovlab.submit(_fail, "on purpose", cpu=0.1)
    one = sovlab.wait([slow, quick], return_when=concurrent.futures.FIRST_COMPLETED)
    assert (one.done, one.not_done) == ({quick}, {slow})
    done, not_done = sovlab.wait([slow, bad], return_when="FIRST_EXCEPTION")
    assert (done, not_done) == ({bad}, {slow})
    assert sovlab.wait([slow, quick], timeout=0) == ({quick}, {slow})
    let()
    assert sovlab.wait([slow, quick, bad]) == ({slow, quick, bad}, set())
    assert sovlab.wait([]) == (set(), set())
    with pytest.raises(SpecError, match="return_when is 'ANY'"):
        sovlab.wait([quick], return_when="ANY")
    with pytest.raises(SpecError, match="single job"):
        sovlab.wait(quick)  # type: ignore[arg-type]


def test_a_wait_that_is_over_says_how_many_are_left(
    gated: Callable[[str], tuple[sovlab.Job, Callable[[], None]]],
) -> None:
    slow, let = gated("slow")
    quick = sovlab.submit(abs, -3, cpu=0.1)
    quick.wait(60)
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(TimeoutError, match=r"1 of 2 jobs has not ended after 0 s\. They go on") as caught:
            list(sovlab.as_completed([slow, quick], timeout=0))
        assert isinstance(caught.value, WaitTimeout)
    assert threading.active_count() <= before + 1  # one waits for each job, however often it is asked
    let()
    assert list(sovlab.as_completed([slow], timeout=60)) == [slow]


def test_the_functions_of_futures_name_ours(client: object) -> None:
    job = sovlab.submit(abs, -3, cpu=0.1)
    with pytest.raises(AttributeError, match=r"sovlab\.as_completed"):
        concurrent.futures.wait([job])  # type: ignore[list-item]
    with pytest.raises(AttributeError, match="'Job' object has no attribute 'nothing'"):
        job.nothing  # type: ignore[attr-defined]


def test_a_pickled_job_lives_in_another_process(
    gated: Callable[[str], tuple[sovlab.Job, Callable[[], None]]],
) -> None:
    job, let = gated("pickled")
    data = pickle.dumps(job)
    assert pickle.loads(data) == job
    assert len({pickle.loads(data), job}) == 1
    code = (
        "import pickle, sys\njob = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(job.done(), flush=True)\nprint(job.result(timeout=60), job.name, job.target)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, data.hex()], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        let()
        assert process.stdout.read() == "pickled pickled local\n"
    assert len(data) < 200


def test_a_job_does_not_travel_into_a_job(client: object) -> None:
    job = sovlab.submit(abs, -3, cpu=0.1)
    with pytest.raises(
        CaptureError, match=r"argument 1 \(at \['x'\]\) cannot be sent.*Send what job\.result"
    ):
        sovlab.submit(print, {"x": job})


def test_awaiting_gives_the_result_while_the_loop_goes_on(
    gated: Callable[[str], tuple[sovlab.Job, Callable[[], None]]],
) -> None:
    first, let_first = gated("first")
    second, let_second = gated("second")

    async def both() -> list[str]:
        waiting = asyncio.gather(first, second)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_result(first), 0)
        await asyncio.sleep(0)  # the loop turns while both wait
        let_first()
        let_second()
        found: list[str] = await waiting
        return found

    assert asyncio.run(both()) == ["first", "second"]


async def _result(job: sovlab.Job) -> object:
    return await job


def test_awaiting_raises_what_result_raises(client: object) -> None:
    async def wait(job: sovlab.Job) -> object:
        return await job

    with pytest.raises(ValueError, match="on purpose"):
        asyncio.run(wait(sovlab.submit(_fail, "on purpose", cpu=0.1)))
