"""A kernel that dies: what is told of it, and what the same command does then."""

from __future__ import annotations

import pytest

from sovlab.runner.system.memory_group import available


def marks(place):
    return [cell["metadata"].get("sovlab", {}).get("status") for cell in place.notebook()["cells"]]


def test_a_kernel_that_ends_itself_is_told_with_its_status_and_run_anew(here):
    here.write("print('kept')", "import os; os._exit(3)", "print('never')")
    done = here.run()
    assert done.status == 138, done
    assert "The kernel died. It ended itself with status 3." in done.err
    assert "The notebook as far as it came: out.ipynb" in done.err
    assert (here.texts(), marks(here)) == (["kept\n", "", ""], [None, "killed", "not run"])
    first = here.job()
    assert here.run().status == 138
    assert here.job() != first


def test_a_kernel_without_memory_is_told_with_the_limit_and_what_to_do(here):
    if not available():
        pytest.skip("no cgroup may be made here: what looks after the job ends all of it")
    hungry = "held = bytearray(900_000_000)\nfor at in range(0, len(held), 4096): held[at] = 1"
    here.write("print('kept')", hungry, "print('never')")
    done = here.run("--memory", "500M")
    assert done.status == 138, done
    # Whether the driver or what looks after the whole job sees it first is chance.
    by_driver = "ran out of memory: the system ended it at the limit of 524 MB, at its peak it had "
    by_supervisor = "It used more memory than the 500 MiB that --memory allows. "
    assert by_driver in done.err or by_supervisor in done.err
    assert "Ask for more with --memory, or hold less at a time." in done.err
    assert (here.texts(), marks(here)) == (["kept\n", "", ""], [None, "killed", "not run"])
    more = here.run("--memory", "2G")
    assert more.status == 0, more
    assert here.texts()[2] == "never\n"
