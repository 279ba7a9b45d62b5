"""Settings of numpy, pandas, matplotlib and scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any, Dict, Tuple

from sovlab.runner.settings import Setting

_PRINTING = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "legacy": False,
    "override_repr": None,
}
_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_OF_THIS_SCREEN = ("backend", "interactive", "toolbar", "webagg.", "figure.raise", "tk.", "savefig.directory")
"""Beginnings of rcParams that are about where figures are shown: a job shows them on the card."""


def _differing(values: Dict[str, Any], fresh: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in values.items() if value != fresh.get(name)}


def _read_options(module: Any) -> Dict[str, Any]:
    # Not by get_option, which warns of options that are deprecated.
    config = module._config.config
    changed = {}
    for key, option in config._registered_options.items():
        value: Any = config._global_config
        for part in key.split("."):
            value = value[part]
        # A kernel that pandas knows has 20 columns, while other processes are taken for a terminal.
        default = 0 if key == "display.max_columns" else option.defval
        if value is not default and value != default:
            changed[key] = value
    return changed


def _write_options(module: Any, values: Dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _each(module.set_option, values)


def _read_parameters(module: Any) -> Dict[str, Any]:
    # As a plain dict: asking the object itself for its backend chooses one.
    default = dict(dict.items(module.rcParamsDefault))
    return {
        name: value
        for name, value in dict.items(module.rcParams)
        if value is not default.get(name) and value != default.get(name)
        if not name.startswith(_OF_THIS_SCREEN)
    }


def _each(write: Any, values: Dict[str, Any]) -> None:
    """Write all that can be; raises `ValueError` that names the others."""
    failed = []
    for name, value in values.items():
        try:
            write(name, value)
        except Exception as error:  # whatever an older version says to what it does not know
            failed.append(f"{name} ({error})")
    if failed:
        raise ValueError(", ".join(failed))


LIBRARIES: Dict[str, Tuple[Setting, ...]] = {
    "numpy": (
        Setting(
            "numpy.set_printoptions",
            lambda m: _differing(m.get_printoptions(), _PRINTING),
            lambda m, values: m.set_printoptions(**values),
            {},
        ),
        Setting(
            "numpy.seterr",
            lambda m: _differing(m.geterr(), _ERRORS),
            lambda m, values: m.seterr(**values),
            {},
        ),
        Setting("numpy.seterrcall", lambda m: m.geterrcall(), lambda m, value: m.seterrcall(value), None),
        Setting("numpy.setbufsize", lambda m: m.getbufsize(), lambda m, value: m.setbufsize(value), 8192),
    ),
    "pandas": (Setting("pandas.set_option", _read_options, _write_options, {}),),
    "matplotlib": (
        Setting(
            "matplotlib.rcParams",
            _read_parameters,
            lambda m, values: _each(m.rcParams.__setitem__, values),
            {},
        ),
    ),
    "sklearn": (
        Setting(
            "sklearn.set_config",
            lambda m: _differing(m.get_config(), m._config._global_config),
            lambda m, values: m.set_config(**values),
            {},
        ),
    ),
}
"""Module → its settings."""
