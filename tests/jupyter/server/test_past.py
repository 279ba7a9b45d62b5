"""What happened to a job and what was sent for it, as pages are told."""

from __future__ import annotations

import json

import pytest

from sovlab.client.past.sent import MOST, MOST_SOURCE, sent
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.errors import UsageError
from sovlab.runner.values.pack import PackWriter

SECRET = "hf_" + "A1b2C3d4" * 5


async def test_what_happened_is_told_in_order_and_by_pages(api, submit, ended):
    job_id = await submit("raise ValueError('no')", name="happens")
    assert await ended(job_id) == "failed"
    answer = await api("GET", "jobs", job_id, "events")
    assert answer.status == 200
    told = answer.body["happenings"]
    assert answer.body["total"] == len(told)
    times = [each["time"] for each in told]
    assert times == sorted(times)
    texts = [each["text"] for each in told]
    assert texts[0] == "It was submitted from In[1] to local."
    assert any(text.startswith("It started") for text in texts)
    assert texts[-1].startswith("It ended: failed: user error")
    assert [each["warning"] for each in told][-1]
    pages = [
        (await api("GET", "jobs", job_id, "events", params={"page": n, "size": 2})).body["happenings"]
        for n in range(len(told))
    ]
    assert [each for page in pages for each in page] == told
    assert (await api("GET", "jobs", job_id, "events", params={"size": 501})).status == 422
    assert (await api("GET", "jobs", "nobody-abcdef", "events")).status == 404


async def test_what_was_sent_is_told_without_a_value(api, root, ended):
    (root / "beside.py").write_text("RATE = 0.1\n")
    (root / "train.py").write_text("import beside\nprint(beside.RATE)\n")
    options = {"env": {"MY_TOKEN": SECRET}, "name": "sends", "timeout": "90s"}
    body = {"file": "train.py", "args": ["--lr", "0.1", "--api-key", SECRET], "options": options}
    job_id = (await api("POST", "jobs", body=body)).body["job"]["id"]
    assert await ended(job_id) == "succeeded"
    told = (await api("GET", "jobs", job_id, "sent")).body
    assert told["source"] == "import beside\nprint(beside.RATE)\n"
    assert told["files"] == [{"path": "beside.py", "bytes": 11}]
    assert told["env"] == ["MY_TOKEN"]
    assert told["args"] == ["--lr", "0.1", "--api-key", "…"]
    assert told["options"]["timeout"] == "90.0"
    assert told["options"]["name"] == "sends"
    assert told["payload"] > 0
    assert told["notes"] == []
    assert SECRET not in json.dumps(told)
    assert (await api("GET", "jobs", "nobody-abcdef", "sent")).status == 404


async def test_who_may_not_read_is_told_neither(api, submit, ended, jp_serverapp, monkeypatch):
    job_id = await submit("pass")
    await ended(job_id)
    monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", lambda *_: False)
    for path in ("events", "sent"):
        assert (await api("GET", "jobs", job_id, path)).status == 403


class _Keeps:
    """An executor that keeps one request, whose payload may be anything."""

    def __init__(self, path, spec=None):
        self.path, self.spec = path, spec or JobSpec(name="x", kind=PayloadKind.CELL, payload="a" * 64)

    def request(self, job_id):
        if self.path is None:
            raise UsageError("Its code is no longer kept.", "Submit it again.")
        return self.spec, self.path


def _pack(path, meta, **segments):
    with path.open("wb") as file, PackWriter(file) as writer:
        for name, data in segments.items():
            writer.add(name, data)
        writer.finish(meta)
    return path


def test_a_source_and_lists_without_end_are_cut_and_it_is_said(tmp_path):
    meta = {
        "python": [3, 11],
        "variables": [{"name": f"v{n}", "type": "int", "size": 8} for n in range(MOST + 5)],
        "files": ["a" * 5000],
    }
    found = sent("x-abcdef", None, _Keeps(_pack(tmp_path / "p", meta, source=b"x" * (MOST_SOURCE + 7))))
    assert (len(found.source), found.cut) == (MOST_SOURCE, 7)
    assert len(found.variables) == MOST
    assert found.notes == (f"Of {MOST + 5} variables the first {MOST} are shown.",)
    assert all(len(path) < 600 for path in found.files)
    assert found.python == "3.11"


@pytest.mark.parametrize(
    "meta",
    [
        {"variables": "all"},
        {"variables": [{"name": 1}]},
        {"variables": [{"name": "x", "type": "t", "size": -1}]},
        {"files": [None]},
        {"withheld": {"a": 1}},
        {"python": 3},
    ],
)
def test_a_payload_that_is_not_what_sovlab_writes_is_named_and_the_request_is_told(tmp_path, meta):
    found = sent("x-abcdef", None, _Keeps(_pack(tmp_path / "p", meta, source=b"\xff\xfe")))
    assert found.options["name"] == "x"
    assert len(found.notes) == 1
    assert "cannot be read" in found.notes[0]


@pytest.mark.parametrize("data", [b"", b"no pack", b"\0" * 100_000])
def test_a_file_that_is_no_pack_is_named(tmp_path, data):
    (tmp_path / "p").write_bytes(data)
    assert "cannot be read" in sent("x-abcdef", None, _Keeps(tmp_path / "p")).notes[0]


def test_what_is_not_kept_is_said(tmp_path):
    assert "not on this machine" in sent("x-abcdef", None, _Keeps(tmp_path / "gone")).notes[0]
    spec = JobSpec(name="x", kind=PayloadKind.CELL, payload="a" * 64, nodes=2)
    found = sent("x-abcdef", spec, _Keeps(None))
    assert found.options["nodes"] == "2"
    assert "no longer kept" in found.notes[0]
