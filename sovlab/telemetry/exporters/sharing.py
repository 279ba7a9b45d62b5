"""Whose part of a board is how large: PromQL for the share that a pod holds of a device that several use.

Exporters repeat the whole board's watts and joules for each pod that has a time slice or a partition of it.
So those are shared out by the slices that pods hold at that time; the shares of all pods are 1 together. A
slice counts by its size where its name tells that (``3g.40gb``: 3), and a pod with two of them holds both.
"""

from __future__ import annotations

from sovlab.telemetry.exporters.query import Exporter, Labels

_SIZES = (2, 3, 4, 7)
_PROFILE = "(?:[0-9]+c[.])?{sizes}g[.].*"

RECORDED = "share"
"""What our recording rules call the share, after the exporter's name."""


def recorded_share(exporter: Exporter) -> str:
    """The name of the series with the share that our recording rules make, without their prefix."""
    return f"{exporter.name}_{RECORDED}"


def share(exporter: Exporter, labels: Labels, metric: str) -> str:
    """The share of a board of each pod of a job, by ``$board`` and ``$pod``; with placeholders.

    Args:
        exporter: that repeats a board's numbers.
        labels: as they are here.
        metric: whose series tell who holds what, without a prefix.
    """
    if labels.recorded:
        return f"max by ($board, $pod) (${{p}}{recorded_share(exporter)}{{$job}})"
    mine = _slices(exporter, f"${{p}}{metric}", "$job")
    return f"(sum by ($board, $pod) ({mine}) / on ($board) group_left () {_all(exporter, labels, metric)})"


def shares(exporter: Exporter, labels: Labels, metric: str) -> str:
    """The same of every pod, by ``$board``, ``$ns`` and ``$pod``: what a recording rule keeps."""
    each = _slices(exporter, f"${{p}}{metric}", '$pod!=""', _unless(labels))
    return f"sum by ($board, $ns, $pod) ({each}) / on ($board) group_left () {_all(exporter, labels, metric)}"


def _all(exporter: Exporter, labels: Labels, metric: str) -> str:
    held = _slices(exporter, f"${{p}}{metric}", '$pod!=""', _unless(labels))
    return f"sum by ($board) ({held})"


def _unless(labels: Labels) -> str:
    # Where nobody holds a device, its label `pod` may be that of the exporter itself, as `up` has it.
    return " unless on (instance, $pod) up" if labels.own else ""


def _slices(exporter: Exporter, metric: str, matchers: str, unless: str = "") -> str:
    """One element for each slice that a pod holds, with its size as value; repeated scrapes count once."""
    by = ", ".join(("$board", "$ns", "$pod", *exporter.slices))
    if not exporter.sized:
        return f"group by ({by}) ({metric}{{{matchers}}}{unless})"

    def group(operator: str, sizes: str) -> str:
        profile = f'{exporter.sized}{operator}"{_PROFILE.format(sizes=sizes)}"'
        return f"group by ({by}) ({metric}{{{matchers},{profile}}}{unless})"

    plain = group("!~", f"[{''.join(map(str, _SIZES))}]")
    return " or ".join([plain, *(f"{size} * {group('=~', str(size))}" for size in _SIZES)])
