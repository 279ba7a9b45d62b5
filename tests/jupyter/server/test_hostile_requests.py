"""Requests and messages that nobody of us wrote: refused as problems, and never a mistake of the server."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.websocket import WebSocketClosedError

from sovlab.jupyter.server.routes import ROUTES

EXAMPLES = int(os.environ.get("SOVLAB_TEST_EXAMPLES", "60"))
WORDS = st.sampled_from(
    [
        *("source", "file", "options", "args", "key", "label", "directory", "action", "jobs", "id", "target"),
        *("notebook", "output", "parameters", "fresh", "n.ipynb"),
        *(
            "resume",
            "env",
            "nodes",
            "memory",
            "send",
            "outputs",
            "name",
            "files",
            "timeout",
            "backend",
            "type",
        ),
        *("targets", "epoch", "known", "job", "have", "watch", "look", "follow", "unfollow", "local"),
    ]
)
TEXT = st.one_of(
    WORDS, st.text(max_size=20), st.sampled_from(["../x.py", "\0", "‮", "<script>", "{{7*7}}", "a" * 5000])
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -1, 2**63, 1e308]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, st.text(max_size=8)), inner, max_size=5)
    ),
    max_leaves=20,
)
# What can run a job or take long is not asked for here with a body that would do.
BODIES = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'"\\ud800"', b'{"source": 1}', b"\xff\xfe{}"]),
)
POSTS = [route for route in ROUTES if route.method == "POST"]
QUERIES = [route for route in ROUTES if route.method == "GET" and route.name != "telemetry"]


def is_problem(answer: Any) -> bool:
    """Whether it is a problem document with nothing of our inside, that blames whoever asked."""
    text = json.dumps(answer.body)
    assert answer.type == "application/problem+json", answer
    assert {"type", "title", "status", "detail", "hint", "errors"} <= set(answer.body)
    assert answer.body["status"] == answer.status
    assert "Traceback" not in text
    assert "/sovlab/" not in text.replace("/sovlab/api", "")
    return 400 <= answer.status < 500


def each_in_the_same_loop(loop: Any, strategy: Any, check: Any) -> None:
    """Hypothesis calls what is not async, and the server runs on the test's own loop."""

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def tried(value: Any) -> None:
        loop.run_until_complete(check(value))

    tried()


def test_no_body_makes_the_server_fail(api, jp_asyncio_loop, client):
    before = len(client.jobs())

    async def check(drawn: Any) -> None:
        route, body, kind = drawn
        path = route.path.replace("{job}", "nobody-abcdef").strip("/").split("/")
        answer = await api("POST", *path, body=body, headers={"Content-Type": kind})
        assert is_problem(answer)

    kinds = st.sampled_from(["application/json", "application/json; charset=utf-8", "text/plain", ""])
    each_in_the_same_loop(jp_asyncio_loop, st.tuples(st.sampled_from(POSTS), BODIES, kinds), check)
    assert len(client.jobs()) == before


def test_no_parameter_makes_the_server_fail(api, jp_asyncio_loop):
    names = st.sampled_from(
        [
            "path",
            "output",
            "target",
            "state",
            "q",
            "sort",
            "order",
            "page",
            "size",
            "rank",
            "offset",
            "limit",
            "x",
            "__class__",
        ]
    )
    values = st.one_of(TEXT, NUMBERS.map(str))

    async def check(drawn: Any) -> None:
        route, params = drawn
        path = route.path.replace("{job}", "nobody-abcdef").strip("/").split("/")
        params = {name: value.encode("utf-8", "replace") for name, value in params.items()}
        answer = await api("GET", *path, params=params)
        assert answer.status == 200 or is_problem(answer)

    strategy = st.tuples(st.sampled_from(QUERIES), st.dictionaries(names, values, max_size=4))
    each_in_the_same_loop(jp_asyncio_loop, strategy, check)


def test_no_path_makes_the_server_fail(api, jp_asyncio_loop):
    parts = st.lists(
        st.one_of(TEXT, st.sampled_from(["jobs", "..", "%2e%2e", "log"])), min_size=1, max_size=4
    )

    async def check(drawn: Any) -> None:
        method, path = drawn
        clean = [part.encode("utf-8", "replace").decode() for part in path]
        answer = await api(method, *clean, body="{}" if method in ("POST", "PUT", "PATCH") else None)
        if answer.status == 200:
            assert clean[-1] in ("jobs", "..")
        elif method == "HEAD":
            assert 400 <= answer.status < 500  # it has no body
        elif answer.type == "application/problem+json":
            assert is_problem(answer)
        else:
            assert answer.status in (204, 302, 400, 403, 404, 405)  # it led out of our path

    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
    each_in_the_same_loop(jp_asyncio_loop, st.tuples(methods, parts), check)


def test_no_message_makes_the_socket_fail(page, jp_asyncio_loop):
    mine = jp_asyncio_loop.run_until_complete(page())

    async def check(text: bytes) -> None:
        await mine.socket.write_message(text, binary=False)
        await mine.say(type="follow", job="nobody-abcdef", target="no such target, to hear the end of it")
        while True:
            message = await mine.next()
            assert message["type"] != "hello"
            if message["type"] == "refused":
                assert 400 <= message["problem"]["status"] < 500
                if "no such target" in message["problem"]["detail"]:
                    return

    tagged = st.builds(
        lambda kind, rest: json.dumps({**rest, "type": kind}).encode(),
        st.sampled_from(["watch", "look", "follow", "unfollow", "hello", "snapshot"]),
        st.dictionaries(WORDS, VALUES, max_size=4),
    )
    texts = st.one_of(VALUES.map(lambda value: json.dumps(value).encode()), tagged, st.just(b"[" * 30_000))
    each_in_the_same_loop(jp_asyncio_loop, texts, check)


@pytest.mark.parametrize("path", [("jobs",), ("jobs", "bulk"), ("jobs", "nobody-abcdef", "rerun")])
async def test_what_is_too_large_is_refused(api, path):
    answer = await api("POST", *path, body=b'{"source": "' + b"x" * (3 << 20) + b'"}')
    assert answer.status == 413
    assert is_problem(answer)


async def test_a_message_that_is_too_long_ends_the_socket(page):
    mine = await page()
    await mine.socket.write_message("x" * (65 << 10))
    await mine.closed()


async def test_a_page_that_says_too_much_at_once_is_left(page):
    mine = await page()
    with contextlib.suppress(WebSocketClosedError):
        for _ in range(5000):
            await mine.say(type="watch", targets=["local"])
    await mine.closed()


async def test_a_mistake_of_ours_tells_nothing_of_our_inside(api, monkeypatch):
    from sovlab.jupyter.server import handlers

    def fail(*_: Any) -> Any:
        raise KeyError("pa55word at /home/user/secret.py")

    monkeypatch.setitem(handlers._WORK, "jobs", fail)
    answer = await api("GET", "jobs")
    assert answer.status == 500
    assert "pa55word" not in json.dumps(answer.body)
    assert answer.body["hint"]


async def test_settings_that_are_wrong_are_a_problem_with_the_way_out(api, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text("[defaults]\nbackend = 3\n")
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(config))
    answer = await api("GET", "targets")
    assert answer.status == 422
    assert answer.body["type"] == "urn:sovlab:problem:SettingsError"
    assert "line 2" in answer.body["detail"]
