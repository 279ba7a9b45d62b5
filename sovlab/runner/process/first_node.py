"""Whether the first node of a job is still there, as another one sees it."""

import os
import socket
import threading
from typing import Optional


class FirstNode:
    """Notices that the first node is gone: its torchrun keeps a store open, silent as long as it lives.

    Names are looked up beside the supervisor's loop: that of a pod that is gone may take a resolver far
    longer than the grace of the job, in which nothing else would be seen to.

    Args:
        rendezvous: ``host:port`` of the store.
    """

    def __init__(self, rendezvous: Optional[str]) -> None:
        self._reading, self._writing = os.pipe()
        host, _, port = (rendezvous or "").rpartition(":")
        threading.Thread(target=self._watch, args=(host, port), name="sovlab-first-node", daemon=True).start()

    @property
    def descriptor(self) -> int:
        """Can be read once the first node has gone; never if its name is not known."""
        return self._reading

    def close(self) -> None:
        """Let go; the thread keeps what it writes to until it has ended."""
        os.close(self._reading)

    def _watch(self, host: str, port: str) -> None:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[
                0
            ]
        except (OSError, ValueError):
            return  # of that nothing follows: the grace of the job ends the waiting
        try:
            with socket.socket(family, kind, protocol) as connection:
                connection.connect(address)
                while connection.recv(4096):
                    pass
        except OSError:
            pass  # it took no connection, or broke it
        try:
            os.write(self._writing, b".")
        except OSError:
            pass  # nobody waits for it any more
