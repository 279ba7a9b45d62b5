"""A real Jupyter server with the extension, and what pages and scripts ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures and hooks, for this folder alone
from tornado.httpclient import HTTPClientError

from sovlab.jupyter.server.services import Services

PATIENCE = 60.0
"""Seconds after which what never comes fails the test."""


class Answer(NamedTuple):
    status: int
    body: Any
    type: str
    headers: Any


class Page:
    """A page's end of the socket: what it was told, in order."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.socket.write_message(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
        assert text is not None, f"the server has closed: {self.socket.close_code} {self.socket.close_reason}"
        self.told.append(json.loads(text))
        return self.told[-1]

    async def until(self, *, seen: bool = False, **wanted: Any) -> dict[str, Any]:
        """The next message with these members; with ``seen`` one that was told already will do."""
        for message in self.told if seen else ():
            if wanted.items() <= message.items():
                return message
        while True:
            message = await self.next()
            if wanted.items() <= message.items():
                return message

    async def when(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = await self.next()
            if fits(message):
                return message

    def close(self) -> None:
        self.socket.close()

    async def closed(self) -> None:
        """Wait until the server has noticed."""
        while await asyncio.wait_for(self.socket.read_message(), PATIENCE) is not None:
            pass


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Applications leave handlers on their loggers, which later tests would take for the notebook's own."""
    yield
    for name in ("SovlabServer", "ServerApp"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


@pytest.fixture(autouse=True)
def runs() -> Iterator[None]:
    """Runs of notebooks stay when their server goes: after a test that failed they would stay for good."""
    yield
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "sovlab.batch.one" in " ".join(child.cmdline()):
                child.kill()


@pytest.fixture
def jp_server_config(client: object) -> dict[str, Any]:
    """The local target's agent ends with ``client``."""
    return {
        "ServerApp": {
            "jpserver_extensions": {"sovlab.jupyter.server": True, "jupyter_server_terminals": False},
            "allow_unauthenticated_access": False,
        },
        "SovlabServer": {"linger": 0.3, "period": 1.0},
    }


@pytest.fixture
def services(jp_serverapp: Any, jp_asyncio_loop: Any) -> Services:
    """What all requests of the server share."""

    async def get() -> Services:
        found: Services = jp_serverapp.web_app.settings["sovlab_services"]()
        return found

    made: Services = jp_asyncio_loop.run_until_complete(get())
    return made


@pytest.fixture
def api(jp_fetch: Any) -> Callable[..., Awaitable[Answer]]:
    """Ask for a path below /sovlab/api; the answer, whatever its status."""

    async def ask(
        method: str, *path: str, params: Any = None, body: Any = None, headers: Any = None, **more: Any
    ) -> Answer:
        said = {"Content-Type": "application/json", **(headers or {})} if body is not None else headers
        data = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        try:
            got = await jp_fetch(
                *("sovlab", "api", *path),
                method=method,
                params=params,
                body=data,
                headers=dict(said or {}),
                allow_nonstandard_methods=True,
                request_timeout=PATIENCE,
                **more,
            )
        except HTTPClientError as error:
            got = error.response
        kind = got.headers.get("Content-Type", "").partition(";")[0]
        document = json.loads(got.body) if got.body and kind.endswith("json") else got.body
        return Answer(got.code, document, kind, got.headers)

    return ask


@pytest.fixture
def page(jp_ws_fetch: Any, jp_asyncio_loop: Any) -> Iterator[Callable[..., Awaitable[Page]]]:
    """Open a page; its first message is read."""
    opened: list[Page] = []

    async def open_(**more: Any) -> Page:
        found = Page(await jp_ws_fetch("sovlab", "api", "stream", **more))
        opened.append(found)
        assert (await found.next())["type"] == "hello"
        return found

    async def close() -> None:
        for each in opened:
            each.close()

    yield open_
    # What is still to be written needs a loop, and who ran one before in this thread has taken it away.
    jp_asyncio_loop.run_until_complete(close())


@pytest.fixture
def submit(api: Any) -> Callable[..., Awaitable[str]]:
    """Submit a cell; its job's id."""

    async def go(source: str, **options: Any) -> str:
        answer = await api("POST", "jobs", body={"source": source, "label": "In[1]", "options": options})
        assert answer.status == 201, answer.body
        found: str = answer.body["job"]["id"]
        return found

    return go


@pytest.fixture
def ended(client: Any) -> Callable[[str], Awaitable[str]]:
    """Wait for a job's end; its state."""

    async def wait(job_id: str) -> str:
        job = client.attach(job_id, "local")
        status = await asyncio.wrap_future(job.when_ended())
        return str(status.state)

    return wait


@pytest.fixture
def root(jp_root_dir: Path) -> Path:
    """The server's root."""
    return jp_root_dir


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Wait for what another thread or task brings about."""

    async def wait(fits: Callable[[], Any]) -> Any:
        end = asyncio.get_running_loop().time() + PATIENCE
        while not (found := fits()):
            assert asyncio.get_running_loop().time() < end, "it never happened"
            await asyncio.sleep(0.01)
        return found

    return wait
