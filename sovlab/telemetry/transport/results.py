"""What a Prometheus answers, read by what it must be: bounded, finite, with labels as plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec

from sovlab import codec
from sovlab.core.untrusted import LATEST, clean
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.answer import Answer

T = TypeVar("T")

MAX_SERIES = 10_000
"""Most series, names or values of one answer."""
_MAX_LABELS, _LABEL, _NOTES = 64, 300, 3


class Sample(NamedTuple):
    """A value of one series.

    Attributes:
        labels: of the series.
        value: finite.
        time: of the evaluation, seconds since the epoch by the server's clock.
    """

    labels: Mapping[str, str]
    value: float
    time: float


class Line(NamedTuple):
    """The values of one series over time.

    Attributes:
        labels: of the series.
        points: (seconds since the epoch, value), oldest first; times without a value are left out.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Samples(NamedTuple):
    """The answer to an instant query, with what the server remarked on it (e.g. that parts are missing)."""

    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()


class Lines(NamedTuple):
    """The answer to a range query, likewise."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - as the server spells it
    result: msgspec.Raw


class _Scalar(msgspec.Struct, array_like=True):
    time: float
    text: str


class _Instant(msgspec.Struct):
    metric: dict[str, str] = {}
    value: _Scalar | None = None  # a native histogram has none


class _Range(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[_Scalar] = []


def data_of(answer: Answer, where: str) -> tuple[msgspec.Raw, tuple[str, ...]]:
    """The ``data`` of an answer, unread, and the server's remarks.

    Raises:
        PrometheusError: it is an error, or no answer of a Prometheus.
    """
    body = answer.body
    if answer.html or body.lstrip()[:1] == b"<":
        if answer.status in (401, 403):
            raise failures.from_status(where, answer.status, "")
        raise failures.stranger(where, "it is a web page, such as a login")
    try:
        envelope = codec.decode(body, _Envelope)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if answer.status >= 400:
            raise failures.from_status(where, answer.status, "") from error
        raise failures.stranger(where, "its answer is not the JSON of Prometheus") from error
    if answer.status >= 400 or envelope.status != "success":
        status = answer.status if answer.status >= 400 else 400
        raise failures.from_status(where, status, failures.one_line(envelope.error))
    notes = [*(envelope.warnings or ()), *(envelope.infos or ())]
    return envelope.data, tuple(failures.one_line(note) for note in notes[:_NOTES])


def samples_of(data: msgspec.Raw, where: str) -> tuple[Sample, ...]:
    """A vector, or a scalar as one sample without labels; NaN and infinite values are left out.

    Series that come twice with the same labels, as from two servers that scrape alike, are kept once: the
    highest.
    """
    whole = _decoded(data, _Data, where)
    if whole.resultType == "scalar":
        scalar = _decoded(whole.result, _Scalar, where)
        value = _number(scalar.text)
        return () if value is None else (Sample({}, value, _time(scalar.time, where)),)
    if whole.resultType != "vector":
        raise failures.stranger(where, "its answer is of another type than was asked for")
    kept: dict[frozenset[tuple[str, str]], Sample] = {}
    for item in _bounded(_decoded(whole.result, list[_Instant], where), where):
        value = _number(item.value.text) if item.value is not None else None
        if item.value is None or value is None:
            continue
        labels = _labels(item.metric)
        key = frozenset(labels.items())
        if key not in kept or kept[key].value < value:
            kept[key] = Sample(labels, value, _time(item.value.time, where))
    return tuple(kept.values())


def lines_of(data: msgspec.Raw, where: str) -> tuple[Line, ...]:
    """A matrix; as in `samples_of`, of series that come twice the higher value of each time is kept."""
    whole = _decoded(data, _Data, where)
    if whole.resultType != "matrix":
        raise failures.stranger(where, "its answer is of another type than was asked for")
    kept: dict[frozenset[tuple[str, str]], tuple[dict[str, str], dict[float, float]]] = {}
    for item in _bounded(_decoded(whole.result, list[_Range], where), where):
        labels = _labels(item.metric)
        _, points = kept.setdefault(frozenset(labels.items()), (labels, {}))
        for pair in item.values:
            value = _number(pair.text)
            if value is not None:
                time = _time(pair.time, where)
                points[time] = max(value, points.get(time, value))
    return tuple(Line(labels, tuple(sorted(points.items()))) for labels, points in kept.values() if points)


def names_of(data: msgspec.Raw, where: str) -> tuple[str, ...]:
    """A list of names or label values."""
    return tuple(clean(name, _LABEL) for name in _bounded(_decoded(data, list[str], where), where))


def series_of(data: msgspec.Raw, where: str) -> tuple[Mapping[str, str], ...]:
    """A list of the labels of series."""
    return tuple(_labels(each) for each in _bounded(_decoded(data, list[dict[str, str]], where), where))


def _decoded(data: msgspec.Raw, kind: type[T], where: str) -> T:
    try:
        return codec.decode(data, kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise failures.stranger(where, "its answer is not the JSON of Prometheus") from error


def _bounded(items: list[T], where: str) -> list[T]:
    # Not cut off: a sum of a part would be a wrong number.
    if len(items) > MAX_SERIES:
        raise failures.too_much(where, f"{MAX_SERIES} series")
    return items


def _labels(metric: Mapping[str, str]) -> dict[str, str]:
    return {clean(k, _LABEL): clean(v, _LABEL) for k, v in list(metric.items())[:_MAX_LABELS]}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _time(value: float, where: str) -> float:
    if not 0 <= value < LATEST:
        raise failures.stranger(where, "its answer has a time that is none")
    return value
