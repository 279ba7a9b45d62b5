"""Writes the results pack: the names that were asked for, what was displayed, the exception."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Mapping, Optional, Tuple

from sovlab.runner.execution import files
from sovlab.runner.protocol.order import Order
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import Sent

_BUFFER = 1 << 20


def write(
    order: Order,
    namespace: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    received: Mapping[str, Any],
    unreturned: List[str],
    outputs: List[Dict[str, Any]],
    error: Optional[BaseException] = None,
    directory: str = "",
) -> Tuple[int, List[Sent], Dict[str, Any]]:
    """Write the pack, whole or not at all; its size in bytes, what was written for each name, and of files.

    Args:
        order: says where the pack goes.
        namespace: that of the job's ``__main__``.
        values: to return, by name.
        received: what the notebook sent: the notebook has it, so it need not go back with a function.
        unreturned: names that the code bound and nobody asked for.
        outputs: MIME bundles ``{"data": …, "metadata": …}``.
        error: the exception that ended the code; None if it came to its end.
        directory: of the payload's files; what the code wrote there goes back too.

    Raises:
        OSError: it cannot be written.
    """
    temporary = f"{os.path.splitext(order.results)[0]}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb", buffering=_BUFFER) as file, PackWriter(file, hashing=False) as writer:
            meta, sent = _write_values(writer, namespace, values, received, error)
            beside = files.add_written(writer, directory)
            meta.update(
                beside=beside,
                format="sovlab-results",
                version=1,
                python=list(sys.version_info[:2]),
                names=[dict(s._asdict()) for s in sent],
                unreturned=unreturned,
                outputs=outputs,
            )
            writer.finish(meta)
            size = writer.size
        os.rename(temporary, order.results)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return size, sent, beside


def _write_values(
    writer: PackWriter,
    namespace: Mapping[str, Any],
    values: Mapping[str, Any],
    received: Mapping[str, Any],
    error: Optional[BaseException],
) -> Tuple[Dict[str, Any], List[Sent]]:
    meta: Dict[str, Any] = {"definitions": [], "imports": [], "needed": [], "error_pickle": False}
    if not values and not isinstance(error, Exception):
        return meta, []
    from sovlab.runner.source.definitions import Definitions
    from sovlab.runner.values.pickling import Dumper, PickleOptions

    needed: List[str] = []
    definitions = Definitions(namespace, lambda name, reader: needed.append(name), back=True)
    options = PickleOptions(definitions.refer)
    pickled = _pickled(error, options, namespace) if isinstance(error, Exception) else None
    dumper = Dumper(writer, options)
    sent = [dumper.add(name, value) for name, value in values.items()]
    for name, state in definitions.states().items():
        dumper.add(name, state)
    done = set(values)
    while needed:
        # What a returned function reads; it may in its turn read more.
        name = needed.pop()
        if name not in done and received.get(name, _MISSING) is not namespace[name]:
            done.add(name)
            if not dumper.add(name, namespace[name]).error:
                meta["needed"].append(name)
    dumper.finish()
    meta.update(definitions.write(writer))
    if pickled is not None:
        writer.add("exception", pickled)
        meta["error_pickle"] = True
    return meta, sent


_MISSING = object()


def _pickled(error: Exception, options: Any, namespace: Mapping[str, Any]) -> Optional[bytes]:
    """The exception, without what it refers to; None if it cannot be sent."""
    from sovlab.runner.values.pickling import dumps
    from sovlab.runner.values.unpickling import loads

    try:
        pickled = dumps(error, options)
        # Many exceptions can be pickled but not loaded, because their arguments are not those of __init__.
        loads(pickled, main=dict(namespace))
    except Exception:
        return None
    return pickled
