from __future__ import annotations

import signal
import time

import sovlab
from sovlab.runner.protocol.frames import MAX_WRITE
from tests.runner.conftest import RunningJob


def test_progress_is_told_and_the_last_step_always(job: RunningJob) -> None:
    record = job.run(
        """
        import sovlab
        for step in range(1, 2001):
            print(step)
            sovlab.progress(step, total=3000, loss=1 / step, phase="train")
        """
    )
    told = job.frames("progress")
    assert told[0]["step"] == 1
    assert told[-1]["step"] == 2000
    assert told[-1]["metrics"] == {"loss": 1 / 2000, "phase": "train"}
    assert [t["step"] for t in told] == sorted(t["step"] for t in told)
    seconds = record["ended"] - record["started"]
    assert len(told) <= seconds * 20 + 2
    assert record["progress"]["step"] == 2000
    assert job.log == "".join(f"{i}\n" for i in range(1, 2001))


def test_the_last_report_before_a_silence_is_told_in_it(job: RunningJob) -> None:
    record = job.run(
        """
        import json, os, sovlab, time
        for step in range(1, 25):
            sovlab.progress(step, total=40, loss=0.5)
        path = JOB_LOG
        until = time.monotonic() + 60
        while '"step":24' not in open(path, errors="replace").read().replace(" ", ""):
            assert time.monotonic() < until
            time.sleep(0.02)
        print("seen")
        """.replace("JOB_LOG", repr(str(job.log_path)))
    )
    assert record["reason"] == "succeeded", job.log
    assert [told["step"] for told in job.frames("progress")][-1] == 24


def test_a_tensor_is_asked_in_the_jobs_own_thread_only(job: RunningJob) -> None:
    record = job.run(
        """
        import sovlab, threading, time
        class Scalar:
            asked = set()
            def item(self):
                Scalar.asked.add(threading.current_thread().name)
                return 0.25
        for step in range(1, 25):
            sovlab.progress(step, total=40, loss=Scalar())
        sovlab.progress(30, total=40)
        time.sleep(0.3)
        sovlab.progress(31, total=40, loss=Scalar())
        assert Scalar.asked == {"MainThread"}, Scalar.asked
        """
    )
    assert record["reason"] == "succeeded", job.log


def test_any_metric_can_be_told(job: RunningJob) -> None:
    record = job.run(
        """
        import sovlab
        class Scalar:
            def item(self): return 0.25
        class Bad:
            def item(self): raise RuntimeError
            def __str__(self): raise RuntimeError
        metrics = {f"m{i}": "x" * 1000 for i in range(200)}
        sovlab.progress(1, 1, a=Scalar(), b=float("nan"), c=Bad(), d=True, e=10**400, **metrics)
        """
    )
    assert record["reason"] == "succeeded", job.log
    (told,) = job.frames("progress")
    assert told["metrics"]["a"] == 0.25
    assert told["metrics"]["b"] == "nan"
    assert len(str(told)) < MAX_WRITE


def test_a_forked_worker_does_not_speak_for_the_job(job: RunningJob) -> None:
    job.run("import os, sovlab\nif os.fork() == 0:\n    sovlab.progress(5)\n    os._exit(0)\nos.wait();")
    assert job.frames("progress") == []


def test_outside_of_a_job_nothing_happens(capfd: object) -> None:
    sovlab.progress(1, 2, loss=3)
    assert sovlab.checkpoint.directory is None
    assert sovlab.checkpoint(len) is len
    assert capfd.readouterr().out == ""  # type: ignore[attr-defined]


HOOK = """
import sovlab, time
@sovlab.checkpoint
def save(directory):
    print("saving")
    (directory / "state").write_text("step 3")
    time.sleep({seconds})
    (directory / "state").write_text("step 3, whole")
try:
    print("ready")
    while True:
        time.sleep(0.01)
        print("working")
finally:
    print("finally")
"""


def test_the_hook_runs_once_when_time_is_over_and_finally_after_it(job: RunningJob) -> None:
    record = job.run_out_of_time(HOOK.format(seconds=0.2), after="working")
    assert record["reason"] == "timeout"
    assert job.log.count("saving") == 1
    assert job.log.rstrip().endswith("finally")
    assert "working" not in job.log.partition("saving")[2]
    assert (job.directory / "checkpoint" / "state").read_text() == "step 3, whole"


def test_more_signals_neither_repeat_the_hook_nor_shorten_the_grace(job: RunningJob) -> None:
    job.write(HOOK.format(seconds=1.0))
    process = job.start()
    job.until("working")
    (job.directory / "cancel").touch()
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert job.wait() == 130
    assert job.log.count("saving") == 1
    assert (job.directory / "checkpoint" / "state").read_text() == "step 3, whole"


def test_a_hook_that_takes_too_long_is_cut_off(job: RunningJob) -> None:
    record = job.run_out_of_time(HOOK.format(seconds=60), grace=0.5)
    assert record["reason"] == "timeout"
    assert (job.directory / "checkpoint" / "state").read_text() == "step 3"
    assert "finally" not in job.log


def test_a_hook_that_fails_shows_why_and_the_job_still_ends(job: RunningJob) -> None:
    hook = "import sovlab\n@sovlab.checkpoint\ndef save(d):\n    1 / 0"
    source = f"{hook}\nimport time\nprint('ready')\ntime.sleep(60)"
    record = job.run_out_of_time(source)
    assert record["reason"] == "timeout"
    assert "ZeroDivisionError" in job.log


def test_a_retry_finds_what_the_earlier_try_saved(job: RunningJob) -> None:
    source = """
        import sovlab
        path = sovlab.checkpoint.directory / "epoch"
        epoch = int(path.read_text()) + 1 if path.exists() else 0
        path.write_text(str(epoch))
    """
    for epoch in range(2):
        job.run(source, outputs=["epoch"])
        assert job.values == {"epoch": epoch}
