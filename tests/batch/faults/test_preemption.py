"""A run whose place in the queue goes to one with a higher priority, and comes back."""

from __future__ import annotations

import pytest

from tests.batch.conftest import Ended, Gate, Place, site_settings
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(kueue=True) as found:
        found.fake.add_queue("research", {"cpu": "1", "memory": "4Gi"}, namespace="research", preempt=True)
        for name, value in (("low", 10), ("high", 1000)):
            found.fake.create(
                {
                    "apiVersion": "kueue.x-k8s.io/v1beta2",
                    "kind": "WorkloadPriorityClass",
                    "metadata": {"name": name},
                    "value": value,
                }
            )
        yield found
        assert found.fake.failures == []


def test_a_preempted_run_is_told_why_and_begins_again(cluster, root):
    folders = [root / name for name in ("low", "high")]
    for folder in folders:
        folder.mkdir()
    settings = site_settings(cluster.fake.kubeconfig, 'queue = "research"\n')
    low, high = (Place(folder, settings) for folder in folders)
    gates = [Gate(folder) for folder in folders]
    asked = ("--queue", "research", "--cpu", "0.6")
    low.write("print('first', flush=True)", gates[0].source, "print('last')")
    high.write(gates[1].source)
    run = low.start(*asked, "--priority", "low")
    gates[0].until_begun(run)
    until(lambda: low.texts() and low.texts()[0])
    gates[0].forget()
    urgent = high.start(*asked, "--priority", "high")
    gates[1].until_begun(urgent)
    told = []
    while not any("requeued" in line for line in told):
        told.append(run.stderr.readline())
        assert told[-1], told
    gates[1].open()
    assert Ended(urgent).status == 0
    gates[0].until_begun(run)
    gates[0].open()
    done = Ended(run)
    assert done.status == 0, done
    said = "".join(told) + done.err
    assert "requeued, because a job with a higher priority preempted it" in said
    assert "The notebook runs again from its first cell: what it had shown before is gone." in said
    assert low.texts() == ["first\n", "", "last\n"]
    assert low.notebook()["metadata"]["sovlab"]["run"]["attempt"] == 2
