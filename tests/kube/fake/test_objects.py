"""The fake API server: objects, their history, who may do what. The texts are those of Kubernetes 1.36."""

from __future__ import annotations

import base64
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube.apiserver import FakeCluster, Rule, edit
from tests.kube.apiserver.client import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Client,
    eventually,
)

NS = "/api/v1/namespaces/default"
MAPS = f"{NS}/configmaps"
SECRETS = f"{NS}/secrets"
PODS = f"{NS}/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", users={"ada": edit("default"), "bob": ()}) as made:
        yield made
        assert made.failures == []


@pytest.fixture
def api(cluster: FakeCluster) -> Client:
    return Client(cluster)


def configmap(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def job(
    name: str, container: dict[str, Any] | None = None, pod: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    main = {"name": "main", "image": "python:3.12", "command": ["true"], **(container or {})}
    template = {"spec": {"restartPolicy": "Never", "containers": [main], **(pod or {})}}
    return {"metadata": {"name": name}, "spec": {"suspend": True, "template": template, **spec}}


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json["items"]]


# Objects and errors


def test_a_new_object_has_what_the_server_gives(api: Client) -> None:
    made = api.post(MAPS, {"metadata": {"generateName": "x-"}, "data": {"a": "1"}})
    metadata = made.json["metadata"]
    assert made.code == 201
    assert re.fullmatch("x-[bcdfghjklmnpqrstvwxz2456789]{5}", metadata["name"])
    assert metadata["uid"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["managedFields"][0]["manager"] == "tests"
    assert made.json["kind"] == "ConfigMap"


def test_items_of_a_list_do_not_say_what_they_are(api: Client) -> None:
    api.post(MAPS, configmap("one"))
    assert all("kind" not in item and "apiVersion" not in item for item in api.get(MAPS).json["items"])


def test_errors_are_statuses(api: Client) -> None:
    api.post(JOBS, job("one"))
    assert api.get(f"{JOBS}/none").json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'jobs.batch "none" not found',
        "reason": "NotFound",
        "details": {"name": "none", "group": "batch", "kind": "jobs"},
        "code": 404,
    }
    again = api.post(JOBS, job("one"))
    assert (again.code, again.json["reason"]) == (409, "AlreadyExists")
    assert again.message == 'jobs.batch "one" already exists'
    lost = api.post("/api/v1/namespaces/none/configmaps", configmap("one"))
    assert (lost.code, lost.message) == (404, 'namespaces "none" not found')
    assert api.get("/apis/none/v1/things").raw == b"404 page not found\n"
    assert api.get("/api/v1/things").message == "the server could not find the requested resource"


def test_an_old_version_is_a_conflict(api: Client) -> None:
    old = api.post(MAPS, configmap("one", a="1")).json
    new = api.put(f"{MAPS}/one", {**old, "data": {"a": "2"}})
    assert (new.code, new.json["data"]) == (200, {"a": "2"})
    late = api.put(f"{MAPS}/one", {**old, "data": {"a": "3"}})
    assert late.code == 409
    assert late.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your '
        "changes to the latest version and try again"
    )
    same = api.put(f"{MAPS}/one", new.json)
    assert same.json["metadata"]["resourceVersion"] == new.json["metadata"]["resourceVersion"]


def test_a_deletion_can_have_preconditions(api: Client) -> None:
    api.post(MAPS, configmap("one"))
    refused = api.delete(f"{MAPS}/one", {"preconditions": {"uid": "other"}})
    assert refused.code == 409
    assert "the UID in the precondition (other) does not match the UID in record" in refused.message
    assert api.delete(f"{MAPS}/one").json["status"] == "Success"


