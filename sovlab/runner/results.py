"""Writes the results pack: the names that were asked for, what was displayed, the exception."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Mapping, Optional, Tuple

from sovlab.runner.order import Order
from sovlab.runner.pack import PackWriter
from sovlab.runner.pickling import Sent

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
) -> Tuple[int, List[Sent]]:
    """Write the pack whole, or leave nothing; its size and what was written for each name.

    Args:
        order: of the job.
        namespace: the job's ``__main__``.
        values: to return, by name.
        received: what the notebook sent: it is there already and need not go back with a function.
        unreturned: names that the code bound besides.
        outputs: MIME bundles.
        error: the exception that ended the code.

    Raises:
        OSError: it cannot be written.
    """
    temporary = f"{os.path.splitext(order.results)[0]}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb", buffering=_BUFFER) as file, PackWriter(file, hashing=False) as writer:
            meta: Dict[str, Any] = {"definitions": [], "imports": [], "needed": []}
            sent: List[Sent] = []
            if values:
                sent = _write_values(writer, namespace, values, received, meta)
            if error is not None:
                meta["error_pickle"] = _write_error(writer, namespace, error)
            meta.update(
                format="sovlab-results",
                version=1,
                python=list(sys.version_info[:2]),
                names=[dict(s._asdict()) for s in sent],
                unreturned=unreturned,
                outputs=outputs,
            )
            meta.setdefault("error_pickle", False)
            writer.finish(meta)
            size = writer.size
        os.rename(temporary, order.results)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return size, sent


def _write_values(
    writer: PackWriter,
    namespace: Mapping[str, Any],
    values: Mapping[str, Any],
    received: Mapping[str, Any],
    meta: Dict[str, Any],
) -> List[Sent]:
    from sovlab.runner.definitions import Definitions
    from sovlab.runner.pickling import Dumper, Policy

    needed: List[str] = []
    definitions = Definitions(namespace, lambda name, reader: needed.append(name))
    dumper = Dumper(writer, Policy(definitions.refer))
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
    return sent


_MISSING = object()


def _write_error(writer: PackWriter, namespace: Mapping[str, Any], error: BaseException) -> bool:
    """Pickle the exception, without what it refers to; False if it cannot be."""
    if not isinstance(error, Exception):
        return False
    try:
        from sovlab.runner.definitions import Definitions
        from sovlab.runner.pickling import Policy, dumps
        from sovlab.runner.unpickling import loads

        pickled = dumps(error, Policy(Definitions(namespace).refer))
        # Many exceptions can be pickled but not loaded, because their arguments are not those of __init__.
        loads(pickled, main=dict(namespace))
    except Exception:
        return False
    writer.add("exception", pickled)
    return True
