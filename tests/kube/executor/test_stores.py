"""Targets with a store: a volume, and a bucket of an S3 service."""

from __future__ import annotations

import os
import re

import pytest

from sovlab.core.job import JobState
from sovlab.core.names import new_job_id
from sovlab.errors import ExecutorError, SettingsError
from sovlab.executors.kubernetes.transfers.bucket import Bucket
from sovlab.payload.results import Results
from tests.executors.conftest import Harness
from tests.kube.proxy import until
from tests.kube.s3server import ACCESS, SECRET, S3Server


@pytest.fixture(scope="module")
def claim(cluster):
    """A volume claim: by ``SOVLAB_TEST_STORAGE_CLASS`` on a real cluster."""
    kind = os.environ.get("SOVLAB_TEST_STORAGE_CLASS", "")
    if cluster.fake is None and not kind:
        pytest.skip("SOVLAB_TEST_STORAGE_CLASS names no storage class of the real cluster")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if kind:
        spec["storageClassName"] = kind
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store"}, "spec": spec}
    cluster.api.create(cluster.path("persistentvolumeclaims"), body)
    return "store"


@pytest.fixture(scope="module")
def s3(cluster):
    """An S3 service that pods can reach: on ``SOVLAB_TEST_HOST`` for a real cluster."""
    host = "127.0.0.1" if cluster.fake is not None else os.environ.get("SOVLAB_TEST_HOST", "")
    if not host:
        pytest.skip("SOVLAB_TEST_HOST names no address by which pods of the real cluster reach this machine")
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with S3Server(host) as server:
        yield server
    patch.undo()


DATA = os.urandom(3 << 20)


def test_a_volume_keeps_results_and_payloads(cluster, claim, state):
    harness = Harness(cluster.executor(state, store=f"pvc:{claim}", fs_group=None), state / "objects")
    job_id = harness.submit("back = data[::-1]", namespace={"data": DATA}, outputs=("back",))
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED, harness.log(job_id)
    elsewhere = cluster.executor(state / "elsewhere", store=f"pvc:{claim}")
    assert Results(elsewhere.results(job_id), main={}).value("back") == DATA[::-1]
    again = harness.submit("back = data[::-1]", namespace={"data": DATA}, outputs=("back",))
    harness.executor.local_state.payload(again).unlink()  # it is in the store already
    assert harness.executor.wait(again, 120).status.state is JobState.SUCCEEDED
    elsewhere.delete(job_id)
    until(lambda: not any(cluster.left(job_id).values()))


def test_a_job_that_is_run_again_goes_on_from_the_checkpoint_in_the_volume(cluster, claim, state):
    harness = Harness(cluster.executor(state, store=f"pvc:{claim}"), state / "objects")
    source = (
        "import sovlab, time\n"
        "path = sovlab.checkpoint.directory / 'step'\n"
        "step = int(path.read_text()) if path.exists() else 0\n"
        "@sovlab.checkpoint\ndef save(directory):\n    (directory / 'step').write_text('7')\n"
        "print('began at', step, flush=True)\n"
        "time.sleep(0 if step else 60)"
    )
    first = harness.submit(source, outputs=("step",))
    harness.until_printed(first, b"began at 0")
    harness.executor.cancel(first)
    assert harness.executor.wait(first, 60).status.state is JobState.CANCELLED
    spec, payload = harness.executor.request(first)
    from dataclasses import replace

    second = new_job_id("again")
    harness.executor.submit(second, replace(spec, resume=first), payload, {})
    assert harness.executor.wait(second, 60).status.state is JobState.SUCCEEDED
    assert harness.log(second) == b"began at 7\n"


def test_a_volume_that_does_not_exist_is_named_while_the_job_waits(cluster, state):
    executor = cluster.executor(state, store="pvc:nowhere")
    job_id = Harness(executor, state / "objects").submit("1")
    found = until(lambda: (s := executor.record(job_id).status).message.startswith("waiting: ") and s, 60)
    assert "volume claim nowhere" in found.message
    executor.cancel(job_id)


def test_pods_reach_a_bucket_by_presigned_urls_alone(cluster, s3, state):
    executor = cluster.executor(state, store="s3://jobs/of/mine", s3_endpoint=s3.url)
    harness = Harness(executor, state / "objects")
    job_id = harness.submit("back = data[::-1]\nprint('done')", namespace={"data": DATA}, outputs=("back",))
    assert executor.wait(job_id, 120).status.state is JobState.SUCCEEDED, harness.log(job_id)
    assert Results(executor.results(job_id), main={}).value("back") == DATA[::-1]
    assert all(status < 400 or (method, status) == ("HEAD", 404) for method, _, status in s3.requests), (
        s3.requests
    )
    (result,) = [key for key in s3.objects if key.endswith(f"/{job_id}.pack")]
    assert re.fullmatch(rf"/jobs/of/mine/results/{cluster.namespace}\.[0-9a-f]+/{job_id}\.pack", result)
    everything = str(cluster.api.get(cluster.path("pods"))) + str(
        cluster.api.get(cluster.path("jobs", group="apis/batch/v1"))
    )
    assert "X-Amz" not in everything
    assert SECRET not in everything
    assert b"X-Amz" not in harness.log(job_id)
    executor.delete(job_id)
    assert not any(job_id in key for key in s3.objects)


def test_the_same_payload_is_put_into_a_bucket_once(cluster, s3, state):
    executor = cluster.executor(state, store="s3://jobs/of/mine", s3_endpoint=s3.url)
    harness = Harness(executor, state / "objects")
    before = len(s3.requests)
    for _ in range(2):
        harness.submit("n = len(blob)", namespace={"blob": b"x" + DATA}, outputs=("n",))
    puts = [key for method, key, _ in s3.requests[before:] if method == "PUT" and "/objects/" in key]
    assert len(puts) == 1


def test_a_bucket_that_refuses_is_one_clear_sentence_without_its_address(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    pack = tmp_path / "a"
    pack.write_bytes(b"1")
    with pytest.raises(ExecutorError, match=r"SignatureDoesNotMatch|AccessDenied") as caught:
        Bucket("s3://jobs/x", s3.url).put_payload("00", pack)
    assert not re.search("X-Amz|Signature=", str(caught.value))


def test_a_bucket_without_credentials_says_how_to_give_some(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MINIO_ACCESS_KEY", "MINIO_ROOT_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        Bucket("s3://jobs/x", None)
