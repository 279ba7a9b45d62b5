"""What a notebook has set in modules, its own and those of libraries, under the names by which it travels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sovlab.payload import secrets
from sovlab.runner.source import locating
from sovlab.runner.values.pickling import OF_MODULE


class SetInModules(NamedTuple):
    """What `look` has found.

    Attributes:
        values: ``mod.config:rate`` → value.
        left: the same names → why the value does not travel.
        sentences: for the user, of what else differs from the files.
        registered: definitions of the notebook that libraries have, and that have to travel therefore.
    """

    values: dict[str, Any]
    left: dict[str, str]
    sentences: list[str]
    registered: list[str]


def look(namespace: Mapping[str, Any], imported: Iterable[str], files: Collection[str]) -> SetInModules:
    """Find what was set in modules.

    Args:
        namespace: the notebook's variables.
        imported: modules that the code imports, dotted.
        files: absolute paths of those that are the user's own.
    """
    found = SetInModules({}, {}, [], [])
    state: dict[str, Any] = {}
    if files:
        from sovlab.payload.files import module_edits, module_state

        found.sentences.extend(module_edits.edited(files))
        state.update(module_state.changed(files))
    tops = {name.partition(".")[0] for name in imported}
    if locating.may_set(namespace):
        from sovlab.payload import library_patches

        state.update(library_patches.patched(namespace, tops))
    if locating.may_call(namespace):
        from sovlab.payload import library_calls

        found.registered.extend(library_calls.registered(namespace, tops))
        calls = library_calls.calls(namespace, tops)
        if calls:
            them = "them" if len(calls) > 1 else "it"
            found.sentences.append(
                f"What earlier cells did with {', '.join(calls)} is not in force in a job: do {them} there."
            )
    for path, value in state.items():
        why = secrets.suspicious(re.split("[.:]", path)[-1], value)
        if why:
            found.left[f"{OF_MODULE}{path}"] = f"it looks like a secret: {why}"
        else:
            found.values[f"{OF_MODULE}{path}"] = value
    return found
