"""Exec over WebSocket: a command beside a container's process, with its streams on channels."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tests.kube.apiserver.access.auth import Attributes, denied
from tests.kube.apiserver.faults import Fault
from tests.kube.apiserver.kubelet.process import kill_members
from tests.kube.apiserver.kubelet.session import Session
from tests.kube.apiserver.kubelet.slots import Slot
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.errors import ApiError, bad_request, internal
from tests.kube.apiserver.protocol.kinds import PODS

from .asking import Asking
from .logs import chosen, unreachable
from .outlet import Severed, encoded

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_CHUNK = 32 * 1024


class ExecHandler(Asking, WebSocketHandler):  # type: ignore[misc]
    """One exec session."""

    def initialize(self, cluster: Any) -> None:
        super().initialize(cluster)
        self._slot: Slot | None = None
        self._error: ApiError | None = None
        self._process: Session | None = None
        self._started = asyncio.Event()
        self._fault = Fault()
        self._passed = 0
        self._node = ""
        self._task: asyncio.Task[None] | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """The upgrade, or a refusal before it."""
        try:
            try:
                target, user, fault = await self.admit()
                self._fault = fault or Fault()
                creating = Attributes("create", "", "pods", target.namespace, target.name, "exec")
                if not user.may(creating):
                    raise denied(user, creating)
                offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
                pod = self.cluster.registry.get(PODS, target.namespace, target.name).obj
                if not offered and self.request.headers.get("Upgrade", "").lower() != "websocket":
                    raise bad_request("Upgrade request required")
                if not any(name in offered for name in _PROTOCOLS):
                    self.outlet.headers(403, "text/plain")
                    self.note(403)
                    await self.outlet.whole(b"")
                    return
                self._slot = self._find(pod, v5="v5.channel.k8s.io" in offered)
            except ApiError as error:
                await self.refuse(error)
                return
        except Severed:
            return
        self.note(101)
        await super().get(*args, **kwargs)

    async def post(self) -> None:
        """SPDY is not spoken here."""
        with contextlib.suppress(Severed):
            await self.refuse(bad_request("Upgrade request required"))

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return next((name for name in subprotocols if name in _PROTOCOLS), None)

    def check_origin(self, origin: str) -> bool:
        return True

    def _find(self, pod: Object, *, v5: bool) -> Slot:
        name = pod["metadata"]["name"]
        container = chosen(pod, self.query("container"))
        if not pod["spec"].get("nodeName"):
            raise bad_request(f"pod {name} does not have a host assigned")
        phase = pod["status"].get("phase")
        if phase in ("Succeeded", "Failed"):
            raise bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
        self._node = pod["spec"]["nodeName"]
        if self._node in self.cluster.kubelets.dead:
            raise unreachable(pod, f"exec/{pod['metadata']['namespace']}/{name}/{container}")
        worker = self.cluster.kubelets.worker(pod)
        slot = worker.slot(container) if worker else None
        if slot is None or slot.run is None or not slot.run.alive:
            self._error = internal(
                f'error executing command in container: container not found ("{container}")'
            )
            if not v5 or slot is None:
                raise internal(f'unable to upgrade connection: container not found ("{container}")')
        assert slot is not None
        return slot

    async def open(self, *args: str, **kwargs: str) -> None:
        """Starts the command."""
        self.set_nodelay(True)
        self._task = asyncio.create_task(self._session())

    async def _session(self) -> None:
        command = [value.decode() for value in self.request.query_arguments.get("command", [])]
        try:
            # The stream begins with an empty message, as from the real one.
            await self.write_message(bytes([STDOUT]), binary=True)
            if self._error is None:
                status = await self._run(command)
            else:
                status = self._error.status()
            self._started.set()
            await self.write_message(bytes([ERROR]) + encoded(status).rstrip(), binary=True)
        except WebSocketClosedError:
            return
        finally:
            self._started.set()
            self.close(1000)

    @property
    def _v5(self) -> bool:
        return self.selected_subprotocol == _PROTOCOLS[0]

    async def _run(self, command: list[str]) -> dict[str, Any]:
        """Runs the command to its end; its status."""
        assert self._slot is not None
        run, base = self._slot.run, self._slot.command
        assert base is not None
        argv = self._slot.translate(command)
        wanted = {name: self.query(name) in ("true", "1") for name in ("stdin", "stdout", "stderr")}
        try:
            session = Session(replace(base, argv=argv), **wanted)
        except (OSError, IndexError):
            return _not_started(argv, twice=self._v5)
        process = session.process
        if run is None or not run.adopt(process):
            kill_members(process.pid, base.home, [process.pid])
        self._process = session
        self._started.set()
        try:
            await asyncio.gather(self._copy(session, STDOUT), self._copy(session, STDERR))
            code = await session.wait()
            if run is not None:
                run.release(process)
            if self._node in self.cluster.kubelets.dead:
                # The connection to a node without power does not end: it says nothing.
                await asyncio.Event().wait()
        finally:
            self._process = None
            session.close()
        return _status(128 - code if code < 0 else code, command, v5=self._v5)

    async def _copy(self, session: Session, channel: int) -> None:
        head = bytes([channel])
        gone = False
        while chunk := await session.read(channel, _CHUNK):
            if gone:
                continue
            try:
                await self.write_message(head + chunk, binary=True)
                await self._strain(len(chunk))
            except WebSocketClosedError:
                # The command goes on when its client has left; what it writes goes nowhere.
                gone = True

    async def _strain(self, size: int) -> None:
        """Faults of a session strike after so many bytes of its streams, both ways."""
        before, fault = self._passed, self._fault
        self._passed += size
        if fault.stall_bytes is not None and before <= fault.stall_bytes < self._passed:
            await asyncio.sleep(fault.stall_seconds)
        if fault.cut_bytes is not None and before <= fault.cut_bytes < self._passed:
            if fault.clean:
                self.close(1001)
            elif self.ws_connection is not None:
                self.ws_connection.stream.close()  # type: ignore[attr-defined]

    async def on_message(self, message: str | bytes) -> None:
        """Input for the command; the next message is read when this one is written."""
        data = message.encode() if isinstance(message, str) else message
        await self._started.wait()
        session = self._process
        if not data or session is None:
            return
        with contextlib.suppress(BrokenPipeError, OSError):
            if data[0] == STDIN:
                await session.write(data[1:])
                await self._strain(len(data))
            elif data[0] == CLOSE and data[1:] == bytes([STDIN]) and self._v5:
                session.end_input()

    def on_close(self) -> None:
        self.outlet.closed = True
        if self._process is not None:
            self._process.end_input()


def _status(code: int, command: list[str], *, v5: bool) -> dict[str, Any]:
    """How the command ended; the two protocols take different ways through the cluster, and it shows."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    why = f"command terminated with exit code {code}"
    if not v5:
        why = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {why}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(argv: tuple[str, ...], *, twice: bool) -> dict[str, Any]:
    if not argv:
        why = "args must not be empty"
    elif "/" in argv[0]:
        why = (
            f'unable to start container process: exec: "{argv[0]}": stat {argv[0]}: no such file or directory'
        )
    else:
        why = f'unable to start container process: exec: "{argv[0]}": executable file not found in $PATH'
    text = (
        f'failed to exec in container: failed to start exec "{uuid.uuid4().hex * 2}": OCI runtime exec failed'
    )
    status = internal(f"error executing command in container: {text}: exec failed: {why}: unknown").status()
    if twice:
        status["message"] = f"Internal error occurred: {status['message']}"
    return {key: value for key, value in status.items() if key not in ("kind", "apiVersion")}
