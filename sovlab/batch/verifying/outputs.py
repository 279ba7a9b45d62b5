"""The outputs of a cell, sorted by what they are, and compared kind by kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sovlab.batch.verifying.cells import joined, members, outputs_of
from sovlab.batch.verifying.pictures import compare_pictures
from sovlab.batch.verifying.result import Difference, Verdict
from sovlab.batch.verifying.structured import compare_json
from sovlab.batch.verifying.texts import as_shown, compare_html, compare_svg, compare_texts
from sovlab.batch.verifying.tolerance import Tolerance

_WIDGET = "application/vnd.jupyter.widget-view+json"
"""Its model has a random id."""
_STREAM, _EXCEPTION = "stream ", "exception"
_TEXTS = frozenset({"application/javascript", "application/x-latex", "application/xml", "application/yaml"})


def compare_outputs(
    recorded: Mapping[str, Any], again: Mapping[str, Any], options: Tolerance
) -> tuple[Difference, ...]:
    """How the outputs of two cells differ; empty where they are the same to the last byte.

    The order of outputs counts only among those of one MIME type; all of a stream is one output.
    What kinds of output there are comes first: where the kinds differ, differences say so before the rest.
    """
    one, other = _sorted(recorded), _sorted(again)
    differences = [
        Difference(
            where=_name(kind),
            verdict=Verdict.DIFFERS,
            words="only in the record" if kind in one else "only now",
            recorded=_begin(one.get(kind)),
            again=_begin(other.get(kind)),
        )
        for kind in sorted(one.keys() ^ other.keys())
    ]
    for kind, values in one.items():
        others = other.get(kind)
        if others is None:
            continue
        if len(values) != len(others):
            words = f"{len(values)} of them in the record, {len(others)} now"
            differences.append(Difference(where=_name(kind), verdict=Verdict.DIFFERS, words=words))
        for place, (value, another) in enumerate(zip(values, others, strict=False), start=1):
            where = _name(kind) if len(values) == 1 else f"{_name(kind)} {place}"
            difference = _compare(kind, where, value, another, options)
            if difference is not None:
                differences.append(difference)
    return tuple(differences)


def _sorted(cell: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Values by kind: MIME types, ``stream stdout``, ``exception``."""
    kinds: dict[str, list[Any]] = {}
    streams: dict[str, list[str]] = {}
    for output in outputs_of(cell):
        kind = output.get("output_type")
        if kind == "stream":
            streams.setdefault(_STREAM + (joined(output.get("name")) or "stdout"), []).append(
                joined(output.get("text"))
            )
        elif kind == "error":
            kinds.setdefault(_EXCEPTION, []).append(
                f"{joined(output.get('ename'))}: {joined(output.get('evalue'))}"
            )
        else:
            for mime, value in members(output.get("data")).items():
                if mime != _WIDGET:
                    kinds.setdefault(mime, []).append(value)
    shown = {name: as_shown("".join(parts)) for name, parts in streams.items()}
    return {name: [text] for name, text in shown.items() if text} | kinds


def _compare(kind: str, where: str, value: Any, another: Any, options: Tolerance) -> Difference | None:
    mime = kind.partition(";")[0].strip().lower()
    if mime.endswith(("/json", "+json")) or not (_is_text(value) and _is_text(another)):
        return compare_json(where, value, another, options)
    one, other = joined(value), joined(another)
    if mime == "text/html":
        return compare_html(where, one, other, options)
    if mime == "image/svg+xml":
        return compare_svg(where, one, other, options)
    if mime.startswith("image/"):
        return compare_pictures(where, one, other, options)
    if kind == _EXCEPTION or mime.startswith(("text/", "stream ")) or mime in _TEXTS:
        return compare_texts(where, one, other, options)
    if one == other:
        return None
    return Difference(
        where=where,
        verdict=Verdict.DIFFERS,
        words="the bytes differ",
        recorded=_digest(one),
        again=_digest(other),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(part, str) for part in value)
    )


def _name(kind: str) -> str:
    return kind.removeprefix(_STREAM)[:80]


def _begin(values: list[Any] | None) -> str:
    text = joined(values[0]).strip() if values else ""
    return text[:120] + "…" if len(text) > 120 else text


def _digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
