"""`Site`: the Prometheus of one target, and what was found in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sovlab.core.deadlines import within
from sovlab.errors import WaitTimeout
from sovlab.executors.provider import ClusterAccess, ConfiguredTarget
from sovlab.telemetry.access import access_of
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detection
from sovlab.telemetry.profile import PrometheusProfile
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.failures import PrometheusError

T = TypeVar("T")

_LONGER = 2.0
"""Times the time-out of one answer that all answers to a question may take."""
_REMEMBERED = 15.0
"""Seconds for which a server that was down or slow is not asked again."""


class Site:
    """The Prometheus of one target. It may be used by several threads.

    Args:
        configured: a target with a section ``[targets.NAME.prometheus]``.
        cluster: of the target; None if its jobs are no pods.
    """

    def __init__(self, configured: ConfiguredTarget, cluster: ClusterAccess | None) -> None:
        self.target = configured.name
        self.profile: PrometheusProfile = configured.prometheus
        get = cluster.get if cluster is not None else None
        access = access_of(self.profile, get, configured.target.folder)
        self.prometheus = Prometheus(access, timeout=self.profile.timeout)
        self.detection = Detection(self.prometheus, tenant=bool(self.profile.namespace))
        self.namespace = cluster.namespace if cluster is not None else None
        """Of the pods of its jobs; None if they are no pods."""
        self._lock = threading.Lock()
        self._failed: tuple[float, PrometheusError] | None = None

    def answered(self, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, within seconds.

        Raises:
            PrometheusError: there was no answer, or not in time.
        """
        with self._lock:
            failed = self._failed
        if failed is not None and time.monotonic() - failed[0] < _REMEMBERED:
            raise failed[1]
        seconds = _LONGER * self.profile.timeout

        def late() -> WaitTimeout:
            return WaitTimeout(f"Prometheus did not answer within {seconds:g} s.")

        try:
            return within(seconds, ask, late)
        except WaitTimeout as error:
            raise self._remembered(failures.slow(self.prometheus.where, seconds)) from error
        except PrometheusError as error:
            if error.reason in (failures.DOWN, failures.SLOW):
                self._remembered(error)
            raise

    def _remembered(self, error: PrometheusError) -> PrometheusError:
        with self._lock:
            self._failed = (time.monotonic(), error)
        return error
