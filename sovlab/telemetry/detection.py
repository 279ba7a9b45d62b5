"""What a site's Prometheus has: looked at once, and kept for a while.

Which labels name a pod, a node, a device depends on how a site scrapes (`honor_labels`, relabelling,
versions), so they are looked up. What is not there is told with the reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sovlab.telemetry.catalogue import EXPORTERS
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.exporters import promql
from sovlab.telemetry.exporters.query import Exporter, Labels
from sovlab.telemetry.exporters.sharing import recorded_share
from sovlab.telemetry.transport.failures import ACCESS, QUERY, STRANGER, PrometheusError

KEPT = 600.0
"""Seconds for which what was found is believed."""
_LOOK = 3600.0
"""Seconds before now in which a series must have been, to be there."""
RULES_PREFIX = "sovlab:"
"""Before the names of what our recording rules make."""
_COPIED = (("namespace", "pod"),)
"""What the rules call the namespace and the pod."""
_NAMES = "__name__"
_UNAME = "node_uname_info"
_HIDDEN = (
    " Or it is hidden: this port shows the series of one namespace only, and an exporter's are in its own. "
    "Recording rules copy them: its administrators add what sovlab manifests telemetry prints."
)


@dataclass(frozen=True, slots=True)
class Found:
    """One exporter, as it is here.

    Attributes:
        exporter: what is known of it.
        there: whether it has series here.
        why: why it has none; empty if it has.
        names: its metrics here, without a prefix.
        labels: how its series are labelled here.
        rows: labels of its devices, as far as they may name a node.
    """

    exporter: Exporter
    there: bool
    why: str = ""
    names: frozenset[str] = frozenset()
    labels: Labels = field(default_factory=Labels)
    rows: tuple[Mapping[str, str], ...] = ()

    @property
    def names_pods(self) -> bool:
        """Whether its series say whose pod uses a device."""
        return bool(self.labels.pod)

    def where(self, nodes: Iterable[str]) -> str | None:
        """Matchers of the series of some nodes; None if none of them is known here.

        Args:
            nodes: names and addresses of the nodes, as many as are known.
        """
        wanted = [name.lower() for name in nodes if name]
        for label in self.exporter.hosts:
            values = {row[label] for row in self.rows if label in row and _is_one(row[label], wanted)}
            if values:
                return promql.one_of(label, sorted(values))
        # node_uname_info knows the names of what is else an address.
        named = {
            row["instance"]
            for row in self.rows
            if "nodename" in row and "instance" in row and _is_one(row["nodename"], wanted)
        }
        return promql.one_of("instance", sorted(named)) if named else None


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found.

    Attributes:
        exporters: by name, all of the catalogue.
        tenant: whether the server shows one namespace only.
    """

    exporters: Mapping[str, Found]
    tenant: bool = False

    def there(self) -> tuple[Found, ...]:
        """Those that have series, in the order of the catalogue."""
        return tuple(found for found in self.exporters.values() if found.there)


class Detection:
    """What one Prometheus has, looked up when it is first asked for and again after `KEPT` seconds.

    Args:
        prometheus: to ask.
        tenant: whether it shows one namespace only.
        clock: of this machine, monotonic.
    """

    def __init__(
        self, prometheus: Prometheus, *, tenant: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prometheus = prometheus
        self._tenant = tenant
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, Detected] | None = None

    def get(self) -> Detected:
        """What it has.

        Raises:
            PrometheusError: it gave no answer.
        """
        with self._lock:  # so that several threads ask once
            if self._kept is None or self._clock() - self._kept[0] > KEPT:
                self._kept = (self._clock(), detect(self._prometheus, tenant=self._tenant))
            return self._kept[1]

    def at(self, moment: float) -> Detected:
        """What it had at a time of its clock; not kept.

        Raises:
            PrometheusError: it gave no answer.
        """
        return detect(self._prometheus, tenant=self._tenant, at=moment)

    def forget(self) -> None:
        """Look anew next time: something is not as it was found."""
        with self._lock:
            self._kept = None


def detect(prometheus: Prometheus, *, tenant: bool = False, at: float | None = None) -> Detected:
    """What a Prometheus has now, or had at a time of its clock; see `Detection`."""
    now = prometheus.now() if at is None else at
    names = _names(prometheus, now)
    exporters = {each.name: _exporter(prometheus, each, names, now, tenant) for each in EXPORTERS}
    return Detected(exporters, tenant)


