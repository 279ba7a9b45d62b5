"""GET …/log: what a container wrote, from where the client wants it, and on as it comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kube.apiserver.kubelet.logs import ContainerLog, LogEntry, LogFile
from tests.kube.apiserver.kubelet.slots import Slot
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.errors import ApiError, bad_request
from tests.kube.apiserver.protocol.kinds import PODS, Kind
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import nano, parse_time

from .outlet import Severed
from .paths import Target

if TYPE_CHECKING:
    from .handler import ApiHandler

_OPTIONS = Kind("", "v1", "podlogoptions", "PodLogOptions")
# What is sent at once of a log that is read from its start.
_BATCH = 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What is asked of a log."""

    follow: bool
    previous: bool
    timestamps: bool
    tail: int | None
    since: int  # nanoseconds
    limit: int | None


def _options(handler: ApiHandler, pod: str) -> Options:
    tail, limit = handler.query("tailLines"), handler.query("limitBytes")
    seconds, since = handler.query("sinceSeconds"), handler.query("sinceTime")
    problems = Problems()
    start = 0
    if since:
        try:
            # The API server hands it on to the kubelet with whole seconds only.
            start = int(parse_time(since)) * 10**9
        except ValueError:
            form = "2006-01-02T15:04:05Z07:00"
            raise bad_request(
                f'parsing time "{since}" as "{form}": cannot parse "{since}" as "2006"'
            ) from None
    if tail and int(tail) < 0:
        problems.invalid("tailLines", int(tail), "must be greater than or equal to 0")
    if limit and int(limit) < 1:
        problems.invalid("limitBytes", int(limit), "must be greater than 0")
    if seconds and since:
        problems.forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    elif seconds and int(seconds) < 1:
        problems.invalid("sinceSeconds", int(seconds), "must be greater than 0")
    elif seconds:
        start = int((time.time() - int(seconds)) * 1e9)
    problems.raise_for(_OPTIONS, pod)
    return Options(
        handler.query("follow") in ("true", "1"),
        handler.query("previous") in ("true", "1"),
        handler.query("timestamps") in ("true", "1"),
        int(tail) if tail else None,
        start,
        int(limit) if limit else None,
    )


async def stream(handler: ApiHandler, target: Target) -> None:
    """Answers with the log."""
    cluster, outlet = handler.cluster, handler.outlet
    pod = cluster.registry.get(PODS, target.namespace, target.name).obj
    options = _options(handler, target.name)
    name = chosen(pod, handler.query("container"))
    if not pod["spec"].get("nodeName"):
        # No node has it, so there is nothing to say, and that is no error.
        handler.set_status(204)
        handler.note(204)
        await outlet.end()
        return
    log = _find(handler, pod, name, options)
    outlet.headers(200, "text/plain")
    handler.note(200)
    await outlet.begin()
    await _send(handler, log, options)
    await outlet.end()


def chosen(pod: Object, asked: str) -> str:
    """The container that is meant; 400 if that is not clear."""
    names = [c["name"] for c in pod["spec"]["containers"]]
    inits = [c["name"] for c in pod["spec"].get("initContainers") or []]
    pod_name = pod["metadata"]["name"]
    if not asked:
        if len(names) == 1 and not inits:
            return str(names[0])
        if len(names) == 1:
            text = f"a container name must be specified for pod {pod_name}, choose one of: [{names[0]}]"
        else:
            text = (
                f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]"
            )
        raise bad_request(text + (f" or one of the init containers: [{' '.join(inits)}]" if inits else ""))
    if asked not in (*names, *inits):
        raise bad_request(f"container {asked} is not valid for pod {pod_name}")
    return asked


def _find(handler: ApiHandler, pod: Object, name: str, options: Options) -> ContainerLog:
    kubelets, node = handler.cluster.kubelets, pod["spec"]["nodeName"]
    if node in kubelets.dead:
        metadata = pod["metadata"]
        raise unreachable(pod, f"containerLogs/{metadata['namespace']}/{metadata['name']}/{name}")
    worker = kubelets.worker(pod)
    slot = worker.slot(name) if worker else None
    if slot is None:
        raise bad_request(f'container "{name}" in pod "{pod["metadata"]["name"]}" is not available')
    return _of(slot, pod["metadata"]["name"], options)


def unreachable(pod: Object, path: str) -> ApiError:
    """The kubelet of a pod's node does not answer."""
    address = pod["status"].get("hostIP", "")
    return ApiError(
        500, "", f'Get "https://{address}:10250/{path}": dial tcp {address}:10250: connect: no route to host'
    )


def _of(slot: Slot, pod: str, options: Options) -> ContainerLog:
    if options.previous:
        if slot.previous_log is None:
            raise bad_request(f'previous terminated container "{slot.name}" in pod "{pod}" not found')
        return slot.previous_log
    if slot.log is not None:
        return slot.log
    reason = (slot.waiting or ("ContainerCreating", ""))[0]
    why = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    text = f'container "{slot.name}" in pod "{pod}" is waiting to start: {why.get(reason, reason)}'
    raise bad_request(text)


class _Reader:
    """A place in a log, that moves on from file to file."""

    def __init__(self, log: ContainerLog, options: Options) -> None:
        self._log = log
        self._options = options
        self._file: LogFile = log.current
        self._at = max(0, len(self._file.entries) - options.tail) if options.tail is not None else 0
        self._fresh = True
        self._left = options.limit

    @property
    def full(self) -> bool:
        """Whether the limit of bytes is reached."""
        return self._left is not None and self._left <= 0

    def read(self) -> bytes:
        """What has come since the last time, at most about a batch."""
        parts: list[bytes] = []
        size = 0
        while size < _BATCH and not self.full:
            if self._at >= len(self._file.entries):
                # Only a file that has been put away is complete: then it is looked at once more.
                following = self._file.next
                if following is None or self._at < len(self._file.entries):
                    break
                self._file, self._at = following, 0
                continue
            text = self._shown(self._file.entries[self._at])
            self._at += 1
            if self._left is not None:
                text = text[: self._left]
                self._left -= len(text)
            parts.append(text)
            size += len(text)
        return b"".join(parts)

    def _shown(self, entry: LogEntry) -> bytes:
        if entry.time < self._options.since:
            return b""
        text = entry.text
        if self._options.timestamps and self._fresh:
            text = nano(entry.time).encode() + b" " + text
        self._fresh = entry.text.endswith(b"\n")
        return text


async def _send(handler: ApiHandler, log: ContainerLog, options: Options) -> None:
    outlet, loop, more = handler.outlet, asyncio.get_running_loop(), asyncio.Event()
    reader = _Reader(log, options)

    def listener() -> None:
        try:
            loop.call_soon_threadsafe(more.set)
        except RuntimeError:
            # The loop has ended with the front.
            return

    outlet.on_close = more.set
    if options.follow:
        log.listen(listener)
    try:
        while not outlet.closed:
            more.clear()
            ended = log.ended
            chunk = reader.read()
            if chunk:
                await outlet.send(chunk)
                continue
            if not options.follow or ended or reader.full:
                return
            await outlet.tick()
            try:
                await asyncio.wait_for(more.wait(), outlet.patience())
            except TimeoutError:
                continue
        raise Severed
    finally:
        if options.follow:
            log.unlisten(listener)
