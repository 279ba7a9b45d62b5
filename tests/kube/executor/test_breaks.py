"""When the way to the cluster, or the cluster, breaks: nothing is lost, doubled or left behind."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time

import pytest

from sovlab.core.event import LogChunk, StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.core.names import new_job_id
from sovlab.errors import ExecutorError, WaitTimeout
from sovlab.kube import labels
from sovlab.kube.mounts import WORK
from sovlab.kube.reading.pods import running_since
from sovlab.kube.transport.errors import ApiError, ClusterError
from sovlab.kube.transport.exec_files import Container
from sovlab.payload.results import Results
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import respond
from tests.kube.proxy import proxy_before, until

LINES = (
    "import sys, time\n"
    "for i in range({n}):\n"
    "    sys.stdout.write(f'line {{i}}'); sys.stdout.flush(); time.sleep({pause})\n"
    "    sys.stdout.write(' end\\n'); sys.stdout.flush(); time.sleep({pause})\n"
)


@pytest.fixture
def proxied(cluster, state):
    """A harness behind a proxy, and the proxy."""
    with proxy_before(cluster.login.kubeconfig, state) as (proxy, kubeconfig):
        yield Harness(cluster.executor(state, kubeconfig=kubeconfig), state / "objects"), proxy


@pytest.fixture
def given_up(monkeypatch):
    """Of a job the errors with which its results were no longer fetched; others may be followed still."""
    fetch, errors = Container.fetch, []

    def fetched(container, target):
        try:
            fetch(container, target)
        except ClusterError as error:
            errors.append((container._pod, error))
            raise

    monkeypatch.setattr(Container, "fetch", fetched)
    return lambda job_id: [(pod, error) for pod, error in errors if pod.startswith(job_id)]


def followed(harness: Harness, job_id: str) -> bytes:
    return b"".join(e.data for e in harness.executor.events(job_id) if isinstance(e, LogChunk))


@contextlib.contextmanager
def told_if_late(harness):
    """Show what each thread does, and what the transfer agent said, where a wait came to no end."""
    try:
        yield
    except WaitTimeout:
        faulthandler.dump_traceback()
        for log in harness.executor.local_state.root.glob("*.log"):
            sys.stderr.write(f"{log.name}: {log.read_text()}")
        raise


def test_a_log_is_whole_though_all_connections_break_every_second(proxied):
    harness, proxy = proxied
    job_id = harness.submit(LINES.format(n=150, pause=0.03))
    with proxy.cutting_every(1.0):
        log = followed(harness, job_id)
    assert log.decode() == "".join(f"line {i} end\n" for i in range(150))
    assert proxy.count > 8


def test_a_log_is_whole_though_answers_are_cut_off_in_the_middle_of_a_line(proxied):
    harness, proxy = proxied
    job_id = harness.submit(
        "import time\nfor i in range(3000):\n    print('number', i, 'ä' * 20)\ntime.sleep(0.5)"
    )
    harness.executor.wait(job_id, 60)
    proxy.limits = [size for size in range(20_000, 260_000, 20_000) for _ in range(2)]
    proxy.cut()
    whole = followed(harness, job_id)
    assert whole.decode() == "".join(f"number {i} {'ä' * 20}\n" for i in range(3000))


def test_a_job_goes_on_while_the_server_is_away_and_is_found_as_it_ended(proxied):
    harness, proxy = proxied
    job_id = harness.submit(LINES.format(n=60, pause=0.03) + "y = 7", outputs=("y",))
    harness.until_printed(job_id, b"line 3 end")
    with proxy.away():
        time.sleep(6)
    assert harness.executor.wait(job_id, 90).status.state is JobState.SUCCEEDED
    assert Results(harness.executor.results(job_id), main={}).value("y") == 7
    assert harness.log(job_id).decode() == "".join(f"line {i} end\n" for i in range(60))


def test_following_goes_on_after_the_server_was_away(proxied):
    harness, proxy = proxied
    job_id = harness.submit(LINES.format(n=80, pause=0.03))
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(followed(harness, job_id)))
    thread.start()
    harness.until_printed(job_id, b"line 3 end")
    with proxy.away():
        time.sleep(3)
    thread.join(90)
    assert got[0].decode() == "".join(f"line {i} end\n" for i in range(80))


def test_a_submit_that_cannot_come_to_its_end_leaves_nothing(cluster, proxied, monkeypatch):
    harness, _ = proxied
    spec, path = harness.spec("1")
    job_id = new_job_id("half")
    api = harness.executor._api
    create = api.create

    def broken(where, body, **rest):
        if where.endswith("/secrets"):
            raise ApiError("on purpose", status=403)
        return create(where, body, **rest)

    monkeypatch.setattr(api, "create", broken)
    with pytest.raises(ApiError):
        harness.executor.submit(job_id, spec, path, {})
    monkeypatch.undo()
    until(lambda: not any(cluster.left(job_id).values()))


def test_a_submit_that_was_interrupted_is_finished_by_the_next(cluster, harness):
    spec, path = harness.spec("print('once')")
    job_id = new_job_id("again")
    submission = harness.executor._submission(job_id, spec, path)
    submission._workload()  # and then its submitter was killed
    assert harness.executor.record(job_id).status.state is JobState.PENDING
    harness.executor.submit(job_id, spec, path, dict(os.environ))
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == b"once\n"


def test_all_that_a_job_made_goes_with_it(cluster, harness):
    job_id = harness.submit("1", nodes=2, procs=1)
    harness.executor.wait(job_id, 120)
    made = cluster.left(job_id)
    assert (made["jobs"], made["pods"], made["services"]) == (1, 2, 1)
    assert made["secrets"] >= 1
    harness.executor.delete(job_id)
    until(lambda: not any(cluster.left(job_id).values()))


def let_go(cluster, executor, job_id, before):
    """Have the job end in the pod that came after ``before``; no further event may come until then."""
    go = ["python3", "-c", f"open('{WORK}/go', 'w').close()"]

    def ended():
        for pod in executor._objects.pods(job_id):
            name = pod["metadata"]["name"]
            if name != before and running_since(pod) is not None:
                # The container may end before this command has: with what it brings about, or has before.
                with (
                    contextlib.suppress(ClusterError),
                    cluster.api.exec(cluster.namespace, name, labels.CONTAINER, go) as channel,
                ):
                    channel.finish()
        return executor.record(job_id).status.state.ended

    until(ended)


def test_an_evicted_job_begins_again_and_says_so(cluster, harness):
    source = (
        "import os, time\n"
        "print('began', flush=True)\n"
        "work = os.path.dirname(os.environ['SOVLAB_CHECKPOINT'])\n"
        "while not os.path.exists(f'{work}/go'):\n    time.sleep(0.05)\n"
        "y = 1"
    )
    job_id = harness.submit(source, outputs=("y",))
    seen, evicted = [], ""
    for event in harness.executor.events(job_id):
        if isinstance(event, StatusChanged):
            seen.append(event.status)
        running = [p for p in harness.executor._objects.pods(job_id) if running_since(p) is not None]
        names = [p["metadata"]["name"] for p in running if p["metadata"]["name"] != evicted]
        if isinstance(event, LogChunk) and names and not evicted:
            evicted = names[0]
            cluster.api.create(
                cluster.path("pods", evicted) + "/eviction",
                {
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": evicted, "namespace": cluster.namespace},
                },
            )
        elif evicted and names:
            let_go(cluster, harness.executor, job_id, evicted)
    assert seen[-1].state is JobState.SUCCEEDED
    assert any(s.message.startswith("requeued") for s in seen), [s.message for s in seen]
    assert Results(harness.executor.results(job_id), main={}).value("y") == 1


@pytest.mark.parametrize("late", [False, True], ids=["from the begin", "once it runs"])
def test_a_job_has_begun_again_though_the_pod_before_is_still_there(cluster, harness, late):
    source = (
        "import os, time\n"
        "print('began', flush=True)\n"
        "work = os.path.dirname(os.environ['SOVLAB_CHECKPOINT'])\n"
        "while not os.path.exists(f'{work}/go'):\n    time.sleep(0.05)\n"
    )
    job_id = harness.submit(source)
    if late:
        harness.until_printed(job_id, b"began")
    executor, seen, first, log = harness.executor, [], "", b""
    for event in executor.events(job_id):
        if isinstance(event, StatusChanged):
            seen.append(event.status)
        if isinstance(event, LogChunk):
            log += event.data  # a line may come in two pieces
        if b"began" in log and not first:
            first = executor._objects.pods(job_id)[0]["metadata"]["name"]
            path = cluster.path("pods", first)
            cluster.api.patch(path, {"metadata": {"finalizers": ["example.org/last"]}})
            cluster.api.create(
                path + "/eviction",
                {
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": first, "namespace": cluster.namespace},
                },
            )
            until(lambda: len(executor._objects.pods(job_id)) == 2)
        elif first and (log.count(b"began") > 1 or seen[-1].message.startswith("requeued")):
            with contextlib.suppress(ClusterError):
                cluster.api.patch(cluster.path("pods", first), {"metadata": {"finalizers": None}})
            let_go(cluster, executor, job_id, first)
    assert seen[-1].state is JobState.SUCCEEDED
    assert any(s.message.startswith("requeued") for s in seen), [s.message for s in seen]


def test_one_of_several_nodes_that_is_evicted_ends_the_job_and_says_why(cluster, harness):
    source = "import time\nprint('began', flush=True)\ntime.sleep(60)"
    job_id = harness.submit(source, nodes=2)
    harness.until_printed(job_id, b"began")
    pod = max(p["metadata"]["name"] for p in harness.executor._objects.pods(job_id))
    cluster.api.create(
        cluster.path("pods", pod) + "/eviction",
        {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": cluster.namespace},
        },
    )
    status = harness.executor.wait(job_id, 120).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
    assert "ubmit it again" in status.message


def take_away(cluster, pod, how):
    path = cluster.path("pods", pod)
    if how == "evicted":
        meta = {"name": pod, "namespace": cluster.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        cluster.api.create(f"{path}/eviction", eviction)
    else:
        cluster.api.delete(path, grace=0 if how == "deleted by force" else None)


@pytest.mark.parametrize("how", ["evicted", "deleted", "deleted by force"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("workload", ["job", "jobset"])
def test_a_pod_of_several_that_goes_is_told_one_way_and_nothing_goes_back(
    cluster, state, workload, which, how
):
    groups = {group["name"] for group in cluster.api.get("/apis")["groups"]}
    if workload == "jobset" and "jobset.x-k8s.io" not in groups:
        pytest.skip("this cluster has no JobSet")
    executor = cluster.executor(state / "one", workload=workload)
    harness = Harness(executor, state / "objects")
    job_id = harness.submit("import time\nprint('began', flush=True)\ntime.sleep(120)", nodes=2)
    seen = []
    for event in executor.events(job_id):
        if isinstance(event, StatusChanged):
            seen.append(event.status)
            if event.status.state is JobState.RUNNING and len([s for s in seen if s.started]) == 1:
                pods = sorted(p["metadata"]["name"] for p in executor._objects.pods(job_id))
                take_away(cluster, pods[which], how)
    begun = next(n for n, status in enumerate(seen) if status.state is JobState.RUNNING)
    states = [status.state for status in seen[begun:]]
    assert set(states[:-1]) == {JobState.RUNNING}, [(s.state, s.message) for s in seen]
    assert not [s.message for s in seen if "requeued" in s.message]
    last = seen[-1]
    assert (last.state, last.reason) == (JobState.FAILED, Reason.LOST)
    # Somebody else, who was not there, is told as much as is left to be seen.
    other = cluster.executor(state / "other", workload=workload).record(job_id).status
    assert (other.state, other.reason) == (JobState.FAILED, Reason.LOST)
    if how == "evicted":
        assert last.message.startswith("It was ended because node "), last.message
        assert last.message.endswith("One of several nodes cannot be replaced: submit it again.")
        assert other.message.startswith("It was ended because "), other.message
        assert other.message.endswith("One of several nodes cannot be replaced: submit it again.")
    else:
        assert last.message == f"The pod of node {which} was deleted before it had ended. Submit it again."
        assert other.message in (
            last.message,
            "A pod of it was deleted, or its node was lost, before it had ended. Submit it again.",
        )


def test_an_image_that_does_not_exist_is_named_while_the_job_waits(cluster, state):
    executor = cluster.executor(state, image="localhost/missing:1")
    harness = Harness(executor, state / "objects")
    job_id = harness.submit("1")
    found = until(lambda: "cannot be pulled" in (s := executor.record(job_id).status).message and s, 60)
    assert found.message.startswith("waiting: ")
    assert "image localhost/missing:1" in found.message
    executor.cancel(job_id)
    assert executor.wait(job_id, 60).status.state is JobState.CANCELLED


def test_nodes_that_go_one_after_the_other_once_their_job_is_cancelled_are_not_requeued(cluster, state):
    executor = cluster.executor(state, image="localhost/missing:1")
    job_id = Harness(executor, state / "objects").submit("1", nodes=2)
    until(lambda: "cannot be pulled" in executor.record(job_id).status.message, 60)
    last = cluster.path("pods", max(p["metadata"]["name"] for p in executor._objects.pods(job_id)))
    cluster.api.patch(last, {"metadata": {"finalizers": ["example.org/last"]}})
    seen = []
    for event in executor.events(job_id):
        if isinstance(event, StatusChanged):
            seen.append(event.status)
            if len(seen) == 1:
                executor.cancel(job_id)
                until(lambda: len(executor._objects.pods(job_id)) == 1)
            elif event.status.message.endswith("ending"):
                cluster.api.patch(last, {"metadata": {"finalizers": None}})
    assert seen[-1].state is JobState.CANCELLED
    assert not [status.message for status in seen if "requeued" in status.message]


def test_an_image_without_the_interpreter_says_what_it_lacks(cluster, state):
    executor = cluster.executor(state, python="/no/such/python3")
    job_id = Harness(executor, state / "objects").submit("1")
    status = executor.wait(job_id, 60).status
    assert status.state is JobState.FAILED
    assert "/no/such/python3" in status.message
    assert "Python 3.9" in status.message


def test_a_job_of_another_tool_with_the_same_labels_is_left_alone(cluster, harness):
    labels = {"app.kubernetes.io/managed-by": "sovlab", "sovlab.dev/job": "other-aaaaaa"}
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "job", "image": cluster.image, "command": ["python3", "-c", "1"]}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "other-aaaaaa", "labels": labels},
        "spec": {"suspend": True, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    cluster.api.create(cluster.path("jobs", group="apis/batch/v1"), job)
    assert "other-aaaaaa" not in [r.id for r in harness.executor.records()]
    spec, path = harness.spec("1")
    with pytest.raises(ExecutorError, match="named other-aaaaaa"):
        harness.executor.submit("other-aaaaaa", spec, path, {})
    cluster.api.delete(cluster.path("jobs", "other-aaaaaa", group="apis/batch/v1"))


def test_a_broken_job_object_hides_no_other(cluster, harness):
    whole, broken = harness.submit("1"), harness.submit("1")
    for job_id in (whole, broken):
        harness.executor.wait(job_id, 60)
    path = cluster.path("jobs", broken, group="apis/batch/v1")
    cluster.api.patch(path, {"metadata": {"annotations": {"sovlab.dev/spec": '{"name": 3'}}})
    states = until(
        lambda: (
            (s := {r.id: r.status for r in harness.executor.records()})[broken].state is JobState.UNKNOWN
            and s
        )
    )
    assert states[whole].state is JobState.SUCCEEDED
    assert states[broken].reason is Reason.UNREADABLE
    harness.executor.delete(broken)


def test_a_job_is_found_again_from_another_machine(cluster, harness, tmp_path):
    job_id = harness.submit("print('there')\ny = 3", outputs=("y",), env={"TOKEN_X": "hidden"}, args=())
    harness.executor.wait(job_id, 60)
    elsewhere = cluster.executor(tmp_path)
    assert elsewhere.record(job_id).status.state is JobState.SUCCEEDED
    assert job_id in [r.id for r in elsewhere.records()]
    assert Harness(elsewhere, tmp_path).log(job_id) == b"there\n"
    assert Results(elsewhere.results(job_id), main={}).value("y") == 3
    spec, payload = elsewhere.request(job_id)
    assert spec.env == {"TOKEN_X": "hidden"}
    assert payload.exists()


def test_what_may_be_secret_is_in_no_object_but_the_secret(cluster, harness):
    job_id = harness.submit("1", env={"API_KEY": "tops3cret"}, args=("--password", "hunter2"))
    for kind, group in (("jobs", "apis/batch/v1"), ("pods", "api/v1")):
        text = str(cluster.api.get(cluster.path(kind, group=group), labelSelector=f"sovlab.dev/job={job_id}"))
        assert "tops3cret" not in text
        assert "hunter2" not in text
    harness.executor.wait(job_id, 60)


@pytest.mark.parametrize("size", [900_000])
def test_source_arrives_byte_for_byte(harness, size):
    odd = "$HOME `x` $(y) \\ ' \" \0 🦉 \r \x1e ${Z}"
    text = (odd * (size // len(odd.encode()) + 1))[: size // 2]
    source = f"text = {text!r}\nimport hashlib\ndigest = hashlib.sha256(text.encode()).hexdigest()\n"
    source += "#" + "🦉 `$HOME` " * ((size - len(source.encode())) // 13)
    import hashlib

    job_id = harness.submit(source, outputs=("digest",))
    assert harness.executor.wait(job_id, 90).status.state is JobState.SUCCEEDED, harness.log(job_id)
    found = Results(harness.executor.results(job_id), main={}).value("digest")
    assert found == hashlib.sha256(text.encode()).hexdigest()


def test_a_large_payload_and_a_large_result_go_through_the_container(harness):
    import os as os_

    data = os_.urandom(6 << 20)
    job_id = harness.submit("back = data[::-1]", namespace={"data": data}, outputs=("back",))
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED, harness.log(job_id)
    assert Results(harness.executor.results(job_id), main={}).value("back") == data[::-1]


def test_a_transfer_is_tried_again_after_an_internal_error(cluster, harness, given_up):
    """As a node's kubelet gives them when it has much to do."""
    if cluster.fake is None:
        pytest.skip("a real one gives none on demand")
    value = bytes(range(256)) * (2 << 12)
    job_id = harness.submit(
        "import time\ntime.sleep(1)\nback = bytes(range(256)) * (2 << 12)", outputs=("back",)
    )
    until(lambda: harness.executor.record(job_id).status.state is JobState.RUNNING)
    fault = cluster.fake.faults.add("* pods/exec", respond(500, "error dialing backend"), times=3)
    assert harness.executor.wait(job_id, 90).status.state is JobState.SUCCEEDED
    assert Results(harness.executor.results(job_id), main={}).value("back") == value
    assert given_up(job_id) == []
    cluster.fake.faults.remove(fault)


def test_large_results_arrive_though_each_connection_brings_only_a_part_of_them(proxied, given_up):
    """Giving up counts tries that come no further, not breaks."""
    harness, proxy = proxied
    value = bytes(range(256)) * (20 << 12)
    job_id = harness.submit("back = bytes(range(256)) * (20 << 12)", outputs=("back",))
    proxy.limits = [2 << 20] * 200
    try:
        assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    finally:
        proxy.limits = []
    assert given_up(job_id) == []
    assert Results(harness.executor.results(job_id), main={}).value("back") == value


def test_large_results_arrive_though_connections_break(proxied):
    harness, proxy = proxied
    job_id = harness.submit("back = bytes(range(256)) * (20 << 12)", outputs=("back",))
    with proxy.cutting_every(1.5, after=1 << 20), told_if_late(harness):
        assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    value = until(lambda: Results(harness.executor.results(job_id), main={}).value("back"))
    assert value == bytes(range(256)) * (20 << 12)
