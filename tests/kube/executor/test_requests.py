"""How many requests a question costs, counted by the API server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from sovlab.client.job import Job
from sovlab.client.pending import pending
from sovlab.core.job import JobRecord, JobState
from sovlab.errors import JobError, JobNotFound
from sovlab.executors.executor import Executor
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.jupyter.live_cards import LiveCard
from sovlab.kube.reading import status
from sovlab.kube.transport.connection import Login
from tests.cluster.conftest import Cluster
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

GROUPS = {
    "job": "apis/batch/v1",
    "jobset": "apis/jobset.x-k8s.io/v1alpha2",
    "trainjob": "apis/trainer.kubeflow.org/v1alpha1",
}
WORKLOADS = {"job": {}, "jobset": {"workload": "jobset"}, "trainjob": {"workload": "trainjob"}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with fake_cluster(trainer=True) as found:  # and JobSet, which Trainer needs
        found.fake.users.add("ada", (), ("system:masters",))
        yield found
        assert found.fake.failures == []


def executor(cluster: Cluster, state: Path) -> KubernetesExecutor:
    """One whose requests are counted, because ada makes them: with the key of who submits, from elsewhere."""
    ada = Login(context="ada", kubeconfig=cluster.fake.kubeconfig_for("ada"))
    key = (state.parent / "there" if state.name == "here" else state) / "signing.key"
    return KubernetesExecutor("cluster", ada, cluster.profile(), state, key_file=key, agents=False)


class Asked:
    """The requests of ada that were made while it was a context."""

    def __init__(self, cluster: Cluster) -> None:
        self._all = cluster.fake.requests
        self._begin = self._end = 0

    def __enter__(self) -> Asked:
        self._begin = len(self._all)
        return self

    def __exit__(self, *_: object) -> None:
        self._end = len(self._all)

    @property
    def requests(self) -> list[Any]:
        return [request for request in self._all[self._begin : self._end] if request.user == "ada"]

    @property
    def paths(self) -> list[str]:
        return [f"{r.method} {r.path} {r.status}" for r in self.requests]

    def __len__(self) -> int:
        return len(self.requests)


def job(place: Executor, job_id: str, record: JobRecord | None = None) -> Job:
    def rerun(record: JobRecord, resume: bool | None) -> Job:
        raise AssertionError("nobody asked for it")

    return Job(job_id, place, rerun, record)


def ended(cluster: Cluster, state: Path, workload: str, source: str, **changes: Any) -> str:
    """A job that has ended, submitted elsewhere; its id."""
    harness = Harness(cluster.executor(state / "there", **WORKLOADS[workload]), state / "objects")
    job_id = harness.submit(source, nodes=1 if workload == "job" else 2, **changes)
    assert harness.executor.wait(job_id, 120).status.state.ended
    # The pods have said how it ended; the workload itself says so a moment later.
    place = cluster.path(f"{workload}s", job_id, group=GROUPS[workload])
    until(lambda: status.condition(cluster.api.get(place), "Complete", "Completed", "Failed"), 60)
    return job_id


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_result_of_an_ended_job_costs_at_most_three_requests(
    cluster: Cluster, state: Path, workload: str
) -> None:
    job_id = ended(cluster, state, workload, "y = 42\nprint('printed')", outputs=("y",))
    fresh = job(executor(cluster, state / "here"), job_id)
    with Asked(cluster) as asked:
        assert fresh.result("y") == 42
        assert fresh.result() == {"y": 42}
        assert fresh.results() == {"y": 42}
        assert fresh.exception() is None
    assert len(asked) <= 3, asked.paths
    assert all("watch" not in request.query for request in asked.requests)
    with Asked(cluster) as asked:
        assert fresh.done()
        assert fresh.record.status is fresh.status
        assert (fresh.state, fresh.name) == (JobState.SUCCEEDED, "test")
        assert "succeeded" in repr(fresh)
        assert fresh.outputs == []
        assert "has come back" in str(pending(fresh, "y"))
    assert asked.paths == []


@pytest.mark.parametrize("workload", WORKLOADS)
def test_why_a_job_failed_costs_at_most_three_requests(cluster: Cluster, state: Path, workload: str) -> None:
    job_id = ended(cluster, state, workload, "raise ValueError('on purpose')")
    fresh = job(executor(cluster, state / "here"), job_id)
    with Asked(cluster) as asked, pytest.raises((ValueError, JobError)):
        fresh.result()
    assert len(asked) <= 3, asked.paths


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_result_of_a_listed_job_costs_fewer(cluster: Cluster, state: Path, workload: str) -> None:
    job_id = ended(cluster, state, workload, "y = 42", outputs=("y",))
    here = executor(cluster, state / "here")
    (record,) = (record for record in here.records() if record.id == job_id)
    with Asked(cluster) as asked:
        assert job(here, job_id, record).result("y") == 42
    # The watches that the list began may still be opening.
    assert [r for r in asked.requests if "watch" not in r.query] == []


def test_results_that_are_here_already_cost_one_look(cluster: Cluster, state: Path) -> None:
    job_id = ended(cluster, state, "job", "y = 42", outputs=("y",))
    assert job(executor(cluster, state / "here"), job_id).result("y") == 42
    with Asked(cluster) as asked:
        assert job(executor(cluster, state / "here"), job_id).result("y") == 42
    assert len(asked) <= 2, asked.paths


def test_what_was_waited_for_is_not_asked_for_again(cluster: Cluster, state: Path) -> None:
    harness = Harness(executor(cluster, state), state / "objects")
    here = job(harness.executor, harness.submit("y = 42", outputs=("y",)))
    assert here.wait(60).state is JobState.SUCCEEDED
    with Asked(cluster) as asked:
        assert here.state is JobState.SUCCEEDED
        assert here.result("y") == 42
    assert [path for path in asked.paths if "/log " not in path] == []


def test_a_job_whose_pods_are_gone_is_found(cluster: Cluster, state: Path) -> None:
    job_id = ended(cluster, state, "jobset", "1")
    pods = cluster.api.get(cluster.path("pods"), labelSelector=f"sovlab.dev/job={job_id}")["items"]
    for pod in pods:
        cluster.api.delete(cluster.path("pods", pod["metadata"]["name"]), grace=0)
    until(lambda: not cluster.left(job_id)["pods"])
    assert executor(cluster, state / "here").record(job_id).status.state is JobState.SUCCEEDED


def test_a_job_that_is_not_there_costs_a_look_at_each_kind(cluster: Cluster, state: Path) -> None:
    with Asked(cluster) as asked, pytest.raises(JobNotFound):
        executor(cluster, state).record("nobody-7k2m9x")
    assert len(asked) == 4, asked.paths


def test_a_deleted_job_is_gone_from_its_handle(cluster: Cluster, state: Path) -> None:
    job_id = ended(cluster, state, "job", "y = 42", outputs=("y",))
    here = job(executor(cluster, state / "here"), job_id)
    assert here.result() == {"y": 42}
    here.delete()
    with pytest.raises(JobNotFound):
        _ = here.state
    with pytest.raises(JobNotFound):
        _ = here.outputs


@contextlib.contextmanager
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.display_pub = CapturingDisplayPublisher(parent=made)
    yield made
    InteractiveShell.clear_instance()


def test_the_card_of_a_job_that_reports_progress_asks_nothing(cluster: Cluster, state: Path) -> None:
    source = (
        "import sovlab, time\n"
        "for step in range(30):\n"
        "    sovlab.progress(step + 1, 30, loss=1 / (step + 1))\n"
        "    time.sleep(0.1)\n"
    )
    harness = Harness(executor(cluster, state), state / "objects")
    here = job(harness.executor, harness.submit(source))
    with shell() as made:
        card = LiveCard(here)
        card.show()
        until(lambda: card._history, 60)  # it runs, and its log is read
        with Asked(cluster) as asked:
            until(lambda: "has not ended yet (running" in str(pending(here, "y")))
            assert card.final.wait(60)
        painted = [output["data"] for output in made.display_pub.outputs]
    assert asked.paths == []
    assert len(painted) > 5
    assert painted[-1]["text/plain"].startswith("test: succeeded")
    assert any("step 2" in data["text/plain"] for data in painted)
    steps = [data["application/vnd.sovlab.job.v1+json"]["progress"] for data in painted]
    assert [p["step"] for p in steps if p] == sorted(p["step"] for p in steps if p)
    assert here.last.status.state is JobState.SUCCEEDED


def test_what_earlier_runs_took_is_asked_of_the_watch_that_the_card_has_anyway(
    cluster: Cluster, state: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    source = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)"
    harness = Harness(executor(cluster, state), state / "objects")
    gate.touch()
    assert harness.executor.wait(harness.submit(source), 120).status.state is JobState.SUCCEEDED
    # The same cell of somebody else is no history of ours.
    ended(cluster, state, "job", source)
    gate.unlink()
    job_id = harness.submit(source)
    here = job(harness.executor, job_id, harness.executor.record(job_id))
    with here.followed() as events:
        next(events)  # the watch is there
        with Asked(cluster) as asked:
            earlier = here.earlier_runs()
        gate.touch()
        assert list(events)
    assert [path for path in asked.paths if "/log " not in path] == []
    assert earlier is not None
    assert earlier.count == 1


def test_earlier_runs_outlive_the_kernel_and_go_with_their_jobs(
    cluster: Cluster, state: Path, tmp_path: Path
) -> None:
    source = f"1  # {tmp_path}"
    harness = Harness(executor(cluster, state), state / "objects")
    first, second = harness.submit(source), harness.submit(source)
    for job_id in (first, second):
        assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    third = harness.submit(source)
    anew = executor(cluster, state)
    assert {record.id for record in anew.own_records(10)} == {first, second, third}
    assert {record.id for record in anew.own_records(1)} == {third}
    assert {record.id for record in anew.own_records(10)} == {third}  # older ones are not noted any more
    assert executor(cluster, state / "elsewhere").own_records(10) == []
    harness.executor.wait(third, 120)
    until(lambda: anew.record(third).status.state.ended, 60)
    anew.delete(third)
    assert anew.own_records(10) == []
