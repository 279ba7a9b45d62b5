"""A section of a target, ``[targets.NAME.SECTION]``, read once into what its executor takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from sovlab import codec
from sovlab.errors import SettingsError, SpecError
from sovlab.settings.model import Target
from sovlab.settings.words import suggest

Section = TypeVar("Section", bound=msgspec.Struct)


def read_section(
    target: Target,
    section: type[Section],
    *,
    texts: Mapping[str, Callable[[str], Any]] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
    object_names: Sequence[str] = (),
) -> Section:
    """The keys of a target as ``section`` has them.

    Args:
        target: whose keys.
        section: a `msgspec.Struct` whose fields are the keys that there are.
        texts: keys that may be text, and what makes their value of it; raises `SpecError`.
        choices: keys that have few values.
        object_names: keys that hold names of objects in a cluster.

    Raises:
        SettingsError: a key is unknown or its value is wrong; the message names file and line.
    """
    known = section.__struct_fields__
    unknown = next((key for key in target.table if key not in known), None)
    subject = f"{target.source}: target {target.name!r}"
    if unknown is not None:
        raise SettingsError(
            f"{subject} has no setting {unknown!r}.",
            f"{suggest(unknown, known)}There are {', '.join(sorted(known))}.",
        )
    values = dict(target.table)
    try:
        for key, parse in (texts or {}).items():
            if isinstance(values.get(key), str):
                values[key] = parse(values[key])
        options = codec.convert(values, section)
    except (msgspec.ValidationError, SpecError) as error:
        wrong = next((key for key in object_names if str(error).endswith(f"`$.{key}`")), None)
        if wrong is not None and isinstance(values[wrong], str):
            raise SettingsError(
                f"{subject} has {wrong} = {values[wrong]!r}.",
                "Use lowercase letters, digits, - and dots.",
            ) from error
        raise SettingsError(f"{subject}: {error}.".replace("..", "."), "Correct it.") from error
    for key, values_of_key in (choices or {}).items():
        if getattr(options, key) not in values_of_key:
            raise SettingsError(
                f"{subject} has {key} = {getattr(options, key)!r}.",
                f"There are {', '.join(values_of_key)}.",
            )
    return options
