"""What becomes of a notebook's run when its cluster does what clusters do, and what its user is told."""

from __future__ import annotations

import json

import pytest

from tests.batch.conftest import Ended, Place, site_settings
from tests.kube.proxy import proxy_before, until


@pytest.fixture
def proxied(cluster, root):
    """The fake cluster as the target ``site`` behind a proxy, and the proxy."""
    with proxy_before(cluster.fake.kubeconfig, root) as (proxy, config):
        yield Place(root, site_settings(config)), proxy


def jobs(cluster):
    items = cluster.api.get("/apis/batch/v1/namespaces/research/jobs")["items"]
    return {job["metadata"]["name"] for job in items}


def running_pod(cluster, job_id):
    return next(
        pod["metadata"]["name"]
        for pod in cluster.fake.list("pods", "research")
        if pod["metadata"]["labels"].get("sovlab.dev/job") == job_id and pod["status"]["phase"] == "Running"
    )


def test_memory_that_ran_out_is_told_with_the_limit_and_what_to_do(site):
    site.write(
        "print('kept')",
        "import time\ntime.sleep(1)\nheld = bytearray(900_000_000)\n"
        "for at in range(0, len(held), 4096): held[at] = 1\ntime.sleep(60)",
        "print('never')",
    )
    done = site.run("--memory", "500M")
    assert done.status == 138, done
    # The cluster ends the container, or what looks after the job in it sees it first: which is chance.
    assert "of memory, but --memory allows only 500 MiB" in done.err or "than the 500 MiB that" in done.err
    assert "sk for more" in done.err
    assert "The notebook as far as it came: out.ipynb" in done.err
    assert site.texts() == ["kept\n", "", ""]
    nb = site.notebook()
    assert [cell["metadata"].get("sovlab") for cell in nb["cells"]] == [
        None,
        {"status": "killed"},
        {"status": "not run"},
    ]
    assert nb["metadata"]["sovlab"]["run"]["reason"] == "out_of_memory"
    site.write("print('kept')")
    assert site.run("--memory", "500M").status == 0


def test_an_evicted_run_begins_again_and_shows_nothing_twice(site, cluster, gate):
    # What the first attempt shows is another than what the second does, and is longer.
    site.write(
        "import os, pathlib\n"
        f"again = pathlib.Path({str(gate.folder)!r}, 'again')\n"
        "for i in range(1 if again.exists() else 3): print('shown', i, flush=True)",
        gate.source,
        "print('last')",
    )
    run = site.start()
    gate.until_begun(run)
    until(lambda: site.texts() and site.texts()[0])
    job_id = json.loads(next(site.state.glob("runs/*.json")).read_text())["job_id"]
    (gate.folder / "again").touch()
    gate.forget()
    cluster.fake.evict(running_pod(cluster, job_id), "research")
    gate.until_begun(run)
    gate.open()
    done = Ended(run)
    assert done.status == 0, done
    assert f"Job {job_id} is requeued" in done.err
    assert "The notebook runs again from its first cell: what it had shown before is gone." in done.err
    assert site.texts() == ["shown 0\n", "", "last\n"]
    nb = site.notebook()
    assert [cell["execution_count"] for cell in nb["cells"]] == [1, 2, 3]
    assert {cell["metadata"]["papermill"]["status"] for cell in nb["cells"]} == {"completed"}
    told = nb["metadata"]["sovlab"]["run"]
    assert (told["id"], told["attempt"], told["queued_s"]) == (job_id, 2, None)
    again = site.run(output="again.ipynb")
    assert again.status == 0, again
    assert f"The same run is there: job {job_id}" in again.err
    assert site.texts("again.ipynb") == site.texts()
    assert site.notebook("again.ipynb")["metadata"]["sovlab"]["run"]["attempt"] == 2


def test_a_server_that_was_away_is_waited_for(proxied, gate):
    place, proxy = proxied
    place.write("print('first', flush=True)", gate.source, "print('last')")
    run = place.start(before="from sovlab.executors.kubernetes import following; following._AWAY = 1")
    gate.until_begun(run)
    until(lambda: place.texts() and place.texts()[0])
    told = []
    with proxy.away():
        while not any("does not answer" in line for line in told):
            told.append(run.stderr.readline())
            assert told[-1], told
    while not any("answers again" in line for line in told):
        told.append(run.stderr.readline())
        assert told[-1], told
    gate.open()
    done = Ended(run)
    assert done.status == 0, done
    said = next(line for line in told if "does not answer" in line)
    assert "Target site does not answer: The API server https://127.0.0.1:" in said
    assert "finds it by the same command again" in said
    assert place.texts() == ["first\n", "", "last\n"]
    assert place.run().status == 0


def test_a_server_that_stays_away_is_given_up_and_the_run_is_found_again(proxied, cluster, gate):
    place, proxy = proxied
    place.write("print('first', flush=True)", gate.source, "print('last')")
    before = (
        "from sovlab.batch.following import telling; telling.GIVEN_UP = 3\n"
        "from sovlab.executors.kubernetes import following; following._AWAY = 1"
    )
    known = jobs(cluster)
    run = place.start(before=before)
    gate.until_begun(run)
    until(lambda: place.texts() and place.texts()[0])
    with proxy.away():
        done = Ended(run)
    (job_id,) = jobs(cluster) - known
    assert done.status == 3, done
    assert f"The run goes on as job {job_id}: the same command again follows it to its end." in done.err
    assert place.texts() == ["first\n", "", ""]
    nb = place.notebook()
    assert nb["metadata"]["sovlab"]["run"] == {"id": job_id, "target": "site", "status": "running"}
    assert nb["cells"][2]["metadata"]["sovlab"] == {"status": "not run"}  # papermill says it was completed
    gate.open()
    again = place.run()
    assert again.status == 0, again
    assert f"job {job_id} on target site" in again.err
    assert place.texts() == ["first\n", "", "last\n"]
    assert jobs(cluster) - known == {job_id}


def test_a_server_that_is_away_at_the_start_leaves_all_as_it_was(proxied, cluster):
    place, proxy = proxied
    place.write("print('first')")
    known = jobs(cluster)
    with proxy.away():
        done = place.run()
    assert done.status == 3, done
    assert "does not answer" in done.err
    assert "Check the network or VPN, and the address in the kubeconfig." in done.err
    assert not (place.work / "out.ipynb").exists()
    assert jobs(cluster) == known
    assert place.run().status == 0
    before = (place.work / "out.ipynb").read_bytes()
    with proxy.away():
        assert place.run("--fresh").status == 3
    assert (place.work / "out.ipynb").read_bytes() == before
    assert place.run("--fresh").status == 0
    assert len(jobs(cluster) - known) == 2
