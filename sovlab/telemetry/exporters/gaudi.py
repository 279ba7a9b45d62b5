"""Intel Gaudi's habanalabs exporter: milliwatts, one board a row, pods in ``pod_name`` and ``pod_namespace``.

``habanalabs_energy`` has no documented unit, so joules are added up from its watts. The names with
``threshold`` are limits, not temperatures.
"""

from __future__ import annotations

from sovlab.sensors.reading import SAMPLED
from sovlab.telemetry.exporters import shapes
from sovlab.telemetry.exporters.heat import temperature
from sovlab.telemetry.exporters.query import DEVICES, ENERGY, JOB, POWER, Exporter, Query

_POWER = "habanalabs_power_mW"
_JOB_POWER = f"max by ($board, $pod) (${{p}}{_POWER}{{$job}} > 0 < 1e8)"
_METHOD = "HLML power samples"
_HEAT = "HLML temperature samples"

GAUDI = Exporter(
    name="habanalabs",
    title="habanalabs exporter",
    backend="hpu",
    names=r"habanalabs_(?:power_mW|temperature_on(?:chip|board))",
    marks=(_POWER, "habanalabs_temperature_onchip"),
    pods=(("pod_namespace", "pod_name"), ("exported_namespace", "exported_pod"), ("namespace", "pod")),
    hosts=("node", "nodename", "hostname", "instance"),
    devices=("UUID", "Serial", "device"),
    absent="Intel Gaudi's exporter is not scraped, or there is no Gaudi.",
    queries=(
        Query(
            quantity=POWER,
            of=JOB,
            text=_JOB_POWER,
            needs=(_POWER,),
            scale=1e-3,
            source=SAMPLED,
            method=_METHOD,
            key=("$board", "$pod"),
        ),
        Query(
            quantity=POWER,
            of=DEVICES,
            text=shapes.now(_POWER, "$where", 1e8),
            needs=(_POWER,),
            scale=1e-3,
            source=SAMPLED,
            method=_METHOD,
        ),
        Query(
            quantity=ENERGY,
            of=JOB,
            text=shapes.integrated(_JOB_POWER),
            needs=(_POWER,),
            scale=1e-3,
            source=SAMPLED,
            method=f"{_METHOD}, added up",
            key=("$board", "$pod"),
            base=f"${{p}}{_POWER}{{$job}}",
        ),
        *temperature("habanalabs_temperature_onchip", "chip", _HEAT),
        *temperature("habanalabs_temperature_onboard", "board", _HEAT),
    ),
)
