"""Several nodes as a JobSet or as a TrainJob, where the target asks for one and the cluster has it."""

from __future__ import annotations

import pytest

from sovlab.core.job import JobState, Reason
from sovlab.errors import SpecError
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import is_leaving
from sovlab.kube.transport.errors import ApiError
from sovlab.kube.transport.exec import CommandFailed
from sovlab.kube.transport.exec_files import Container
from sovlab.payload.results import Results
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

GROUPS = {"jobset": "apis/jobset.x-k8s.io/v1alpha2", "trainjob": "apis/trainer.kubeflow.org/v1alpha1"}


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(trainer=True) as found:  # and JobSet, which Trainer needs
        yield found
        assert found.fake.failures == []


@pytest.fixture(params=GROUPS)
def workload(request):
    return request.param


@pytest.fixture
def harness(cluster, state, workload):
    return Harness(cluster.executor(state, workload=workload), state / "objects")


@pytest.fixture
def trainjobs(cluster, state):
    return Harness(cluster.executor(state, workload="trainjob"), state / "objects")


def made(cluster, workload):
    return cluster.api.get(cluster.path(f"{workload}s", group=GROUPS[workload]))["items"]


def test_each_node_knows_the_others(cluster, harness, workload):
    source = "import os\nrank = os.environ['RANK']\nprint('node', rank, 'of', os.environ['WORLD_SIZE'])"
    job_id = harness.submit(source, nodes=2, outputs=("rank",))
    record = harness.executor.wait(job_id, 120)
    assert record.status.state is JobState.SUCCEEDED, harness.log(job_id)
    assert job_id in [obj["metadata"]["name"] for obj in made(cluster, workload)]
    assert Results(harness.executor.results(job_id), main={}).value("rank") == "0"
    log = harness.log(job_id)
    assert b"node 0 of 2" in log
    assert b"node 1 of 2" in log
    assert [r.id for r in harness.executor.records()].count(job_id) == 1
    harness.executor.delete(job_id)
    until(lambda: not any(cluster.left(job_id).values()) and not made(cluster, workload))


ON_EACH = "import os, time\nprint('began on', os.environ['RANK'], flush=True)\ntime.sleep(60)"


@pytest.mark.parametrize("workload", ["job", *GROUPS])
def test_a_job_that_is_cancelled_ends_with_the_log_of_each_node(harness):
    """The cluster deletes what has not ended yet of a job of which a node fails."""
    job_id = harness.submit(ON_EACH, nodes=2)
    harness.until_printed(job_id, b"began on 0", b"began on 1")
    harness.executor.cancel(job_id)
    assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    for number in (b"0", b"1"):
        assert b"began on " + number in harness.log(job_id)
    again = next(record for record in harness.executor.records() if record.id == job_id)
    assert again.status.state is JobState.CANCELLED, "also when the workload has said how it ended"
    harness.executor.delete(job_id)


def test_a_job_that_is_cancelled_before_all_its_nodes_are_said_to_run_keeps_its_log(cluster, harness):
    """The cluster may say so seconds after they have begun, and have printed."""
    cluster.fake.kubelets.silent = lambda pod: status.index(pod) == 1 and not is_leaving(pod)
    try:
        job_id = harness.submit(ON_EACH, nodes=2)
        harness.until_printed(job_id, b"began on 0")
        harness.executor.cancel(job_id)
        assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    finally:
        cluster.fake.kubelets.silent = lambda pod: False
    assert b"began on 0" in harness.log(job_id)
    harness.executor.delete(job_id)


