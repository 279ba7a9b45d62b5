"""Jobs of several submitters of one machine: each has its own's environment, umask, nice level and limits.

All of them are started by the same agent, which whoever came first has started.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from sovlab.core.job import JobState
from sovlab.payload.results import Results

from .conftest import Harness, local_harness

REPORT = """
import os, resource, subprocess, sys
with open(name, "w"):
    pass
answer = {
    "mode": os.stat(name).st_mode & 0o777,
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "child": subprocess.run(["sh", "-c", "umask"], capture_output=True, text=True).stdout.strip(),
}
"""
SUBMIT = """
import json, os, resource, sys
os.umask({umask})
os.nice({nice})
files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, files))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if {plain}:
    name = {name!r}
    exec({report!r})
else:
    import sovlab
    from sovlab.client import Cell, default
    from sovlab.options.job import from_keywords
    options = from_keywords(dict(outputs=("answer",), env={env!r}, procs={procs}))
    job = default().submit(Cell({report!r}, {{"name": {name!r}}}, label="In[1]"), options).job
    answer = job.result("answer")
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    for made in local_harness():
        made.executor.wait(made.submit("1"), 60)  # the agent has this process's attributes
        yield made


def submitted(harness: Harness, name: str, *, plain: bool = False, **how: Any) -> Any:
    """What the report says in a job of a submitter of its own, or in that process itself if ``plain``."""
    told = {"umask": 0o022, "nice": 0, "files": 256, "env": {}, "procs": 1, **how}
    program = SUBMIT.format(report=REPORT, plain=plain, name=name, **told)
    environ = {**os.environ, "SOVLAB_STATE_DIR": str(harness.executor._store.state)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environ
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "how",
    [
        {"umask": 0o077, "nice": 3},
        {"umask": 0o002, "nice": 0, "files": 333},
        {"umask": 0o027, "nice": 5, "env": {"PYTHONHASHSEED": "0"}},
    ],
    ids=["private", "for the group", "in an interpreter of its own"],
)
def test_a_job_has_the_umask_nice_level_and_limits_of_its_submitter(harness, tmp_path, how):
    plain = submitted(harness, str(tmp_path / "plain"), plain=True, **how)
    for number in range(2):
        assert submitted(harness, str(tmp_path / f"job-{number}"), **how) == plain


def test_ranks_have_them_too(harness, tmp_path):
    pytest.importorskip("torch")
    how = {"umask": 0o027, "nice": 2}
    plain = submitted(harness, str(tmp_path / "plain"), plain=True, **how)
    assert submitted(harness, str(tmp_path / "job"), procs=2, **how) == plain


def test_more_than_a_process_may_have_is_left(harness, monkeypatch):
    from sovlab.executors.local import executor

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = {
        "umask": 0o022,
        "nice": -20,
        "limits": {"RLIMIT_NOFILE": [hard * 2, hard * 2], "RLIMIT_NONE": [1, 1]},
    }
    monkeypatch.setattr(executor.inherited, "of_this_process", lambda: wanted)
    job_id = harness.submit("import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[1])")
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert int(harness.log(job_id)) <= hard * 2


def test_what_the_umask_of_a_submitter_allows_shows_nobody_its_jobs(harness):
    old = os.umask(0)
    try:
        job_id = harness.submit("x = 1\nprint(x)", outputs=("x",))
        harness.executor.wait(job_id, 60)
    finally:
        os.umask(old)
    directory = harness.executor._store.jobs / job_id
    assert directory.stat().st_mode & 0o077 == 0
    assert Results(harness.executor.results(job_id), main={}).value("x") == 1


def test_a_variable_of_a_later_submitter_is_heeded(harness, monkeypatch):
    """By a job that is started for it, and by those that are forked from what was started then."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    source = "import sys, time\nprint(__debug__, sys.flags.optimize, time.tzname)"
    plain = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True).stdout
    for _ in range(3):
        job_id = harness.submit(source)
        harness.executor.wait(job_id, 60)
        assert harness.log(job_id) == plain
    monkeypatch.delenv("PYTHONOPTIMIZE")
    job_id = harness.submit("print(__debug__)")
    harness.executor.wait(job_id, 60)
    assert harness.log(job_id) == b"True\n"
