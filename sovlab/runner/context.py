"""What a process of a job knows about itself; None outside of one."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Optional

from sovlab.runner.protocol import frames
from sovlab.runner.protocol.order import Order


class Context:
    """The job that this process runs the user's code of.

    Args:
        order: the request, as the runner has read it.
        rank: which of the job's processes this is, from 0; None in a job of one.
        saving: called when the checkpoint hook begins.
    """

    def __init__(
        self, order: Order, rank: Optional[int] = None, saving: Callable[[], None] = lambda: None
    ) -> None:
        self.order = order
        self.rank = rank
        self._pid = os.getpid()
        self.saving = saving

    @property
    def speaks(self) -> bool:
        """Whether this process speaks for the job: the first rank, and no worker forked from it."""
        return not self.rank and os.getpid() == self._pid

    def say(self, message: Dict[str, Any]) -> None:
        """Write a frame into the log. A log that cannot be written to is not the job's concern."""
        try:
            os.write(1, frames.encode(self.order.nonce, message))
        except OSError:
            pass


current: Optional[Context] = None