@pytest.mark.parametrize(
    "ending",
    [
        CommandFailed("killed", exit_code=137),
        CommandFailed("container not found"),
        ApiError("container not found", status=500),
    ],
    ids=("killed", "not found", "refused"),
)
def test_a_job_whose_nodes_end_before_their_command_has_keeps_its_log(cluster, harness, monkeypatch, ending):
    """The command is killed with the container, and the cluster says seconds later that it has ended."""
    cancel, tried = Container.cancel, []

    def cancelled(container: Container) -> None:
        tried.append(container)
        if len(tried) <= 2:
            cancel(container)
        if len(tried) > 12:
            cluster.fake.kubelets.silent = lambda pod: False
        raise ending

    monkeypatch.setattr(Container, "cancel", cancelled)
    job_id = harness.submit(ON_EACH, nodes=2)
    harness.until_printed(job_id, b"began on 0", b"began on 1")
    until(lambda: all(map(status.running_since, harness.executor._objects.pods(job_id))))
    cluster.fake.kubelets.silent = lambda pod: not is_leaving(pod)
    try:
        harness.executor.cancel(job_id)
    finally:
        cluster.fake.kubelets.silent = lambda pod: False
    assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    assert b"began on" in harness.log(job_id)
    harness.executor.delete(job_id)


def test_a_node_that_cannot_be_told_of_a_cancel_costs_no_other_its_log(cluster, harness, monkeypatch):
    cancel = Container.cancel

    def refused(container: Container) -> None:
        if "-1-" in container._pod[-8:]:
            raise CommandFailed("not permitted", exit_code=1)
        cancel(container)

    monkeypatch.setattr(Container, "cancel", refused)
    source = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('began on', os.environ['RANK'], flush=True)\ntime.sleep(60)"
    )
    job_id = harness.submit(source, nodes=2)
    harness.until_printed(job_id, b"began on 0", b"began on 1")
    until(lambda: all(map(status.running_since, harness.executor._objects.pods(job_id))))
    harness.executor.cancel(job_id)
    assert harness.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    assert b"began on 0" in harness.log(job_id)  # the other is ended with its pod, and its log is lost
    harness.executor.delete(job_id)


def test_one_node_needs_none_of_them(cluster, harness, workload):
    before = len(made(cluster, workload))
    job_id = harness.submit("1")
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert len(made(cluster, workload)) == before


def test_results_that_are_too_large_for_the_last_words_are_fetched(trainjobs):
    job_id = trainjobs.submit("big = bytes(200_000)", nodes=2, outputs=("big",))
    assert trainjobs.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED, trainjobs.log(job_id)
    assert Results(trainjobs.executor.results(job_id), main={}).value("big") == bytes(200_000)


def test_code_that_fails_runs_once_though_runtimes_start_containers_anew(trainjobs):
    job_id = trainjobs.submit("print('he' + 're')\nraise ValueError('no data')", nodes=2)
    record = trainjobs.executor.wait(job_id, 120)
    assert (record.status.state, record.status.reason) == (JobState.FAILED, Reason.USER_ERROR)
    assert "ValueError: no data" in record.status.message
    assert trainjobs.log(job_id).count(b"here") == 2  # once in each node


def test_a_container_that_is_killed_does_not_run_its_code_twice(trainjobs):
    source = (
        "import os, time\n"
        "print('beg' + 'an', flush=True)\n"
        "parent = lambda pid: int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n"
        "is_runner = lambda pid: b'runner.pyz\\0pod' in open(f'/proc/{pid}/cmdline', 'rb').read()\n"
        "first = os.getpid()\n"
        "while not is_runner(first) or is_runner(parent(first)):\n"
        "    first = parent(first)\n"
        "os.kill(first, 9)\n"
        "time.sleep(60)"
    )
    job_id = trainjobs.submit(source, nodes=2)
    record = trainjobs.executor.wait(job_id, 120)
    assert (record.status.state, record.status.reason) == (JobState.FAILED, Reason.KILLED)
    assert record.status.message.endswith("Its container was killed from outside. Submit it again.")
    assert b"began" not in trainjobs.log(job_id)  # which is that of the second containers


def test_what_only_a_runtime_can_say_is_refused_before_anything_is_made(cluster, state):
    harness = Harness(
        cluster.executor(state, workload="trainjob", runtime_class={"cpu": "kata"}), state / "objects"
    )
    before = len(made(cluster, "trainjob"))
    with pytest.raises(SpecError, match="runtime class"):
        harness.submit("1", nodes=2)
    assert len(made(cluster, "trainjob")) == before
