"""The site's forecast: read from the file, or asked by the query, that the settings name."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sovlab.core.deferral import formats
from sovlab.core.deferral.forecast import Forecast
from sovlab.core.untrusted import MAX_BYTES, DamagedRecord
from sovlab.errors import SovlabError
from sovlab.settings import FORECAST_KINDS
from sovlab.settings import Forecast as Section

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.telemetry.transport.results import Lines

MOST_POINTS = 1900
"""Steps that are asked for: of more, a Prometheus would be asked for wider ones."""


class NoForecast(Exception):
    """There is no forecast that can be used; the message is a clause that says why."""


def forecast_of(section: Section, site: Callable[[], Site | None], now: float, deadline: float) -> Forecast:
    """The forecast that the settings name.

    Args:
        section: of the settings.
        site: gives the Prometheus of the target; None if it names none.
        now: seconds since the epoch.
        deadline: until when it is asked for.

    Raises:
        NoForecast: there is none that can be used.
    """
    what = f"the forecast {section.file}" if section.file else "the forecast"
    try:
        if section.file:
            found = formats.read(_content(Path(section.file)), section.step)
        else:
            found = _asked(section, site, now, deadline)
    except OSError as error:
        raise NoForecast(f"{what} cannot be read ({error.strerror or error})") from error
    except DamagedRecord as error:
        raise NoForecast(f"{what} cannot be used ({error})") from error
    except SovlabError as error:
        raise NoForecast(f"{what} cannot be had ({error.message.rstrip('.')})") from error
    if not found.begin <= now < found.end:
        raise NoForecast(f"{what} says nothing of now")
    return found


def title(section: Section, currency: str) -> tuple[str, str, bool]:
    """Name and unit of the signal, and whether more of it is better.

    Args:
        section: of the settings.
        currency: of the site; empty if it has none.
    """
    name, unit = FORECAST_KINDS[section.kind]
    if section.kind == "price" and currency:
        unit = f"{currency}/kWh"
    return section.name or name, section.unit or unit, section.kind == "headroom"


def _content(path: Path) -> bytes:
    # A pipe or a device would keep the submit waiting, maybe for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedRecord("it is not a file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DamagedRecord(f"it is longer than {MAX_BYTES >> 20} MiB")
    return data


def _asked(section: Section, site: Callable[[], Site | None], now: float, deadline: float) -> Forecast:
    found, step = site(), section.step or 0.0
    if found is None:
        raise DamagedRecord("the target names no Prometheus to ask")
    prometheus = found.prometheus

    def ask() -> tuple[float, Lines]:
        ahead = prometheus.skew  # its samples are by its clock
        # Steps begin with whole multiples of their length, as those of published forecasts do.
        begin = math.floor((now + ahead) / step) * step
        end = begin + step * min(math.ceil((deadline + ahead - begin) / step), MOST_POINTS)
        return ahead, prometheus.query_range(section.query, begin, end, step)

    ahead, answer = found.answered(ask)
    if len(answer.lines) != 1:
        raise DamagedRecord(f"its query gives {len(answer.lines) or 'no'} series, not one")
    return formats.assembled(
        formats.Step(f"the value at {when:.0f}", when - ahead, when - ahead + step, value)
        for when, value in answer.lines[0].points
    )
