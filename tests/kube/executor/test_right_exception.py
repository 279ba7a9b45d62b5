"""Of several nodes, what is raised here is the exception of the one that failed by itself, and that stays."""

from __future__ import annotations

import copy
import json
import shutil
from types import SimpleNamespace

import pytest

from sovlab.client.job import Job
from sovlab.core.job import JobState, Reason
from sovlab.errors import UserCodeError
from sovlab.executors.kubernetes.following import Following
from sovlab.executors.kubernetes.objects.records import Records
from sovlab.executors.kubernetes.objects.workloads import Objects
from sovlab.kube import labels
from sovlab.kube.reading import status
from sovlab.runner.protocol import termination
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

WORKLOADS = {"job": {}, "jobset": {"workload": "jobset"}, "trainjob": {"workload": "trainjob"}}
# Node 0 fails for want of node 1, and may well say so first: as gloo does, once its other end has gone.
SOURCE = """
import os, pathlib, time
shown, other = {shown}, pathlib.Path({other!r})
if int(os.environ["RANK"]):
    written = other.with_suffix(".written")
    written.write_text(str(os.getpid()))
    written.rename(other)
    raise {error}
while not other.exists() or os.path.exists("/proc/" + other.read_text()):
    time.sleep(0.01)
from IPython.display import display
display("of the first")
raise RuntimeError("[enforce fail at gloo] Connection closed by peer [10.0.0.2]:1234" + shown)
"""
# Here it goes on, so that the second is the first to end.
ALONE = """
import os, time
if int(os.environ["RANK"]):
    raise ValueError("on purpose")
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(trainer=True) as found:
        yield found
        assert found.fake.failures == []


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "large"])
def test_the_exception_is_that_of_the_node_that_failed_by_itself(cluster, state, workload, size):
    harness = Harness(cluster.executor(state, **WORKLOADS[workload]), state / "objects")
    shown = f"__import__('random').Random(1).randbytes({size}).hex()"
    error = "ValueError('on purpose' + shown)"
    job_id = harness.submit(SOURCE.format(shown=shown, error=error, other=str(state / "other")), nodes=2)
    status = harness.executor.wait(job_id, 120).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.USER_ERROR)
    assert "on purpose" in status.message
    job = Job(job_id, harness.executor, rerun=None)
    with pytest.raises(ValueError, match="on purpose") as raised:
        job.result()
    assert str(raised.value).startswith("on purpose")
    assert len(str(raised.value)) == len("on purpose") + 2 * size
    assert harness.executor.record(job_id).status == status
    # That node was let end first: its pod stays, for who looks later.
    assert any(map(has_ended, harness.executor._objects.pods(job_id)))
    (state / "elsewhere").mkdir()
    shutil.copy(state / "signing.key", state / "elsewhere")  # else another's exception is told in words only
    elsewhere = cluster.executor(state / "elsewhere", **WORKLOADS[workload])
    assert elsewhere.record(job_id).status.message == status.message
    if size == 0:
        # The cluster may have ended the first node before it displayed anything.
        displayed = [bundle["data"]["text/plain"] for bundle in job.outputs]
        assert displayed in ([], ["'of the first'"])
        with pytest.raises(ValueError, match="on purpose"):
            Job(job_id, elsewhere, rerun=None).result()


def test_an_exception_that_cannot_be_sent_is_told_in_words_and_not_replaced_by_another(cluster, state):
    harness = Harness(cluster.executor(state), state / "objects")
    error = "type('Odd', (Exception,), {'__reduce__': lambda self: 1 / 0})('on purpose')"
    job_id = harness.submit(SOURCE.format(shown="''", error=error, other=str(state / "other")), nodes=2)
    assert harness.executor.wait(job_id, 120).status.state is JobState.FAILED
    with pytest.raises(UserCodeError, match="on purpose"):
        Job(job_id, harness.executor, rerun=None).result()


def test_what_was_told_of_an_end_stays_though_its_pods_go(cluster, state):
    harness = Harness(cluster.executor(state), state / "objects")
    job_id = harness.submit(
        SOURCE.format(shown="''", error="ValueError('on purpose')", other=str(state / "other")), nodes=2
    )
    told = harness.executor.wait(job_id, 120).status
    for pod in harness.executor._objects.pods(job_id):
        name = pod["metadata"]["name"]
        if name.startswith(f"{job_id}-1-"):
            cluster.api.delete(cluster.path("pods", name), grace=0)
    assert harness.executor.record(job_id).status == told
    assert {record.id: record for record in harness.executor.records()}[job_id].status == told
    with pytest.raises(ValueError, match="on purpose"):
        Job(job_id, harness.executor, rerun=None).result()


@pytest.fixture
def failed(cluster, state):
    """Of a failed job its id, its workload, its first pod as it ends for want of the second, and that one."""
    harness = Harness(cluster.executor(state), state / "objects")
    job_id = harness.submit(ALONE, nodes=2)
    harness.executor.wait(job_id, 120)
    objects = harness.executor._objects
    second = until(lambda: next(filter(has_ended, objects.pods(job_id)), None))
    workload = until(
        lambda: (found := objects.of_job(job_id)[1]) and status.condition(found, "Failed") and found
    )
    first = json.loads(json.dumps(second).replace(f"{job_id}-1-", f"{job_id}-0-"))
    first["metadata"]["uid"] = "first"
    first["metadata"]["labels"][labels.INDEX] = "0"
    told = first["status"]["containerStatuses"][0]["state"]["terminated"]
    record, _ = termination.decode(told["message"])
    record["error"] = {"type": "RuntimeError", "message": "Connection closed by peer"}
    told["message"] = termination.encode({**record, "message": "Connection closed by peer"})[0].decode()
    assert "closed by peer" in Records("lab").make(workload, [first]).status.message
    return job_id, workload, first, second


def test_what_a_pod_said_that_was_deleted_since_is_known_from_the_watch(cluster, failed):
    job_id, workload, first, second = failed
    objects = Objects(cluster.api, "research")
    with objects.watched() as watched:
        assert second["metadata"]["name"] in {pod["metadata"]["name"] for pod in watched.pods_of(job_id)}
        cluster.api.delete(cluster.path("pods", second["metadata"]["name"]), grace=0)
        until(lambda: any(map(has_ended, objects.left_by(job_id))))
        records = Records("lab", objects.left_by)
        assert "on purpose" in records.make(workload, [first]).status.message
        assert sorted(map(status.index, records.ended(job_id)[1])) == [0, 1]
        cluster.api.delete(f"{objects.jobs.path}/{job_id}")
        until(lambda: watched.workload(job_id) is None)
        until(lambda: not any(map(has_ended, objects.left_by(job_id))))


def test_a_pod_that_has_gone_is_waited_for_until_the_watch_has_told_of_its_end(cluster, failed):
    job_id, workload, first, second = failed
    running = copy.deepcopy(second)
    running["status"]["phase"] = "Running"
    for one in running["status"]["containerStatuses"]:
        one["state"] = {"running": {"startedAt": one["state"]["terminated"]["startedAt"]}}
    left = []
    records = Records("lab", lambda _: left)
    watched = SimpleNamespace(pods_of=lambda _: [first, running])
    following = Following(
        cluster.api, "lab", job_id, watched, records.make, lambda: [first], cursor={}, follow=True, stop=None,
        on_frame=lambda *_: None,
    )  # fmt: skip
    assert following._read(workload)[1].state is JobState.RUNNING
    watched.pods_of, left[:] = lambda _: [first], [second]
    assert "on purpose" in following._read(workload)[1].message


def test_news_of_a_pod_that_are_late_do_not_undo_its_end(cluster, state):
    harness = Harness(cluster.executor(state), state / "objects")
    job_id = harness.submit(ALONE, nodes=2)
    harness.executor.wait(job_id, 120)
    second = until(
        lambda: next((pod for pod in harness.executor._objects.pods(job_id) if has_ended(pod)), None)
    )
    workload = harness.executor._objects.of_job(job_id)[1]
    late = {**second, "status": {"phase": "Running"}}
    records = Records("lab")
    told = records.make(workload, [second]).status
    assert "on purpose" in told.message
    assert records.make(workload, [late]).status == told
    assert records.ended(job_id)[1] == [second]
    assert records.make(workload, []).status == told
    assert records.ended(job_id)[1] == [second]


def has_ended(pod):
    return "-1-" in pod["metadata"]["name"] and status.ended(pod) is not None
