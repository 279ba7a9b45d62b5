"""A real notebook (an IPython shell) and real jobs (fresh interpreters that load a pack)."""

import functools
import json
import linecache
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from sovlab.payload import shipping
from sovlab.payload.code import Cell
from sovlab.runner.values.pack import Pack

# What a job does with a pack, and no more: the runner's own tests are elsewhere.
JOB = """
import sys, os, json, linecache, tempfile, types
sys.path.insert(0, sys.argv[1])
from sovlab.runner.values.pack import Pack
from sovlab.runner.source.installing import Installer
from sovlab.runner.execution import results
pack = Pack(sys.argv[2])
order = json.loads(sys.argv[3])
home = tempfile.mkdtemp()
for name in pack.names():
    if name.startswith("file/"):
        path = os.path.join(home, name[5:])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pack.segment(name))
sys.path.insert(0, home)
module = types.ModuleType("__main__")
sys.modules["__main__"] = module
main = vars(module)
main["__builtins__"] = __builtins__
installer = Installer(pack, main, order["labels"])
values = installer.all()
if installer.errors:
    print("ERRORS " + json.dumps(installer.errors))
received = dict(main)
if "__call__" in values:
    function, args, kwargs = main.pop("__call__")
    main["return"] = function(*args, **kwargs)
elif "source" in pack:
    (key,) = pack.meta["entry"].values()
    name = order["labels"].get(key, "Cell")
    source = bytes(pack.segment("source"))
    text = source.decode()
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(source, name, "exec"), main)
outputs = {n: main[n] for n in order["outputs"] if n in main}
results.write(types.SimpleNamespace(**order), main, outputs, received=received, unreturned=[], outputs=[])
"""


class Notebook:
    """An IPython shell whose cells are defined as in a kernel."""

    def __init__(self, directory):
        self.store = directory / "objects"
        self.directory = directory
        InteractiveShell.clear_instance()
        for name, entry in list(linecache.cache.items()):
            if len(entry) == 4 and entry[1] is None:
                del linecache.cache[name]  # a cell of another test's notebook
        quiet = Config()
        quiet.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=quiet)
        self.ns = self.shell.user_ns

    def run(self, source):
        result = self.shell.run_cell(textwrap.dedent(source), store_history=True)
        result.raise_error()
        return result.result

    def pack(self, source, *, directory=None, label="In[99]", **options):
        cell = Cell(textwrap.dedent(source), self.ns, label=label, directory=directory or self.directory)
        return cell.pack(self.store, **options)

    def job(self, packed, outputs=(), python=sys.executable, env=None):
        """Run a payload in a fresh interpreter: (what it printed, path of the results)."""
        results = self.directory / f"{packed.digest[:12]}.results"
        order = {"labels": dict(packed.labels), "outputs": list(outputs), "results": str(results)}
        runner = shipping.runner_zip(self.directory / "runner")
        done = subprocess.run(
            [python, "-c", JOB, str(runner), str(packed.path), json.dumps(order)],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            env={**os.environ, "PYTHONPATH": "", **(env or {})},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, results

    def submit(self, source, outputs=(), **options):
        return self.job(self.pack(source, outputs=outputs, **options), outputs)


@pytest.fixture
def notebook(tmp_path):
    made = Notebook(tmp_path)
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def meta():
    """The meta of a payload."""
    return lambda packed: Pack(packed.path).meta


@functools.lru_cache(maxsize=1)
def other_pythons():
    """Interpreters of other minor versions on this machine."""
    found = {}
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in {9, 10, 11, 12, 13, 14} - {sys.version_info[1]}:
        name = f"python3.{minor}"
        path = shutil.which(name)
        candidates = [path] if path else []
        candidates += sorted(map(str, versions.glob(f"3.{minor}.*/bin/python")))
        for candidate in candidates:
            asked = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True
            )
            if asked.returncode == 0 and asked.stdout.strip() == str(minor):
                found[name] = candidate
                break
    return found


def pytest_generate_tests(metafunc):
    if "other_python" in metafunc.fixturenames:
        found = other_pythons()
        nothing = [pytest.param(None, marks=pytest.mark.skip(reason="this machine has no other Python"))]
        metafunc.parametrize("other_python", list(found.values()) or nothing, ids=list(found) or ["none"])
