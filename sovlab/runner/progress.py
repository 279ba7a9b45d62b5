"""`sovlab.progress`: how far a job is, reported to whoever watches it."""

from __future__ import annotations

import math
import time
from typing import Any, Dict, Optional

from sovlab.runner import context

_INTERVAL = 0.05
"""Seconds between two reports: what a person can see."""
_METRICS = 50
_TEXT = 60

last: Optional[Dict[str, Any]] = None
"""The newest report of this process, whether it was sent or not."""
_sent_at = -math.inf
_unsent = False


def progress(step: float, total: Optional[float] = None, **metrics: Any) -> None:
    """Report how far the job is. Costs microseconds; outside of a job it does nothing.

    At most 20 reports a second are sent, and always the last. Of several ranks only the first reports.

    Args:
        step: units of work done.
        total: units in all, if that is known.
        metrics: what else to show beside, e.g. ``loss=0.31``: numbers (also tensors of one element) or text.
    """
    global last, _sent_at, _unsent
    job = context.current
    if job is None or not job.speaks:
        return
    last = {"step": step, "total": total, "metrics": metrics, "time": time.time()}
    now = time.monotonic()
    _unsent = True
    if now - _sent_at >= _INTERVAL or step == total:
        _sent_at = now
        flush()


def flush() -> None:
    """Send the newest report if it was held back."""
    global last, _unsent
    job = context.current
    if not _unsent or job is None or last is None:
        return
    _unsent = False
    last = {
        "step": _plain(last["step"]),
        "total": None if last["total"] is None else _plain(last["total"]),
        "metrics": {str(k)[:_TEXT]: _plain(v) for k, v in list(last["metrics"].items())[:_METRICS]},
        "time": last["time"],
    }
    while True:
        try:
            job.say({"t": "progress", **last})
            return
        except ValueError:
            metrics = list(last["metrics"].items())
            last = {**last, "metrics": dict(metrics[: len(metrics) // 2])}


def _plain(value: Any) -> Any:
    """A number or a short text that JSON can hold."""
    try:
        number = value if isinstance(value, (int, float)) else value.item()
        if isinstance(number, (int, float)):
            number = int(number) if isinstance(number, int) else float(number)
            return number if math.isfinite(number) and abs(number) < 1e300 else str(number)[:_TEXT]
    except Exception:  # noqa: S110 - a metric is whatever the user has; a report never fails for it
        pass
    try:
        return str(value)[:_TEXT]
    except Exception:
        return type(value).__name__
