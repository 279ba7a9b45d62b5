"""``sovlab run`` of several runs, as a shell sees it: real processes, real jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from sovlab.batch.forms.request import Request
from sovlab.batch.many import Many
from sovlab.options.sweep import Point
from sovlab.views.runs import runs_document
from tests.batch.made_runs import DOCUMENT
from tests.kube.conftest import fake_cluster

SPEC = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
RAN = "with open('ran', 'a') as file:\n    file.write(f'{lr}-{seed}\\n')\n"
"""What a run leaves behind of having run."""


def write(directory, *cells):
    made = [
        new_code_cell("lr = 0.1\nseed = 0", metadata={"tags": ["parameters"]}),
        *map(new_code_cell, cells),
    ]
    nbformat.write(new_notebook(cells=made, metadata=SPEC), directory / "in.ipynb")


def hears_interrupts():
    """What a child does first: a shell's background would hand on that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def begin(client, tmp_path):
    """Begin ``sovlab run in.ipynb OUTPUT …`` in a directory of its own."""
    begun = []

    def begin(*args, output="out-{lr}-{seed}.ipynb"):
        process = subprocess.Popen(
            [sys.executable, "-m", "sovlab", "run", "in.ipynb", output, *args],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hears_interrupts,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def run(begin):
    """Run it to its end: the exit status, standard output and standard error."""

    def run(*args, **keywords):
        process = begin(*args, **keywords)
        out, err = process.communicate(timeout=170)
        return process.returncode, out, err

    return run


def ran(directory):
    """How often each run has run."""
    path = directory / "ran"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def test_a_grid_is_compared_and_the_same_command_again_runs_only_what_is_missing(run, tmp_path, client):
    write(
        tmp_path,
        f"import sovlab\n{RAN}sovlab.record(loss=lr * seed, tried=[seed])",
        "import os\nif seed == 2 and lr == 0.1:\n    assert os.path.exists('ok'), 'there is no file'",
        "print('the end')",
    )
    command = ("-p", "lr", "0.1,0.5", "-p", "seed", "1..2", "--at-most", "2")
    status, table, said = run(*command)
    assert status == 1, said
    head, *rows = table.splitlines()
    assert head.split() == ["lr", "seed", "State", "loss", "tried", "Ran", "Energy", "Source", "Output"]
    assert [row.split()[:2] for row in rows] == [["0.1", "1"], ["0.1", "2"], ["0.5", "1"], ["0.5", "2"]]
    assert [row.split()[2].rstrip(":") for row in rows] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert [row.split()[-1] for row in rows] == [
        "out-0.1-1.ipynb",
        "out-0.1-2.ipynb",
        "out-0.5-1.ipynb",
        "out-0.5-2.ipynb",
    ]
    assert re.search(
        r"^\[2/4\] lr=0.1, seed=2 failed after .*: AssertionError: there is no file → out", said, re.M
    )
    assert re.search(r"^\[4/4\] lr=0.5, seed=2 succeeded in .* → out-0.5-2.ipynb$", said, re.M)
    assert ran(tmp_path) == {"0.1-1": 1, "0.1-2": 1, "0.5-1": 1, "0.5-2": 1}

    # One output is lost, the job of another, and a third is damaged.
    (tmp_path / "out-0.1-1.ipynb").unlink()
    (tmp_path / "out-0.5-1.ipynb").write_text((tmp_path / "out-0.5-1.ipynb").read_text()[:-100])
    there = json.loads((tmp_path / "out-0.5-2.ipynb").read_text())["metadata"]["sovlab"]["run"]
    client.executor().delete(there["id"])
    (tmp_path / "ok").touch()
    status, out, said = run(*command, "--json")
    assert status == 0, said
    document = json.loads(out)
    DOCUMENT.validate(document)
    assert [each["found"] for each in document["runs"]] == ["ended", "new", "ended", "complete"]
    assert [each["point"] for each in document["runs"]][1] == {"lr": 0.1, "seed": 2}
    assert [each["recorded"] for each in document["runs"]][1:3] == [
        {"loss": 0.2, "tried": [2]},
        {"loss": 0.5, "tried": [1]},
    ]
    assert document["runs"][3]["id"] == there["id"]
    assert document["runs"][3]["seconds"] == there["finished"] - there["started"]
    assert "3 of 4 had ended before, and were not run again." in document["notes"]
    assert ran(tmp_path) == {"0.1-1": 1, "0.1-2": 2, "0.5-1": 1, "0.5-2": 1}
    for name in ("0.1-1", "0.1-2", "0.5-1", "0.5-2"):
        cells = json.loads((tmp_path / f"out-{name}.ipynb").read_text())["cells"]
        assert cells[-1]["outputs"][0]["text"] == ["the end\n"]

    # One by itself is the same run as the one among many; --fresh is not.
    status, out, said = run("-p", "lr", "0.5", "-p", "seed", "2", output="out-0.5-2.ipynb")
    assert (status, out) == (0, "")
    assert f"out-0.5-2.ipynb is there already, of the same run: job {there['id']}" in said
    status, _, said = run("-p", "lr", "0.5", "-p", "seed", "2", "--fresh", "--json", output="fresh.ipynb")
    assert status == 0, said
    assert ran(tmp_path)["0.5-2"] == 2


@pytest.mark.parametrize("at_most", [1, 2])
def test_so_many_run_at_a_time(run, tmp_path, at_most):
    # Each run waits until as many have begun as may be there together, and counts those that have not ended.
    write(
        tmp_path,
        "import os, pathlib, time\n"
        "pathlib.Path(f'here-{seed}').touch()\n"
        f"while len(list(pathlib.Path().glob('begun-*'))) < {at_most - 1} and seed <= {at_most}:\n"
        "    pathlib.Path(f'begun-{seed}').touch()\n"
        "    time.sleep(0.05)\n"
        "pathlib.Path(f'begun-{seed}').touch()\n"
        "for _ in range(10):\n"
        "    with open('counts', 'a') as file:\n"
        "        file.write(f\"{len(list(pathlib.Path().glob('here-*')))}\\n\")\n"
        "    time.sleep(0.1)\n"
        "pathlib.Path(f'here-{seed}').unlink()",
    )
    status, _, said = run(
        "-p", "seed", "1..4", "--at-most", str(at_most), "--cpu", "0.2", output="out-{seed}.ipynb"
    )
    assert status == 0, said
    assert max(map(int, (tmp_path / "counts").read_text().split())) == at_most


GATED = (
    "import pathlib, time\nprint('first', flush=True)",
    f"{RAN}while not pathlib.Path('gate').exists(): time.sleep(0.05)",
    "'last'",
)


def begun(directory, process, names):
    """Wait until runs are in their second cell, and what they printed before is in their notebooks."""
    deadline = time.monotonic() + 120
    while True:
        outputs = [directory / f"out-{name}.ipynb" for name in names]
        if set(ran(directory)) >= set(names) and all(
            path.exists() and r"first\n" in path.read_text() for path in outputs
        ):
            return
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_interrupt_leaves_what_runs_and_the_same_command_goes_on(begin, run, tmp_path, client):
    write(tmp_path, *GATED)
    command = ("-p", "lr", "1", "-p", "seed", "1..3", "--at-most", "2", "--cpu", "0.2")
    process = begin(*command)
    begun(tmp_path, process, ["1-1", "1-2"])
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not out
    assert "Traceback" not in said
    assert "2 jobs that ran go on. 1 of 3 runs did not begin." in said
    jobs = re.search(r"sovlab cancel (\S+) (\S+)", said).groups()
    assert [client.job(each).done() for each in jobs] == [False, False]
    for name in ("1-1", "1-2"):
        cells = json.loads((tmp_path / f"out-{name}.ipynb").read_text())["cells"]
        assert cells[2]["outputs"][0]["text"] == ["first\n"]
    assert not (tmp_path / "out-1-3.ipynb").exists()

    (tmp_path / "gate").touch()
    status, out, said = run(*command, "--json")
    assert status == 0, said
    document = json.loads(out)
    assert [each["found"] for each in document["runs"]][2] == "new"
    assert {each["found"] for each in document["runs"][:2]} <= {"running", "ended"}
    assert sorted(each["id"] for each in document["runs"][:2]) == sorted(jobs)
    assert ran(tmp_path) == {"1-1": 1, "1-2": 1, "1-3": 1}


def test_one_sigterm_cancels_all_jobs_where_that_was_said(begin, tmp_path, client):
    write(tmp_path, *GATED)
    process = begin(
        *("-p", "lr", "1", "-p", "seed", "1..3", "--at-most", "2", "--cpu", "0.2", "--cancel-on-interrupt")
    )
    begun(tmp_path, process, ["1-1", "1-2"])
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert not out
    assert "2 jobs that ran were told to end. 1 of 3 runs did not begin." in said
    jobs = re.findall(r"running: job (\S+)", said)
    assert len(jobs) == 2
    assert [client.job(each).wait(60).state for each in jobs] == ["cancelled", "cancelled"]
    cells = json.loads((tmp_path / "out-1-2.ipynb").read_text())["cells"]
    assert cells[2]["outputs"][0]["text"] == ["first\n"]


def test_processes_of_runs_end_with_the_command_that_was_killed(begin, run, tmp_path):
    write(tmp_path, *GATED)
    command = ("-p", "lr", "1", "-p", "seed", "1..2", "--at-most", "2", "--cpu", "0.2")
    process = begin(*command)
    begun(tmp_path, process, ["1-1", "1-2"])
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{pid}/fd/0") for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (tmp_path / "gate").touch()
    assert run(*command)[0] == 0
    assert ran(tmp_path) == {"1-1": 1, "1-2": 1}


def test_what_runs_print_is_told_apart(run, tmp_path):
    write(tmp_path, "print(f'this is {seed}')")
    status, out, said = run("-p", "seed", "1..2", "--log-output", "--at-most", "2", output="{seed}.ipynb")
    assert status == 0, said
    assert len(out.splitlines()) == 3
    assert re.search(r"^\[1/2\] this is 1$", said, re.M)
    assert re.search(r"^\[2/2\] this is 2$", said, re.M)
    assert not re.search(r"^\[1/2\] this is 2$", said, re.M)
    status, out, said = run("-p", "seed", "2", "--log-output", "--fresh", output="again.ipynb")
    assert (status, out) == (0, "")
    assert re.search(r"^this is 2$", said, re.M)


def test_a_name_in_the_output_of_one_run_is_filled_and_no_value_is_a_path(run, tmp_path):
    write(tmp_path, "lr")
    status, out, said = run("-p", "lr", "../../a b", output="out-{lr}-{{x}}.ipynb")
    assert (status, out) == (0, ""), said
    assert (tmp_path / "out-____a b-{x}.ipynb").exists()
    assert "Done: out-____a b-{x}.ipynb" in said


SECRET = f"hf_{'a' * 34}"


@pytest.mark.parametrize(
    ("args", "output", "says"),
    [
        (("-p", "lr", "1,2", "-p", "seed", "1,2"), "out-{lr}.ipynb", "seed has 2 values, but the output"),
        (("-p", "lr", "1,1"), "out-{lr}.ipynb", "Two runs would write out-1.ipynb"),
        (("-p", "lr", "1,2", "-p", "sed", "1"), "out-{lr}.ipynb", "Did you mean seed?"),
        (("-p", "lr", f"1,{SECRET}"), "out-{lr}.ipynb", "Parameter lr looks like a secret"),
        (("-p", "lr", "1,2"), "no/{lr}.ipynb", "The folder of no/1.ipynb is not there."),
        (("-p", "lr", "in,2"), "{lr}.ipynb", "The output in.ipynb is the notebook itself."),
        (("-p", "lr", "1"), "{seed}.ipynb", "of which no -p says the value"),
        (("-p", "lr", "1,2", "--at-most", "0"), "{lr}.ipynb", "0 is not one or more"),
        (("-p", "lr", "1,2", "--finish-by", "08:00"), "{lr}.ipynb", "no --finish-by"),
        (("-p", "lr", "1,2", "--memory", "1000T"), "{lr}.ipynb", "of memory, but"),
        (("-p", "lr", "1,2", "--backend", "gpu"), "{lr}.ipynb", "gpu"),
        (("-p", "lr", "1,2", "--target", "nowhere"), "{lr}.ipynb", "Target 'nowhere' is not defined."),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_runs(run, tmp_path, client, args, output, says):
    write(tmp_path, "1")
    before = len(client.jobs()), sorted(os.listdir(tmp_path)), (tmp_path / "in.ipynb").read_bytes()
    status, out, said = run(*args, output=output)
    assert (status, out) == (2, ""), said
    assert says in said
    assert SECRET not in said
    assert "Traceback" not in said
    assert (len(client.jobs()), sorted(os.listdir(tmp_path)), (tmp_path / "in.ipynb").read_bytes()) == before


def test_after_three_refusals_in_a_row_no_other_run_begins(client, tmp_path):
    points = [Point({"x": number}) for number in range(6)]
    paths = [str(tmp_path / f"{number}.ipynb") for number in range(6)]
    requests = [Request("nothing.ipynb", path, path, {}, {"progress_bar": False}) for path in paths]
    changed = []
    rows = Many(points, requests, 1, lambda row: changed.append(dict(row)), lambda row, line: None).run()
    DOCUMENT.validate(runs_document("name", rows))
    assert {(row["state"], row["status"]) for row in rows} == {("not submitted", 2)}
    assert [row["why"].startswith("3 before it were refused") for row in rows] == [False] * 3 + [True] * 3
    assert [row["number"] for row in changed] == [1, 2, 3, 4, 5, 6]


def test_on_a_cluster_as_here(run, tmp_path, monkeypatch):
    write(tmp_path, "import sovlab\nsovlab.record(doubled=lr * 2)")
    with fake_cluster() as cluster:
        (tmp_path / "config.toml").write_text(
            '[targets.lab]\nexecutor = "kubernetes"\n[targets.lab.kubernetes]\n'
            f'context = "admin"\nnamespace = "{cluster.namespace}"\nimage = "{cluster.image}"\n'
        )
        monkeypatch.setenv("KUBECONFIG", str(cluster.fake.kubeconfig))
        monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "config.toml"))
        status, out, said = run(
            "-p", "lr", "1,2", "--target", "lab", "--cpu", "1", "--json", output="{lr}.ipynb"
        )
        assert status == 0, said
        document = json.loads(out)
        DOCUMENT.validate(document)
        assert [each["recorded"] for each in document["runs"]] == [{"doubled": 2}, {"doubled": 4}]
        assert {each["target"] for each in document["runs"]} == {"lab"}
        assert run("-p", "lr", "1,2", "--target", "lab", "--cpu", "1", output="{lr}.ipynb")[0] == 0
        assert cluster.fake.failures == []
