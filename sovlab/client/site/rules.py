"""Recording rules as an object of a cluster, for those who run a site's Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sovlab.core.plan import Manifests
from sovlab.errors import SpecError
from sovlab.telemetry.rules import rule_groups

if TYPE_CHECKING:
    from sovlab.client.site.site import Site

_WHAT = (
    "Recording rules that copy power, energy and heat to the namespace of the pod that they are about, for "
    "a Prometheus that shows each tenant one namespace only. Its administrators apply this object in the "
    "namespace of their own rules (kubectl apply -n NAMESPACE -f FILE); without the Prometheus Operator, "
    "what stands under spec is a file for rule_files."
)


def recording_rules(site: Site | None) -> Manifests:
    """The object, and a sentence on what to do with it.

    Args:
        site: whose labels the rules are for; None for the usual ones.

    Raises:
        SpecError: rules cannot be made of what the site shows.
        PrometheusError: it gives no answer.
    """
    detected = site.answered(site.detection.get) if site is not None else None
    if detected is not None and detected.tenant:
        raise SpecError(
            "The target's Prometheus shows one namespace only, and not how exporters are labelled.",
            "Leave --target out: the rules are then for usual labels.",
        )
    groups = rule_groups(detected)
    if not groups["groups"]:
        raise SpecError(
            "No exporter of the target's Prometheus names the pods that use devices.",
            "Leave --target out: the rules are then for usual labels.",
        )
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "sovlab"},
        "spec": groups,
    }
    return Manifests(objects=(rule,), notes=(_WHAT,))
