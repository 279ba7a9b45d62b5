"""Who gets in: tokens, origins, XSRF, an authorizer that lets people look only, and a server below a path."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from sovlab.jupyter.server.routes import BASE, ROUTES

PATHS = sorted({(route.method, route.path.replace("{job}", "some-job-abcdef")) for route in ROUTES})
CHANGES = [(method, path) for method, path in PATHS if method != "GET"]


def parts(path: str) -> list[str]:
    return path.strip("/").split("/")


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/openapi.json"), ("GET", "/nowhere")])
async def test_without_the_right_token_nobody_gets_in(api, method, path):
    for wrong in ("token wrong", ""):
        body = "{}" if method == "POST" else None
        answer = await api(method, *parts(path), body=body, headers={"Authorization": wrong})
        assert answer.status == 403
        assert answer.type == "application/problem+json"


@pytest.mark.parametrize("wrong", [{"Authorization": "token wrong"}, {"Authorization": ""}])
async def test_without_the_right_token_there_is_no_socket(page, wrong):
    with pytest.raises(HTTPClientError) as caught:
        await page(headers=wrong)
    assert caught.value.code == 403


@pytest.fixture
def browser(jp_serverapp: Any, jp_base_url: str, http_server_client: Any, jp_auth_header: Any) -> Any:
    """Requests with a cookie instead of a token, as a browser makes them."""
    cookies: dict[str, str] = {}

    def keep(response: Any) -> None:
        for line in response.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            cookies[name] = value

    async def go(method: str, path: str, body: str | None = None, **headers: str) -> Any:
        if not cookies:
            token = jp_auth_header["Authorization"].partition(" ")[2]
            keep(
                await http_server_client.fetch(
                    f"{jp_base_url}login?token={token}", follow_redirects=False, raise_error=False
                )
            )
            keep(
                await http_server_client.fetch(
                    f"{jp_base_url}tree?token={token}", follow_redirects=False, raise_error=False
                )
            )
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), **headers}
        return await http_server_client.fetch(
            f"{jp_base_url.rstrip('/')}{BASE}{path}",
            method=method,
            body=body,
            headers=sent,
            allow_nonstandard_methods=True,
            raise_error=False,
        )

    go.cookies = cookies  # type: ignore[attr-defined]
    return go


async def test_another_origin_gets_no_socket_with_the_cookie_of_a_browser(browser, page, http_server_client):
    await browser("GET", "/version")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    host = f"127.0.0.1:{http_server_client.get_http_port()}"  # the cookie's
    sent = {"Authorization": "", "Cookie": cookie, "Host": host}
    with pytest.raises(HTTPClientError) as caught:
        await page(headers={**sent, "Origin": "https://evil.example"})
    assert caught.value.code == 403
    mine = await page(headers={**sent, "Origin": f"http://{host}"})
    await mine.say(type="watch", targets=["local"])
    await mine.until(type="snapshot")


async def test_each_change_needs_the_xsrf_token(browser, client):
    got = await browser("GET", "/version", Referer="http://127.0.0.1/")
    assert got.code in (200, 403)
    assert "_xsrf" in browser.cookies, "the server gave no token"
    before = len(client.jobs())
    for method, path in CHANGES:
        answer = await browser(method, path, json.dumps({"source": "pass"}) if method == "POST" else None)
        assert answer.code == 403, path
        assert "_xsrf" in json.loads(answer.body)["detail"], path
    assert len(client.jobs()) == before
    body = json.dumps({"source": "pass", "options": {"name": "by-cookie"}})
    token = {"X-XSRFToken": browser.cookies["_xsrf"], "Content-Type": "application/json"}
    done = await browser("POST", "/jobs", body, **token)
    assert done.code == 201, done.body
    foreign = await browser("POST", "/jobs", body, **token, Origin="https://evil.example")
    assert foreign.code == 404
    assert len(client.jobs()) == before + 1


class ReadOnly(Authorizer):
    """Lets everybody look, and nobody act."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "sovlab" or action == "read"


class Nothing(Authorizer):
    """Lets nobody near the jobs."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "sovlab"


class Cancelling(Authorizer):
    """Lets people write, and run nothing."""

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        await asyncio.sleep(0)
        return action != "execute"


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    authorizer = getattr(request, "param", None)
    if authorizer is not None:
        jp_server_config["ServerApp"]["authorizer_class"] = authorizer
    return jp_server_config


@pytest.mark.parametrize("jp_server_config", [ReadOnly], indirect=True)
async def test_who_may_only_read_sees_all_and_changes_nothing(api, page, client):
    before = len(client.jobs())
    assert (await api("GET", "version")).body["may"] == {"write": False, "execute": False}
    assert (await api("GET", "jobs")).status == 200
    for method, path in CHANGES:
        answer = await api(method, *parts(path), body={"source": "pass"} if method == "POST" else None)
        assert answer.status == 403, path
        assert answer.body["hint"]
    mine = await page()
    assert mine.told[0]["may"] == {"write": False, "execute": False}
    await mine.say(type="watch", targets=["local"])
    await mine.until(type="snapshot")
    assert len(client.jobs()) == before


@pytest.mark.parametrize("jp_server_config", [Nothing], indirect=True)
async def test_who_may_not_read_sees_nothing(api, page):
    for method, path in PATHS:
        answer = await api(method, *parts(path), body={} if method == "POST" else None)
        assert answer.status == 403, path
    assert (await api("GET", "openapi.json")).status == 403
    with pytest.raises(HTTPClientError) as caught:
        await page()
    assert caught.value.code == 403


@pytest.mark.parametrize("jp_server_config", [Cancelling], indirect=True)
async def test_who_may_write_and_not_execute_runs_nothing(api, client):
    job = client.submit(_cell(), _options()).job
    assert (await api("GET", "version")).body["may"] == {"write": True, "execute": False}
    names = [{"id": job.id}]
    for path, body in (
        (("jobs",), {"source": "pass"}),
        (("jobs", "plan"), {"source": "pass"}),
        (("runs",), {"notebook": "n.ipynb", "output": "out.ipynb"}),
        (("jobs", job.id, "rerun"), {}),
        (("jobs", "bulk"), {"action": "rerun", "jobs": names}),
    ):
        assert (await api("POST", *path, body=body)).status == 403, path
    assert (await api("POST", "jobs", job.id, "cancel", body="")).status == 202


def _cell() -> Any:
    from sovlab.client import Cell

    return Cell("import time\ntime.sleep(600)", {})


def _options() -> Any:
    from sovlab.options.job import from_keywords

    return from_keywords({"name": "sleeps"})


def test_every_route_of_ours_is_behind_the_login(jp_configurable_serverapp, recwarn):
    app = jp_configurable_serverapp()
    assert app.allow_unauthenticated_access is False
    assert "sovlab" in str(app.extension_manager.extension_apps)
    ours = [str(each.message) for each in recwarn if re.search(BASE, str(each.message))]
    assert ours == []


class TestBelowAPath:
    @pytest.fixture
    def jp_base_url(self) -> str:
        return "/user/a@b%20c/"

    async def test_all_is_there(self, api, page):
        assert (await api("GET", "version")).status == 200
        assert (await api("GET", "jobs")).status == 200
        mine = await page()
        await mine.say(type="watch", targets=["local"])
        await mine.until(type="snapshot")
