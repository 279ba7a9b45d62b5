"""Quantities as Kubernetes writes them: ``500m``, ``2Gi``, ``1e3``."""

from __future__ import annotations

import re

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    **{unit: 1000.0 ** (i + 1) for i, unit in enumerate(("k", "M", "G", "T", "P", "E"))},
    **{f"{unit}i": 1024.0 ** (i + 1) for i, unit in enumerate("KMGTPE")},
}


def parse(text: str) -> float:
    """A quantity as a number: cores, bytes or pieces. Raises `ValueError`."""
    match = _FORM.fullmatch(str(text).strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a valid quantity")
    return float(match[1]) * _UNITS[match[2]]
