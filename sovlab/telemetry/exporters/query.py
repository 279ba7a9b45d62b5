"""`Query` and `Exporter`: what the catalogue is written in.

A query's PromQL has these placeholders, filled when it is asked:

``$p``
    what a site puts before the exporter's names (AMD's optional prefix, our recording rules' ``sovlab:``)
``$job``
    matchers for a job's pods; ``$ns`` and ``$pod`` are the labels that name namespace and pod here
``$where``
    matchers for nodes or devices, or nothing
``$board``
    the labels that together name a device here; ``$host`` is the one that names its node, maybe ``instance``
``$share``
    the part of a board that each of the job's pods holds, 0 to 1, by ``$board`` and ``$pod``
``$mark``
    the first of the exporter's marks that is there
``$span``, ``$step``
    the time that is looked at, and a five hundredth of it for sub-queries; ``$seconds`` and ``$stride`` are
    the same as numbers
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Template

from sovlab.telemetry.exporters import promql

POWER, ENERGY, TEMPERATURE, THROTTLED = "power", "energy", "temperature", "throttled"
LIMIT = "limit"
"""W that a device keeps to now."""
UNITS = {POWER: "W", ENERGY: "J", TEMPERATURE: "°C", THROTTLED: "1", LIMIT: "W"}
JOB, DEVICES = "job", "devices"
GPU, CPU, MEMORY, NODE = "gpu", "cpu", "memory", "node"

MOST = {POWER: 1e5, ENERGY: 1e15, TEMPERATURE: 200.0, THROTTLED: 1.1, LIMIT: 1e5}
"""Values from here on are none: marks of missing values, units other than documented, broken sensors."""
_GPU_WATTS, _CPU_WATTS = 2000.0, 1000.0
_MEAN = {GPU: _GPU_WATTS, CPU: _CPU_WATTS, MEMORY: _CPU_WATTS, NODE: 1e5}
"""Highest mean power of one device that joules can stand for."""
_STEPS = 500
_UNIQUE = ("UUID", "uuid", "gpu_uuid", "serial_number")
"""Labels that name a device among those of all nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question of the catalogue.

    Attributes:
        quantity: one of `UNITS`.
        of: `JOB` (the pods of a job) or `DEVICES` (all, or those of some nodes).
        text: PromQL with the placeholders above.
        needs: names without the site's prefix that must be there.
        scale: makes the unit of the quantity of the answer's.
        source: ``counter``, ``sampled`` or ``attributed``.
        method: how it is known, for people.
        scope: of what the numbers are: ``device``, ``board``, ``package``, ``node``, ``job``.
        kind: of device: ``gpu``, ``cpu``, ``memory`` or ``node``.
        backend: whose devices it measures, where that is not its exporter's.
        apart: names devices that no other exporter measures, though others measure the same kind.
        key: labels that together name a device in the answer; placeholders allowed.
        place: where in the device a temperature is, or what throttles it.
        variant: tells queries that complete each other from those of which one is enough.
        base: selector whose samples tell how much of the time is known, of energy; placeholders allowed.
        note: what is to be known of its numbers.
        shared: whether ``$share`` is in it: where that is below 1, its numbers are attributed.
    """

    quantity: str
    of: str
    text: str
    needs: tuple[str, ...]
    scale: float = 1.0
    source: str
    method: str
    scope: str = "device"
    kind: str = GPU
    backend: str | None = None
    apart: str = ""
    key: tuple[str, ...] = ("$board",)
    place: str = ""
    variant: str = ""
    base: str = ""
    note: str = ""
    shared: bool = False

    @property
    def unit(self) -> str:
        """Of its values, once scaled."""
        return UNITS[self.quantity]

    def most(self, seconds: float) -> float:
        """What a value of one device stays below, over ``seconds``."""
        return _MEAN[self.kind] * seconds * 1.5 if self.quantity == ENERGY else MOST[self.quantity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What is known of one exporter.

    Attributes:
        name: ours.
        title: its own.
        backend: whose devices it measures; empty if that is no backend's.
        names: pattern (RE2) of its metrics' names, without a prefix.
        marks: names of which one must be there.
        pods: pairs of labels that may name namespace and pod, the likeliest first.
        hosts: labels that may name the node, likewise.
        devices: labels that may name the device, likewise.
        slices: labels that tell the parts of a board apart.
        sized: label that tells the size of a part, as NVIDIA writes it: ``2g.12gb``; empty if none does.
        prefixes: that a site may put before its names.
        absent: why it may not be there, a sentence.
        queries: of one quantity, the better first.
    """

    name: str
    title: str
    backend: str
    names: str
    marks: tuple[str, ...]
    pods: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ("node", "instance")
    devices: tuple[str, ...] = ("instance",)
    slices: tuple[str, ...] = ()
    sized: str = ""
    prefixes: tuple[str, ...] = ("",)
    absent: str = ""
    queries: tuple[Query, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """How an exporter's series are labelled here.

    Attributes:
        prefix: before its names.
        namespace: label that names the namespace of who uses a device; empty if none does.
        pod: likewise its pod.
        host: label that names the node.
        device: label that names the device.
        own: whether ``pod`` names the exporter's own pod where nobody uses the device.
        recorded: whether our recording rules keep the shares of boards.
        hidden: whether others' series may be hidden.
    """

    prefix: str = ""
    namespace: str = ""
    pod: str = ""
    host: str = "instance"
    device: str = "instance"
    own: bool = False
    recorded: bool = False
    hidden: bool = False

    @property
    def board(self) -> tuple[str, ...]:
        """Labels that together name a device."""
        alone = self.device in _UNIQUE or self.device == self.host
        return (self.device,) if alone else (self.host, self.device)


_POD_OF_JOB = "-(?:[a-z]+-[0-9]+-)?(?:[0-9]+-)?[a-z0-9]{5}"
"""What Jobs and JobSets put behind their name for a pod's."""


@dataclass(frozen=True, slots=True)
class JobPods:
    """The pods of a job.

    Attributes:
        namespace: in which they are.
        job_id: the name of its workload; pods are ``ID-abcde``, ``ID-0-abcde``, ``ID-node-0-1-abcde``, ….
        names: of the pods, where there is no ``job_id``.
    """

    namespace: str
    job_id: str
    names: tuple[str, ...] = ()

    def matchers(self, labels: Labels) -> str:
        """Those of the series that are theirs."""
        # Not `ID-.*`: the pods of a job train-2 are not those of a job train.
        pod = (
            promql.like(labels.pod, re.escape(self.job_id) + _POD_OF_JOB)
            if self.job_id
            else promql.one_of(labels.pod, self.names)
        )
        return f"{promql.equals(labels.namespace, self.namespace)},{pod}"


def filled(
    text: str,
    labels: Labels,
    *,
    mark: str,
    span: float,
    job: str = "",
    where: str = "",
    share: str = "",
) -> str:
    """A query's PromQL, whole.

    Args:
        text: with placeholders.
        labels: as they are here.
        mark: name of a metric that each device has.
        span: seconds that are looked at.
        job: matchers of a job's pods.
        where: matchers of nodes or devices.
        share: PromQL with placeholders, see `sovlab.telemetry.exporters.sharing`.
    """
    stride = promql.duration(max(span / _STEPS, 0.1))
    values: dict[str, str] = {
        "p": labels.prefix,
        "mark": mark,
        "job": job,
        "where": where,
        "ns": labels.namespace,
        "pod": labels.pod,
        "host": labels.host,
        "board": ", ".join(labels.board),
        "span": promql.duration(span),
        "step": stride,
        "seconds": f"{span:.3f}",
        "stride": f"{int(stride.removesuffix('ms')) / 1000:.3f}",
    }
    # The share is a piece of the catalogue too. What people named is put in once, and never looked at again.
    values["share"] = Template(share).substitute(values)
    return Template(text).substitute(values)
