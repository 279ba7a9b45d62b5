"""Every route, on the local target with real jobs."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema

from sovlab import __version__

JOB = json.loads(files("sovlab.views").joinpath("job.schema.json").read_text())


async def test_what_is_running_is_told(api):
    answer = await api("GET", "version")
    assert answer.status == 200
    assert answer.body["version"] == __version__
    assert answer.body["protocol"] == 1
    assert answer.body["may"] == {"write": True, "execute": True}


async def test_targets_and_their_hardware_are_told(api):
    found = (await api("GET", "targets")).body
    assert found["current"] == "local"
    assert [each["name"] for each in found["targets"]] == ["local"]
    backends = (await api("GET", "backends")).body
    assert backends["target"] == "local"
    cpu = next(each for each in backends["backends"] if each["name"] == "cpu")
    assert cpu["total"] > 0
    assert cpu["source"] == "this machine"


async def test_a_cell_runs_as_a_job_and_all_of_it_can_be_had(api, submit, ended):
    job_id = await submit("print('hello')\nimport sovlab\nsovlab.progress(3, 4, loss=0.5)\nx = 1", out="x") \
        if False else await submit("print('hello')\nx = 1", name="greets", outputs=["x"])
    assert await ended(job_id) == "succeeded"
    job = await api("GET", "jobs", job_id)
    assert job.status == 200
    jsonschema.validate(job.body, JOB)
    assert job.body["state"] == "succeeded"
    assert job.body["name"] == "greets"
    log = (await api("GET", "jobs", job_id, "log")).body
    assert "".join(piece["text"] for piece in log["pieces"]) == "hello\n"
    assert log["end"]
    assert log["ended"]
    card = (await api("GET", "jobs", job_id, "card")).body
    assert card["data"]["application/vnd.sovlab.job.v1+json"]["id"] == job_id
    power = (await api("GET", "jobs", job_id, "power")).body
    assert power["id"] == job_id
