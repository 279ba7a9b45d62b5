"""`sovlab.record`: results of a run, kept in its notebook."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from sovlab.errors import SpecError
from sovlab.runner import context
from sovlab.runner.output import display
from sovlab.runner.protocol.recorded import DEEPEST, LARGEST, LONGEST_NAME, MIME, VERSION

_ADVICE = (
    "Record numbers, text, or short lists and dicts of them, e.g. x.item() or x.tolist(); "
    "what is larger belongs in a file."
)


def record(**values: Any) -> None:
    """Record results of this run: ``sovlab.record(loss=0.31, layers=[64, 32])``.

    They stand among the outputs of the cell, under a type of their own and as text, whether the notebook
    runs as a job or by hand; ``sovlab show`` and the table of ``sovlab run`` have them. Of a name that is
    recorded again the last value counts. ``clear_output()`` takes back what its cell has recorded. In a
    script they are printed. Of several ranks only the first records.

    Args:
        values: by name: numbers (also tensors and arrays of one element), text, True, False, None, and lists
            and dicts of these, of at most 16 kB of JSON each. Numbers that JSON does not have, like nan, are
            recorded as text.

    Raises:
        SpecError: a value is of another kind, or too large; nothing is recorded.
    """
    plain = {name: _checked(name, value) for name, value in values.items()}
    job = context.current
    if not plain or (job is not None and not job.speaks):
        return
    text = "\n".join(f"{name} = {value!r}" for name, value in plain.items())
    data = {MIME: {"version": VERSION, "values": plain}, "text/plain": text}
    if display.outputs.in_job or _in_ipython():
        display.publish(data)
    else:
        sys.stdout.write(f"{text}\n")


def _in_ipython() -> bool:
    ipython = sys.modules.get("IPython")
    ask = getattr(ipython, "get_ipython", None)
    return ask is not None and ask() is not None


def _checked(name: str, value: Any) -> Any:
    if not name or len(name) > LONGEST_NAME:
        raise SpecError(
            f"The name {name!r:.60} is too long to record.", f"At most {LONGEST_NAME} characters."
        )
    plain = _plain(name, value, 0)
    size = len(json.dumps(plain))
    if size > LARGEST:
        raise SpecError(f"{name} is {size:,} characters as JSON, too large to record.", _ADVICE)
    return plain


def _plain(name: str, value: Any, depth: int) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()  # no half of a surrogate pair
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if depth >= DEEPEST and isinstance(value, (list, tuple, dict)):
        raise SpecError(f"{name} is nested too deeply to record.", _ADVICE)
    if isinstance(value, (list, tuple)):
        return [_plain(name, each, depth + 1) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise SpecError(f"{name} has keys that are no text; JSON has no others.", _ADVICE)
        return {key: _plain(name, each, depth + 1) for key, each in value.items()}
    return _plain(name, _element(name, value), depth)


def _element(name: str, value: Any) -> Any:
    """The one element of a tensor, an array or a scalar of numpy."""
    try:
        element = value.item()
    except Exception:  # whatever a class has by that name
        element = None
    if not isinstance(element, (bool, int, float, str)):
        raise SpecError(f"{name} is {type(value).__name__}, which cannot be recorded.", _ADVICE)
    return element
