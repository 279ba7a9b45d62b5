"""The engine on a cluster: runs that are found again; ``conformance`` compares what they write."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.batch.conformance.engines import parameters, read, read_so_far, write
from tests.kube.conftest import CLUSTERS
from tests.kube.proxy import until


@pytest.fixture(scope="module", params=sorted(CLUSTERS))
def cluster(request):
    """A namespace of its own on each kind of cluster; the image of a real one needs what runs notebooks."""
    with CLUSTERS[request.param]() as found:
        yield found
        assert found.fake is None or found.fake.failures == []


@pytest.fixture
def papermill(cluster, tmp_path):
    """The command that runs ``in.ipynb`` on the cluster, and its environment."""
    settings = tmp_path / "config.toml"
    values = {
        "context": cluster.login.context,
        "kubeconfig": str(cluster.login.kubeconfig),
        "namespace": cluster.namespace,
        "image": cluster.image,
    }
    lines = ['target = "site"', "[targets.site]", 'executor = "kubernetes"', "[targets.site.kubernetes]"]
    settings.write_text(
        "\n".join([*lines, *(f'{key} = "{value}"' for key, value in values.items()), "user = 1000", ""])
    )
    work = tmp_path / "work"
    work.mkdir()
    variables = {
        **os.environ,
        "SOVLAB_CONFIG_FILE": str(settings),
        "SOVLAB_STATE_DIR": str(tmp_path / "state"),
    }

    def start(output, *words, engine="sovlab"):
        command = [sys.executable, "-m", "papermill", "in.ipynb", output, "--engine", engine, *words]
        return subprocess.Popen(
            command, cwd=work, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    start.work, start.variables = work, variables
    return start


def ended(process):
    out, err = process.communicate(timeout=150)
    return process.returncode, out, err


def test_the_record_of_a_run_has_its_object_without_its_id(papermill, cluster):
    write(papermill.work, parameters("a = 1"), "print(a)")
    assert ended(papermill("ours.ipynb", "-p", "a", "21"))[0] == 0
    truth = read(papermill.work / "ours.ipynb")["metadata"]["sovlab"]
    assert (truth["run"]["attempt"], truth["run"]["queued_s"] >= 0) == (1, True)
    made = read(papermill.work / "ours.ipynb.sovlab.json")["manifest"]
    container = made["object"]["spec"]["template"]["spec"]["containers"][0]
    assert (made["object"]["kind"], container["image"]) == ("Job", cluster.image)
    assert truth["run"]["id"] not in json.dumps(made)
    text = json.dumps(made["object"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert made["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert ended(papermill("more.ipynb", "-p", "a", "22"))[0] == 0
    more = read(papermill.work / "more.ipynb.sovlab.json")
    assert more["run"]["id"] != truth["run"]["id"]
    assert more["manifest"] == made  # it was asked for alike


def test_a_client_that_was_killed_at_cell_3_of_6_comes_back_to_the_same_job(papermill, cluster):
    gate = papermill.work.parent / "gate"
    cells = [f"print({i})" for i in range(2)]
    waiting = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)"
    if cluster.fake is None:
        waiting = "import time\ntime.sleep(30)"  # its pods do not see this machine's files
    cells += [waiting, *[f"print({i})" for i in range(3, 6)]]
    write(papermill.work, *cells)
    first = papermill("out.ipynb", "--autosave-cell-every", "0")
    done = lambda: sum(  # noqa: E731
        bool(cell["outputs"]) for cell in read_so_far(papermill.work / "out.ipynb")["cells"]
    )
    until(lambda: done() == 2, 90)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    again = papermill("out.ipynb")
    gate.touch()
    status, _, err = ended(again)
    assert status == 0, err
    same = re.search(r"The same run (?:is there: |goes on: )job (\S+) ", err)[1]
    cells = read(papermill.work / "out.ipynb")["cells"]
    assert ["".join(o["text"]) for cell in cells for o in cell["outputs"]] == [
        f"{i}\n" for i in range(6) if i != 2
    ]
    jobs = cluster.api.get(cluster.path("jobs", group="apis/batch/v1"))["items"]
    assert sum(job["metadata"]["name"] == same for job in jobs) == 1
