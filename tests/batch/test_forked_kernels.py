"""A kernel that is forked is to its notebook what one is that was started."""

from __future__ import annotations

import json
import re

import papermill
import pytest

from tests.batch.conformance.engines import read, write

# SIGHUP is ignored where nohup runs the tests: a job does not inherit that, and papermill's own kernel does.
TELLS = """
import json, os, signal, sys, threading
path = [p for p in sys.path if not p.startswith(os.environ["STATE"])]
print(json.dumps({
    "path": path,
    "argv": [sys.argv[0], len(sys.argv), sys.argv[3:]],
    "signals": {s.name: str(signal.getsignal(s)) for s in signal.Signals if s.name[3:] not in ("INT", "HUP")},
    "blocked": [str(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "session": os.getsid(0) == os.getpid() == os.getpgid(0),
    "hooks": [getattr(hook, "__name__", type(hook).__name__) for hook in sys.meta_path],
    "ours": [name for name in sys.modules if name.startswith("sovlab.runner")],
    "main": __name__,
    "threads": sorted(t.name.split("-")[0] for t in threading.enumerate()),
    "cwd": os.getcwd(),
    "umask": os.umask(os.umask(0o22)),
    "encoding": [sys.__stdout__.encoding, sys.stdin.encoding],
    "environ": sorted(name for name in os.environ if not name.startswith(("SOVLAB", "PAPERMILL", "PYTEST"))),
    "waits": sys.stdin.read(),
}))
"""


@pytest.fixture
def run(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE", str(client.settings.state))

    def run(output, engine="sovlab", **options):
        options = {"fresh": True, **options} if engine == "sovlab" else options
        papermill.execute_notebook("in.ipynb", output, engine_name=engine, progress_bar=False, **options)
        return read(tmp_path / output)

    return run


def text(notebook):
    return "".join("".join(o["text"]) for o in notebook["cells"][-1]["outputs"] if o.get("name") == "stdout")


def parent(notebook):
    """The command line of the kernel: a forked one has that of the process from which it is."""
    return text(notebook).replace("\0", " ")


def until_forked(run):
    """Run notebooks until what runs them was loaded before; the first has it loaded."""
    for _ in range(20):
        if "nursery" in parent(run("out.ipynb")):
            return
    pytest.fail("no kernel is forked")


def test_a_notebook_sees_no_difference_to_a_kernel_that_was_started(run, tmp_path):
    write(tmp_path, "print(open('/proc/self/cmdline').read())")
    until_forked(run)
    write(tmp_path, TELLS + "\nprint(open('/proc/self/cmdline').read())")
    for _ in range(3):
        ours = text(run("ours.ipynb"))
        if "nursery" in ours:
            break
    assert "nursery" in ours
    own = text(run("own.ipynb", engine="nbclient"))
    told, expected = (json.loads(re.match(r".*", said)[0]) for said in (ours, own))
    assert set(expected.pop("environ")) <= set(told.pop("environ"))  # a job has more
    assert told == expected


def test_it_ends_as_an_interpreter_ends(run, tmp_path):
    write(tmp_path, "print(open('/proc/self/cmdline').read())")
    until_forked(run)
    source = (
        "import atexit, pathlib, threading, time\n"
        "atexit.register(pathlib.Path('ended').write_text, open('/proc/self/cmdline').read())\n"
        "held = open('left-open', 'w'); held.write('whole')\n"
        "def late():\n    time.sleep(0.5); pathlib.Path('thread').write_text('yes')\n"
        "threading.Thread(target=late).start()"
    )
    for _ in range(5):
        write(tmp_path, source)
        run("out.ipynb")
        ended = (tmp_path / "ended").read_text()
        assert (tmp_path / "thread").read_text() == "yes"
        if "nursery" in ended:
            break
    assert "nursery" in ended


def test_random_numbers_and_hashes_are_its_own(run, tmp_path):
    write(tmp_path, "import random, uuid; print(random.random(), hash('text'), uuid.uuid4())")
    told = [text(run("out.ipynb")).split() for _ in range(4)]
    assert all(len(set(column)) == 4 for column in zip(*told, strict=True))


def test_another_interpreter_or_environment_is_started(run, tmp_path):
    write(tmp_path, "print(open('/proc/self/cmdline').read())")
    until_forked(run)
    write(tmp_path, "import os; print(os.environ['PYTHONHASHSEED'], hash('text'))")
    told = {text(run("out.ipynb", env={"PYTHONHASHSEED": "7"})) for _ in range(2)}
    assert len(told) == 1
