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
    assert backends["auto"] in [each["name"] for each in backends["backends"]]
    assert backends["auto_why"].startswith(f"{backends['auto']}, ")
    for figure in (each[name] for each in backends["backends"] for name in ("celsius", "slowed", "headroom")):
        known = figure["value"] is not None
        assert known == bool(figure["source"])
        assert known == (figure["seen"] is not None)


async def test_a_cell_runs_as_a_job_and_all_of_it_can_be_had(api, submit, ended):
    job_id = await submit("print('hello')\nx = 1", name="greets", outputs=["x"])
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


async def test_a_job_is_cancelled_run_again_and_removed(api, submit, ended):
    job_id = await submit("import time\ntime.sleep(600)", name="sleeps")
    early = await api("DELETE", "jobs", job_id)
    assert early.status == 409
    assert early.type == "application/problem+json"
    assert early.body["hint"] == "Cancel it first."
    assert (await api("POST", "jobs", job_id, "cancel", body="")).status == 202
    assert await ended(job_id) == "cancelled"
    again = await api("POST", "jobs", job_id, "rerun", body={"resume": False})
    assert again.status == 201
    second = again.body["job"]["id"]
    assert second != job_id
    await api("POST", "jobs", second, "cancel", body="")
    assert await ended(second) == "cancelled"
    assert (await api("DELETE", "jobs", job_id)).status == 204
    gone = await api("GET", "jobs", job_id)
    assert (gone.status, gone.body["type"]) == (404, "urn:sovlab:problem:JobNotFound")


async def test_many_at_once_have_an_outcome_each(api, submit, ended):
    jobs = [await submit("import time\ntime.sleep(600)", name=f"many-{n}") for n in range(3)]
    names = [{"id": job_id} for job_id in jobs]
    unknown = {"id": "nobody-abcdef", "target": "local"}
    done = await api("POST", "jobs", "bulk", body={"action": "cancel", "jobs": [*names, unknown]})
    assert done.status == 200
    *cancelled, missing = done.body["results"]
    assert [each["id"] for each in cancelled] == jobs
    assert all(each["problem"] is None and each["job"]["id"] == each["id"] for each in cancelled)
    assert missing["problem"]["status"] == 404
    assert [await ended(job_id) for job_id in jobs] == ["cancelled"] * 3
    gone = (await api("POST", "jobs", "bulk", body={"action": "remove", "jobs": names})).body["results"]
    assert [each["problem"] for each in gone] == [None] * 3


async def test_jobs_are_filtered_sorted_and_paged_here(api, submit, ended):
    for name, source in (("page-b", "1 / 0"), ("page-a", "pass"), ("page-c", "pass")):
        await ended(await submit(source, name=name))
    answer = (await api("GET", "jobs", params={"q": "PAGE-", "sort": "name", "order": "asc"})).body
    assert [row["name"] for row in answer["jobs"]] == ["page-a", "page-b", "page-c"]
    assert answer["total"] == 3
    assert answer["counts"]["failed"] >= 1
    second = (
        await api("GET", "jobs", params={"q": "page-", "sort": "name", "order": "desc", "size": 2, "page": 1})
    ).body
    assert [row["name"] for row in second["jobs"]] == ["page-a"]
    failed = (await api("GET", "jobs", params={"q": "page-", "state": "failed,unknown"})).body
    assert [(row["name"], row["words"]) for row in failed["jobs"]] == [("page-b", "failed: user error")]
    newest = (await api("GET", "jobs", params={"q": "page-"})).body
    assert [row["name"] for row in newest["jobs"]] == ["page-c", "page-a", "page-b"]


async def test_a_log_is_had_by_offset_byte_for_byte(api, submit, ended):
    text = "".join(f"line {n} ä€😀\n" for n in range(500))
    job_id = await submit(f"print({text!r}, end='')")
    await ended(job_id)
    for limit in (1, 7, 1000, 1 << 20):
        found, offset, parts = "", 0, 0
        while parts < 40 or limit > 100:
            part = (await api("GET", "jobs", job_id, "log", params={"offset": offset, "limit": limit})).body
            assert all(piece["start"] == offset for piece in part["pieces"][:1])
            found += "".join(piece["text"] for piece in part["pieces"])
            offset, parts = part["next"], parts + 1
            if part["end"]:
                break
        if limit >= 7:  # fewer bytes than a character has show it in halves
            assert text.startswith(found)
        assert (found == text) is (limit > 100)
    last = (await api("GET", "jobs", job_id, "log", params={"offset": -100})).body
    assert text.endswith("".join(piece["text"] for piece in last["pieces"]))
    assert last["next"] == len(text.encode())
    beyond = (await api("GET", "jobs", job_id, "log", params={"offset": 10**9})).body
    assert (beyond["pieces"], beyond["next"], beyond["end"]) == ([], len(text.encode()), True)


