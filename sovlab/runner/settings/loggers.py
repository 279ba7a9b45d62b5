"""Levels of loggers, and handlers that write to the standard streams, as `logging.basicConfig` makes them."""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional, Tuple

from sovlab.runner.settings import Setting

_OTHERS = (
    "IPKernelApp",
    "IPython",
    "asyncio",
    "c10d",
    "comm",
    "ipykernel",
    "jupyter",
    "sovlab",
    "strobelight",
    "tornado",
    "traitlets",
)
"""Beginnings of the names of loggers that nobody means to set: those of kernels, and inner ones of torch."""
_STYLES = {"PercentStyle": "%", "StrFormatStyle": "{", "StringTemplateStyle": "$"}


def _read(module: Any) -> Dict[str, Any]:
    root = module.root
    changed: Dict[str, Any] = {}
    if root.manager.disable:
        changed["disable"] = int(root.manager.disable)
    loggers: Dict[str, Any] = {}
    for name, logger in [("", root), *_configured(module)]:
        about = _about(module, name, logger)
        if about:
            loggers[name] = about
    if loggers:
        changed["loggers"] = loggers
    return changed


def _configured(module: Any) -> List[Tuple[str, Any]]:
    """Loggers below the root that somebody has set something of, but for the kernel's own."""
    return [
        (name, logger)
        for name, logger in module.root.manager.loggerDict.items()
        # Placeholders have none of these.
        if getattr(logger, "level", 0)
        or getattr(logger, "handlers", None)
        or not getattr(logger, "propagate", True)
        or getattr(logger, "disabled", False)
        if not name.startswith(_OTHERS)
    ]


def _about(module: Any, name: str, logger: Any) -> Dict[str, Any]:
    about: Dict[str, Any] = {}
    library = name.partition(".")[0]
    default = module.WARNING if not name else module.NOTSET
    if library == "torch":
        # It gives its loggers levels itself, from the environment; what silences them is the user's.
        return {"level": logger.level} if logger.level > module.WARNING else {}
    if logger.level != default:
        about["level"] = logger.level
    if name in ("py.warnings",) or (name and library in sys.modules and library != "__main__"):
        return about  # a library has its handlers from its own import
    if not logger.propagate:
        about["propagate"] = False
    if logger.disabled:
        about["disabled"] = True
    handlers = [h for h in (_handler(module, handler) for handler in logger.handlers) if h is not None]
    if handlers:
        about["handlers"] = handlers
    return about


def _handler(module: Any, handler: Any) -> Optional[Dict[str, Any]]:
    streams = {id(sys.stdout): "stdout", id(sys.stderr): "stderr"}
    formatter = handler.formatter
    if type(handler) is not module.StreamHandler or id(handler.stream) not in streams or handler.filters:
        return None
    if formatter is None:
        how = None
    elif type(formatter) is module.Formatter and type(formatter._style).__name__ in _STYLES:
        how = [formatter._fmt, formatter.datefmt, _STYLES[type(formatter._style).__name__]]
    else:
        return None
    return {"stream": streams[id(handler.stream)], "level": handler.level, "format": how}


def left_behind(module: Any) -> List[str]:
    """Handlers of the user's that a job does not get, for a message."""
    ours = ("logging", "logging.handlers", "__main__")
    names = []
    for name, logger in [("root", module.root), *_configured(module)]:
        if name != "root" and name.partition(".")[0] in sys.modules:
            continue
        for handler in logger.handlers:
            kind = type(handler)
            if kind.__module__ not in ours or kind.__name__ == "NullHandler" or kind.__name__.startswith("_"):
                continue
            if _handler(module, handler) is None:
                names.append(f"the {kind.__name__} of the logger {name}")
    return names


def _write(module: Any, changed: Dict[str, Any]) -> None:
    module.disable(changed.get("disable", 0))
    for name, about in changed.get("loggers", {}).items():
        logger = module.getLogger(name or None)
        if "level" in about:
            logger.setLevel(about["level"])
        logger.propagate = about.get("propagate", logger.propagate)
        logger.disabled = about.get("disabled", logger.disabled)
        for how in about.get("handlers", ()):
            handler = module.StreamHandler(getattr(sys, how["stream"]))
            handler.setLevel(how["level"])
            if how["format"] is not None:
                text, dates, style = how["format"]
                handler.setFormatter(module.Formatter(text, dates, style))
            logger.addHandler(handler)


LIBRARIES: Dict[str, Tuple[Setting, ...]] = {
    "logging": (Setting("logging", _read, _write, {}),),
}
"""Module → its settings."""
