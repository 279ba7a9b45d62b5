"""What a job says of definitions beside their source, and whether it is what the notebook has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Optional

from sovlab.runner.source.definitions import Definitions
from sovlab.runner.values.pack import Pack
from sovlab.runner.values.pickling import PickleOptions, dumps
from sovlab.runner.values.unpickling import Loader

State = Optional[dict[str, Any]]
"""What the source of a definition does not say of it; None where that cannot be read here."""


def written(pack: Pack, main: dict[str, Any], names: Collection[str]) -> dict[str, State]:
    """What the job says of the definitions ``names`` beside their source, as far as it says anything."""
    states = {f"def.{name}": name for name in names}
    found: dict[str, State] = {}
    if any(segment in pack for segment in states):
        for name, state, error in Loader(pack, main=main, names=set(states)):
            if name in states:
                found[states[name]] = None if error else state
    return found


def is_same(one: State, other: State, here: Definitions) -> bool:
    """Whether two states are the same through and through; in doubt they are not."""
    if one is None or other is None or one.keys() != other.keys():
        return False
    if not one:
        return True
    try:
        return dumps(one, PickleOptions(here.refer)) == dumps(other, PickleOptions(here.refer))
    except Exception:
        return False  # what cannot be pickled did not come from a job
