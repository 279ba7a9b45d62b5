"""Of several nodes, what is raised here is the exception of the one that failed by itself, and that stays."""

from __future__ import annotations

import pytest

from sovlab.client.job import Job
from sovlab.core.job import JobState, Reason
from sovlab.errors import UserCodeError
from sovlab.executors.kubernetes.objects.records import Records
from sovlab.kube.reading import status
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


def test_news_of_a_pod_that_are_late_do_not_undo_its_end(cluster, state):
    harness = Harness(cluster.executor(state), state / "objects")
    job_id = harness.submit(
        SOURCE.format(shown="''", error="ValueError('on purpose')", other=str(state / "other")), nodes=2
    )
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
