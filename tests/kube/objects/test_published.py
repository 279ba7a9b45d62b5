"""A workload as the record of a run has it: for everybody to read, and alike where the same was asked."""

from __future__ import annotations

import json

import pytest

from sovlab.kube import labels
from sovlab.kube.objects.redacting import published
from tests.kube.objects.test_manifests import CASES, JOB, MARKS


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_the_job_alone_is_in_it(name):
    workload = CASES[name].objects()[0]
    found = published(workload)
    assert found["kind"] == workload["kind"]
    text = json.dumps(found)
    private = (JOB, *MARKS, MARKS[labels.NONCE], "namespace", '"research"')
    assert not [told for told in private if told in text]
    assert found == published(CASES[name].objects("other-7k2m9x")[0])


def test_what_was_asked_for_otherwise_is_another():
    found = {json.dumps(published(case.objects()[0])) for case in CASES.values()}
    # These differ in what is given to the pod, and in where it waits.
    alike = {"cpu", "payload-apart", "processes", "queue"}
    assert len(found) == len(CASES) - len(alike) + 1


def test_values_of_variables_and_names_of_nodes_are_left_out():
    pod = {
        "nodeName": "node-17",
        "nodeSelector": {"kubernetes.io/hostname": "node-17", "disk": "ssd"},
        "affinity": {"terms": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-17"]}]},
        "containers": [{"name": "job", "env": [{"name": "TOKEN", "value": "s3cr3t"}, {"name": "A"}]}],
    }
    workload = {"kind": "Job", "metadata": {"name": JOB}, "spec": {"template": {"spec": pod}}}
    found = published(workload)["spec"]["template"]["spec"]
    text = json.dumps(found)
    assert "node-17" not in text
    assert "s3cr3t" not in text
    assert found["nodeSelector"] == {"kubernetes.io/hostname": "…", "disk": "ssd"}
    assert found["containers"][0]["env"] == [{"name": "TOKEN"}, {"name": "A"}]
