"""The engine on a cluster: runs that are found again; ``conformance`` compares what they write."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.batch.conformance.engines import read_so_far, write
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def papermill(cluster, tmp_path):
    """The command that runs ``in.ipynb`` on the cluster, and its environment."""
    settings = tmp_path / "config.toml"
    values = {
        "context": "admin",
        "kubeconfig": str(cluster.fake.kubeconfig),
        "namespace": "research",
        "image": "registry.site/sovlab-cpu:1",
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


def test_a_client_that_was_killed_comes_back_to_the_same_job(papermill, cluster):
    gate = papermill.work.parent / "gate"
    cells = [f"print({i})" for i in range(2)]
    cells += [
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)",
        "print(3)",
    ]
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
    assert done() == 3
    jobs = cluster.api.get("/apis/batch/v1/namespaces/research/jobs")["items"]
    assert sum(job["metadata"]["name"] == same for job in jobs) == 1
