"""Pages and a target on a cluster: the fake API server, behind a network that can be cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.kube.apiserver.access.auth import edit
from tests.kube.apiserver.cluster import FakeCluster
from tests.kube.proxy import Proxy

IMAGE = "registry.site/sovlab-cpu:1"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    users = {"researcher": edit("research")}
    with FakeCluster(tmp_path_factory.mktemp("fake"), users=users, namespace="research") as found:
        yield found


@pytest.fixture(scope="module")
def proxy(fake: FakeCluster) -> Iterator[Proxy]:
    config = yaml.safe_load(Path(fake.kubeconfig).read_text())
    where = urlsplit(config["clusters"][0]["cluster"]["server"])
    with Proxy(where.hostname, where.port) as found:
        yield found


@pytest.fixture(autouse=True)
def lab(fake: FakeCluster, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a target on the cluster, beside this machine."""
    config = tmp_path / "config.toml"
    kubeconfig = proxy.kubeconfig(Path(fake.kubeconfig), tmp_path / "kubeconfig")
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(config))
    monkeypatch.setattr("sovlab.executors.kubernetes.executor.ensure_agent", lambda *_: None)
    lines = ["[targets.lab]", 'executor = "kubernetes"', "[targets.lab.kubernetes]", 'context = "researcher"']
    lines += [
        'namespace = "research"',
        f'kubeconfig = "{kubeconfig}"',
        f'image = "{IMAGE}"',
        "user = 1000",
        "",
    ]
    config.write_text("\n".join(lines))
    return config


async def submitted(api: Any, source: str, **options: Any) -> str:
    answer = await api("POST", "jobs", body={"source": source, "options": {"target": "lab", **options}})
    assert answer.status == 201, answer.body
    return str(answer.body["job"]["id"])


async def test_a_job_on_a_cluster_from_its_submit_to_its_manifests(api, page):
    mine = await page()
    job_id = await submitted(api, "print('from a pod')\nx = 1", name="podded", env={"TOKEN": "pa55word"})
    await mine.say(type="follow", job=job_id, target="lab")
    end = await mine.until(type="job", ended=True)
    assert end["job"]["state"] == "succeeded"
    text = "".join(piece["text"] for message in mine.told for piece in message.get("pieces", ()))
    assert text == "from a pod\n"
    log = (await api("GET", "jobs", job_id, "log", params={"target": "lab"})).body
    assert "".join(piece["text"] for piece in log["pieces"]) == text
    found = await api("GET", "jobs", job_id, "manifests", params={"target": "lab"})
    assert found.status == 200
    assert found.body["objects"][0]["kind"] == "Job"
    assert "kind: Job" in found.body["yaml"]
    assert "pa55word" not in json.dumps(found.body)
    plan = {"source": "pass", "options": {"target": "lab", "env": {"TOKEN": "pa55word"}}}
    planned = await api("POST", "jobs", "plan", body=plan)
    assert "kind: Job" in planned.body["yaml"]
    assert "pa55word" not in json.dumps(planned.body)
    assert (await api("GET", "telemetry", params={"target": "lab"})).status == 422
    backends = (await api("GET", "backends", params={"target": "lab"})).body["backends"]
    cpu = next(each for each in backends if each["name"] == "cpu")
    assert cpu["total"] is None  # who may edit a namespace may not see nodes
    assert cpu["source"] or cpu["why"]


async def test_what_happened_on_the_cluster_and_what_was_sent_there(api, page):
    mine = await page()
    source = "print('x')\ny = 1"
    job_id = await submitted(api, source, name="past", env={"TOKEN": "pa55word"})
    await mine.say(type="follow", job=job_id, target="lab")
    await mine.until(type="job", ended=True)
    by_object: dict[str, list[str]] = {}
    while not any("Complete" in text for text in by_object.get("Job", ())):
        # The job tells of its end before the cluster's controller has seen its pod.
        told = (await api("GET", "jobs", job_id, "events", params={"target": "lab"})).body
        by_object = {}
        for each in told["happenings"]:
            by_object.setdefault(each["of"].split()[0], []).append(each["text"])
    assert by_object["job"][0].endswith("to lab.")
    assert by_object["job"][-1].startswith("It ended: succeeded")
    assert any("SuccessfulCreate" in text for text in by_object["Job"])  # an event, not a condition
    assert any(text.startswith("It got node") for text in by_object["Pod"])
    assert any("ended: exit status 0" in text for text in by_object["Pod"])
    assert told["notes"] == []
    sent = (await api("GET", "jobs", job_id, "sent", params={"target": "lab"})).body
    assert sent["source"] == source
    assert sent["env"] == ["TOKEN"]
    assert "pa55word" not in json.dumps([told, sent])


