"""What the devices of a target draw now, as its site's Prometheus has it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sovlab.telemetry.devices import SiteNumbers, of_nodes
from sovlab.telemetry.exporters.query import POWER, TEMPERATURE, THROTTLED
from sovlab.telemetry.site import SiteAnswer, site_answers

if TYPE_CHECKING:
    from sovlab.client.site.site import Site

_QUANTITIES = (POWER, TEMPERATURE, THROTTLED)


@dataclass(frozen=True, slots=True)
class SitePower:
    """What a site's Prometheus has of a target's devices now.

    Attributes:
        where: the Prometheus.
        numbers: power, temperature and throttling, the last of the last two minutes, by quantity.
        own: what the site's own queries say: its power distribution, its cooling.
    """

    where: str
    numbers: dict[str, SiteNumbers]
    own: tuple[SiteAnswer, ...] = ()


def site_power(site: Site) -> SitePower:
    """Ask it: of a cluster for all devices that it knows, of this machine for those of this machine.

    Raises:
        PrometheusError: it gives no answer; the message says why.
    """
    nodes = None if site.namespace is not None else [socket.gethostname()]

    def ask() -> SitePower:
        detected = site.detection.get()
        now = site.prometheus.now()
        numbers = {
            quantity: of_nodes(site.prometheus, detected, nodes, quantity, at=now) for quantity in _QUANTITIES
        }
        return SitePower(site.prometheus.where, numbers, site_answers(site.prometheus, site.profile, at=now))

    return site.answered(ask)
