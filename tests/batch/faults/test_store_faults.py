"""What becomes of a notebook's run whose target has a store that goes away."""

from __future__ import annotations

import shutil

import pytest

from tests.batch.conftest import Ended, Place, site_settings
from tests.kube.s3server import ACCESS, SECRET, S3Server

LONG = "x" * 300_000
"""What no log carries."""


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with S3Server() as server:
        yield server


@pytest.fixture
def stored(cluster, root, s3):
    """The fake cluster with a bucket for what is large."""
    more = f'store = "s3://jobs/of/mine"\ns3_endpoint = "{s3.url}"\n'
    return Place(root, site_settings(cluster.fake.kubeconfig, more))


def test_a_store_that_goes_away_meanwhile_costs_no_output(stored, s3, gate):
    stored.write("print('first')", gate.source, f"print('x' * {len(LONG)})", "print('last')")
    run = stored.start()
    gate.until_begun(run)
    s3.stop()
    gate.open()
    done = Ended(run)
    assert done.status == 0, done
    assert stored.texts() == ["first\n", "", f"{LONG}\n", "last\n"]  # from the pod, which held them


def test_a_store_that_was_emptied_is_told_and_so_is_how_to_have_the_outputs_again(stored, s3):
    stored.write("print('first')", f"print('x' * {len(LONG)})", "print('last')")
    assert stored.run().status == 0
    (result,) = s3.objects
    assert result.startswith("/jobs/of/mine/results/research.")
    assert result.endswith(f"/{stored.job()}.pack")
    s3.objects.clear()
    shutil.rmtree(stored.state / "clusters")  # what was fetched is as good as what is stored
    again = stored.run(output="again.ipynb")
    assert again.status == 1, again
    assert "The store s3://jobs/of/mine answered NoSuchKey. Check the bucket" in again.err
    assert "Long outputs are lost" in again.err
    assert "--fresh (SOVLAB_FRESH=1) runs it anew." in again.err
    first, long, last = stored.texts("again.ipynb")
    assert (first, last) == ("first\n", "last\n")
    assert "an output of 0.3 MB" in long
    fresh = stored.run("--fresh", output="again.ipynb")
    assert fresh.status == 0, fresh
    assert stored.texts("again.ipynb") == ["first\n", f"{LONG}\n", "last\n"]
