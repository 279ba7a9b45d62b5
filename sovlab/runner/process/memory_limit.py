"""Keeps a job's memory limit: by a cgroup where one may be made, else by looking again and again."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, List, Optional

from sovlab.runner.protocol.order import Order
from sovlab.runner.system import memory, processes
from sovlab.runner.system.memory_group import MemoryGroup

_FIRST, _SLOWER, _LAST = 0.02, 1.4, 1.0
"""Seconds to the first look, and how they grow: most of what is too large is so from the beginning."""
_NEAR = 0.1
"""Seconds between looks at a job that uses more than half of what it may."""
_SHARE = 20
"""How many times as long as a look takes there is none."""


class MemoryLimit:
    """The limit of one job.

    Args:
        order: says how much the job may use. Where its system keeps the limit, as containers do, the
            processes are looked at all the same: what ended the job is then known.

    Attributes:
        due: when to look next, on the monotonic clock; None if there is no limit.
        used: bytes that were in use when they were more than is allowed; None if they never were.
        exceeded: whether the kernel has killed in the job's cgroup.
    """

    def __init__(self, order: Order) -> None:
        self._limit = order.memory
        self._pause = _FIRST
        self._group: Optional[MemoryGroup] = None
        self._kept_by = "container" if order.contained else "looks"
        if self._limit and not order.contained:
            self._group = MemoryGroup.make(f"sovlab-{order.job_id}", self._limit)
        self.due = time.monotonic() + _FIRST if self._limit else None
        self.used: Optional[int] = None
        self.exceeded = False

    @property
    def over(self) -> bool:
        """Whether the job has used more than it may."""
        return self.exceeded or self.used is not None

    def start(self, start: Callable[[], List[int]]) -> List[int]:
        """Have ``start`` fork the job's processes within the limit; what it returns."""
        group, self._group = self._group, None
        if group is None or not group.enter():
            self._end(group)
            return start()
        try:
            return start()
        finally:
            if group.leave():
                self._group, self._kept_by = group, group.version
            else:
                group.lift()  # or this process would be killed with the job

    def look(self, now: float) -> None:
        """See whether the job is over its limit."""
        if self._limit is None:
            return
        if self._group is not None:
            self.exceeded = self.exceeded or self._group.kills() > 0
            near = False
        else:
            used = memory.used((p.pid for p in processes.descendants(os.getpid())), self._limit)
            near = used > self._limit // 2
            if used > self._limit:
                self.used = used
        self._pause = min(self._pause * _SLOWER, _LAST)
        # The kernel takes long to count what a large process uses.
        seldom = _SHARE * (time.monotonic() - now)
        self.due = now + max(min(self._pause, _NEAR if near else _LAST), seldom)

    def end(self) -> Optional[Dict[str, Any]]:
        """When all processes have ended: for the exit record, who kept the limit, and the peak if known."""
        if self._limit is None:
            return None
        peak = None
        if self._group is not None:
            self.exceeded = self.exceeded or self._group.kills() > 0
            peak = self._group.peak()
            self._end(self._group)
        return {"limit": self._limit, "kept_by": self._kept_by, "peak": peak}

    def _end(self, group: Optional[MemoryGroup]) -> None:
        if group is not None:
            group.remove()