async def test_targets_apart_from_each_other(api, page):
    mine = await page()
    await mine.say(type="watch", targets=["local", "lab"])
    await mine.until(type="snapshot", target="local", seen=True)
    await mine.until(type="snapshot", target="lab", seen=True)
    job_id = await submitted(api, "pass", name="apart")
    told = await mine.when(lambda message: job_id in [row["id"] for row in message.get("jobs", ())])
    assert told["target"] == "lab"
    rows = (await api("GET", "jobs", params={"target": "local", "q": job_id})).body
    assert rows["total"] == 0


async def test_a_watch_that_is_cut_goes_on_without_a_loss(api, page, proxy):
    mine = await page()
    await mine.say(type="watch", targets=["lab"])
    await mine.until(type="snapshot")
    for n in range(3):
        proxy.cut()
        job_id = await submitted(api, "print('x')", name=f"cut-{n}")

        def ended(message: dict[str, Any], job_id: str = job_id) -> bool:
            return any(row["id"] == job_id and row["state"] == "succeeded" for row in message.get("jobs", ()))

        assert (await mine.when(ended))["type"] == "records"
    assert [message["type"] for message in mine.told].count("snapshot") == 1


async def test_a_log_that_is_cut_goes_on_at_its_byte(api, page, proxy):
    source = "import time\nfor n in range(40):\n    print(f'line {n} ä€😀', flush=True)\n    time.sleep(0.05)"
    job_id = await submitted(api, source, name="cuts")
    mine = await page()
    await mine.say(type="follow", job=job_id, target="lab")
    text, have, cuts = "", 0, 0
    while True:
        message = await mine.next()
        assert message["type"] in ("job", "log", "readings"), message
        for piece in message.get("pieces", ()):
            assert piece["start"] == have
            have += piece["bytes"]
            text += piece["text"]
            if cuts < 3:
                cuts += 1
                proxy.cut()
        if message.get("ended"):
            break
    assert cuts == 3
    assert text == "".join(f"line {n} ä€😀\n" for n in range(40))


async def test_of_a_target_that_is_down_the_last_is_known_and_since_when(api, page, proxy, services):
    job_id = await submitted(api, "pass", name="known")
    mine = await page()
    await mine.say(type="watch", targets=["lab"])
    await mine.when(
        lambda message: any(row["id"] == job_id and row["ended"] for row in message.get("jobs", ()))
    )
    with proxy.away():
        down = await mine.when(
            lambda message: message["type"] == "health" and message["health"]["state"] == "down"
        )
        health = down["health"]
        assert health["problem"]["status"] == 503
        assert health["problem"]["detail"]
        assert health["seen"] is not None
        known = (await api("GET", "jobs", params={"target": "lab"})).body
        assert job_id in [row["id"] for row in known["jobs"]]
        assert known["health"]["state"] == "down"
        assert known["health"]["seen"] == pytest.approx(health["seen"], abs=5)
        late = await page()
        await late.say(type="watch", targets=["lab"])
        snapshot = await late.until(type="snapshot")
        assert job_id in [row["id"] for row in snapshot["jobs"]]
        assert late.told[-2]["health"]["state"] == "down"
        assert (await api("GET", "version")).status == 200
        assert (await api("GET", "jobs", params={"target": "local"})).status == 200
    await mine.when(lambda message: message["type"] == "health" and message["health"]["state"] == "live")
    new = await submitted(api, "pass", name="after")
    await mine.when(lambda message: new in [row["id"] for row in message.get("jobs", ())])
    assert [message["type"] for message in mine.told].count("snapshot") == 1


async def test_a_target_that_never_answered_is_said_to_be_down_and_comes(api, page, proxy):
    with proxy.away():
        mine = await page()
        await mine.say(type="watch", targets=["lab"])
        down = await mine.when(
            lambda message: message["type"] == "health" and message["health"]["state"] == "down"
        )
        assert down["health"]["seen"] is None
        answer = await api("GET", "jobs", params={"target": "lab"})
        assert answer.status in (503, 504)
        assert answer.body["detail"]
    await mine.until(type="snapshot")
    live = [message for message in mine.told if message["type"] == "health"][-1]
    assert live["health"]["state"] == "live"


async def test_a_notebook_runs_on_a_cluster_and_is_written_here(api, root):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "n = 1", "outputs": []}
    shows = {**cell, "metadata": {}, "source": "print('in a pod', n)"}
    cells = [{**each, "execution_count": None, "id": f"c{i}"} for i, each in enumerate((cell, shows))]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (root / "n.ipynb").write_text(json.dumps(notebook))
    body = {"notebook": "n.ipynb", "output": "out.ipynb", "parameters": {"n": "7"}}
    answer = await api("POST", "runs", body={**body, "options": {"target": "lab"}})
    assert (answer.status, answer.body["target"]) == (201, "lab"), answer.body
    while not (await api("GET", "runs", params={"output": "out.ipynb"})).body["over"]:
        await asyncio.sleep(0.1)
    record = json.loads((root / "out.ipynb").read_text())["metadata"]["sovlab"]
    assert (record["run"]["target"], record["run"]["status"]) == ("lab", "succeeded")
    assert "in a pod 7" in (root / "out.ipynb").read_text()
