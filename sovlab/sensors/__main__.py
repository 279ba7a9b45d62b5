"""What this machine draws now, as JSON on stdout: ``python -m sovlab.sensors [SECONDS]``.

A process of its own: a vendor's library that hangs or crashes is not the caller's trouble.
"""

from __future__ import annotations

import json
import sys
import time

from sovlab.sensors import registry
from sovlab.sensors.sampler import Sampler


def main() -> None:
    """Look for some seconds (default: 1), and print what was seen."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    found = registry.find()
    sampler = Sampler(found.probes, min(seconds, 1.0) / 2)
    end = time.monotonic() + seconds
    sampler.look()
    while found.probes and (left := end - time.monotonic()) > 0:
        time.sleep(min(max(sampler.due - time.monotonic(), 0.0), left))
        sampler.look()
    devices = sampler.totals()
    for device, gauge in zip(devices, sampler.gauges):
        if gauge.meter.power is not None:
            device["now"] = round(gauge.meter.power, 3)
        device["temperatures"] = dict(gauge.last.temperatures)
        device["slowing"] = sorted(gauge.last.slowing or ())
    seen = {"devices": devices, "seconds": round(sampler.elapsed, 3), "unavailable": found.unavailable}
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
