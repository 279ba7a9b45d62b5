"""What a job may leave that nobody of us wrote, and what must hold of whatever is made of it."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import os
from importlib.resources import files
from typing import Any

import jsonschema
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sovlab.card.bundle import MIME, render
from sovlab.cli import show
from sovlab.core.job import JobRecord, JobState, Progress, Reason
from sovlab.core.untrusted import LATEST
from sovlab.views.document import job_document
from sovlab.views.jobs import jobs_table

NOW = 1_780_000_000.0
CARD, JOB = (
    jsonschema.Draft202012Validator(json.loads(files(room).joinpath(name).read_text()))
    for room, name in (("sovlab.card", "card.schema.json"), ("sovlab.views", "job.schema.json"))
)

RECORD: dict[str, Any] = {
    "version": 1,
    "reason": "user_error",
    "message": "ValueError: no",
    "exit_code": 1,
    "signal": "",
    "error": {
        "type": "ValueError",
        "module": "builtins",
        "message": "no",
        "traceback": "Cell In[1], line 1\n--> 1 fail()\nValueError: no\n",
        "frames": [{"label": "Cell In[1]", "line": 1, "function": "<module>", "source": "fail()"}],
        "rank": None,
    },
    "results": {
        "size": 100,
        "names": [{"name": "y", "type": "int", "size": 5, "detail": "", "error": ""}],
        "unreturned": ["x"],
    },
    "progress": {"step": 3, "total": 10, "metrics": {"loss": 0.5, "phase": "warm"}, "time": NOW - 10},
    "imported": ["torch"],
    "started": NOW - 60,
    "ended": NOW - 5,
    "max_rss": 1 << 20,
    "cpu_seconds": 1.5,
    "python": "3.11.7",
    "host": "node-1",
    "kept": "store",
    "energy": {
        "devices": [
            {
                "id": "GPU-1",
                "kind": "gpu",
                "name": "NVIDIA H100",
                "index": 0,
                "scope": "device",
                "covers": ["memory"],
                "energy": {
                    "j": 5e5,
                    "source": "counter",
                    "method": "NVML",
                    "coverage": 0.99,
                    "why": "set back",
                },
                "mean": 300.0,
                "peak": 400.0,
                "limit": 700.0,
                "hottest": {"gpu": 71.0},
                "margin": 12.0,
                "slowdown": 89.0,
                "slowed": {"heat": 0.11},
                "missing": {"busy": "not told"},
            }
        ],
        "seconds": 55.0,
        "unavailable": {"rapl": "It is masked."},
        "cpu": {"job": 5.0, "busy": 50.0, "all": 500.0},
        "limits": {
            "energy_budget": {"limit": 6e5, "used": 5e5, "source": "counter"},
            "max_temperature": {"limit": 90.0, "why": "not told"},
        },
    },
}
"""An exit record as the runner writes it."""
FRAMES: list[dict[str, Any]] = [
    {"t": "progress", "step": 3, "total": 10, "metrics": {"loss": 0.5}, "time": NOW},
    {"t": "rank", "rank": 1},
    {"t": "at", "o": 5, "s": int(NOW)},
    {"t": "end", "o": 5, "s": int(NOW)},
    {"t": "waiting", "for": "payload"},
    {"t": "held", "size": 5, "until": NOW},
    {"t": "start", "python": "3.11.7", "host": "node-1", "pid": 7},
    {"t": "exit", "reason": "succeeded"},
    {"t": "device", "n": 0, "id": "GPU-1", "kind": "gpu", "name": "H100", "index": 0, "limit": 700.0},
    {
        "t": "power",
        "at": NOW,
        "n": 0,
        "d": [{"w": [300.0, None], "c": 61.0, "j": 5e5, "s": "counter", "x": ["heat"]}],
    },
    {
        "t": "limit",
        "what": "energy_budget",
        "state": "warned",
        "limit": 6e5,
        "used": 5e5,
        "source": "counter",
    },
]

MANY = int(os.environ.get("SOVLAB_TEST_EXAMPLES") or 0)
"""How many of each kind are tried; 0 tries a few, which every run of the tests has time for."""


def examples(few: int, *, each: int = 1) -> settings:
    """Settings of a property that tries ``few`` examples of ``each`` odd things, or as many as asked."""
    count = -(-MANY // each) if MANY else few
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )


_ODD = [
    *(True, False, -1, 0, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400)),
    *(1e15, 1e300, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, LATEST, LATEST - 1),
    *("", "nan", "7", "\ud800", "a\udfffb", "\x00\x1b[31m\x9b\u202e", "x" * 300_000, "é" * 150_000),
    *([], {}, [[]], {"": None}, [0] * 5000, ["name"] * 5000, dict.fromkeys(map(str, range(5000)), 1)),
]
texts = st.text(st.characters(), max_size=20)
odd = st.recursive(
    st.sampled_from(_ODD) | st.none() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Whatever JSON can say, and what other readers of it take for numbers."""


