"""How containers start and end: images, environments, mounts, and the last message."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.values import quantity, stamp

from .environment import ConfigError, Environment, expand
from .images import Images
from .logs import ContainerLog
from .network import Network
from .process import Command, End, Run
from .rewriting import Rewriter
from .slots import Slot, findable

MESSAGE_LIMIT = 4096
# How long a status says ErrImagePull before it says ImagePullBackOff.
_SHOWN = 0.3
# Where every image has its programs: those of this interpreter first, then those of the machine.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Say = Callable[[str, str, str], None]  # type, reason, message


@dataclass
class Site:
    """What all containers of a node share."""

    images: Images
    environment: Environment
    network: Network
    node: str
    api: tuple[str, str]  # host and port of the API
    log_rotate_bytes: int
    image_backoff: float
    restart_backoff: float
    enforce_memory: bool


class Starter:
    """Starts containers.

    Args:
        site: the node's.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def pull(self, slot: Slot, say: Say) -> float | None:
        """Makes sure that the image is there; None if it is, else after how many seconds to try again."""
        site, image, policy = self._site, slot.spec["image"], slot.spec["imagePullPolicy"]
        if site.images.present(site.node, image) and policy != "Always":
            say(
                "Normal",
                "Pulled",
                f'Container image "{image}" already present on machine and can be accessed by the pod',
            )
            return None
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            slot.waiting = ("ErrImageNeverPull", message)
            say("Warning", "ErrImageNeverPull", message)
            say("Warning", "Failed", "Error: ErrImageNeverPull")
            return site.image_backoff
        if slot.not_before > time.monotonic():
            shown = slot.pull_failed + min(slot.pull_wait / 2, _SHOWN) - time.monotonic()
            if shown > 0:
                return shown
            failed = slot.waiting[1] if slot.waiting else ""
            if not failed.startswith("Back-off"):
                message = f'Back-off pulling image "{image}"'
                say("Normal", "BackOff", message)
                say("Warning", "Failed", "Error: ImagePullBackOff")
                slot.waiting = ("ImagePullBackOff", f"{message}: ErrImagePull: {failed}")
            return slot.not_before - time.monotonic()
        say("Normal", "Pulling", f'Pulling image "{image}"')
        started = time.monotonic()
        error = site.images.pull(site.node, image)
        if not error:
            took = f"{max(1, int((time.monotonic() - started) * 1000))}ms"
            size = "Image size: 104857600 bytes."
            say(
                "Normal",
                "Pulled",
                f'Successfully pulled image "{image}" in {took} ({took} including waiting). {size}',
            )
            return None
        say("Warning", "Failed", f'Failed to pull image "{image}": {error}')
        say("Warning", "Failed", "Error: ErrImagePull")
        slot.waiting = ("ErrImagePull", error)
        slot.pull_wait = min(300.0, slot.pull_wait * 2 or site.image_backoff)
        slot.pull_failed = time.monotonic()
        slot.not_before = slot.pull_failed + slot.pull_wait
        return min(slot.pull_wait / 2, _SHOWN)

    def start(
        self, slot: Slot, pod: Object, volumes: dict[str, Path], ended: Callable[[Slot, End], None], say: Say
    ) -> float | None:
        """Starts the process; None if it runs or has failed for good, else when to try again, in seconds."""
        try:
            command = self._command(slot, pod, volumes)
        except ConfigError as error:
            slot.waiting = ("CreateContainerConfigError", str(error))
            say("Warning", "Failed", f"Error: {error}")
            return 1.0
        if not command.argv:
            message = (
                f'failed to generate container "{uuid.uuid4().hex}" spec: failed to generate spec: no '
                f"command specified"
            )
            slot.waiting = ("CreateContainerError", message)
            say("Warning", "Failed", f"Error: {message}")
            return 1.0
        if slot.log is not None:
            slot.previous_log = slot.log
        slot.log = ContainerLog(self._site.log_rotate_bytes)
        slot.container_id = f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        slot.command = command
        slot.started = True
        slot.end = None
        say("Normal", "Created", "Container created")
        shared = bool(pod["spec"].get("shareProcessNamespace") or pod["spec"].get("hostPID"))
        try:
            slot.run = Run(
                command, slot.log, lambda end: ended(slot, end), self._memory(slot), init=not shared
            )
        except OSError as error:
            self._not_started(slot, command, error, say)
            return None
        slot.waiting = None
        slot.terminated = None
        say("Normal", "Started", "Container started")
        return None

    def _not_started(self, slot: Slot, command: Command, error: OSError, say: Say) -> None:
        if isinstance(error, PermissionError):
            why = f"exec: {command.argv[0]!r}: permission denied".replace("'", '"')
        elif "/" in command.argv[0]:
            why = f'exec: "{command.argv[0]}": stat {command.argv[0]}: no such file or directory'
        else:
            why = f'exec: "{command.argv[0]}": executable file not found in $PATH'
        message = (
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
            "runc create "
            f"failed: unable to start container process: {why}: unknown"
        )
        say("Warning", "Failed", f"Error: {message}")
        assert slot.log is not None
        slot.log.end()
        slot.run = None
        slot.waiting = None
        slot.terminated = {
            "exitCode": 128,
            "reason": "StartError",
            "message": message,
            "startedAt": stamp(0),
            "finishedAt": stamp(time.time()),
            "containerID": slot.container_id,
        }

    def finish(self, slot: Slot, end: End) -> None:
        """Notes how a run ended."""
        reason = "OOMKilled" if end.oom else "Completed" if end.code == 0 else "Error"
        slot.terminated = {
            "exitCode": end.code,
            "reason": reason,
            "startedAt": stamp(end.started),
            "finishedAt": stamp(end.finished),
            "containerID": slot.container_id,
        }
        message = self._message(slot, end)
        if message:
            slot.terminated["message"] = message
        slot.waiting = None
        slot.run = None

    def _message(self, slot: Slot, end: End) -> str:
        file = slot.directory / "termination-log"
        content = b""
        if file.exists():
            with file.open("rb") as opened:
                content = opened.read(MESSAGE_LIMIT)
        if content:
            return content.decode(errors="replace")
        if (
            end.code != 0
            and slot.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
            and slot.log
        ):
            return slot.log.tail(80, 2048)
        return ""

    def _memory(self, slot: Slot) -> int | None:
        limit = ((slot.spec.get("resources") or {}).get("limits") or {}).get("memory")
        return int(quantity(limit)) if limit is not None and self._site.enforce_memory else None

    def _command(self, slot: Slot, pod: Object, volumes: dict[str, Path]) -> Command:
        spec, site = slot.spec, self._site
        variables = site.environment.build(pod, spec)
        slot.directory.mkdir(parents=True, exist_ok=True)
        message = slot.directory / "termination-log"
        message.unlink(missing_ok=True)
        message.touch(0o666)
        message.chmod(0o666)
        mounts = {}
        for mount in spec.get("volumeMounts") or []:
            here = volumes[mount["name"]] / expand(
                mount.get("subPathExpr") or mount.get("subPath") or "", variables
            )
            if not here.exists():
                here.mkdir(parents=True)
            mounts[mount["mountPath"]] = here
        paths = Rewriter(mounts, {spec["terminationMessagePath"]: message})

        def real(text: str) -> str:
            return site.network.rename(paths(text), pod)

        # Arguments alone go to the image's entrypoint, and no image here has one: they are the command.
        argv = [
            real(expand(text, variables))
            for text in [*(spec.get("command") or []), *(spec.get("args") or [])]
        ]
        env = self._environment(slot, pod, {name: real(text) for name, text in variables.items()})
        cwd = self._directory(slot, paths)
        slot.real = real
        return Command(findable(argv, env["PATH"]), env, cwd, slot.directory)

    def _environment(self, slot: Slot, pod: Object, stated: dict[str, str]) -> dict[str, str]:
        host, port = self._site.api
        spec = pod["spec"]
        here = os.path.dirname(sys.executable)
        env = {
            "PATH": f"{here}:{SYSTEM_PATH}",
            "HOME": str(slot.directory),
            "HOSTNAME": spec.get("hostname") or pod["metadata"]["name"],
            "GLOO_SOCKET_IFNAME": "lo",
            **stated,
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
        }
        if env["HOME"] != str(slot.directory):
            # By a value of the environment the container's processes are found when it ends.
            env["container"] = str(slot.directory)
        return env

    def _directory(self, slot: Slot, paths: Rewriter) -> Path:
        stated = slot.spec.get("workingDir")
        if not stated:
            return slot.directory
        real = Path(paths(stated))
        if str(real) != stated:
            real.mkdir(parents=True, exist_ok=True)
            return real
        # The runtime makes a working directory that the image lacks; here it is in the container's own.
        own = slot.directory / stated.lstrip("/")
        own.mkdir(parents=True, exist_ok=True)
        return own
