"""In the notebook: which settings differ from those of a fresh process, ready to travel."""

from __future__ import annotations

import base64
import math
import sys
from typing import Any, Dict, List, Tuple

from sovlab.runner.settings import MODULES, Setting, table
from sovlab.runner.values.pickling import PickleOptions, dumps

Encoded = Dict[str, Dict[str, List[Any]]]
"""Module → name of the setting → ["json", value] or ["pickle", base64]; goes into a pack's meta."""

_SMALL_SEED = 1 << 48
"""Seeds that torch draws itself are random numbers of 64 bits."""
_told: Dict[str, Any] = {}


def changed() -> Dict[str, Dict[str, Any]]:
    """Module → name → value of what differs, of the modules that are imported."""
    found: Dict[str, Dict[str, Any]] = {}
    for name in MODULES:
        module = sys.modules.get(name)
        for setting in () if module is None else table(name):
            value = _read(setting, module)
            if value is not setting.fresh:
                found.setdefault(name, {})[setting.name] = value
    return found


def _read(setting: Setting, module: Any) -> Any:
    """The value; ``setting.fresh`` itself if it is that, or this version does not have the setting."""
    try:
        value = setting.read(module)
        return setting.fresh if value == setting.fresh else value
    except Exception:  # whatever a library says that is half imported, or another version
        return setting.fresh


def encode(values: Dict[str, Dict[str, Any]], options: PickleOptions) -> Tuple[Encoded, List[str]]:
    """For a pack's meta; and what cannot travel, as parts of a sentence.

    Args:
        values: as `changed` gives them.
        options: how the functions in them travel.
    """
    encoded: Encoded = {}
    left: List[str] = []
    for module, settings in values.items():
        for name, value in settings.items():
            try:
                how = ["json", value] if _is_plain(value) else ["pickle", _pickled(value, options)]
            except Exception as error:
                if type(error).__name__ == "Postponed":
                    raise
                left.append(name)
                continue
            encoded.setdefault(module, {})[name] = how
    return encoded, left


def _pickled(value: Any, options: PickleOptions) -> str:
    return base64.b64encode(dumps(value, options)).decode("ascii")


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(key) is str and _is_plain(inner) for key, inner in value.items())
    return value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value))


def not_carried() -> List[str]:
    """What was set here and no job gets, as parts of a sentence; seeds are named once in a process."""
    left: List[str] = []
    logging = sys.modules.get("logging")
    if logging is not None:
        from sovlab.runner.settings import loggers

        left += loggers.left_behind(logging)
    warnings = sys.modules.get("warnings")
    if warnings is not None and getattr(warnings.showwarning, "__module__", "") == "__main__":
        left.append("warnings.showwarning")
    seeds = {"torch.manual_seed": _torch_seed(), "numpy.random.seed": _numpy_seeded()}
    for name, seed in seeds.items():
        if seed is not None and _told.get(name) != seed:
            _told[name] = seed
            left.append(f"{name}({seed})" if type(seed) is int else name)
    return left


def _torch_seed() -> Any:
    torch = sys.modules.get("torch")
    try:
        seed = torch.initial_seed()  # type: ignore[union-attr]
    except Exception:
        return None
    return seed if seed < _SMALL_SEED else None


def _numpy_seeded() -> Any:
    random = sys.modules.get("numpy.random")
    try:
        unseeded = random.mtrand._rand._bit_generator._seed_seq  # type: ignore[union-attr]
    except Exception:
        return None
    return True if unseeded is None else None
