"""Transfers to and from a store by presigned URLs: no credential of the store is in the pod."""

from __future__ import annotations

import os
import shutil
import time
from typing import Callable

_TRIES = 5
_TIMEOUT = 60.0


def download(url: str, target: str) -> None:
    """Get ``url``; the file appears at ``target`` once it is whole. Raises `OSError`."""
    from urllib.request import urlopen

    def get() -> None:
        partial = f"{target}.part"
        with urlopen(url, timeout=_TIMEOUT) as answer, open(partial, "wb") as file:  # noqa: S310 - from our order
            shutil.copyfileobj(answer, file, 1 << 20)
            length = answer.headers.get("Content-Length")
            if length is not None and int(length) != file.tell():
                raise OSError(f"{file.tell()} of {length} bytes arrived")
        os.rename(partial, target)

    _patiently(get)


def upload(url: str, source: str) -> None:
    """Put a file to ``url``. Raises `OSError`."""
    from urllib.request import Request, urlopen

    def put() -> None:
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
            request = Request(url, data=file, headers=headers, method="PUT")  # noqa: S310 - from our order
            with urlopen(request, timeout=_TIMEOUT):  # noqa: S310
                return

    _patiently(put)


def _patiently(do: Callable[[], None]) -> None:
    for attempt in range(_TRIES):
        try:
            do()
            return
        except OSError as error:
            if attempt == _TRIES - 1:
                # Not the library's own words: they may hold the URL, which is a secret.
                code = getattr(error, "code", None)
                raise OSError(f"the store answered {code}" if code else "the store does not answer") from None
            time.sleep(0.5 * 2**attempt)
