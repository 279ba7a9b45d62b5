"""Places in which ``sovlab run`` is tried: this machine, and a cluster that is a fake one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.batch.conformance.engines import SPEC
from tests.kube.proxy import until


class Ended:
    """How a command has ended: its exit status, and what it wrote on either stream."""

    def __init__(self, process):
        self.out, self.err = process.communicate(timeout=170)
        self.status = process.returncode

    def __repr__(self):
        return f"exit status {self.status}\n{self.err}"


class Place:
    """A folder with ``in.ipynb``, settings and a state directory; commands run in it.

    Args:
        root: of all of it.
        settings: text of the settings file.
        state: the state directory; by default one below the root.
    """

    def __init__(self, root, settings="", state=None):
        self.work = root / "work"
        self.work.mkdir()
        self.state = state or root / "state"
        self.config = root / "config.toml"
        self.config.write_text(settings)
        self.variables = {
            **os.environ,
            "SOVLAB_CONFIG_FILE": str(self.config),
            "SOVLAB_STATE_DIR": str(self.state),
        }

    def write(self, *sources):
        cells = [new_code_cell(source) for source in sources]
        nbformat.write(new_notebook(cells=cells, metadata=SPEC), self.work / "in.ipynb")

    def start(self, *words, before="", output="out.ipynb", by=(), **variables):
        """Begin ``sovlab run in.ipynb OUTPUT …``, by a command ``by``, after the Python in ``before``."""
        code = f"{before}\nfrom sovlab.cli import main\nraise SystemExit(main())"
        return subprocess.Popen(
            [*by, sys.executable, "-c", code, "run", "in.ipynb", str(output), *words],
            cwd=self.work,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words, **keywords):
        return Ended(self.start(*words, **keywords))

    def notebook(self, output="out.ipynb"):
        return json.loads(Path(self.work, output).read_text())

    def texts(self, output="out.ipynb"):
        """What each cell has shown, as text; a save that is under way gives none."""
        try:
            cells = self.notebook(output)["cells"]
        except (OSError, ValueError):
            return []
        outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
        return ["".join("".join(each.get("text", "")) for each in shown) for shown in outputs]

    def stop_agent(self):
        from sovlab.executors.local import LocalExecutor

        LocalExecutor(self.state).stop_agent()

    def job(self, output="out.ipynb"):
        return self.notebook(output)["metadata"]["sovlab"]["run"]["id"]


class Gate:
    """A cell that waits, which this opens: in a folder that jobs of the fake cluster see, too."""

    def __init__(self, folder):
        self.folder = folder
        self._begun, self._open = folder / "begun", folder / "open"

    @property
    def source(self):
        return (
            "import pathlib, time\n"
            f"pathlib.Path({str(self._begun)!r}).touch()\n"
            f"while not pathlib.Path({str(self._open)!r}).exists(): time.sleep(0.05)"
        )

    def until_begun(self, process, seconds=120):
        until(lambda: self._begun.exists() or process.poll() is not None, seconds)
        assert process.poll() is None, Ended(process)

    def forget(self):
        self._begun.unlink()

    def open(self):
        self._open.touch()


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


@pytest.fixture
def root():
    # Short, because a socket's path must be.
    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def here(root):
    """This machine, with an agent of its own."""
    place = Place(root)
    yield place
    place.stop_agent()


SITE = """target = "site"
[targets.site]
executor = "kubernetes"
[targets.site.kubernetes]
context = "admin"
namespace = "research"
image = "registry.site/sovlab-cpu:1"
user = 1000
"""


def site_settings(kubeconfig, more=""):
    return f'{SITE}kubeconfig = "{kubeconfig}"\n{more}'
