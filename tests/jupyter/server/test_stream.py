"""What a page is told as it happens, on the local target with real jobs."""

from __future__ import annotations

import threading
from typing import Any


def watchers(name: str = "sovlab-server-watch") -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def text_of(told: list[dict[str, Any]], job_id: str) -> str:
    """The log as a page puts it together; a piece that does not join fails the test."""
    text, have = "", 0
    for message in told:
        if message.get("job") != job_id:
            continue
        if message["type"] == "gap":
            have = message["end"]
        for piece in message.get("pieces", ()):
            assert piece["start"] == have, "a piece does not join the last"
            have += piece["bytes"]
            text += piece["text"]
    return text


async def test_a_page_is_told_all_jobs_and_then_what_changes(page, submit):
    mine = await page()
    await mine.say(type="watch", targets=["local"])
    health = await mine.until(type="health")
    assert health["health"]["state"] in ("connecting", "live")
    snapshot = await mine.until(type="snapshot", target="local")
    assert snapshot["total"] >= len(snapshot["jobs"])
    job_id = await submit("print('x')", name="watched")

    def has(state: str) -> Any:
        return lambda message: any(
            row["id"] == job_id and row["state"] == state for row in message.get("jobs", ())
        )

    done = await mine.when(has("succeeded"))
    assert done["type"] == "records"
    revisions = [message["revision"] for message in mine.told if message["type"] in ("snapshot", "records")]
    assert revisions == sorted(set(revisions))
    assert done["counts"]["succeeded"] >= 1


async def test_a_removed_job_is_told_as_gone(page, submit, ended, api):
    job_id = await submit("pass")
    await ended(job_id)
    mine = await page()
    await mine.say(type="watch", targets=["local"])
    snapshot = await mine.until(type="snapshot")
    assert job_id in [row["id"] for row in snapshot["jobs"]]
    assert (await api("DELETE", "jobs", job_id)).status == 204
    gone = await mine.when(lambda message: job_id in message.get("removed", ()))
    assert gone["total"] == snapshot["total"] - 1


async def test_a_followed_job_is_told_from_its_document_to_its_end(page, submit):
    mine = await page()
    source = """
import sovlab, time
for n in range(5):
    print('line', n, 'ä€😀')
    sovlab.progress(n + 1, 5, loss=0.5)
"""
    job_id = await submit(source, name="followed")
    await mine.say(type="follow", job=job_id)
    end = await mine.until(type="job", ended=True)
    assert end["job"]["state"] == "succeeded"
    assert end["job"]["id"] == job_id
    assert text_of(mine.told, job_id) == "".join(f"line {n} ä€😀\n" for n in range(5))
    assert mine.told[-1] is end, "something came after the end"


async def test_what_a_page_has_is_not_told_again(page, submit, ended):
    job_id = await submit("print('0123456789ä' * 10)")
    await ended(job_id)
    whole = "0123456789ä" * 10 + "\n"
    size = len(whole.encode())
    for have in (0, 12, 24, size - 1, size):
        mine = await page()
        await mine.say(type="follow", job=job_id, target="local", have={"": have})
        await mine.until(type="job", ended=True)
        pieces = [piece for message in mine.told for piece in message.get("pieces", ())]
        assert "".join(piece["text"] for piece in pieces) == whole.encode()[have:].decode()
        assert not [message for message in mine.told if message["type"] == "gap"]


async def test_an_unknown_job_and_target_are_refused_and_the_page_stays(page):
    mine = await page()
    await mine.say(type="follow", job="nobody-abcdef")
    refused = await mine.until(type="refused", about="follow")
    assert refused["problem"]["status"] == 404
    await mine.say(type="watch", targets=["local", "moon"])
    refused = await mine.until(type="refused", about="watch")
    assert (refused["target"], refused["problem"]["status"]) == ("moon", 422)
    await mine.until(type="snapshot", target="local", seen=True)


