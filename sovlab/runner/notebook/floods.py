"""Outputs that come faster than they are looked at: they wait, and none is dropped.

ZeroMQ drops what a kernel publishes from the thousandth message on that waits, and of what was dropped nobody
knows: a cell that displays much comes back with gaps, or its run ends in "Timeout waiting for IOPub output".
"""

from __future__ import annotations

from typing import Any

from sovlab.runner.notebook.replies import reply_to

UNLIMITED = 0
"""ZeroMQ's word for a queue that takes all."""
_SNDHWM = 23
"""`zmq.SNDHWM`; it counts for connections that are there, too."""
_WIDEN = (
    f"(lambda thread: thread.schedule(lambda: thread.socket.setsockopt({_SNDHWM}, {UNLIMITED})))"
    "(get_ipython().kernel.iopub_socket.io_thread)"
)


def send_all(client: Any) -> None:
    """Have a Python kernel keep all that it publishes; nothing that a notebook sees changes.

    Args:
        client: of nbclient, whose kernel is ready.
    """
    asked = client.kc.execute(
        "", silent=True, store_history=False, user_expressions={"widened": _WIDEN}, allow_stdin=False
    )
    reply_to(client, asked)
