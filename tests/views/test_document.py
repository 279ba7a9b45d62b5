"""The one JSON document of a job: what is in it, and that its schema says so."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.card.bundle import MIME, render
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress, Reason, ReturnedName
from sovlab.core.spec import JobSpec, PayloadKind, Resources
from sovlab.views.document import job_document
from tests.hostile import CARD, JOB, NOW, strict

SPEC = JobSpec(
    name="digits",
    kind=PayloadKind.SCRIPT,
    payload="0" * 64,
    backend="cuda",
    backend_why="it was asked for",
    nodes=2,
    procs=4,
    resources=Resources(gpus=4),
    args=("--token", "TOP SECRET 1"),
    env={"TOKEN": "TOP SECRET 2"},
    origin="train.py",
)
STATUS = JobStatus(
    state=JobState.FAILED,
    reason=Reason.USER_ERROR,
    message="ValueError: no",
    submitted=NOW - 90,
    started=NOW - 60,
    ended=NOW,
    exit_code=1,
    progress=Progress(step=3, total=4, metrics={"loss": 0.5, "phase": "warm"}, time=NOW - 1),
    returned=(ReturnedName(name="y", type="int", size=5),),
    unreturned=("x",),
    error={"type": "ValueError", "module": "builtins", "message": "no", "traceback": "ValueError: no\n"},
    max_rss=1 << 20,
    cpu_seconds=1.5,
    python="3.11.7",
    host="node-1",
)


def record(status: JobStatus = STATUS, spec: JobSpec | None = SPEC) -> JobRecord:
    return JobRecord(id="digits-7k2m9x", target="research", spec=spec, status=status)


def test_a_document_says_all_that_is_known() -> None:
    assert job_document(record()) == {
        "version": 1,
        "id": "digits-7k2m9x",
        "name": "digits",
        "target": "research",
        "owner": "",
        "own": True,
        "kind": "script",
        "origin": "train.py",
        "state": "failed",
        "reason": "user_error",
        "message": "ValueError: no",
        "backend": "cuda",
        "backend_why": "it was asked for",
        "nodes": 2,
        "procs": 4,
        "gpus": 4,
        "submitted": NOW - 90,
        "started": NOW - 60,
        "ended": NOW,
        "ahead": None,
        "progress": {
            "step": 3,
            "total": 4,
            "fraction": 0.75,
            "metrics": {"loss": 0.5, "phase": "warm"},
            "time": NOW - 1,
        },
        "error": {"type": "ValueError", "message": "no", "traceback": "ValueError: no", "rank": None},
        "returned": [{"name": "y", "type": "int", "size": 5, "detail": "", "error": ""}],
        "unreturned": ["x"],
        "exit_code": 1,
        "signal": "",
        "max_rss": 1 << 20,
        "cpu_seconds": 1.5,
        "python": "3.11.7",
        "host": "node-1",
        "energy": None,
    }


def test_every_member_is_in_the_schema_and_is_asked_for() -> None:
    document = job_document(record())
    JOB.validate(document)
    # The footprint is there only where the settings say something of the site, the other with a deadline.
    asked = set(JOB.schema["properties"]) - {"footprint", "deferral"}
    assert set(document) == asked == set(JOB.schema["required"])
    for key in document:
        assert not JOB.is_valid({k: v for k, v in document.items() if k != key})
        assert not JOB.is_valid({**document, key: object()})


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("spec", [SPEC, None])
def test_what_is_not_known_is_null_and_fits_too(state: JobState, spec: JobSpec | None) -> None:
    document = job_document(record(JobStatus(state=state), spec))
    JOB.validate(document)
    assert document["progress"] is document["error"] is document["started"] is None


def test_words_of_the_program_are_words_of_the_schema() -> None:
    properties = JOB.schema["properties"]
    assert properties["state"]["enum"] == [str(state) for state in JobState]
    assert properties["reason"]["enum"] == [str(reason) for reason in Reason]
    assert properties["kind"]["enum"] == [*map(str, PayloadKind), None]


def test_nothing_that_may_be_secret_is_in_it() -> None:
    assert "SECRET" not in json.dumps(job_document(record()))
    assert "TOKEN" not in json.dumps(job_document(record()))


def test_the_cards_schema_holds_the_same_schema_of_a_job() -> None:
    assert CARD.schema["$defs"]["job"] == JOB.schema
    assert CARD.schema["allOf"] == [{"$ref": JOB.schema["$id"]}]


@pytest.mark.parametrize("state", JobState)
def test_the_cards_data_is_the_document_and_what_the_card_shows_besides(state: JobState) -> None:
    known = record(replace(STATUS, state=state))
    data = render(known, b"printed\n", [], NOW, notes=["n"])[MIME]
    besides = {key: data.pop(key) for key in ("headline", "updated", "log", "outputs", "notes")}
    assert set(besides) == set(CARD.schema["required"])
    data["progress"].pop("seconds_left")
    assert data == job_document(known)


def test_the_schemas_are_shipped() -> None:
    for room, name in (
        ("sovlab.card", "card.schema.json"),
        ("sovlab.views", "job.schema.json"),
        ("sovlab.views", "runs.schema.json"),
    ):
        schema = json.loads(files(room).joinpath(name).read_text())
        jsonschema.Draft202012Validator.check_schema(schema)


texts = st.text(st.characters(), max_size=30) | st.sampled_from(["\ud800", "\x1b[31mred", "x" * 100_000])
numbers = st.none() | st.floats() | st.integers() | st.sampled_from([math.inf, -math.inf, 10**400])
statuses = st.builds(
    JobStatus,
    state=st.sampled_from(JobState),
    reason=st.sampled_from(Reason),
    message=texts,
    submitted=numbers,
    started=numbers,
    ended=numbers,
    signal=texts,
    progress=st.none()
    | st.builds(
        Progress,
        step=st.floats() | st.integers(),
        total=numbers,
        metrics=st.dictionaries(texts, st.floats() | st.integers() | st.booleans() | texts, max_size=4),
        time=st.floats(),
    ),
    error=st.none()
    | st.dictionaries(texts, texts, max_size=3).map(lambda e: {**e, "traceback": "x\n" * 500}),
    returned=st.lists(st.builds(ReturnedName, name=texts, detail=texts), max_size=3).map(tuple),
    unreturned=st.lists(texts, max_size=3).map(tuple),
    cpu_seconds=numbers,
    host=texts,
)


@given(statuses)
@settings(max_examples=200, deadline=None)
def test_a_document_is_json_whatever_a_status_says(status: JobStatus) -> None:
    document = strict(json.dumps(job_document(record(status)), allow_nan=False, ensure_ascii=False))
    JOB.validate(document)
    assert len(json.dumps(document)) < 2_000_000