def _names(prometheus: Prometheus, now: float) -> frozenset[str]:
    patterns = "|".join(f"{_prefixes(each)}(?:{each.names})" for each in EXPORTERS)
    selector = f"{{{promql.like(_NAMES, patterns)}}}"
    try:
        return frozenset(prometheus.label_values(_NAMES, selector, now - _LOOK, now))
    except PrometheusError as error:
        # A proxy before it may let queries through, and nothing else.
        if error.reason not in (ACCESS, STRANGER, QUERY):
            raise
    grouped = prometheus.query(f"group by ({_NAMES}) ({selector})", now)
    return frozenset(sample.labels[_NAMES] for sample in grouped.samples if _NAMES in sample.labels)


def _prefixes(exporter: Exporter) -> str:
    return "(?:" + "|".join([*exporter.prefixes, RULES_PREFIX]) + ")"


def _exporter(
    prometheus: Prometheus, exporter: Exporter, names: frozenset[str], now: float, tenant: bool
) -> Found:
    best: tuple[str, frozenset[str]] | None = None
    # Of a tenant's two, the recorded ones have the share of boards that others use too.
    for prefix in (RULES_PREFIX, *exporter.prefixes) if tenant else (*exporter.prefixes, RULES_PREFIX):
        mine = frozenset(name.removeprefix(prefix) for name in names if name.startswith(prefix))
        if mine.intersection(exporter.marks):
            best = (prefix, mine)
            break
    if best is None:
        return Found(exporter, False, exporter.absent + (_HIDDEN if tenant else ""))
    prefix, mine = best
    mark = next(mark for mark in exporter.marks if mark in mine)
    rows = _rows(prometheus, exporter, f"{prefix}{mark}", now)
    if exporter.name == "node_exporter" and _UNAME in mine:
        rows += _grouped(prometheus, ("instance", "nodename"), f"{prefix}{_UNAME}", now)
    labels = _labels(exporter, prefix, mine, rows, tenant)
    return Found(exporter, True, "", mine, labels, rows)


def _rows(
    prometheus: Prometheus, exporter: Exporter, metric: str, now: float
) -> tuple[Mapping[str, str], ...]:
    pods = [label for pair in (*exporter.pods, *_COPIED) for label in pair] if exporter.pods else []
    labels = dict.fromkeys([*pods, *exporter.hosts, *exporter.devices, "instance"])
    return _grouped(prometheus, tuple(labels), metric, now)


def _grouped(
    prometheus: Prometheus, labels: Sequence[str], metric: str, now: float
) -> tuple[Mapping[str, str], ...]:
    text = f"group by ({', '.join(labels)}) (last_over_time({metric}[{promql.duration(_LOOK)}]))"
    return tuple(sample.labels for sample in prometheus.query(text, now).samples)


def _labels(
    exporter: Exporter, prefix: str, names: frozenset[str], rows: Sequence[Mapping[str, str]], tenant: bool
) -> Labels:
    copied = prefix == RULES_PREFIX
    recorded = copied and recorded_share(exporter) in names
    pairs = _COPIED if copied and exporter.pods else exporter.pods
    pair = next((pair for pair in pairs if any(row.get(pair[1]) for row in rows)), None)
    namespace, pod = pair or ("", "")
    return Labels(
        prefix=prefix,
        namespace=namespace,
        pod=pod,
        host=_used(exporter.hosts, rows),
        device=_used(exporter.devices, rows),
        own=pod == "pod" and not copied,
        recorded=recorded,
        hidden=tenant and not recorded,
    )


def _used(labels: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """The first label that all series have; else the one that most have."""
    counts = {label: sum(1 for row in rows if row.get(label)) for label in labels}
    whole = next((label for label in labels if rows and counts[label] == len(rows)), None)
    return whole or max(labels, key=lambda label: counts[label])


_BMC = ("ipmi", "bmc", "idrac", "ilo", "xcc", "oob", "mgmt")


def _is_one(value: str, wanted: Sequence[str]) -> bool:
    """Whether a label's value, maybe with a port, a domain, or the mark of a BMC, is a node's."""
    bare = value.lower().rpartition("//")[2]
    host, _, port = bare.rpartition(":")
    if host and port.isdigit() and ":" not in host:
        bare = host
    for name in wanted:
        if bare == name or bare.startswith(f"{name}.") or name.startswith(f"{bare}."):
            return True
        short = bare.partition(".")[0]
        if any(short in (f"{name}-{mark}", f"{mark}-{name}", f"{name}{mark}") for mark in _BMC):
            return True
    return False