def _ways(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        found += _ways(inner, (*way, key))
    return found


@st.composite
def changed(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """An object with up to three of its members, at any depth, replaced by something odd or taken away."""
    made = copy.deepcopy(whole)
    for way in draw(st.lists(st.sampled_from(_ways(whole)), min_size=1, max_size=3)):
        place: Any = made
        try:
            for key in way[:-1]:
                place = place[key]
            if draw(st.integers(0, 5)):
                place[way[-1]] = copy.deepcopy(draw(odd))  # what is put in twice is no circle
            else:
                del place[way[-1]]
        except (LookupError, TypeError):
            continue  # another change took the place away
    return made


def _as_sent(value: Any) -> Any:
    """As an API server can send it: JSON, and text that is Unicode."""
    if isinstance(value, dict):
        return {_as_sent(key): _as_sent(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_sent(inner) for inner in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sent(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object of a cluster with something odd in any place, its name aside."""

    def named(made: Any) -> Any:
        meta = made.get("metadata")
        if isinstance(meta, dict):
            meta["name"] = whole["metadata"]["name"]
        return made

    return changed(whole).map(lambda made: named(_as_sent(made)))


records = changed(RECORD)
frames = st.sampled_from(FRAMES).flatmap(changed)
garbage = st.sampled_from(
    [
        *(b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000),
        *(b'{"reason": 3}', b'{"reason": null}', b'{"reason": "succeeded", "ended": 1e400}'),
        *(b'{"reason": "succeeded", "ended": NaN}', b'{"reason": "succeeded", "ended": -Infinity}'),
        *(b'{"reason": "succeeded", "exit_code": ' + b"9" * 5000 + b"}",),
        *(b'{"reason": "' + b"x" * (5 << 20) + b'"}',),
    ]
)
"""What is no record at all."""


def assert_can_be_shown(*records: JobRecord, history: tuple[Progress, ...] = ()) -> None:
    """Card, table and ``--json`` of jobs are what they must be, whatever the jobs left."""
    for record in records:
        bundle = render(record, b"printed\n", history, NOW)
        json.dumps(bundle, allow_nan=False).encode()
        CARD.validate(bundle[MIME])
        assert sum(len(text) for mime, text in bundle.items() if mime != MIME) < 4 << 20
    jobs_table(records, NOW).text().encode()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        show.json_document([job_document(record) for record in records])
    documents = strict(printed.getvalue())
    assert len(documents) == len(records)
    for document in documents:
        JOB.validate(document)


def strict(text: str) -> Any:
    """JSON as strict readers read it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text.encode(), parse_constant=refuse)


def assert_unreadable(record: JobRecord) -> None:
    """A job whose record cannot be read, and that says so."""
    assert record.status.state is JobState.UNKNOWN
    assert record.status.reason is Reason.UNREADABLE
    assert "cannot be read" in record.status.message
    assert len(record.status.message) < 1000
