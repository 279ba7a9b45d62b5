"""The cluster notebook as a batch, by papermill, against the fake API server."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest

from tests.kube.conftest import fake_cluster

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MIME = "application/vnd.sovlab.job.v1+json"
# Two ranks that train beside each other on two cores that may be busy with other things.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    place = tmp_path_factory.mktemp("cluster")
    patch = pytest.MonkeyPatch()
    with fake_cluster() as cluster:
        patch.setenv("KUBECONFIG", str(cluster.fake.kubeconfig))
        patch.setenv("SOVLAB_CONFIG_FILE", str(place / "config.toml"))
        told = {"context": "admin", "namespace": cluster.namespace, "image": cluster.image}
        try:
            papermill.execute_notebook(
                NOTEBOOKS / "cluster.ipynb",
                place / "out.ipynb",
                parameters=told,
                cwd=NOTEBOOKS,
                progress_bar=False,
            )
        finally:
            patch.undo()
        assert cluster.fake.failures == []
    return nbformat.read(place / "out.ipynb", as_version=4)


def text_of(notebook, begin):
    cell = next(c for c in notebook.cells if c.source.startswith(begin))
    found = [o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in cell.outputs]
    return "".join(found)


def test_two_nodes_train_and_their_weights_come_back(executed):
    card = next(
        o.data
        for c in executed.cells
        for o in c.get("outputs", ())
        if o.output_type == "display_data" and MIME in o.data
    )
    assert card[MIME]["state"] == "succeeded"
    assert "2 nodes" in card["text/html"]
    assert "accuracy 0.9" in text_of(executed, "model = network()")


def test_the_target_was_looked_at_and_the_manifests_checked_by_the_server(executed):
    assert "the API server would accept a job" in text_of(executed, "%sovtarget add")
    shown = text_of(executed, "%%sovsubmit --nodes 2 --name two-nodes --out weights,losses --dry-run")
    assert "kind: Job" in shown
    assert "kind: Service" in shown
    assert "would accept all 3 objects" in shown


def test_the_log_of_one_rank_is_that_ranks_alone(executed):
    lines = text_of(executed, "%sovlogs").strip().splitlines()
    assert len(lines) == 3
    assert all("673 images" in line for line in lines)
