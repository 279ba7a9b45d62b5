"""What every executor promises (`sovlab.executors.executor.Executor`); the same file for all of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

import sovlab
from sovlab.core.event import LogChunk, ProgressChanged, StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.core.names import new_job_id
from sovlab.core.spec import Resources
from sovlab.errors import JobNotFound, SpecError, UsageError, WaitTimeout
from sovlab.payload.results import Results


def test_a_job_runs_and_its_names_come_back(harness):
    job_id = harness.submit("y = x + 1\nprint('printed')", namespace={"x": 41}, outputs=("y",))
    record = harness.executor.wait(job_id, 60)
    assert record.status.state is JobState.SUCCEEDED
    assert record.status.exit_code == 0
    assert record.id == job_id
    assert record.spec.name == "test"
    assert record.status.submitted <= record.status.started <= record.status.ended
    assert [r.name for r in record.status.returned] == ["y"]
    assert Results(harness.executor.results(job_id), main={}).value("y") == 42
    assert harness.log(job_id) == b"printed\n"


def test_submitting_the_same_id_again_changes_nothing(harness):
    spec, path = harness.spec("import time\nprint(time.time_ns())")
    job_id = new_job_id("twice")
    for _ in range(3):
        harness.executor.submit(job_id, spec, path, dict(os.environ))
    harness.executor.wait(job_id, 60)
    harness.executor.submit(job_id, spec, path, dict(os.environ))
    assert harness.log(job_id).count(b"\n") == 1
    assert [r.id for r in harness.executor.records()].count(job_id) == 1


def test_a_user_error_is_told_with_its_traceback(harness):
    job_id = harness.submit("x = 1\nraise ValueError('on purpose')")
    status = harness.executor.wait(job_id, 60).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.USER_ERROR)
    assert status.message == "ValueError: on purpose"
    assert status.error["type"] == "ValueError"
    assert "Cell In[1], line 2" in status.error["traceback"]


@pytest.mark.parametrize(
    ("source", "changes", "state", "reason"),
    [
        ("import time\ntime.sleep(600)", {"timeout": 0.5}, JobState.FAILED, Reason.TIMEOUT),
        ("import sys\nsys.exit(3)", {}, JobState.FAILED, Reason.USER_ERROR),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", {}, JobState.FAILED, Reason.KILLED),
        ("import os\nos._exit(0)", {}, JobState.FAILED, Reason.USER_ERROR),
        ("raise MemoryError", {}, JobState.FAILED, Reason.OUT_OF_MEMORY),
    ],
)
def test_each_way_to_end_is_told_apart(harness, source, changes, state, reason):
    status = harness.executor.wait(harness.submit(source, **changes), 60).status
    assert (status.state, status.reason) == (state, reason)
    assert status.message


def test_using_more_memory_than_given_ends_the_job(harness):
    source = (
        "import time\nblock = bytearray(600 << 20)\n"
        "for i in range(0, len(block), 4096): block[i] = 1\ntime.sleep(60)"
    )
    status = harness.executor.wait(harness.submit(source, resources=Resources(memory=200 << 20)), 60).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.OUT_OF_MEMORY)
    assert "--memory" in status.message


def test_cancelling_a_running_job_lets_it_clean_up_and_ends_it(harness):
    job_id = harness.submit(
        "import time\ntry:\n    print('began')\n    time.sleep(600)\nfinally:\n    print('cleaned')"
    )
    harness.until_printed(job_id, b"began")
    harness.executor.cancel(job_id)
    status = harness.executor.wait(job_id, 60).status
    assert (status.state, status.reason) == (JobState.CANCELLED, Reason.CANCELLED)
    assert b"cleaned" in harness.log(job_id)
    harness.executor.cancel(job_id)
    assert harness.executor.record(job_id).status == status


def test_a_job_that_ignores_sigterm_is_killed_after_its_grace(harness):
    source = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n"
        "print('began', os.getpid())\nwhile True:\n    time.sleep(0.05)"
    )
    job_id = harness.submit(source, grace=0.3)
    harness.until_printed(job_id, b"began")
    harness.executor.cancel(job_id)
    assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("sovlab.checkpoint", {"sovlab": sovlab}), ("checkpoint", {"checkpoint": sovlab.checkpoint})],
    ids=["of the module", "by its name"],
)
def test_the_checkpoint_function_gets_its_grace(harness, name, namespace):
    source = (
        f"import time\n@{name}\ndef save_it(directory):\n"
        "    (directory / 'state').write_text('saved')\n    print('saved', (directory / 'state').exists())\n"
        "print('began')\ntime.sleep(600)"
    )
    job_id = harness.submit(source, namespace=namespace)
    harness.until_printed(job_id, b"began")
    harness.executor.cancel(job_id)
    assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    assert b"saved True" in harness.log(job_id)


def test_events_follow_a_job_from_the_start_to_its_end(harness):
    source = (
        "import sovlab, sys\nfor i in range(3):\n    print('line', i)\n"
        "    sovlab.progress(i + 1, 3, loss=1 / (i + 1))\n"
        "sys.stdout.write('no newline')"
    )
    events = list(harness.executor.events(harness.submit(source)))
    assert isinstance(events[0], StatusChanged)
    assert isinstance(events[-1], StatusChanged)
    assert events[-1].status.state is JobState.SUCCEEDED
    log = b"".join(e.data for e in events if isinstance(e, LogChunk))
    assert log == b"line 0\nline 1\nline 2\nno newline"
    progress = [e.progress for e in events if isinstance(e, ProgressChanged)]
    assert (progress[-1].step, progress[-1].total) == (3, 3)
    assert progress[-1].fraction == 1.0


def test_output_arrives_byte_for_byte(harness):
    data = bytes(range(256)) + "\r 10%|█ |\r 20%|██|\n\x1esovlab:0 {}\n\x1e".encode() + b"\x1b[31mred\x1b[0m"
    source = f"import os, sys\nsys.stdout.buffer.write({data!r})\nos.write(2, b'raw')"
    job_id = harness.submit(source)
    harness.executor.wait(job_id, 60)
    assert harness.log(job_id) == data + b"raw"


def test_reading_goes_on_at_any_offset_without_loss_or_doubling(harness):
    job_id = harness.submit(
        "import sovlab\nfor i in range(200):\n    print(i)\n    sovlab.progress(i + 1, 200)"
    )
    harness.executor.wait(job_id, 60)
    events = [e for e in harness.executor.events(job_id) if isinstance(e, LogChunk | ProgressChanged)]
    whole = b"".join(e.data for e in events if isinstance(e, LogChunk))
    for number in range(0, len(events), 17):
        before = b"".join(e.data for e in events[: number + 1] if isinstance(e, LogChunk))
        rest = [
            e
            for e in harness.executor.events(job_id, offset=events[number].offset)
            if isinstance(e, LogChunk)
        ]
        assert before + b"".join(e.data for e in rest) == whole


def test_following_stops_when_asked(harness):
    job_id = harness.submit("import time\nprint('began')\ntime.sleep(600)")
    stop = threading.Event()
    for event in harness.executor.events(job_id, stop=stop):
        if isinstance(event, LogChunk):
            stop.set()
    assert harness.executor.record(job_id).status.state is JobState.RUNNING
    harness.executor.cancel(job_id)


def test_waiting_ends_at_its_time_and_the_job_goes_on(harness):
    job_id = harness.submit("import time\ntime.sleep(600)")
    with pytest.raises(WaitTimeout):
        harness.executor.wait(job_id, 0.2)
    assert not harness.executor.record(job_id).status.state.ended
    harness.executor.cancel(job_id)
    harness.executor.wait(job_id, 60)


def test_the_environment_that_was_asked_for_is_there(harness):
    source = "import os\nprint(os.environ['GREETING'], os.environ['SOVLAB_BACKEND'])"
    job_id = harness.submit(source, env={"GREETING": '$HOME `x` "ä"'})
    harness.executor.wait(job_id, 60)
    assert harness.log(job_id) == '$HOME `x` "ä" cpu\n'.encode()


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("PYTHONHASHSEED", "0", "hash('sovlab')"),
        ("PYTHONOPTIMIZE", "1", "__debug__"),
        ("PYTHONWARNINGS", "error", "sys.warnoptions"),
        ("TZ", "Asia/Tokyo", "time.tzname"),
    ],
)
def test_a_variable_that_only_a_fresh_interpreter_heeds_is_heeded(harness, name, value, seen):
    source = f"import sys, time\nprint({seen})"
    job_id = harness.submit(source, env={name: value})
    harness.executor.wait(job_id, 60)
    environ = {**os.environ, name: value}
    plain = subprocess.run([sys.executable, "-c", source], capture_output=True, env=environ, check=True)
    assert harness.log(job_id) == plain.stdout


def test_a_submitter_that_is_a_rank_of_somebody_elses_submits_jobs_of_one_process(harness, monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        monkeypatch.setenv(name, "4")
    source = (
        "import os, sovlab.torch\nprint(sovlab.torch.init_distributed().size)\n"
        "print([n for n in os.environ if 'RANK' in n or n.startswith(('SLURM', 'OMPI', 'PMI', 'WORLD'))])"
    )
    job_id = harness.submit(source)
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == b"1\n[]\n"
    job_id = harness.submit("import os\nprint(os.environ['RANK'])", env={"RANK": "2"})
    harness.executor.wait(job_id, 60)
    assert harness.log(job_id) == b"2\n"


def test_what_a_cell_displays_comes_back(harness):
    job_id = harness.submit(
        "class Shown:\n    def _repr_html_(self):\n        return '<b>shown</b>'\nShown()"
    )
    harness.executor.wait(job_id, 60)
    (output,) = Results(harness.executor.results(job_id), main={}).outputs
    assert output["data"]["text/html"] == "<b>shown</b>"


def test_two_ranks_train_together_and_rank_0_returns(harness):
    source = (
        "import sovlab, torch, torch.distributed as dist\n"
        "world = sovlab.torch.init_distributed()\n"
        "x = torch.ones(1) * (dist.get_rank() + 1)\ndist.all_reduce(x)\ntotal = x.item()\n"
        "print('rank', dist.get_rank(), 'of', dist.get_world_size())"
    )
    job_id = harness.submit(source, procs=2, outputs=("total",))
    record = harness.executor.wait(job_id, 120)
    assert record.status.state is JobState.SUCCEEDED, harness.log(job_id).decode()
    assert Results(harness.executor.results(job_id), main={}).value("total") == 3.0
    by_rank = {}
    for event in harness.executor.events(job_id):
        if isinstance(event, LogChunk):
            by_rank[event.rank] = by_rank.get(event.rank, b"") + event.data
    assert b"rank 0 of 2" in by_rank[0]
    assert b"rank 1 of 2" in by_rank[1]


def test_an_ended_job_can_be_deleted_and_a_running_one_not(harness):
    running = harness.submit("import time\nprint('began')\ntime.sleep(600)")
    harness.until_printed(running, b"began")
    with pytest.raises(UsageError, match="has not ended"):
        harness.executor.delete(running)
    harness.executor.cancel(running)
    harness.executor.wait(running, 60)
    harness.executor.delete(running)
    with pytest.raises(JobNotFound):
        harness.executor.record(running)


@pytest.mark.parametrize("job_id", ["nobody-aaaaaa", "../../etc/passwd", "", "."])
def test_an_unknown_job_is_said_to_be_unknown(harness, job_id):
    for ask in (
        harness.executor.record,
        harness.executor.wait,
        harness.executor.cancel,
        harness.executor.results,
        harness.executor.delete,
    ):
        with pytest.raises(JobNotFound):
            ask(job_id)
    with pytest.raises(JobNotFound):
        list(harness.executor.events(job_id))


def test_jobs_are_listed_newest_first(harness):
    ids = [harness.submit("1") for _ in range(3)]
    for job_id in ids:
        harness.executor.wait(job_id, 60)
    assert [r.id for r in harness.executor.records()][:3] == ids[::-1]


def test_all_jobs_are_told_again_as_they_come_change_and_go(harness):
    first = harness.submit("pass")
    harness.executor.wait(first, 60)
    stop = threading.Event()
    told = harness.executor.changes(stop)

    def until(fits):
        for seen in told:
            assert seen.error is None
            if fits({record.id: record for record in seen.records}):
                return list(seen.records)
        raise AssertionError("it ended before it was stopped")

    records = until(lambda known: first in known)
    second = harness.submit("print('x')")
    records = until(lambda known: second in known and known[second].status.state is JobState.SUCCEEDED)
    assert [record.id for record in records[:2]] == [second, first]
    harness.executor.delete(first)
    until(lambda known: first not in known and second in known)
    stop.set()
    assert sum(1 for _ in told) <= 1


def test_the_users_own_jobs_are_told_with_what_marks_their_code(harness):
    if not hasattr(harness.executor, "own_records"):
        pytest.skip("this executor has no history to tell")
    spec, _ = harness.spec("1  # my own")
    job_id = harness.submit("1  # my own")
    harness.executor.wait(job_id, 60)
    (mine,) = (r for r in harness.executor.own_records(1000) if r.id == job_id)
    assert mine.status.state is JobState.SUCCEEDED
    assert mine.spec.code == spec.code == hashlib.sha256(b"1  # my own").hexdigest()
    assert len(harness.executor.own_records(1)) == 1


def test_what_there_is_is_told_with_its_source(harness):
    cpu = next(c for c in harness.executor.capacity() if c.detection.backend == "cpu")
    assert cpu.total >= 1
    assert 0 <= cpu.free <= cpu.total
    assert cpu.source


def test_what_can_never_run_is_refused_and_leaves_nothing(harness):
    before = [r.id for r in harness.executor.records()]
    with pytest.raises(SpecError, match="memory"):
        harness.submit("1", resources=Resources(memory=1 << 60))
    assert [r.id for r in harness.executor.records()] == before


def test_what_a_job_saved_is_there_for_the_job_that_resumes_it(harness):
    source = (
        "import sovlab, time\nplace = sovlab.checkpoint.directory / 'step'\n"
        "@sovlab.checkpoint\ndef save(directory):\n    (directory / 'step').write_text('7')\n"
        "print('step', place.read_text() if place.exists() else None, flush=True)\n"
        "time.sleep(0 if place.exists() else 60)"
    )
    if not harness.keeps_checkpoints:
        pytest.skip("this executor has no store, so checkpoints go with the pod")
    first = harness.submit(source)
    harness.until_printed(first, b"step None")
    harness.executor.cancel(first)
    harness.executor.wait(first, 60)
    spec, payload = harness.executor.request(first)
    second = new_job_id("second")
    harness.executor.submit(second, replace(spec, resume=first), payload, dict(os.environ))
    assert harness.executor.wait(second, 60).status.state is JobState.SUCCEEDED
    assert harness.log(second) == b"step 7\n"


def test_a_request_can_be_had_back_whole(harness):
    job_id = harness.submit("1", env={"SECRET_X": "a b"}, args=("--x", "1"), outputs=("y",), timeout=30)
    spec, payload = harness.executor.request(job_id)
    assert (spec.env, spec.args, spec.outputs, spec.timeout) == (
        {"SECRET_X": "a b"},
        ("--x", "1"),
        ("y",),
        30,
    )
    assert spec.labels
    again = new_job_id("again")
    harness.executor.submit(again, spec, payload, dict(os.environ))
    assert harness.executor.wait(again, 60).status.state is JobState.SUCCEEDED


TOLD = """
from sovlab.runner import context

say = context.current.say
say({"t": "device", "n": 40, "id": "GPU-40", "kind": "gpu", "name": "H100"})
for n in range(1, 4):
    device = {"w": [300.0] * 5, "c": 61.0, "j": 1500.0 * n, "s": "counter", "x": []}
    print("epoch", n)
    say({"t": "power", "at": 1.78e9 + 5 * n, "n": 40, "d": [device]})
"""


def test_the_power_that_a_log_tells_is_found_in_it(harness):
    job_id = harness.submit(TOLD)
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == b"epoch 1\nepoch 2\nepoch 3\n"
    history = harness.executor.power_history(job_id)
    assert history.devices[40].name == "H100"
    assert (history.joules([40]), history.celsius([40])) == (4500.0, 61.0)
    assert [point.time for point in history.points(40)] == [1.78e9 + second for second in range(15)]
    assert {point.watts for point in history.points(40)} == {300.0}
    silent = harness.submit("print('silent')")
    harness.executor.wait(silent, 60)
    assert harness.executor.power_history(silent).points(40) == []