async def test_what_needs_the_notebook_is_refused_with_the_way_out(api):
    answer = await api("POST", "jobs", body={"source": "y = x + 1"})
    assert answer.status == 422
    assert answer.body["type"] == "urn:sovlab:problem:CaptureError"
    assert "x in line 1" in answer.body["detail"]
    assert "kernel" in answer.body["hint"]
    wrong = await api("POST", "jobs", body={"source": "def"})
    assert wrong.status == 422
    assert "line 1" in wrong.body["detail"]


async def test_a_file_below_the_root_runs_with_its_arguments(api, root, ended):
    (root / "a b#ü").mkdir()
    (root / "a b#ü" / "train.py").write_text("import sys\nprint(sys.argv[1:])")
    plan = await api("POST", "jobs", "plan", body={"file": "a b#ü/train.py", "args": ["--lr", "0.1"]})
    assert plan.status == 200
    assert plan.body["target"] == "local"
    assert plan.body["payload"] > 0
    for path in ("a b#ü/train.py", "/a b#ü/train.py", "RTC:a b#ü/train.py"):
        answer = await api("POST", "jobs", body={"file": path, "args": ["--lr", "0.1"]})
        assert answer.status == 201, answer.body
        job_id = answer.body["job"]["id"]
        assert await ended(job_id) == "succeeded"
        log = (await api("GET", "jobs", job_id, "log")).body
        assert log["pieces"][0]["text"] == "['--lr', '0.1']\n"


async def test_a_path_outside_of_the_root_is_refused(api, root, tmp_path):
    (tmp_path / "outside.py").write_text("print('no')")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    (root / ".hidden.py").write_text("print('no')")
    for path in ("../outside.py", "link.py", "a/../../outside.py", ".hidden.py", "//../outside.py", "x\0.py"):
        for body in ({"file": path}, {"source": "pass", "options": {"files": [path]}}):
            answer = await api("POST", "jobs", body=body)
            assert answer.status == 403, (path, answer)
    missing = await api("POST", "jobs", body={"file": "nowhere.py"})
    assert missing.status == 404
    assert (await api("POST", "jobs", body={"source": "pass", "directory": ".."})).status == 403


async def test_a_key_finds_the_job_that_the_first_request_made(api, client):
    body = {"source": "pass", "key": "click-00000001", "options": {"name": "keyed"}}
    first, second = [await api("POST", "jobs", body=body) for _ in range(2)]
    assert first.body["job"]["id"] == second.body["job"]["id"]
    assert [record.name for record in client.jobs()].count("keyed") == 1


async def test_values_of_the_environment_are_in_no_answer(api, submit, ended, page):
    secret = "pa55word-in-env"
    job_id = await submit("pass", env={"MY_TOKEN": secret})
    await ended(job_id)
    told = [
        await api("GET", "jobs", job_id),
        await api("GET", "jobs", job_id, "card"),
        await api("GET", "jobs"),
        await api("POST", "jobs", "plan", body={"source": "pass", "options": {"env": {"MY_TOKEN": secret}}}),
        await api("POST", "jobs", job_id, "rerun", body={}),
        await api(
            "POST", "jobs", body={"source": "pass", "options": {"env": {"MY_TOKEN": secret}, "nodes": 0}}
        ),
    ]
    assert [answer.status for answer in told] == [200, 200, 200, 200, 201, 422]
    assert not [answer for answer in told if secret in json.dumps(answer.body)]


async def test_jobs_of_this_machine_have_no_manifests_and_it_is_said(api, submit, ended):
    job_id = await submit("pass")
    await ended(job_id)
    answer = await api("GET", "jobs", job_id, "manifests")
    assert answer.status == 409
    assert "process of this machine" in answer.body["detail"]


async def test_what_the_devices_draw_is_told_or_why_not(api, services):
    first = await api("GET", "telemetry")
    assert first.status == 200
    assert first.body["devices"] or first.body["unavailable"]
    for device in first.body["devices"]:
        assert device["power"]["value"] is None or device["power"]["source"] != "unavailable"
    assert services.samplers.of("local").looks == 1
