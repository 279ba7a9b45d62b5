"""What this machine draws now, as JSON on stdout: ``python -m sovlab.sensors [SECONDS [FILE]]``.

With FILE it is written there instead, whole or not at all.

A process of its own: a vendor's library that hangs or crashes is not the caller's trouble.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict

from sovlab.sensors import registry
from sovlab.sensors.sampler import Sampler


def main() -> None:
    """Look for some seconds (default: 1), and print what was seen."""
    text = json.dumps(seen(registry.find(), float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)) + "\n"
    if len(sys.argv) <= 2:
        sys.stdout.write(text)
        return
    target = Path(sys.argv[2])
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    temporary.touch(0o600)
    temporary.write_text(text)
    temporary.replace(target)


def seen(found: registry.Found, seconds: float) -> Dict[str, Any]:
    """What some devices do, as JSON can say it: a look of some seconds, and what is the case at its end."""
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
        if gauge.last.slowing is not None:
            device["slowing"] = sorted(gauge.last.slowing)
    return {"devices": devices, "seconds": round(sampler.elapsed, 3), "unavailable": found.unavailable}


if __name__ == "__main__":
    main()
