"""Reading the section ``[targets.NAME.prometheus]``, which targets of every executor may have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sovlab import codec
from sovlab.errors import SettingsError, SpecError
from sovlab.settings import Settings, Target
from sovlab.settings.words import suggest

if TYPE_CHECKING:
    from sovlab.telemetry.profile import PrometheusProfile

_TABLE = "with query, unit and scale"
_ADVICE = {
    "url": 'Write the address, like "https://thanos-querier.example:9091".',
    "token_file": "Write the path of a file that holds the token.",
    "ca_file": "Write the path of a file of certificates.",
    "service": 'Write "NAMESPACE/NAME:PORT".',
    "namespace": "Write the name of a namespace.",
    "timeout": 'Write it like "10s", or a number of seconds up to 300.',
    "pdu": f"Write it as [[targets.NAME.prometheus.pdu]] {_TABLE}.",
    "coolant": f"Write it as [[targets.NAME.prometheus.coolant]] {_TABLE}.",
    "own": f"Write each as [targets.NAME.prometheus.own.WORD] {_TABLE}.",
}


def read(target: Target, settings: Settings, *, cluster: bool) -> PrometheusProfile:
    """Where the Prometheus of a target is.

    Args:
        target: whose section.
        settings: that apply; they know where each key is set.
        cluster: whether the target is on a cluster whose API server can forward to a Service.

    Raises:
        SettingsError: a key is unknown or its value is wrong; the message names place and key.
    """
    from sovlab.telemetry.profile import TEXTS, PrometheusProfile

    def place(key: str, inner: str = "") -> str:
        source = settings.source(f"targets.{target.name}.prometheus.{key}")
        return f"{source}: prometheus.{inner or key} of target {target.name!r}"

    known = PrometheusProfile.__struct_fields__
    unknown = next((key for key in target.prometheus if key not in known), None)
    if unknown is not None:
        raise SettingsError(
            f"{place(unknown)} is not a setting.",
            f"{suggest(unknown, known)}There are {', '.join(known)}.",
        )
    values = dict(target.prometheus)
    for key, value in values.items():
        try:
            if key in TEXTS and isinstance(value, str):
                values[key] = TEXTS[key](value)
            codec.convert({key: values[key]}, PrometheusProfile)
        except SpecError as error:
            raise SettingsError(f"{place(key)}: {error.message}", _ADVICE[key]) from error
        except msgspec.ValidationError as error:
            what, _, path = str(error).rstrip(".`").partition(" - at `$.")
            raise SettingsError(
                f"{place(key, path)} is not right: {what[:1].lower()}{what[1:]}.", _ADVICE[key]
            ) from error
    profile = codec.convert(values, PrometheusProfile)
    try:
        profile.check()
        if profile.service and not cluster:
            raise SpecError(
                "service in a [prometheus] section needs a target on a cluster.", "Use url for this target."
            )
    except SpecError as error:
        place_ = settings.source(f"targets.{target.name}.prometheus.{next(iter(target.prometheus))}")
        raise SettingsError(f"{place_}: target {target.name!r}: {error.message}", error.hint) from error
    return msgspec.structs.replace(
        profile,
        token_file=_absolute(profile.token_file, target.folder),
        ca_file=_absolute(profile.ca_file, target.folder),
    )


def _absolute(name: str, folder: Path) -> str:
    return str(folder / Path(name).expanduser()) if name else ""
