"""How a notebook's run is told in the job's log: steps, many in a frame, long ones over several frames.

A step is a JSON object ``{"op": …, "cell": index, …}``. A batch of steps is a JSON list, compressed by zlib
and in base64, cut into pieces of frames ``{"t": "notebook", "s": number, "more": bool, "d": text}``. Pieces
are numbered from 0 without a gap, so that a reader knows what it has missed and who begins anew gets all of
it again. An output longer than 64 kB is not in the log: its step names a file of the results by the SHA-256
of its content.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import threading
import time
import zlib
from typing import Any, Callable, Dict, List

from sovlab.runner.protocol.notebook_run import LONGEST, REFERENCE

_PIECE = 3600
_EVERY, _ENOUGH = 0.05, 32 << 10


def encoded(output: Dict[str, Any]) -> bytes:
    """An output as a file holds it."""
    return json.dumps(output).encode()


class Teller:
    """Tells steps, at most 20 batches a second; its thread tells what is left of a silent cell.

    Args:
        say: writes a frame.
        directory: where long outputs are put.
    """

    def __init__(self, say: Callable[[Dict[str, Any]], None], directory: str) -> None:
        self._say = say
        self._directory = directory
        self._steps: List[str] = []
        self._size = 0
        self._number = 0
        self._told = 0.0
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="sovlab-notebook", daemon=True)
        self._thread.start()

    def tell(self, op: str, **members: Any) -> None:
        """Tell a step, now or with those that come within a twentieth of a second."""
        text = json.dumps({"op": op, **members})
        with self._lock:
            self._steps.append(text)
            self._size += len(text)
            if self._size >= _ENOUGH or time.monotonic() - self._told >= _EVERY:
                self._flush()
        self._something.set()

    def stored(self, output: Dict[str, Any], data: bytes = b"", longest: int = LONGEST) -> Dict[str, Any]:
        """What stands for an output: itself, or a reference to a file of the results if it is long.

        Args:
            output: as nbformat has it; a reference stands for itself.
            data: it, `encoded`, if that is at hand.
            longest: bytes of one that is not long.

        Raises:
            OSError: there is no room for the file.
        """
        data = data or encoded(output)
        if len(data) <= longest:
            return output
        name = hashlib.sha256(data).hexdigest()
        path = os.path.join(self._directory, name)
        if not os.path.exists(path):
            temporary = f"{path}.tmp"
            try:
                with open(temporary, "wb") as file:
                    file.write(data)
                os.rename(temporary, path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        return {REFERENCE: name, "size": len(data), "output_type": output.get("output_type", "")}

    def close(self) -> None:
        """Tell what is left."""
        with self._lock:
            self._flush()
            self._ended = True
        self._something.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            self._something.wait()
            self._something.clear()
            time.sleep(_EVERY)
            with self._lock:
                self._flush()

    def _flush(self) -> None:
        if not self._steps:
            return
        batch = f"[{','.join(self._steps)}]".encode()
        text = base64.b64encode(zlib.compress(batch, 1)).decode()
        self._steps, self._size, self._told = [], 0, time.monotonic()
        for at in range(0, len(text), _PIECE):
            more = at + _PIECE < len(text)
            self._say({"t": "notebook", "s": self._number, "more": more, "d": text[at : at + _PIECE]})
            self._number += 1
