"""Which runs a command means: parameters of several values, and an output for each combination of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sovlab.batch import outputs
from sovlab.batch.checking import check_output
from sovlab.errors import SpecError
from sovlab.options.sweep import Point, grid, listed_values, literal
from sovlab.views.sweep import point_words


class Planned(NamedTuple):
    """A run.

    Attributes:
        point: its parameters.
        output: the path of its executed notebook.
    """

    point: Point
    output: str


def planned(pairs: Iterable[tuple[str, str]], pattern: str, typed: Callable[[str], Any]) -> list[Planned]:
    """The runs that parameters and the path of the output mean, the last parameter changing fastest.

    A text like ``0.1,0.01`` or ``1..5`` is several values where the path names parameters in braces, and each
    parameter with several must be among them. Without braces every text is one value.

    Args:
        pairs: name and text of each parameter; of a name that comes again the last counts.
        pattern: the path, like ``out-{lr}.ipynb``.
        typed: makes a value of a text that is in no quotation.

    Raises:
        SpecError: the path names what is no parameter, a parameter of several values is not named in it, or
            two runs would have one path.
    """
    texts = dict(pairs)
    named = outputs.names_in(pattern)
    outputs.check_names(pattern, texts)
    if not named:
        values = {name: typed(text) for name, text in texts.items()}
        return [Planned(Point(values), outputs.filled(pattern, values))]
    listed = {name: _values(text, typed) for name, text in texts.items()}
    for name, several in listed.items():
        if len(several) > 1 and name not in named:
            raise SpecError(
                f"{name} has {len(several)} values, but the output {pattern} names no {{{name}}}: runs would "
                "write over each other.",
                f"Write {{{name}}} into it; or quote the text if it is one value: "
                f"-p {name} \"'{texts[name]:.60}'\".",
            )
    swept = {name: several for name, several in listed.items() if len(several) > 1}
    one = {name: several[0] for name, several in listed.items()}
    points = [Point({**one, **point.parameters}) for point in grid(swept)] if swept else [Point(one)]
    runs = [Planned(point, outputs.filled(pattern, point.parameters)) for point in points]
    _check_apart(runs)
    if len(runs) > 1 and not outputs.is_certain(pattern):
        raise SpecError(
            f"The output {pattern} is another each time, so that the same command again would find no run.",
            "Name parameters only.",
        )
    return runs


def _values(text: str, typed: Callable[[str], Any]) -> list[Any]:
    parts = listed_values(text)
    return [_value(part, typed) for part in ([text] if parts == [text.strip()] else parts)]


def _value(text: str, typed: Callable[[str], Any]) -> Any:
    inner = literal(text)
    quoted = isinstance(inner, str) and inner != text
    return inner if quoted else typed(text)


def _check_apart(runs: Sequence[Planned]) -> None:
    by_path: dict[str, Mapping[str, Any]] = {}
    for point, output in runs:
        path = os.path.normpath(output)
        if path in by_path:
            raise SpecError(
                f"Two runs would write {output}: {point_words(by_path[path])} and "
                f"{point_words(point.parameters)}.",
                "Give values whose names differ as files.",
            )
        by_path[path] = point.parameters


def check_places(source: str, runs: Sequence[Planned]) -> None:
    """Raise `SpecError` where there is no notebook, or an output cannot be written; nothing is written.

    Args:
        source: path of the notebook.
        runs: whose outputs are looked at, if they are on this machine.
    """
    if _is_here(source) and not Path(source).exists():
        raise SpecError(f"There is no notebook {source}.", "Give the path of a .ipynb file.")
    if _is_here(source) and Path(source).is_dir():
        raise SpecError(f"{source} is a directory.", "Give the path of a .ipynb file.")
    for _, output in runs:
        if not _is_here(output):
            continue
        check_output(output, Path(output).absolute())
        if len(runs) > 1 and os.path.realpath(output) == os.path.realpath(source):
            raise SpecError(f"The output {output} is the notebook itself.", "Name another.")


def _is_here(path: str) -> bool:
    """Whether a path is one of this machine, as papermill takes it."""
    return "://" not in path and path != "-"
