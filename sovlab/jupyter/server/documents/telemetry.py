"""What a target's devices draw now, from this machine's sensors or the site's Prometheus, as one document."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sovlab.client import Client
from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.jupyter.server.models import Device, Reading, SiteReading, Telemetry
from sovlab.views.document import printable, reading_document
from sovlab.views.site import power_document

_MOST = 1000


def telemetry(client: Client, target: str) -> Telemetry:
    """Look at the devices of a target, for about a second.

    Raises:
        SpecError: the target is a cluster and names no Prometheus.
        ExecutorError: who is asked gives no answer.
    """
    if client.executor(target).shares_files:
        return _of_machine(target, client.power())
    found = client.site_power(target)
    return _of_site(target, power_document(found.where, found.numbers, found.own))


def _of_machine(target: str, report: EnergyReport) -> Telemetry:
    return Telemetry(
        target=target,
        time=time.time(),
        where="the sensors of this machine",
        devices=[_device(device) for device in report.devices[:_MOST]],
        unavailable={printable(name): printable(why) for name, why in report.unavailable.items()},
        own=[],
    )


def _device(device: DeviceReport) -> Device:
    # Its power is the mean of the look, by the same source as its joules.
    energy = reading_document(device.energy)
    source = "sampled" if device.mean is not None and device.energy.value is None else energy["source"]
    return Device(
        id=printable(device.id),
        kind=printable(device.kind),
        name=printable(device.name),
        index=device.index,
        power=Reading(**{**energy, "value": device.mean, "unit": "W", "source": source}),
        celsius={printable(place): value for place, value in device.hottest.items()},
        limit=device.limit,
        slowed=[printable(cause) for cause, share in device.slowed.items() if share > 0]
        if device.slowed
        else None,
    )


def _of_site(target: str, found: Mapping[str, Any]) -> Telemetry:
    devices: dict[tuple[str, str, str], dict[str, Any]] = {}
    for quantity in ("power", "temperature", "throttled"):
        for each in found[quantity]["readings"]:
            key = (each["kind"], each["device"], each["exporter"])
            devices.setdefault(key, {}).setdefault(quantity, []).append(each)
    unavailable = {
        name: why
        for quantity in ("power", "temperature", "throttled")
        for name, why in found[quantity]["why"].items()
    }
    return Telemetry(
        target=target,
        time=time.time(),
        where=f"Prometheus at {found['prometheus']}",
        devices=[_site_device(*key, read) for key, read in list(devices.items())[:_MOST]],
        unavailable=unavailable,
        own=[
            SiteReading(name=answer["name"], of=answer["of"], device=each["device"], reading=_reading(each))
            for answer in found["own"]
            for each in answer["readings"][:_MOST]
        ],
    )


def _site_device(kind: str, device: str, exporter: str, read: Mapping[str, Any]) -> Device:
    unknown = {"value": None, "unit": "W", "source": "unavailable", "method": exporter, "scope": "device"}
    power = read.get("power", [{**unknown, "coverage": None, "why": f"{exporter} tells no power of it"}])[0]
    slowed = [each for each in read.get("throttled", ()) if each["value"] is not None]
    return Device(
        id=device,
        kind=kind,
        name=exporter,
        index=None,
        power=_reading(power),
        celsius={
            each["place"] or "device": each["value"]
            for each in read.get("temperature", ())
            if each["value"] is not None
        },
        limit=None,
        slowed=[each["place"] for each in slowed if each["value"]] if slowed else None,
    )


def _reading(document: Mapping[str, Any]) -> Reading:
    return Reading(**{name: document[name] for name in Reading.__struct_fields__})
