"""The fake API server: logs, exec and faults, as they come over the wire."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from tests.kube.apiserver import (
    FakeCluster,
    answered,
    close,
    cut,
    delay,
    drop,
    edit,
    error_event,
    lost,
    respond,
    stall,
)
from tests.kube.apiserver.client import Client, eventually

NS = "/api/v1/namespaces/default"
PODS = f"{NS}/pods"
MAPS = f"{NS}/configmaps"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "c", users={"ada": edit("default")}) as made:
        yield made
        assert made.failures == []


@pytest.fixture
def api(cluster: FakeCluster) -> Client:
    return Client(cluster)


def run(cluster: FakeCluster, name: str, program: str, **container: Any) -> None:
    """A pod that runs Python."""
    main = {"name": "main", "image": "i", "command": ["python3", "-uc", program], **container}
    spec = {"restartPolicy": "Never", "containers": [main], "terminationGracePeriodSeconds": 1}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def phase(cluster: FakeCluster, name: str, *wanted: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = cluster.get("pods", name)
        return found if found and found["status"]["phase"] in wanted else None

    return eventually(look)  # type: ignore[no-any-return]


def gate(cluster: FakeCluster) -> Path:
    """A file that a program waits for."""
    return cluster.directory / "gate"


def waiting(cluster: FakeCluster) -> str:
    return (
        f"import os,sys,time\ndef wait():\n while not os.path.exists({str(gate(cluster))!r}): "
        f"time.sleep(.01)\n"
    )


# Logs


LINES = """
import sys, time
def w(text): sys.stdout.write(text); sys.stdout.flush(); time.sleep(0.05)
w("first\\n"); w("z" * 40000); w("\\n"); w("a\\rb\\n"); w("\\n"); sys.stderr.write("err\\n"); time.sleep(0.05)
w("late\\n"); w("end")
"""


def test_logs_are_kept_by_lines_and_pieces_of_16_kib(cluster: FakeCluster, api: Client) -> None:
    run(cluster, "one", LINES)
    phase(cluster, "one", "Succeeded")
    log = f"{PODS}/one/log"
    assert api.get(log).raw == b"first\n" + b"z" * 40000 + b"\na\rb\n\nerr\nlate\nend"
    assert api.get(log, tailLines=2).raw == b"late\nend"
    assert api.get(log, tailLines=0).raw == b""
    # The long line is three entries of the file, and tailLines counts those.
    assert api.get(log, tailLines=6).raw == b"z" * (40000 - 32768) + b"\na\rb\n\nerr\nlate\nend"
    assert api.get(log, limitBytes=8).raw == b"first\nzz"
    stamped = api.get(log, timestamps="true").raw.decode().split("\n")
    assert len(stamped) == 7
    assert all(len(line.split(" ")[0]) == len("2026-01-01T00:00:00.000000000Z") for line in stamped)


def test_since_is_of_whole_seconds(cluster: FakeCluster, api: Client) -> None:
    run(
        cluster,
        "one",
        "import time\nprint('a')\ntime.sleep(2.1 - time.time() % 1)\nprint('b')\ntime.sleep(.01)\nprint('c')",
    )
    phase(cluster, "one", "Succeeded")
    log = f"{PODS}/one/log"
    stamps = {
        line.split(" ")[1]: line.split(" ")[0]
        for line in api.get(log, timestamps="true").raw.decode().splitlines()
    }
    assert api.get(log, sinceTime=stamps["c"]).raw == b"b\nc\n"
    assert api.get(log, sinceSeconds=3600).raw == b"a\nb\nc\n"
    assert api.get(log, sinceTime="soon").code == 400
    both = api.get(log, sinceTime=stamps["c"], sinceSeconds=1)
    assert both.message.endswith("at most one of `sinceTime` or `sinceSeconds` may be specified")


def test_a_follower_gets_each_line_as_it_is_complete(cluster: FakeCluster, api: Client) -> None:
    program = (
        waiting(cluster)
        + "print('one'); sys.stdout.write('tw'); sys.stdout.flush(); wait(); print('o'); wait()"
    )
    run(cluster, "one", program)
    phase(cluster, "one", "Running")
    connection, response = api.open("GET", f"{PODS}/one/log", query={"follow": "true"})
    assert response.readline() == b"one\n"
    assert api.get(f"{PODS}/one/log").raw == b"one\n"
    gate(cluster).touch()
    assert response.read() == b"two\n"
    connection.close()


def test_a_log_that_grows_too_large_is_put_away(tmp_path: Path) -> None:
    with FakeCluster(tmp_path / "c", log_rotate_bytes=2000) as cluster:
        api = Client(cluster)
        program = waiting(cluster) + "print('start'); wait()\nfor i in range(200): print('line', i)"
        run(cluster, "one", program)
        phase(cluster, "one", "Running")
        connection, response = api.open("GET", f"{PODS}/one/log", query={"follow": "true"})
        assert response.readline() == b"start\n"
        gate(cluster).touch()
        followed = response.read().decode().splitlines()
        connection.close()
        assert followed == [f"line {index}" for index in range(200)]
        kept = api.get(f"{PODS}/one/log").raw.decode().splitlines()
        assert kept[-1] == "line 199"
        assert 0 < len(kept) < 100


def test_there_is_no_log_before_and_after(cluster: FakeCluster, api: Client) -> None:
    cluster.kubelets.start_delay = 1
    run(cluster, "one", "print(1)")
    eventually(lambda: (cluster.get("pods", "one") or {}).get("status", {}).get("containerStatuses"))
    early = api.get(f"{PODS}/one/log")
    assert (early.code, early.json["reason"]) == (400, "BadRequest")
    assert early.message == 'container "main" in pod "one" is waiting to start: ContainerCreating'
    phase(cluster, "one", "Succeeded")
    assert api.get(f"{PODS}/one/log").raw == b"1\n"
    assert api.get(f"{PODS}/one/log", previous="true").code == 400
    assert api.get(f"{PODS}/one/log", container="other").message == "container other is not valid for pod one"
    api.delete(f"{PODS}/one")
    assert api.get(f"{PODS}/one/log").message == 'pods "one" not found'


# Exec


def test_exec_runs_beside_the_container(cluster: FakeCluster, api: Client) -> None:
    env = [{"name": "WORD", "value": "here"}]
    run(cluster, "one", "import time; time.sleep(60)", env=env)
    phase(cluster, "one", "Running")
    ran = api.exec("one", ["sh", "-c", "echo $WORD $HOME; echo err >&2; exit 3"])
    assert ran.stdout.decode() == f"here {cluster.pod_directory('one')}/containers/main\n"
    assert ran.stderr == b"err\n"
    assert ran.status == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: command terminated with exit code 3",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }
    assert ran.code == 1000
    assert api.exec("one", ["cat"], stdin=b"abc").stdout == b"abc"
    assert api.exec("one", ["python3", "-c", "print(6 * 7)"]).stdout == b"42\n"
    missing = api.exec("one", ["no-such-program"])
    assert 'exec: "no-such-program": executable file not found in $PATH' in missing.status["message"]


def test_exec_needs_a_container_that_runs(cluster: FakeCluster, api: Client) -> None:
    run(cluster, "one", "print(1)")
    phase(cluster, "one", "Succeeded")
    head = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}  # fmt: skip
    done = api.request("GET", f"{PODS}/one/exec?command=ls", **head)
    assert done.message == "cannot exec into a container in a completed pod; current phase is Succeeded"
    assert api.request("GET", f"{PODS}/none/exec?command=ls", **head).message == 'pods "none" not found'
    assert api.get(f"{PODS}/one/exec?command=ls").message == "Upgrade request required"


def test_fifty_megabytes_go_in_and_come_out(cluster: FakeCluster, api: Client) -> None:
    run(cluster, "one", "import time; time.sleep(120)")
    phase(cluster, "one", "Running")
    data = hashlib.sha256(b"seed").digest() * (50 * 1024 * 1024 // 32)
    ran = api.exec(
        "one", ["sh", "-c", "cat > $HOME/data && sha256sum < $HOME/data"], stdin=data, chunk=256 * 1024
    )
    assert ran.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    back = api.exec("one", ["sh", "-c", "cat $HOME/data"])
    assert hashlib.sha256(back.stdout).digest() == hashlib.sha256(data).digest()
    assert back.status["status"] == "Success"


def test_what_nobody_reads_is_held_back(cluster: FakeCluster, api: Client) -> None:
    program = "import time; time.sleep(60)"
    run(cluster, "one", program)
    phase(cluster, "one", "Running")
    head = (
        f"GET {PODS}/one/exec?command=cat&command=/dev/zero&stdout=true HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {cluster.token()}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    )
    import socket

    context = ssl.create_default_context(cafile=str(cluster.ca))
    with socket.create_connection(("127.0.0.1", cluster.port)) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
            wrapped.sendall(head.encode())
            assert wrapped.recv(100).startswith(b"HTTP/1.1 101")
            before = resident()
            time.sleep(0.7)
            assert resident() - before < 64 * 1024 * 1024


def resident() -> int:
    text = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) * 1024


# Faults


def configmap(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (409, "Conflict"),
        (410, "Expired"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ],
)
def test_a_status_can_be_injected(cluster: FakeCluster, api: Client, code: int, reason: str) -> None:
    cluster.faults.add("create configmaps", respond(code), times=2)
    for _ in range(2):
        answer = api.post(MAPS, configmap("one"))
        assert (answer.code, answer.json["reason"], answer.json["code"]) == (code, reason, code)
    assert api.post(MAPS, configmap("one")).code == 201


def test_faults_choose_their_requests(cluster: FakeCluster, api: Client) -> None:
    cluster.faults.add("GET /api/v1/namespaces/*/pods", respond(429, retry_after=3), times=None)
    cluster.faults.add(lambda asked: asked.user == "ada", respond(502, body="<html>bad gateway</html>"))
    cluster.faults.add("list configmaps", respond(503), after=1)
    busy = api.get(PODS)
    assert (busy.code, busy.headers["Retry-After"]) == (429, "3")
    assert busy.json["details"] == {"retryAfterSeconds": 3}
    assert Client(cluster, "ada").get(MAPS).raw == b"<html>bad gateway</html>"
    assert [api.get(MAPS).code for _ in range(3)] == [200, 503, 200]
    cluster.faults.clear()
    assert api.get(PODS).code == 200


def test_an_answer_can_be_lost_after_the_object_was_made(cluster: FakeCluster, api: Client) -> None:
    cluster.faults.add("create configmaps", answered(500))
    assert api.post(MAPS, configmap("one")).code == 500
    assert api.get(f"{MAPS}/one").code == 200
    cluster.faults.add("create configmaps", lost())
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        api.post(MAPS, configmap("two"))
    assert api.get(f"{MAPS}/two").code == 200
    cluster.faults.add("create configmaps", close())
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        api.post(MAPS, configmap("three"))
    assert api.get(f"{MAPS}/three").code == 404


def test_answers_can_be_late_or_half(cluster: FakeCluster, api: Client) -> None:
    cluster.faults.add("list configmaps", delay(0.3))
    started = time.monotonic()
    assert api.get(MAPS).code == 200
    assert time.monotonic() - started >= 0.3
    cluster.faults.add("list configmaps", cut(20))
    with pytest.raises(http.client.IncompleteRead) as half:
        api.get(MAPS)
    assert len(half.value.partial) == 20


def test_watches_can_break(cluster: FakeCluster, api: Client) -> None:
    for index in range(5):
        api.post(MAPS, configmap(f"m{index}"))
    cluster.faults.add("watch configmaps", drop(after_events=2))
    watch = api.watch(MAPS)
    assert len(list(itertools.islice(watch, 2))) == 2
    with pytest.raises((http.client.IncompleteRead, ConnectionError, ssl.SSLError)):
        next(watch)
    cluster.faults.add("watch configmaps", drop(after_events=2, clean=True))
    assert len(list(api.watch(MAPS))) == 2
    cluster.faults.add("watch configmaps", drop(after_seconds=0.3, clean=True))
    assert len(list(api.watch(MAPS))) == 6
    cluster.faults.add("watch configmaps", error_event(410))
    (event,) = api.watch(MAPS)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    cluster.faults.add("watch configmaps", stall(30, after_events=1))
    slow = Client(cluster, timeout=0.5).watch(MAPS)
    next(slow)
    with pytest.raises(TimeoutError):
        next(slow)


def test_logs_can_break_in_the_middle_of_a_line(cluster: FakeCluster, api: Client) -> None:
    run(cluster, "one", "print('a' * 100)\nimport time; time.sleep(30)")
    phase(cluster, "one", "Running")
    eventually(lambda: api.get(f"{PODS}/one/log").raw)
    cluster.faults.add("get pods/log", drop(after_bytes=30))
    connection, response = api.open("GET", f"{PODS}/one/log", query={"follow": "true"})
    with pytest.raises((http.client.IncompleteRead, ConnectionError, ssl.SSLError)) as half:
        response.read()
    connection.close()
    assert isinstance(half.value, http.client.IncompleteRead)
    assert half.value.partial == b"a" * 30


def test_exec_sessions_can_break(cluster: FakeCluster, api: Client) -> None:
    run(cluster, "one", "import time; time.sleep(60)")
    phase(cluster, "one", "Running")
    cluster.faults.add("get pods/exec", drop(after_bytes=100_000))
    broken = api.exec("one", ["head", "-c", "10000000", "/dev/zero"])
    assert 100_000 <= len(broken.stdout) < 10_000_000
    assert broken.status == {}
    cluster.faults.add("get pods/exec", respond(503))
    with pytest.raises(HTTPClientError):
        api.exec("one", ["true"])
    assert api.exec("one", ["echo", "fine"]).stdout == b"fine\n"


def test_requests_are_noted(cluster: FakeCluster, api: Client) -> None:
    cluster.requests.clear()
    Client(cluster, "ada").get(MAPS, limit=1)
    api.get(f"{MAPS}/none")
    seen = [(one.method, one.path, one.query, one.user, one.status) for one in cluster.requests]
    assert seen == [
        ("GET", MAPS, {"limit": "1"}, "ada", 200),
        ("GET", f"{MAPS}/none", {}, "admin", 404),
    ]


def test_the_api_can_go_and_come_back_while_pods_run(cluster: FakeCluster, api: Client) -> None:
    program = waiting(cluster) + "print('before'); wait(); print('after')"
    run(cluster, "one", program)
    phase(cluster, "one", "Running")
    port, ends = cluster.port, []

    def follow() -> None:
        try:
            list(api.watch(PODS, timeoutSeconds="30"))
        except (http.client.HTTPException, OSError) as error:
            ends.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    eventually(lambda: any("watch" in one.query for one in cluster.requests))
    cluster.stop_api()
    thread.join(10)
    assert ends
    with pytest.raises(ConnectionRefusedError):
        api.get(PODS)
    gate(cluster).touch()
    time.sleep(0.3)
    assert cluster.get("pods", "one")["status"]["phase"] == "Running"
    cluster.start_api()
    assert cluster.port == port
    phase(cluster, "one", "Succeeded")
    assert api.get(f"{PODS}/one/log").raw == b"before\nafter\n"
    assert json.loads(api.get(PODS).raw)["items"]
