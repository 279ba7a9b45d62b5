"""What is known of a namespace: kept up to date by watches, and not made anew for each change."""

from __future__ import annotations

import copy
import json
import threading
import uuid

import pytest
import websocket

from sovlab.executors.kubernetes.following import _joined
from sovlab.executors.kubernetes.objects.records import Records
from sovlab.executors.kubernetes.objects.workloads import Objects
from sovlab.kube.transport.errors import Unreachable
from sovlab.kube.transport.exec import STDIN, _Message
from sovlab.kube.transport.watching import PAGE, Cache
from tests.kube.apiserver.faults import respond
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

JOBS = "/apis/batch/v1/namespaces/research/jobs"


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def ended(cluster, harness):
    """A job that has come to its end, as the cluster has it."""
    job_id = harness.submit("1")
    harness.executor.wait(job_id, 60)
    return until(
        lambda: (
            (found := cluster.api.get(f"{JOBS}/{job_id}"))["status"].get("conditions")
            and found["status"].get("succeeded")
            and found
        )
    )


def copies(cluster, model, count):
    """Put copies of a job into the cluster; their ids."""
    old, uid, found = model["metadata"]["name"], model["metadata"]["uid"], []
    for number in range(count):
        text = json.dumps(model).replace(uid, str(uuid.uuid4()))
        one = json.loads(text.replace(old, f"{old[:-6]}{number:06}"))
        one["metadata"].pop("resourceVersion")
        found.append(one)
    cluster.fake.fill("jobs", found)
    return [one["metadata"]["name"] for one in found]


def delete(cluster, kind, *ids):
    for name in ids:
        cluster.fake.delete(kind, name, "research")


def change(cluster, job_id, value):
    cluster.api.patch(f"{JOBS}/{job_id}", {"metadata": {"annotations": {"sovlab.dev/submitted": value}}})


def test_a_list_of_several_pages_is_whole_and_goes_on_with_the_changes(cluster, harness, ended):
    before = len(harness.executor.records())
    ids = copies(cluster, ended, 2 * PAGE + 3)
    try:
        until(lambda: set(ids) <= {record.id for record in harness.executor.records()})
        assert set(ids) <= {record.id for record in cluster.executor(harness.objects).records()}
        change(cluster, ids[7], "4e9")
        until(lambda: harness.executor.records()[0].id == ids[7])
        delete(cluster, "jobs", ids.pop(7))
        until(lambda: len(harness.executor.records()) == before + len(ids))
    finally:
        delete(cluster, "jobs", *ids)


def test_the_record_of_an_ended_job_is_made_again_only_when_its_objects_have_changed(cluster, ended):
    job_id, records = ended["metadata"]["name"], Records("t")
    objects = Objects(cluster.api, "research", records.prepare)

    def mine():
        return next(record for record in records.newest_first(objects) if record.id == job_id)

    first = mine()
    assert mine() is first
    change(cluster, job_id, "12.0")
    assert until(lambda: (record := mine()) is not first and record).status.submitted == 12.0
    last = mine()
    (pod,) = objects.pods(job_id)
    delete(cluster, "pods", pod["metadata"]["name"])
    assert "pod was deleted" in until(lambda: (record := mine()) is not last and record).status.message


def test_pods_are_found_by_their_job(cluster, harness, ended):
    job_id, objects = ended["metadata"]["name"], Objects(cluster.api, "research")
    with objects.watched() as watched:
        (pod,) = watched.pods_of(job_id)
        assert watched.pods()[job_id] == [pod]
        assert watched.pods_of("other-aaaaaa") == []
        delete(cluster, "pods", pod["metadata"]["name"])
        until(lambda: not watched.pods_of(job_id))
        assert job_id not in watched.pods()


def test_a_list_that_became_too_old_between_two_pages_is_begun_anew(cluster, harness, ended):
    ids = copies(cluster, ended, PAGE + 1)
    cluster.fake.faults.add("list jobs", respond(410), times=1, after=1)
    begin = len(cluster.fake.requests)
    found = {record.id for record in cluster.executor(harness.objects).records()}
    cluster.fake.faults.clear()
    assert 410 in [request.status for request in cluster.fake.requests[begin:]]
    delete(cluster, "jobs", *ids)
    assert set(ids) <= found


@pytest.mark.parametrize("body", ["<html>Log in</html>", '{"items": 7, "metadata": {}}'])
def test_an_answer_that_is_none_is_an_error_and_no_endless_wait(cluster, body):
    cluster.fake.faults.add("list jobs", respond(200, body=body), times=None)
    outcome = []

    def ask():
        with (
            pytest.raises(Unreachable, match="not a Kubernetes API server"),
            Cache(cluster.api, JOBS, "", trim=copy.copy).open(),
        ):
            pass
        outcome.append("an error")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(20)
    cluster.fake.faults.clear()
    assert outcome


def test_waiting_for_a_job_that_has_ended_does_not_read_its_log_again(cluster, harness, ended):
    begin = len(cluster.fake.requests)
    harness.executor.wait(ended["metadata"]["name"])
    paths = [request.path for request in cluster.fake.requests[begin:]]
    assert paths
    assert not [path for path in paths if path.endswith("/log")]


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 65534, 65535, 65536, 1 << 20])
def test_a_message_is_a_frame_whose_mask_leaves_the_data_as_it_is(size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    frame = _Message(STDIN, data).format()
    fed = memoryview(frame)

    def receive(count):
        nonlocal fed
        piece, fed = bytes(fed[:count]), fed[count:]
        return piece

    buffer = websocket._abnf.frame_buffer(receive, skip_utf8_validation=True)
    read = buffer.recv_frame()
    assert (read.fin, read.opcode, read.mask_value) == (1, websocket.ABNF.OPCODE_BINARY, 1)
    assert read.data == b"\0" + data
    assert not fed


def test_what_one_pod_prints_at_a_stretch_is_one_piece_and_nothing_changes_its_place():
    a, b = object(), object()
    frame = {"t": "rank", "rank": 1}
    items = [(a, b"1", 1), (a, b"2", 2), None, (a, b"3", 3), (a, frame, 4), (a, b"5", 5), (b, b"x", 1)]
    items += [(a, b"6", 6), (a, None, 0)]
    assert list(_joined(items)) == [
        (a, b"12", 2),
        None,
        (a, b"3", 3),
        (a, frame, 4),
        (a, b"5", 5),
        (b, b"x", 1),
        (a, b"6", 6),
        (a, None, 0),
    ]
