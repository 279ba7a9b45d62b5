"""In the job: the notebook's settings, each put in force when its library is imported."""

from __future__ import annotations

import base64
import sys
from typing import Any, Callable, Dict, List

from sovlab.runner.settings import MODULES, table, warning_filters


class CarriedSettings:
    """Settings that a pack brings.

    Args:
        encoded: as `reading.encode` made them.
        load: the value of a pickle; may need what the pack defines.
    """

    def __init__(self, encoded: Dict[str, Dict[str, List[Any]]], load: Callable[[bytes], Any]) -> None:
        self._encoded = encoded
        self._load = load
        self._settled = False
        self._waiting: List[str] = []

    def hooks(self) -> Dict[str, Callable[[Any], None]]:
        """Module name → what to do once it has been imported."""
        hooks: Dict[str, Callable[[Any], None]] = {
            name: self._write for name in self._encoded if name in MODULES
        }
        filters = self._filters()
        for library in warning_filters.waited_for(filters):
            hooks[library] = self._write_with_filters
        return hooks

    def settle(self) -> None:
        """Now what was sent is bound: write what needs it, and order the filters that imports have added."""
        self._settled = True
        for name in self._waiting:
            self._write_all(name, sys.modules[name], pickled=True)
        if "warnings" in self._encoded:
            self._write_all("warnings", sys.modules["warnings"], pickled=False)

    def _filters(self) -> List[List[Any]]:
        settings = self._encoded.get("warnings", {})
        return next((value for _, value in settings.values()), [])

    def _write_with_filters(self, module: Any) -> None:
        warning_filters.insert(self._filters(), module.__name__)
        if module.__name__ in self._encoded:
            self._write(module)

    def _write(self, module: Any) -> None:
        name = module.__name__
        self._write_all(name, module, pickled=False)
        if self._settled:
            self._write_all(name, module, pickled=True)
        else:
            self._waiting.append(name)

    def _write_all(self, name: str, module: Any, *, pickled: bool) -> None:
        for setting in table(name):
            if setting.name not in self._encoded[name]:
                continue
            how, value = self._encoded[name][setting.name]
            if (how == "pickle") != pickled:
                continue
            try:
                setting.write(module, self._load(base64.b64decode(value)) if pickled else value)
            except Exception as error:  # whatever the library says, which may be another version of it
                sys.stderr.write(f"{setting.name} is not as in the notebook: {error}.\n")