def test_patches(api: Client) -> None:
    api.post(JOBS, job("one", {"env": [{"name": "A", "value": "1"}]}))
    merged = api.patch(f"{JOBS}/one", {"metadata": {"labels": {"x": "y"}}}, MERGE_PATCH).json
    assert merged["metadata"]["labels"]["x"] == "y"
    removed = api.patch(f"{JOBS}/one", [{"op": "remove", "path": "/metadata/labels/x"}], JSON_PATCH).json
    assert "x" not in removed["metadata"]["labels"]
    env = {"containers": [{"name": "main", "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}}}]}
    refused = api.patch(f"{JOBS}/one", {"spec": {"template": {"spec": env}}}, "text/plain")
    assert refused.code == 415
    wrong = api.patch(f"{JOBS}/one", [{"op": "test", "path": "/metadata/name", "value": "two"}], JSON_PATCH)
    assert (wrong.code, wrong.json["reason"]) == (422, "Invalid")


def test_a_strategic_patch_merges_lists_by_their_keys(api: Client, cluster: FakeCluster) -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    api.post(f"{NS}/services", {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    done = api.patch(
        f"{NS}/services/s", {"spec": {"ports": [{"port": 2, "name": "c"}]}}, STRATEGIC_PATCH
    ).json
    assert [(port["name"], port["port"]) for port in done["spec"]["ports"]] == [("a", 1), ("c", 2)]


def test_apply_knows_who_owns_what(api: Client) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one"},
        "data": {"a": "1", "b": "1"},
    }
    assert api.patch(f"{MAPS}/one", config, APPLY_PATCH).code == 422
    assert api.patch(f"{MAPS}/one", config, APPLY_PATCH, fieldManager="first").code == 201
    other = {**config, "data": {"a": "2"}}
    refused = api.patch(f"{MAPS}/one", other, APPLY_PATCH, fieldManager="second")
    assert refused.code == 409
    assert refused.message == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    forced = api.patch(f"{MAPS}/one", other, APPLY_PATCH, fieldManager="second", force="true").json
    assert forced["data"] == {"a": "2", "b": "1"}
    dropped = api.patch(f"{MAPS}/one", {**config, "data": {}}, APPLY_PATCH, fieldManager="first").json
    assert dropped["data"] == {"a": "2"}


def test_a_dry_run_keeps_nothing(api: Client) -> None:
    made = api.post(JOBS, job("one"), dryRun="All")
    assert made.code == 201
    assert made.json["spec"]["backoffLimit"] == 6
    assert api.get(f"{JOBS}/one").code == 404
    assert api.post(JOBS, job("one"), dryRun="Some").code == 422


def test_a_finalizer_holds_an_object(api: Client) -> None:
    api.post(MAPS, {"metadata": {"name": "one", "finalizers": ["example.org/wait"]}})
    going = api.delete(f"{MAPS}/one").json
    assert going["metadata"]["deletionTimestamp"]
    assert api.get(f"{MAPS}/one").code == 200
    api.patch(f"{MAPS}/one", {"metadata": {"finalizers": None}})
    assert api.get(f"{MAPS}/one").code == 404


def test_what_hangs_on_an_owner_goes_with_it(api: Client) -> None:
    owner = api.post(JOBS, job("one")).json["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": owner["uid"]}
    api.post(SECRETS, {"metadata": {"name": "s", "ownerReferences": [reference]}})
    api.post(MAPS, {"metadata": {"name": "lost", "ownerReferences": [{**reference, "uid": "nobody"}]}})
    eventually(lambda: api.get(f"{MAPS}/lost").code == 404)
    assert api.get(f"{SECRETS}/s").code == 200
    api.delete(f"{JOBS}/one", {"propagationPolicy": "Background"})
    eventually(lambda: api.get(f"{SECRETS}/s").code == 404)


def test_in_the_foreground_the_owner_goes_last(api: Client) -> None:
    owner = api.post(JOBS, job("one")).json["metadata"]
    reference = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "one",
        "uid": owner["uid"],
        "blockOwnerDeletion": True,
    }
    api.post(
        SECRETS,
        {"metadata": {"name": "s", "ownerReferences": [reference], "finalizers": ["example.org/wait"]}},
    )
    going = api.delete(f"{JOBS}/one", {"propagationPolicy": "Foreground"}).json
    assert going["metadata"]["finalizers"] == ["foregroundDeletion"]
    eventually(lambda: "deletionTimestamp" in api.get(f"{SECRETS}/s").json["metadata"])
    assert api.get(f"{JOBS}/one").code == 200
    api.patch(f"{SECRETS}/s", {"metadata": {"finalizers": None}})
    eventually(lambda: api.get(f"{JOBS}/one").code == 404)


def test_a_job_deleted_without_a_word_leaves_its_dependents(api: Client) -> None:
    owner = api.post(JOBS, job("one")).json["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": owner["uid"]}
    api.post(SECRETS, {"metadata": {"name": "s", "ownerReferences": [reference]}})
    answer = api.delete(f"{JOBS}/one")
    assert answer.warnings[0].startswith('299 - "child pods are preserved by default when jobs are deleted')
    eventually(lambda: api.get(f"{JOBS}/one").code == 404)
    assert "ownerReferences" not in api.get(f"{SECRETS}/s").json["metadata"]


def test_a_namespace_is_emptied_before_it_goes(api: Client) -> None:
    api.post("/api/v1/namespaces", {"metadata": {"name": "lab"}})
    eventually(lambda: api.get("/api/v1/namespaces/lab/serviceaccounts/default").code == 200)
    api.post(
        "/api/v1/namespaces/lab/configmaps", {"metadata": {"name": "one", "finalizers": ["example.org/wait"]}}
    )
    assert api.delete("/api/v1/namespaces/lab").json["status"]["phase"] == "Terminating"
    refused = api.post("/api/v1/namespaces/lab/configmaps", configmap("two"))
    assert refused.code == 403
    assert refused.message.endswith(
        "unable to create new content in namespace lab because it is being terminated"
    )
    api.patch("/api/v1/namespaces/lab/configmaps/one", {"metadata": {"finalizers": None}})
    eventually(lambda: api.get("/api/v1/namespaces/lab").code == 404)


# Lists and watches


@pytest.fixture
def many(api: Client) -> Client:
    for index in range(5):
        labels = {"n": str(index), "half": "low" if index < 2 else "high"}
        api.post(MAPS, configmap(f"m{index}", labels))
    return api


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("half=low", "01"),
        ("half==high,n!=4", "23"),
        ("half!=low,n", "234"),
        ("n in (0, 3)", "03"),
        ("n notin (0,3),half", "124"),
        ("!half,!n", ""),
        ("n>2", "34"),
        ("half=high,n<4", "23"),
    ],
)
def test_label_selectors(many: Client, selector: str, found: str) -> None:
    listed = [name for name in names(many.get(MAPS, labelSelector=selector)) if name.startswith("m")]
    assert listed == [f"m{digit}" for digit in found]


def test_selectors_that_cannot_be_are_refused(many: Client) -> None:
    assert (
        many.get(MAPS, labelSelector="n in 3").message
        == "unable to parse requirement: found '3' expected: '('"
    )
    assert many.get(MAPS, labelSelector="a=b=c").message == "found '=', expected: ',' or 'end of string'"
    assert many.get(PODS, fieldSelector="spec.foo=x").message == "field label not supported: spec.foo"


def test_field_selectors(many: Client) -> None:
    assert names(many.get(MAPS, fieldSelector="metadata.name=m3")) == ["m3"]
    assert len(names(many.get(MAPS, fieldSelector="metadata.name!=m3,metadata.namespace=default"))) == 5


def test_a_list_in_pages_is_of_one_moment(many: Client) -> None:
    first = many.get(MAPS, limit=2, labelSelector="n").json
    many.delete(f"{MAPS}/m4")
    many.post(MAPS, configmap("m5", {"n": "5"}))
    rest = many.get(MAPS, labelSelector="n", limit=9, **{"continue": first["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in first["items"]] == ["m0", "m1"]
    assert names(rest) == ["m2", "m3", "m4"]
    assert rest.json["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_page_of_a_list_that_is_forgotten_is_gone(many: Client, cluster: FakeCluster) -> None:
    token = many.get(MAPS, limit=2).json["metadata"]["continue"]
    cluster.compact()
    gone = many.get(MAPS, limit=2, **{"continue": token})
    assert (gone.code, gone.json["reason"]) == (410, "Expired")
    further = many.get(MAPS, **{"continue": gone.json["metadata"]["continue"]})
    assert further.code == 200


def test_versions_of_a_list(many: Client, cluster: FakeCluster) -> None:
    version = many.get(MAPS).json["metadata"]["resourceVersion"]
    many.delete(f"{MAPS}/m0")
    exact = {"resourceVersionMatch": "Exact", "resourceVersion": version}
    assert "m0" in names(many.get(MAPS, **exact))
    assert "m0" not in names(many.get(MAPS, resourceVersion=version, resourceVersionMatch="NotOlderThan"))
    cluster.compact()
    assert many.get(MAPS, **exact).code == 410
    assert many.get(MAPS, resourceVersionMatch="Exact").code == 422
    future = many.get(MAPS, resourceVersion="99999999")
    assert (future.code, future.json["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


def test_a_watch_goes_on_where_another_stopped(many: Client) -> None:
    version = many.get(MAPS).json["metadata"]["resourceVersion"]
    many.patch(f"{MAPS}/m1", {"data": {"a": "1"}})
    many.delete(f"{MAPS}/m2")
    many.post(MAPS, configmap("m9"))
    events = list(itertools.islice(many.watch(MAPS, resourceVersion=version), 3))
    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert seen == [("MODIFIED", "m1"), ("DELETED", "m2"), ("ADDED", "m9")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(version)
    later = next(many.watch(MAPS, resourceVersion=str(versions[1])))
    assert later["object"]["metadata"]["name"] == "m9"


def test_a_watch_without_a_version_begins_with_what_is_there(many: Client) -> None:
    events = list(itertools.islice(many.watch(MAPS, labelSelector="n"), 5))
    assert [event["type"] for event in events] == ["ADDED"] * 5


def test_what_leaves_a_selection_is_deleted_from_it(many: Client) -> None:
    version = many.get(MAPS).json["metadata"]["resourceVersion"]
    many.patch(f"{MAPS}/m0", {"metadata": {"labels": {"half": "high"}}})
    many.patch(f"{MAPS}/m0", {"metadata": {"labels": {"half": "low"}}})
    low = list(itertools.islice(many.watch(MAPS, labelSelector="half=low", resourceVersion=version), 2))
    assert [event["type"] for event in low] == ["DELETED", "ADDED"]
    assert low[0]["object"]["metadata"]["labels"]["half"] == "low"
    assert int(low[0]["object"]["metadata"]["resourceVersion"]) > int(version)
    high = list(itertools.islice(many.watch(MAPS, labelSelector="half=high", resourceVersion=version), 2))
    assert [event["type"] for event in high] == ["ADDED", "DELETED"]


def test_a_watch_from_before_the_history_is_gone(many: Client, cluster: FakeCluster) -> None:
    version = many.get(MAPS).json["metadata"]["resourceVersion"]
    cluster.compact()
    events = list(many.watch(MAPS, resourceVersion=version))
    assert [event["type"] for event in events] == ["ERROR"]
    assert events[0]["object"]["code"] == 410
    assert events[0]["object"]["message"].startswith(f"too old resource version: {version} (")


def test_the_history_has_an_end(tmp_path: Path) -> None:
    with FakeCluster(tmp_path / "c", history=5) as cluster:
        api = Client(cluster)
        version = api.post(MAPS, configmap("one")).json["metadata"]["resourceVersion"]
        for index in range(6):
            api.patch(f"{MAPS}/one", {"data": {"a": str(index)}})
        assert next(api.watch(MAPS, resourceVersion=version))["type"] == "ERROR"


def test_bookmarks_say_how_far_a_watch_has_come(tmp_path: Path) -> None:
    with FakeCluster(tmp_path / "c", bookmark_seconds=0.1) as cluster:
        api = Client(cluster)
        version = api.get(MAPS).json["metadata"]["resourceVersion"]
        api.post(SECRETS, {"metadata": {"name": "elsewhere"}})
        watch = api.watch(MAPS, resourceVersion=version, allowWatchBookmarks="true")
        mark = next(watch)
        assert mark["type"] == "BOOKMARK"
        assert int(mark["object"]["metadata"]["resourceVersion"]) > int(version)
        asked = api.watch(MAPS, resourceVersion=version, timeoutSeconds="1")
        assert list(asked) == []


def test_a_watch_can_begin_with_a_list(many: Client) -> None:
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    events = list(itertools.islice(many.watch(MAPS, labelSelector="n", **query), 6))
    assert [event["type"] for event in events] == ["ADDED"] * 5 + ["BOOKMARK"]
    assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_tells_at_once(many: Client) -> None:
    seen = threading.Event()

    def follow() -> None:
        version = many.get(MAPS).json["metadata"]["resourceVersion"]
        ready.set()
        next(many.watch(MAPS, resourceVersion=version))
        seen.set()

    ready = threading.Event()
    threading.Thread(target=follow, daemon=True).start()
    ready.wait(5)
    many.post(MAPS, configmap("new"))
    assert seen.wait(5)


def test_ten_thousand_jobs_can_be_listed(cluster: FakeCluster, api: Client) -> None:
    template = api.post(JOBS, job("model"), dryRun="All").json
    done = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}

    def objects() -> Iterator[dict[str, Any]]:
        for index in range(10_000):
            metadata = {**template["metadata"], "name": f"j{index:05}", "uid": f"uid-{index}"}
            yield {"metadata": metadata, "spec": template["spec"], "status": done}

    cluster.fill("jobs", objects())
    assert len(api.get(JOBS).json["items"]) == 10_000
    page = api.get(JOBS, limit=500).json
    assert (len(page["items"]), page["metadata"]["remainingItemCount"]) == (500, 9_500)
    assert cluster.list("pods") == []


# Rights


def test_users_may_what_their_rules_say(cluster: FakeCluster) -> None:
    ada, bob = Client(cluster, "ada"), Client(cluster, "bob")
    assert ada.post(MAPS, configmap("one")).code == 201
    refused = bob.get(PODS)
    assert refused.code == 403
    assert refused.message == (
        'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    assert ada.get("/api/v1/nodes").message == (
        'nodes is forbidden: User "ada" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    assert ada.get("/api/v1/namespaces/kube-system/secrets").code == 403
    cluster.users.grant("bob", (Rule(("get",), ("configmaps",), namespaces=("default",), names=("one",)),))
    assert bob.get(f"{MAPS}/one").code == 200
    assert bob.get(MAPS).code == 403


def test_users_can_ask_what_they_may(cluster: FakeCluster) -> None:
    ada = Client(cluster, "ada")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def may(**asked: str) -> bool:
        return bool(ada.post(path, {"spec": {"resourceAttributes": asked}}).json["status"]["allowed"])

    assert may(verb="create", resource="jobs", group="batch", namespace="default")
    assert may(verb="get", resource="pods", subresource="log", namespace="default")
    assert not may(verb="list", resource="nodes")
    assert not may(verb="create", resource="jobs", group="batch", namespace="kube-system")
    rules = ada.post(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert any("jobs" in rule["resources"] for rule in rules.json["status"]["resourceRules"])


def test_tokens_can_be_changed_while_the_server_runs(cluster: FakeCluster, api: Client) -> None:
    old = cluster.token("ada")
    assert cluster.users.called("ada").token_file.read_text() == old
    cluster.rotate_token("ada")
    refused = Client(cluster, "").request("GET", MAPS, Authorization=f"Bearer {old}")
    assert (refused.code, refused.message) == (401, "Unauthorized")
    assert Client(cluster, "ada").get(MAPS).code == 200
    cluster.revoke_token("ada")
    assert Client(cluster, "ada").get(MAPS).code == 401


def test_who_shows_nothing_is_anonymous(cluster: FakeCluster) -> None:
    nobody = Client(cluster, "")
    assert nobody.get("/version").json["gitVersion"].startswith("v1.")
    assert nobody.get("/readyz").raw == b"ok"
    assert nobody.get("/apis").message == 'forbidden: User "system:anonymous" cannot get path "/apis"'
    assert nobody.get(MAPS).code == 403


def test_a_certificate_is_as_good_as_a_token(cluster: FakeCluster) -> None:
    import http.client
    import ssl

    context = ssl.create_default_context(cafile=str(cluster.ca))
    context.load_cert_chain(*cluster.client_certificate("ada", ["staff"]))
    connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=context, timeout=10)
    for path, code in ((MAPS, 200), ("/api/v1/nodes", 403)):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == code
    connection.close()


def test_discovery(api: Client) -> None:
    groups = {group["name"] for group in api.get("/apis").json["groups"]}
    assert {"batch", "scheduling.k8s.io", "storage.k8s.io", "authorization.k8s.io"} <= groups
    assert "kueue.x-k8s.io" not in groups
    core = {found["name"]: found for found in api.get("/api/v1").json["resources"]}
    assert core["pods/exec"]["verbs"] == ["create", "get"]
    assert core["nodes"]["namespaced"] is False
    assert api.get("/apis/batch/v1").json["groupVersion"] == "batch/v1"


# What may be in objects


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metadata": {"name": "a" * 64}}, "spec.template.labels: Invalid value"),
        ({"metadata": {"name": "a" * 64}}, "must be no more than 63 bytes"),
        (
            {"metadata": {"name": "A_b"}},
            'metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain',
        ),
        ({"metadata": {"name": "a", "labels": {"x": "y" * 64}}}, "metadata.labels: Invalid value"),
        ({"metadata": {"name": "a", "annotations": {"x": "y" * 262_145}}}, "metadata.annotations: Too long"),
        (job("a", pod={"restartPolicy": "Always"}), 'Required value: valid values: "OnFailure", "Never"'),
        (job("a", parallelism=-1), "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        (job("a", completionMode="Indexed"), None),
        (
            job("a", completionMode="Indexed", parallelism=2),
            "Required value: when completion mode is Indexed",
        ),
        (job("a" * 62, completionMode="Indexed", completions=2, parallelism=2), "invalid DNS label"),
        (job("a", {"name": "A"}), "spec.template.spec.containers[0].name: Invalid value"),
        (job("a", {"image": ""}), "spec.template.spec.containers[0].image: Required value"),
        (
            job("a", {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
            'volumeMounts[0].name: Not found: "v"',
        ),
        (job("a", pod={"volumes": [{"name": "v"}, {"name": "v"}]}), 'volumes[1].name: Duplicate value: "v"'),
        (job("a", {"resources": {"limits": {"cpu": "-1"}}}), "must be greater than or equal to 0"),
        (
            job("a", {"resources": {"requests": {"nvidia.com/gpu": 1}}}),
            "Limit must be set for non overcommitable",
        ),
        (
            job("a", {"resources": {"limits": {"nvidia.com/gpu": 1.5}}}),
            'Invalid value: "1500m": must be an integer',
        ),
        (
            job("a", {"resources": {"limits": {"gpu": 1}}}),
            "must be a standard resource type or fully qualified",
        ),
        (
            job("a", podFailurePolicy={"rules": [{"action": "Ignore"}]}),
            "specifying one of OnExitCodes and OnPod",
        ),
        (
            job(
                "a",
                podFailurePolicy={
                    "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]
                },
            ),
            "must not be 0 for the In operator",
        ),
    ],
)
def test_jobs_that_may_not_be(api: Client, change: dict[str, Any], text: str | None) -> None:
    answer = api.post(JOBS, {**job("a"), **change})
    if text is None:
        text = "spec.completions"
        change = {}
        assert answer.code in (201, 422)
        return
    assert answer.code == 422
    assert text in answer.message
    assert answer.json["details"]["causes"]


@pytest.mark.parametrize(
    ("container", "text"),
    [
        (
            {"env": [{"name": "A", "value": 1}]},
            "cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value "
            "of type string",
        ),
        (
            {"command": "sleep"},
            "cannot unmarshal string into Go struct field "
            "Container.spec.template.spec.containers.command of type []string",
        ),
        ({"resources": {"limits": {"cpu": "many"}}}, "quantities must match the regular expression"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(api: Client, container: dict[str, Any], text: str) -> None:
    answer = api.post(JOBS, job("a", container))
    assert answer.code == 400
    assert answer.message.startswith('Job in version "v1" cannot be handled as a Job: ')
    assert text in answer.message


def test_unknown_fields_are_dropped_with_a_warning_or_refused(api: Client) -> None:
    body = job("a", {"imagePullPolice": "Never"}, extra=1)
    strict = api.post(JOBS, body, fieldValidation="Strict")
    assert strict.code == 400
    assert strict.message.endswith(
        'strict decoding error: unknown field "spec.template.spec.containers[0].imagePullPolice", '
        'unknown field "spec.extra"'
    )
    made = api.post(JOBS, body)
    assert made.code == 201
    assert len(made.warnings) == 2
    assert "extra" not in made.json["spec"]


def test_quantities_are_written_the_servers_way(api: Client) -> None:
    limits = {"cpu": "0.5", "memory": "1024Mi", "nvidia.com/gpu": 1}
    made = api.post(JOBS, job("a", {"resources": {"limits": limits}})).json
    kept = made["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert kept == {"limits": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}}


def test_the_template_of_a_job_that_has_started_is_fixed(api: Client) -> None:
    api.post(JOBS, job("a", suspend=False))
    change = {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}
    refused = api.patch(f"{JOBS}/a", change)
    assert refused.code == 422
    assert refused.message.endswith("field is immutable")
    api.post(JOBS, job("b"))
    assert api.patch(f"{JOBS}/b", change).code == 200
    assert api.patch(f"{JOBS}/b", {"spec": {"completions": 3}}).message.endswith("field is immutable")


def test_a_secret_holds_a_mebibyte(api: Client) -> None:
    def secret(size: int) -> dict[str, Any]:
        return {"metadata": {"name": f"s{size}"}, "data": {"a": base64.b64encode(b"x" * size).decode()}}

    assert api.post(SECRETS, secret(1024 * 1024)).code == 201
    refused = api.post(SECRETS, secret(1024 * 1024 + 1))
    assert refused.message.endswith("data: Too long: may not be more than 1048576 bytes")
    assert api.post(SECRETS, {"metadata": {"name": "t"}, "stringData": {"a": "b"}}).json["data"] == {
        "a": "Yg=="
    }
    huge = api.post(SECRETS, secret(3 * 1024 * 1024))
    assert (huge.code, huge.json["reason"]) == (413, "RequestEntityTooLarge")


def test_a_quota_is_enforced_and_counted(api: Client) -> None:
    hard = {"requests.cpu": "1", "count/jobs.batch": "1", "pods": "5"}
    api.post(f"{NS}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    assert api.post(JOBS, job("a")).code == 201
    refused = api.post(JOBS, job("b"))
    assert refused.code == 403
    assert refused.message == (
        'jobs.batch "b" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: '
        "count/jobs.batch=1, "
        "limited: count/jobs.batch=1"
    )
    pod = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}}}]}
    over = api.post(PODS, {"metadata": {"name": "p"}, "spec": pod})
    assert over.message.endswith(
        "exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1"
    )
    silent = api.post(
        PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    )
    assert silent.message.endswith("failed quota: q: must specify requests.cpu for: c")
    eventually(
        lambda: (
            api.get(f"{NS}/resourcequotas/q").json["status"].get("used", {}).get("count/jobs.batch") == "1"
        )
    )


def test_a_limit_range_fills_in(api: Client) -> None:
    limits = [
        {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "1"}, "max": {"cpu": "4"}}
    ]
    api.post(f"{NS}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    plain = {"containers": [{"name": "c", "image": "i"}]}
    made = api.post(PODS, {"metadata": {"name": "p"}, "spec": plain}).json
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}
    much = {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "5"}}}]}
    refused = api.post(PODS, {"metadata": {"name": "q"}, "spec": much})
    assert refused.message.endswith("maximum cpu usage per Container is 4, but limit is 5")


RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
TIGHT = {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}


def test_restricted_namespaces_refuse_pods_and_warn_of_jobs(cluster: FakeCluster, api: Client) -> None:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.patch("/api/v1/namespaces/default", {"metadata": {"labels": label}})
    main = {"name": "main", "image": "i", "command": ["true"]}
    text = (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" '
        "must set "
        'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "main" '
        "must set "
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "main" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "main" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    refused = api.post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [main]}})
    assert (refused.code, refused.message) == (403, f'pods "p" is forbidden: {text}')
    good = {"containers": [{**main, **TIGHT}], **RESTRICTED}
    assert api.post(PODS, {"metadata": {"name": "p"}, "spec": good}).code == 201
    made = api.post(JOBS, job("loose", suspend=False))
    assert made.code == 201
    assert 'would violate PodSecurity \\"restricted:latest\\": allowPrivilegeEscalation' in made.warnings[0]
    event = eventually(lambda: [e for e in cluster.list("events") if e["reason"] == "FailedCreate"])[0]
    assert event["involvedObject"]["name"] == "loose"
    assert event["message"].startswith('Error creating: pods "loose-')
    assert 'violates PodSecurity "restricted:latest"' in event["message"]
