"""Tasks of a pool that its worker cannot read: they fail, where Python's own would be waited for for ever."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

_NUMBERS = ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1")


def answer_for_unreadable(module: Any) -> None:
    """Have workers of `multiprocessing.pool` (given) answer with the error, and go on."""
    work = module.worker

    def worker(inqueue: Any, outqueue: Any, *arguments: Any, **keywords: Any) -> Any:
        from multiprocessing.reduction import ForkingPickler

        def get() -> Any:
            while True:
                with inqueue._rlock:
                    data = inqueue._reader.recv_bytes()
                try:
                    return ForkingPickler.loads(data)
                except Exception as error:  # whatever the user's own classes raise
                    number, index = _task(data)
                    if number is None:
                        raise
                    outqueue.put((number, index, (False, _sendable(error))))

        inqueue.get = get
        return work(inqueue, outqueue, *arguments, **keywords)

    worker.__qualname__ = worker.__name__ = "worker"
    worker.__module__ = module.__name__
    module.worker = worker


def _task(data: bytes) -> Tuple[Optional[int], Optional[int]]:
    """With what the pickle of a task begins: the number of the call and that of its part."""
    import pickletools

    found: List[Optional[int]] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _NUMBERS:
            found.append(argument)
        elif opcode.name == "NONE":
            found.append(None)
        if len(found) == 2:
            return found[0], found[1]
    return None, None


def _sendable(error: Exception) -> Exception:
    import pickle

    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
