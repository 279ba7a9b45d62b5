"""A run again from its record: here it is the same each time, and elsewhere it is said what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.batch.conftest import Place, site_settings
from tests.kube.conftest import fake_cluster

TIMES = int(os.environ.get("SOVLAB_TEST_VERIFY_TIMES", "3"))
TRAINING = (
    "import torch\ntorch.manual_seed(3)\ntorch.use_deterministic_algorithms(True)",
    "x = torch.randn(512, 8)\ny = x.sin().sum(1, keepdim=True)\n"
    "model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))\n"
    "optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)",
    "for step in range(60):\n"
    "    loss = torch.nn.functional.mse_loss(model(x), y)\n"
    "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
    "    if step % 10 == 0:\n        print(step, loss.item())",
    "loss.item()",
    "import matplotlib.pyplot as plt\nplt.plot(model(x).detach().numpy()[:50]);",
)


@pytest.fixture
def verify(client):
    def run(place, *words):
        return subprocess.run(
            [sys.executable, "-m", "sovlab", "verify", "out.ipynb", *words],
            cwd=place.work,
            env=place.variables,
            capture_output=True,
            text=True,
            timeout=170,
        )

    return run


@pytest.mark.timeout(170 + 60 * TIMES)
def test_a_seeded_training_is_the_same_each_time(here, verify):
    here.write(*TRAINING)
    assert here.run().status == 0
    for number in range(TIMES):
        done = verify(here, "--json")
        assert done.returncode == 0, (number, done.stderr, done.stdout)
        found = json.loads(done.stdout)
        assert {cell["verdict"] for cell in found["cells"]} == {"same"}, number
        assert not [drift for drift in found["drift"] if drift["known"]], number


def test_a_training_that_is_not_seeded_is_found_out(here, verify):
    here.write(*(source.replace("torch.manual_seed(3)", "torch.seed()") for source in TRAINING))
    assert here.run().status == 0
    done = verify(here, "--json")
    assert done.returncode == 1, done.stderr
    verdicts = [cell["verdict"] for cell in json.loads(done.stdout)["cells"]]
    assert verdicts[2:4] == ["differs", "differs"]


def test_elsewhere_it_is_told_first_what_is_not_the_same(root, verify):
    with fake_cluster() as cluster:
        settings = site_settings(cluster.fake.kubeconfig).replace('target = "site"', 'target = "local"')
        place = Place(root, settings)
        place.write(*TRAINING[:4])
        try:
            first = place.run()
        finally:
            place.stop_agent()
        assert first.status == 0, first
        assert place.notebook()["metadata"]["sovlab"]["run"]["target"] == "local"
        done = verify(place, "--target", "site", "--backend", "cpu", "--output", "again.ipynb")
        assert done.returncode == 0, done.stderr
        assert "on target site" in done.stderr
        lines = done.stdout.splitlines()
        starts = ("The image: not recorded in the record, ", "4 code cells: 4 same")
        drift, counts = (next(at for at, line in enumerate(lines) if line.startswith(s)) for s in starts)
        assert drift < counts
        truth = place.notebook("again.ipynb")["metadata"]["sovlab"]
        assert truth["run"]["target"] == "site"
        assert cluster.fake.failures == []
