"""`sovlab.progress`: how far a job is, reported to whoever watches it."""

from __future__ import annotations

import math
import os
import threading
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
_lock = threading.RLock()
_held = threading.Event()
"""That a report was held back, of which nobody knows yet whether another follows."""
_sender: Optional[threading.Thread] = None


def progress(step: float, total: Optional[float] = None, **metrics: Any) -> None:
    """Report how far the job is. Costs microseconds; outside of a job it does nothing.

    At most 20 reports a second are sent, and always the last; also the last before a silence, if its step and
    metrics are plain numbers and texts: a tensor is asked for its value in the job's own thread only. Of
    several ranks only the first reports.

    Args:
        step: units of work done.
        total: units in all, if that is known.
        metrics: what else to show beside, e.g. ``loss=0.31``: numbers (also tensors of one element) or text.
    """
    global last, _sent_at, _unsent
    job = context.current
    if job is None or not job.speaks:
        return
    now = time.monotonic()
    with _lock:
        last = {"step": step, "total": total, "metrics": metrics, "time": time.time()}
        _unsent = True
        if now - _sent_at >= _INTERVAL or step == total:
            _sent_at = now
            flush()
        elif not _held.is_set():
            _hold()


def flush() -> None:
    """Send the newest report if it was held back."""
    with _lock:
        _flush()


def _hold() -> None:
    """Have the report sent a moment later, if no other comes; where no thread can be had it waits for one."""
    global _sender
    if _sender is None:
        _sender = threading.Thread(target=_send_late, name="sovlab-progress", daemon=True)
        try:
            _sender.start()
        except RuntimeError:
            return
    _held.set()


def _send_late() -> None:
    global _sent_at
    while True:
        _held.wait()
        _held.clear()
        time.sleep(_INTERVAL)
        with _lock:
            if _unsent and last is not None and _is_plain(last):
                _sent_at = time.monotonic()
                try:
                    _flush()
                except OSError:
                    return  # nobody hears any more


def _is_plain(report: Dict[str, Any]) -> bool:
    return all(
        value is None or type(value) in (int, float, str)
        for value in (report["step"], report["total"], *report["metrics"].values())
    )


def _forked() -> None:
    """In a child of the job the thread is not there, and the lock may have been held."""
    global _lock, _held, _sender
    _lock, _held, _sender = threading.RLock(), threading.Event(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _flush() -> None:
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