async def test_two_pages_share_one_watch_that_ends_when_both_have_gone(page, services, eventually):
    await eventually(lambda: not watchers())  # those of other tests' servers
    first, second = await page(), await page()
    for each in (first, second):
        await each.say(type="watch", targets=["local"])
        await each.until(type="snapshot")
    watch = services.watches.of("local")
    assert watch.starts == 1
    assert len(watchers()) == 1
    first.close()
    await second.say(type="watch", targets=["local"])  # nothing changes for the other
    second.close()
    await eventually(lambda: not watch.running)
    await eventually(lambda: not watchers())
    assert services.watches.of("local") is None


async def test_two_pages_share_one_reader_of_a_job(page, submit, services, api, ended):
    job_id = await submit("import time\nprint('up', flush=True)\ntime.sleep(600)")
    first, second = await page(), await page()
    for each in (first, second):
        await each.say(type="follow", job=job_id)
        await each.when(lambda message: "up" in str(message.get("pieces")))
    assert len(watchers(f"sovlab-server-feed {job_id}")) == 1
    await api("POST", "jobs", job_id, "cancel", body="")
    for each in (first, second):
        assert (await each.until(type="job", ended=True))["job"]["state"] == "cancelled"
    assert await ended(job_id) == "cancelled"


async def test_a_page_that_comes_back_is_told_only_what_it_missed(page, submit, ended, services):
    old = await submit("pass", name="before")
    await ended(old)
    mine = await page()
    epoch = mine.told[0]["epoch"]
    await mine.say(type="watch", targets=["local"])
    revision = (await mine.until(type="snapshot"))["revision"]
    other = await page()  # keeps the watch alive
    await other.say(type="watch", targets=["local"])
    await other.until(type="snapshot")
    mine.close()
    new = await submit("pass", name="meanwhile")
    await ended(new)
    await other.when(lambda message: new in [row["id"] for row in message.get("jobs", ())])
    back = await page()
    await back.say(type="watch", targets=["local"], epoch=epoch, known={"local": revision})
    records = await back.when(lambda message: new in [row["id"] for row in message.get("jobs", ())])
    assert records["type"] == "records"
    assert old not in [row["id"] for row in records["jobs"]]
    assert not [message for message in back.told if message["type"] == "snapshot"]
    for known in (
        {"epoch": "another", "known": {"local": revision}},
        {"epoch": epoch, "known": {"local": 10**9}},
    ):
        strange = await page()
        await strange.say(type="watch", targets=["local"], **known)
        assert (await strange.until(type="snapshot"))["total"] >= 2


async def test_a_watch_that_was_ended_is_begun_anew_and_told_whole(
    page, submit, ended, services, api, eventually
):
    job_id = await submit("pass")
    await ended(job_id)
    mine = await page()
    await mine.say(type="watch", targets=["local"])
    revision = (await mine.until(type="snapshot"))["revision"]
    epoch = mine.told[0]["epoch"]
    mine.close()
    await eventually(lambda: services.watches.of("local") is None)
    await api("DELETE", "jobs", job_id)
    back = await page()
    await back.say(type="watch", targets=["local"], epoch=epoch, known={"local": revision})
    snapshot = await back.until(type="snapshot")
    assert job_id not in [row["id"] for row in snapshot["jobs"]]


async def test_devices_are_looked_at_while_somebody_looks(page, services, eventually):
    mine = await page()
    await mine.say(type="look", targets=["local"])
    told = await mine.until(type="telemetry", target="local")
    assert told["telemetry"]["devices"] or told["telemetry"]["unavailable"]
    await mine.until(type="telemetry", target="local")
    await mine.say(type="look", targets=[])
    await eventually(lambda: not watchers("sovlab-server-look"))
    sampler = services.samplers.of("local")
    assert sampler.looks >= 2


async def test_a_server_that_stops_leaves_no_thread(page, submit, jp_serverapp, services, eventually):
    mine = await page()
    await mine.say(type="watch", targets=["local"])
    await mine.until(type="snapshot")
    services.end()
    await eventually(lambda: not watchers())
