"""Whole machines by their management controllers: ipmi_exporter, idrac_exporter, redfish_exporter.

On some boards what the controller measures does not include the GPUs; in a blade enclosure Redfish has the
enclosure's power, not the blade's. Inlet temperatures are taken, as all others differ by machine.
"""

from __future__ import annotations

from sovlab.sensors.reading import SAMPLED
from sovlab.telemetry.exporters.query import DEVICES, ENERGY, NODE, POWER, TEMPERATURE, Exporter, Query

_HOSTS = ("instance",)
"""Not `node`: that is where the exporter runs, while `instance` is what it looked at."""
_INLET = "(?i).*(?:inlet|ambient).*"


def _power(selector: str, metric: str, by: str, method: str, note: str = "") -> tuple[Query, ...]:
    key = tuple(by.split(", "))
    power = f"max by ({by}) ({selector} > 0 < 1e5)"
    common = {
        "of": DEVICES,
        "needs": (metric,),
        "source": SAMPLED,
        "scope": "node",
        "kind": NODE,
        "key": key,
        "note": note,
    }
    return (
        Query(quantity=POWER, text=power, method=method, **common),  # type: ignore[arg-type]
        Query(
            quantity=ENERGY,
            text=f"sum_over_time(({power})[$span:$step]) * $stride",
            method=f"{method}, added up",
            base=selector,
            **common,  # type: ignore[arg-type]
        ),
    )


def _inlet(metric: str, label: str, method: str) -> Query:
    return Query(
        quantity=TEMPERATURE,
        of=DEVICES,
        text=f'max by ($host) (${{p}}{metric}{{{label}=~"{_INLET}",$where}} > 0 < 200)',
        needs=(metric,),
        source=SAMPLED,
        method=method,
        scope="node",
        kind=NODE,
        key=("$host",),
        place="inlet",
    )


_DCMI = "ipmi_dcmi_power_consumption_current_watts"
_SYSTEM = (
    "(?i)(?:sys(?:tem)?[ _.-]*)?(?:pwr|power)[ _.-]*consumption|(?:sys(?:tem)?[ _.-]*)?(?:total[ _.-]*)?power"
)
_REDFISH = "redfish_chassis_power_average_consumed_watts"

IPMI = Exporter(
    name="ipmi",
    title="ipmi_exporter",
    backend="",
    names=r"ipmi_(?:dcmi_power_consumption_current_watts|power_watts|temperature_celsius)",
    marks=(_DCMI, "ipmi_power_watts"),
    hosts=_HOSTS,
    absent="ipmi_exporter is not scraped.",
    queries=(
        *_power(f"${{p}}{_DCMI}{{$where}}", _DCMI, "$host", "IPMI DCMI power"),
        *_power(
            f'${{p}}ipmi_power_watts{{name=~"{_SYSTEM}",$where}}', "ipmi_power_watts", "$host", "IPMI sensor"
        ),
        _inlet("ipmi_temperature_celsius", "name", "IPMI sensor"),
    ),
)

IDRAC = Exporter(
    name="idrac",
    title="idrac_exporter",
    backend="",
    names=r"idrac_(?:power_control_consumed_watts|sensors_temperature)",
    marks=("idrac_power_control_consumed_watts",),
    hosts=_HOSTS,
    absent="idrac_exporter is not scraped.",
    queries=(
        # Id 0 is the system; others are parts of it.
        *_power(
            '${p}idrac_power_control_consumed_watts{id="0",$where}',
            "idrac_power_control_consumed_watts",
            "$host",
            "Redfish power control",
        ),
        _inlet("idrac_sensors_temperature", "name", "Redfish sensor"),
    ),
)

REDFISH = Exporter(
    name="redfish",
    title="redfish_exporter",
    backend="",
    names=r"redfish_chassis_(?:power_average_consumed_watts|temperature_celsius)",
    marks=(_REDFISH,),
    hosts=_HOSTS,
    absent="redfish_exporter is not scraped.",
    queries=(
        *_power(
            f'${{p}}{_REDFISH}{{resource="power_wattage",power_voltage_id="0",$where}}',
            _REDFISH,
            "$host, chassis_id",
            "Redfish mean power",
            "of the whole enclosure, where the machine is a blade",
        ),
        _inlet("redfish_chassis_temperature_celsius", "sensor", "Redfish sensor"),
    ),
)
