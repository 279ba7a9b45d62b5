"""Which rules hold for which kind."""

from __future__ import annotations

from tests.kube.apiserver.protocol.kinds import (
    CLAIMS,
    CONFIGMAPS,
    EVENTS,
    JOBS,
    LIMITRANGES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    QUOTAS,
    SECRETS,
    SERVICES,
)

from . import Rules, RuleSet
from .jobs import JobRules
from .limits import LimitRangeRules
from .others import (
    ClaimRules,
    ConfigMapRules,
    EventRules,
    NamespaceRules,
    PriorityRules,
    QuotaRules,
    SecretRules,
    ServiceRules,
)
from .pods import PodRules


class NodeRules(Rules):
    """A node registers with its status."""


def ruleset() -> RuleSet:
    """The rules of all kinds."""
    return RuleSet(
        {
            CLAIMS: ClaimRules(),
            CONFIGMAPS: ConfigMapRules(),
            EVENTS: EventRules(),
            JOBS: JobRules(),
            LIMITRANGES: LimitRangeRules(),
            NAMESPACES: NamespaceRules(),
            NODES: NodeRules(),
            PODS: PodRules(),
            PRIORITYCLASSES: PriorityRules(),
            QUOTAS: QuotaRules(),
            SECRETS: SecretRules(),
            SERVICES: ServiceRules(),
        }
    )
