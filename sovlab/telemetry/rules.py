"""Recording rules for a site whose Prometheus shows each tenant the series of one namespace only.

An exporter's series are in the exporter's namespace, hidden from those whose pods they are about. The rules
copy them to the namespace of the pod, under names that begin with ``sovlab:``, and keep beside them the share
that each pod holds of a board: its other users are hidden too.
"""

from __future__ import annotations

from string import Template
from typing import Any

import yaml

from sovlab.telemetry.catalogue import EXPORTERS
from sovlab.telemetry.detection import RULES_PREFIX, Detected, Found
from sovlab.telemetry.exporters.query import Exporter, Labels
from sovlab.telemetry.exporters.sharing import recorded_share, shares

_INTERVAL = "30s"
_COPIED = {
    "dcgm": (
        "DCGM_FI_DEV_POWER_USAGE",
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_MEMORY_TEMP",
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS",
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS",
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS",
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS",
        "DCGM_FI_DEV_THERMAL_VIOLATION",
        "DCGM_FI_DEV_POWER_VIOLATION",
        "dcgm_power_usage",
        "dcgm_total_energy_consumption",
        "dcgm_gpu_temp",
        "dcgm_memory_temp",
    ),
    "amd": (
        "gpu_package_power",
        "gpu_average_package_power",
        "gpu_energy_consumed",
        "gpu_junction_temperature",
        "gpu_memory_temperature",
        "gpu_violation_current_accumulated_counter",
        "gpu_violation_ppt_residency_accumulated",
        "gpu_violation_socket_thermal_residency_accumulated",
        "gpu_violation_hbm_thermal_residency_accumulated",
        "gpu_violation_vr_thermal_residency_accumulated",
        "gpu_violation_processor_hot_residency_accumulated",
    ),
    "habanalabs": ("habanalabs_power_mW", "habanalabs_temperature_onchip"),
    "kepler": (
        "kepler_pod_cpu_watts",
        "kepler_pod_cpu_joules_total",
        "kepler_pod_gpu_watts",
        "kepler_pod_gpu_joules_total",
    ),
}
"""What a job's queries need, by exporter."""
_SHARED = ("dcgm", "amd")
"""Exporters that repeat a board's numbers."""


def recording_rules(detected: Detected | None = None, *, interval: str = _INTERVAL) -> str:
    """The rules as YAML, for ``rule_files``; see `rule_groups`."""
    text: str = yaml.safe_dump(rule_groups(detected, interval=interval), sort_keys=False, width=1000)
    return text


def rule_groups(detected: Detected | None = None, *, interval: str = _INTERVAL) -> dict[str, Any]:
    """The rules as a document for ``rule_files``, or the ``spec`` of a PrometheusRule.

    Args:
        detected: what a Prometheus that shows all has: rules are for that, with its labels; None makes rules
            for all exporters with the labels that they get without ``honor_labels``.
        interval: how often they are recorded.
    """
    groups = []
    for exporter in EXPORTERS:
        if exporter.name not in _COPIED:
            continue
        found = detected.exporters[exporter.name] if detected is not None else None
        if found is not None and not (found.there and found.names_pods):
            continue
        rules = _rules(exporter, found)
        if rules:
            groups.append({"name": f"sovlab-{exporter.name}", "interval": interval, "rules": rules})
    return {"groups": groups}


def _rules(exporter: Exporter, found: Found | None) -> list[dict[str, str]]:
    labels = found.labels if found is not None else _usual(exporter)
    names = [n for n in _COPIED[exporter.name] if found is None or n in found.names]
    rules = []
    for name in names:
        selector = f'{labels.prefix}{name}{{{labels.pod}!=""}}'
        rules.append({"record": f"{RULES_PREFIX}{name}", "expr": _moved(_unless(selector, labels), labels)})
    if exporter.name in _SHARED and names:
        holding = next(mark for mark in exporter.marks if found is None or mark in found.names)
        text = shares(exporter, labels, holding)
        values = {
            "p": labels.prefix,
            "board": ", ".join(labels.board),
            "ns": labels.namespace,
            "pod": labels.pod,
        }
        rules.append(
            {
                "record": f"{RULES_PREFIX}{recorded_share(exporter)}",
                "expr": _moved(Template(text).substitute(values), labels),
            }
        )
    return rules


def _usual(exporter: Exporter) -> Labels:
    namespace, pod = exporter.pods[0]
    return Labels(namespace=namespace, pod=pod, host=exporter.hosts[0], device=exporter.devices[0])


def _unless(selector: str, labels: Labels) -> str:
    return f"{selector} unless on (instance, {labels.pod}) up" if labels.own else selector


def _moved(text: str, labels: Labels) -> str:
    """The series of an expression, as if they were of the namespace and pod that they are about."""
    if (labels.namespace, labels.pod) == ("namespace", "pod"):
        return text
    inner = f'label_replace({text}, "namespace", "$1", "{labels.namespace}", "(.+)")'
    return f'label_replace({inner}, "pod", "$1", "{labels.pod}", "(.+)")'
