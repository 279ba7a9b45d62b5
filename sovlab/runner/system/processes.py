"""Processes: which belong to a job, who they are, and how to end them all.

Linux answers from ``/proc``; elsewhere ``ps`` is asked. A process is known by its pid together with its
start time and the boot of the machine, so that a reused pid is not taken for it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Set

_PDEATHSIG = 1
_CHILD_SUBREAPER = 36


class Process(NamedTuple):
    """One process, by its ids.

    Attributes:
        start: when it started, in the system's own unit: only to be compared for equality.
    """

    pid: int
    parent: int
    group: int
    session: int
    start: str
    zombie: bool


def processes() -> List[Process]:
    """All processes that can be seen."""
    if not os.path.exists("/proc/self/stat"):
        return _from_ps(["-ax"])
    visible = []
    for name in os.listdir("/proc"):
        process = _from_proc(name) if name.isdigit() else None
        if process is not None:
            visible.append(process)
    return visible


def process(pid: int) -> Optional[Process]:
    """One process; None if there is none of that pid."""
    if os.path.exists("/proc/self/stat"):
        return _from_proc(str(pid))
    return next(iter(_from_ps(["-p", str(pid)])), None)


def boot() -> str:
    """What tells this boot of the machine from others; empty if the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        pass
    return answer_of(["sysctl", "-n", "kern.bootsessionuuid"]).strip()


def answer_of(command: List[str]) -> str:
    """What a command of the system prints; empty if it is not there."""
    import subprocess

    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout
    except OSError:
        return ""


def is_running(pid: int, start: str, booted: str) -> bool:
    """Whether a process that was described by pid, start and boot is still there and has not ended."""
    if booted != boot():
        return False
    current = process(pid)
    return current is not None and current.start == start and not current.zombie


def session_after(pid: int) -> Optional[int]:
    """The session that a process has led which has ended; None if its number is that of another one by now.

    The system does not use a pid again while a session of that number has members.
    """
    found = process(pid)
    return pid if found is None or found.zombie else None


def descendants(root: int, among: Optional[Iterable[Process]] = None) -> List[Process]:
    """Processes under ``root``, which is left out; parents before their children."""
    children: Dict[int, List[Process]] = {}
    for candidate in processes() if among is None else among:
        children.setdefault(candidate.parent, []).append(candidate)
    below: List[Process] = []
    todo = [root]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child.pid != root:
                below.append(child)
                todo.append(child.pid)
    return below


def of_job(job_id: str, session: Optional[int] = None) -> List[Process]:
    """Processes of a job whose runner is gone: by session, and by ``SOVLAB_JOB_ID`` in their environment.

    Args:
        job_id: the value of ``SOVLAB_JOB_ID``.
        session: the runner's session id, if it is known that nobody else has it now.
    """
    running = [p for p in processes() if p.pid != os.getpid() and not p.zombie]
    mark = b"SOVLAB_JOB_ID=" + job_id.encode()
    marked = _marked(mark)
    roots = [p for p in running if (session is not None and p.session == session) or marked(p.pid)]
    members = {p.pid: p for p in roots}
    for root in roots:
        members.update((p.pid, p) for p in descendants(root.pid, running))
    members.pop(os.getpid(), None)
    return list(members.values())


def sweep(job_id: str, session: Optional[int] = None, *, within: float = 5.0) -> List[int]:
    """Kill what is left of a job whose runner is gone; the pids that were killed.

    Args:
        job_id: as for `of_job`.
        session: as for `of_job`.
        within: seconds after which to give up on processes that do not go away.
    """
    killed: Set[int] = set()
    end = time.monotonic() + within
    while True:
        remaining = of_job(job_id, session)
        if not remaining or time.monotonic() > end:
            return sorted(killed)
        kill((p.pid for p in remaining), signal.SIGKILL)
        killed.update(p.pid for p in remaining)
        time.sleep(0.01)


def kill(pids: Iterable[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def adopt_orphans() -> bool:
    """Make this process the parent of its descendants' orphans; False where the system cannot."""
    return _prctl(_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Have this process killed when its ``parent`` ends, where the system can."""
    if _prctl(_PDEATHSIG, signal.SIGKILL) and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def mark_environment(job_id: str) -> None:
    """Show ``SOVLAB_JOB_ID`` in ``/proc/<pid>/environ`` of this process, which was forked but not executed.

    Works if the process was once started with a placeholder of that name that is at least as long.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    block = ctypes.string_at(start, end - start) if start else b""
    at = block.find(b"SOVLAB_JOB_ID=")
    if at < 0 or (at > 0 and block[at - 1] != 0):
        return
    at += len(b"SOVLAB_JOB_ID=")
    room = block.index(b"\0", at) - at
    value = job_id.encode()
    if len(value) <= room:
        ctypes.memmove(start + at, value.ljust(room, b"\0"), room)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def _from_proc(pid: str) -> Optional[Process]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses of its own.
    fields = stat.rpartition(b")")[2].split()
    if len(fields) < 20:
        return None
    state = fields[0]
    parent, group, session = (int(f) for f in fields[1:4])
    return Process(int(pid), parent, group, session, fields[19].decode(), state in (b"Z", b"X"))


def _from_ps(which: List[str]) -> List[Process]:
    listed = []
    for line in answer_of(["ps", *which, "-o", "pid=,ppid=,pgid=,stat=,lstart="]).splitlines():
        pid, parent, group, state, start = line.split(None, 4)
        try:
            session = os.getsid(int(pid))
        except OSError:
            session = -1
        listed.append(Process(int(pid), int(parent), int(group), session, start.strip(), state[0] == "Z"))
    return listed


class _marked:  # noqa: N801 - used as a function
    """Whether a process has ``mark`` in its environment."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._shown: Optional[Dict[int, str]] = None

    def __call__(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self._mark in file.read().split(b"\0")
        except OSError:
            return not os.path.exists("/proc/self/stat") and self._in_ps(pid)

    def _in_ps(self, pid: int) -> bool:
        if self._shown is None:
            answer = answer_of(["ps", "-axEww", "-o", "pid=,command="])
            lines = (line.split(None, 1) for line in answer.splitlines())
            self._shown = {int(parts[0]): parts[1] for parts in lines if len(parts) == 2}
        return self._mark.decode() in self._shown.get(pid, "").split(" ")
