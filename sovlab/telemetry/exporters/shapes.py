"""PromQL that exporters have in common; placeholders are those of `sovlab.telemetry.exporters.query`."""

from __future__ import annotations


def now(metric: str, matchers: str, below: float = 1e5) -> str:
    """The present value of each device: the highest of its rows, without marks of missing values."""
    return f"max by ($board) (${{p}}{metric}{{{matchers}}} > 0 < {below:g})"


def shared_now(metric: str) -> str:
    """The present value of a board, times the share that each pod of a job holds."""
    value = f"max by ($board, $pod) (${{p}}{metric}{{$job}} > 0 < 1e5)"
    return f"{value} * on ($board, $pod) $share"


def shared_increase(metric: str) -> str:
    """What a counter of a board grew by, times the share of each pod of a job, as it was in the mean."""
    value = f"max by ($board, $pod) (increase(${{p}}{metric}{{$job}}[$span]))"
    return f"{value} * on ($board, $pod) avg_over_time({_subquery('$share')})"


def integrated(power: str) -> str:
    """Joules from the watts of an expression that is there only while they are drawn."""
    return f"sum_over_time({_subquery(f'({power})')}) * $stride"


def increase(metric: str, matchers: str) -> str:
    """What a counter of each device grew by."""
    return f"max by ($board) (increase(${{p}}{metric}{{{matchers}}}[$span]))"


def hottest(metric: str, matchers: str, extra: str = "") -> str:
    """The highest temperature of each device over the time.

    All samples are looked at; only where a mark of a missing value is among them, a sub-query that leaves
    it out sees each five hundredth of the time.
    """
    selector = f"${{p}}{metric}{{{_joined(extra, matchers)}}}"
    whole = f"max by ($board) (max_over_time({selector}[$span])) > 0 < 200"
    return f"{whole} or max by ($board) (max_over_time({_subquery(f'({selector} > 0 < 200)')}))"


def share_of_time(metric: str, matchers: str, scale: str) -> str:
    """The share of the time that a counter of time grew by, of each device."""
    return f"max by ($board) (rate(${{p}}{metric}{{{matchers}}}[$span])) * {scale}"


def greater(one: str, other: str) -> str:
    """The greater of two values of each device, or the one that there is."""
    return f"({one} >= {other}) or {other} or {one}"


def _subquery(text: str) -> str:
    return f"{text}[$span:$step]"


def _joined(*matchers: str) -> str:
    return ",".join(each for each in matchers if each)
