"""papermill's engine ``sovlab`` beside papermill's own: the same command, the same notebook."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SPEC = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}


@pytest.fixture
def papermill(client, tmp_path):
    """Run ``papermill in.ipynb OUT …`` in a directory of its own."""

    def run(output, *args, **variables):
        return subprocess.run(
            [sys.executable, "-m", "papermill", "in.ipynb", output, *args],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=150,
        )

    return run


def hears_interrupts():
    """What a child does first: a shell's background would hand on that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def write(directory, *cells, metadata=SPEC):
    made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    nbformat.write(new_notebook(cells=made, metadata=metadata), directory / "in.ipynb")


def parameters(source):
    return new_code_cell(source, metadata={"tags": ["parameters"]})


def read(path):
    return json.loads(path.read_text())


def joined(outputs):
    """Outputs with what follows each other in one stream as one: where a kernel cuts a text is chance."""
    made = []
    for output in outputs:
        if made and output["output_type"] == "stream" and made[-1].get("name") == output["name"]:
            text = "".join(made[-1]["text"]) + "".join(output["text"])
            made[-1] = {**output, "text": text.splitlines(keepends=True)}
        else:
            made.append(output)
    return made


def comparable(path):
    """A notebook without what differs between any two runs, and without what only ours says."""
    nb, whole = read(path), read(path)
    nb["metadata"].pop("sovlab", None)
    for part in (nb, *nb["cells"]):
        for key in ("start_time", "end_time", "duration", "output_path"):
            part["metadata"].get("papermill", {}).pop(key, None)
    for cell in nb["cells"]:
        cell.pop("id")
        cell["metadata"].pop("sovlab", None)
        if "execution" in cell["metadata"]:
            # Whether the kernel's word that it is idle still comes when a cell was interrupted is chance.
            interrupted = any(output.get("ename") == "KeyboardInterrupt" for output in cell["outputs"])
            timed = {"iopub.status.idle"} if interrupted else set()
            cell["metadata"]["execution"] = sorted({*cell["metadata"]["execution"]} - timed)
        if "os._exit" in "".join(cell["source"]):
            # What a kernel that ends at once has told of the cell by then is chance.
            cell.pop("execution_count")
            cell["metadata"].pop("execution", None)
        if "outputs" in cell:
            cell["outputs"] = joined(cell["outputs"])
        for output in cell.get("outputs", ()):
            if "traceback" in output:
                output["traceback"] = re.sub(r"ipykernel_\d+/\d+\.py", "FILE", "".join(output["traceback"]))
        if "papermill-error-cell-tag" in cell["metadata"].get("tags", ()):
            cell["source"] = re.sub(r'(id|href)="[^"]*"', "", "".join(cell["source"]))
    # Ids of widgets are other ones each time, and their order goes by them.
    nb = json.loads(re.sub(r"[0-9a-f]{32}", "ID", json.dumps(nb)))
    for bundle in whole["metadata"].get("widgets", {}).values():
        states = re.sub(r"[0-9a-f]{32}", "ID", json.dumps(list(bundle["state"].values())))
        nb["metadata"]["widgets"] = sorted(map(json.dumps, json.loads(states)))
    return nb


CASES = {
    "success": (
        (parameters("a = 1"), "print('a is', a)\na * 2", new_markdown_cell("# text"), ""),
        ("-p", "a", "3"),
    ),
    "values": (
        (parameters("a = b = c = d = 0"), "a, b, c, d"),
        ("-y", "{a: [1, 2], b: yes, c: 1.5, d: é中}"),
    ),
    "error": (("1", "print('before')\n1/0", "2"), ()),
    "raises-exception": ((new_code_cell("1/0", metadata={"tags": ["raises-exception"]}), "2"), ()),
    "exit 0": (("import sys; sys.exit(0)", "2"), ()),
    "exit 3": (("import sys; sys.exit(3)", "2"), ()),
    "skipped": ((new_code_cell("1/0", metadata={"tags": ["skip-execution"]}), "3"), ()),
    "display updates": (
        ("from IPython.display import display\nh = display('v1', display_id=True)", "h.update('v2')", "2"),
        (),
    ),
    "cleared": (
        (
            "from IPython.display import clear_output, display\ndisplay('a'); display('b')\nclear_output()\n"
            "display('c')\nclear_output(wait=True)\ndisplay('d'); display('e')",
        ),
        (),
    ),
    "long outputs": (("print('x' * 200_000)", "'y' * 100_000"), ()),
    "carriage returns": ((r"print('1%\r2%\r3%')", "import sys; print('e', file=sys.stderr)"), ()),
    "many outputs": (("for i in range(300):\n    print(i, flush=True)\n    display(i)",), ()),
    "widgets": (("import ipywidgets\nipywidgets.IntSlider(value=3)", "2"), ()),
    "magic that fails": (("%run nothing.py", "2"), ()),
    "input": (("input()", "2"), ()),
    "cwd": (("import os; os.path.basename(os.getcwd())",), ("--cwd", "below")),
    "report": (("1",), ("--report-mode",)),
    "unknown parameter": (("1",), ("-p", "x", "2")),
    "kernel killed": (("print('a', flush=True)", "import os; os._exit(1)", "2"), ()),
    "cell too slow": (
        ("1", "print('a', flush=True)\nimport time; time.sleep(600)", "2"),
        ("--execution-timeout", "8"),  # more than a cell takes that does nothing, on a loaded machine
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_writes_what_papermills_own_engine_writes(papermill, tmp_path, name):
    cells, args = CASES[name]
    write(tmp_path, *cells)
    (tmp_path / "below").mkdir()
    theirs = papermill("theirs.ipynb", *args)
    ours = papermill("ours.ipynb", *args, "--engine", "sovlab")
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), ours.stderr
    assert comparable(tmp_path / "ours.ipynb") == comparable(tmp_path / "theirs.ipynb")


def test_an_unknown_kernel_is_refused_as_by_papermill(papermill, tmp_path):
    write(tmp_path, "1", "2", metadata={})
    theirs = papermill("theirs.ipynb", "-k", "nothing")
    ours = papermill("ours.ipynb", "-k", "nothing", "--engine", "sovlab")
    assert theirs.returncode == ours.returncode == 1
    assert "NoSuchKernel" in ours.stderr
    assert "Name one of these with -k" in ours.stderr
    assert comparable(tmp_path / "ours.ipynb") == comparable(tmp_path / "theirs.ipynb")


def test_a_kernel_of_this_machine_gives_way_to_the_only_one_of_its_language(papermill, tmp_path):
    write(tmp_path, "1 + 1", metadata={"kernelspec": {**SPEC["kernelspec"], "name": "my-laptop"}})
    done = papermill("out.ipynb", "--engine", "sovlab")
    assert done.returncode == 0
    assert "There is no kernel 'my-laptop' here: 'python3' runs it" in done.stderr
    assert read(tmp_path / "out.ipynb")["metadata"]["sovlab"]["kernel"] == {
        "wanted": "my-laptop",
        "used": "python3",
    }


def test_what_papermill_cannot_say_is_in_our_metadata(papermill, tmp_path):
    write(tmp_path, "1", "import os; os._exit(1)", "2")
    papermill("out.ipynb", "--engine", "sovlab")
    nb = read(tmp_path / "out.ipynb")
    assert [cell["metadata"].get("sovlab") for cell in nb["cells"]] == [
        None,
        {"status": "killed"},
        {"status": "not run"},
    ]
    record = nb["metadata"]["sovlab"]
    assert record["run"]["status"] == "failed"
    assert record["energy"]["source"] in ("counter", "sampled", "attributed", "modelled", "unavailable")
    assert len(json.dumps(record)) <= 4096
    assert record["lock"]["python"] == platform.python_version()
    assert len(record["lock"]["sha256"]) == 64
    assert record["accel"]["devices"][0]["name"]


def test_a_secret_is_no_parameter(client, papermill, tmp_path):
    write(tmp_path, parameters("api_key = ''"))
    before = len(client.jobs())
    done = papermill("out.ipynb", "--engine", "sovlab", "-p", "api_key", "s3cr3t-of-mine")
    assert done.returncode == 1
    assert "Parameter api_key looks like a secret" in done.stderr
    assert "s3cr3t" not in done.stderr
    assert len(client.jobs()) == before


def test_the_notebook_alone_is_on_stdout(papermill, tmp_path):
    write(tmp_path, "print(1)")
    done = papermill("-", "--engine", "sovlab", "--log-output")
    assert [cell["outputs"][0]["text"] for cell in json.loads(done.stdout)["cells"]] == [["1\n"]]


def test_output_is_logged_and_written_to_files_as_by_papermill(papermill, tmp_path):
    write(tmp_path, "import sys\nprint('to out')\nprint('to err', file=sys.stderr)", "6 * 7")
    done = papermill(
        "out.ipynb", "--engine", "sovlab", "--log-output", "--stdout-file", "o.txt", "--stderr-file", "e.txt"
    )
    assert (tmp_path / "o.txt").read_text() == "to out\n"
    assert (tmp_path / "e.txt").read_text() == "to err\n"
    assert all(
        text in done.stderr for text in ("to out", "to err", "42", "Executing Cell 1", "Ending Cell 2")
    )


def test_modules_beside_the_notebook_are_found(papermill, tmp_path):
    (tmp_path / "beside.py").write_text("value = 7")
    write(tmp_path, "import beside\nbeside.value")
    papermill("out.ipynb", "--engine", "sovlab")
    assert read(tmp_path / "out.ipynb")["cells"][0]["outputs"][0]["data"]["text/plain"] == ["7"]


# --- the same command again


def run_of(path):
    return read(path)["metadata"]["sovlab"]["run"]["id"]


def test_the_same_command_again_is_the_same_run(papermill, tmp_path):
    write(tmp_path, parameters("a = 1"), "import uuid; a, uuid.uuid4()")
    papermill("one.ipynb", "--engine", "sovlab", "-p", "a", "2")
    again = papermill("two.ipynb", "--engine", "sovlab", "-p", "a", "2")
    other = papermill("three.ipynb", "--engine", "sovlab", "-p", "a", "3")
    fresh = papermill("four.ipynb", "--engine", "sovlab", "-p", "a", "2", SOVLAB_FRESH="1")
    assert (again.returncode, other.returncode, fresh.returncode) == (0, 0, 0)
    one, two, three, four = (run_of(tmp_path / f"{n}.ipynb") for n in ("one", "two", "three", "four"))
    assert one == two
    assert len({one, three, four}) == 3
    assert comparable(tmp_path / "one.ipynb") == comparable(tmp_path / "two.ipynb")
    assert "The same run is there" in again.stderr


def test_a_run_that_failed_is_run_again_once_its_failure_was_seen(papermill, tmp_path):
    write(tmp_path, "1/0")
    papermill("one.ipynb", "--engine", "sovlab")
    papermill("two.ipynb", "--engine", "sovlab")
    assert run_of(tmp_path / "one.ipynb") != run_of(tmp_path / "two.ipynb")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_client_that_ended_comes_back_to_its_run(client, papermill, tmp_path, number, status):
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    write(
        tmp_path,
        "print('first', flush=True)",
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)",
        "'last'",
    )
    first = subprocess.Popen(
        [sys.executable, "-m", "papermill", "in.ipynb", "one.ipynb", "--engine", "sovlab"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_interrupts,
    )
    deadline = time.monotonic() + 120
    while not (begun.exists() and r'"first\n"' in (tmp_path / "one.ipynb").read_text()):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(number)
    said = first.communicate(timeout=60)[1]
    assert first.returncode == status
    if number != signal.SIGKILL:
        assert "The same command again follows it" in said
        assert read(tmp_path / "one.ipynb")["cells"][0]["outputs"][0]["text"] == ["first\n"]
    gate.touch()
    second = papermill("two.ipynb", "--engine", "sovlab")
    assert second.returncode == 0, second.stderr
    assert "The same run" in second.stderr
    cells = read(tmp_path / "two.ipynb")["cells"]
    assert cells[0]["outputs"][0]["text"] == ["first\n"]
    assert cells[2]["outputs"][0]["data"]["text/plain"] == ["'last'"]
    assert len([record for record in client.jobs() if record.id == run_of(tmp_path / "two.ipynb")]) == 1


def test_two_clients_that_say_the_same_at_once_make_one_job(client, tmp_path):
    write(tmp_path, "import uuid; str(uuid.uuid4())")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "papermill", "in.ipynb", f"{n}.ipynb", "--engine", "sovlab"],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for n in "ab"
    ]
    assert [each.wait(150) for each in both] == [0, 0]
    assert run_of(tmp_path / "a.ipynb") == run_of(tmp_path / "b.ipynb")


def test_a_client_may_take_its_job_with_it(client, tmp_path):
    begun = tmp_path / "begun"
    write(tmp_path, f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--engine", "sovlab"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SOVLAB_CANCEL_ON_INTERRUPT": "1"},
        preexec_fn=hears_interrupts,
    )
    deadline = time.monotonic() + 120
    while not begun.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    job_id = re.search(r"Job (\S+) is cancelled", said).group(1)
    assert client.job(job_id).wait(60).state == "cancelled"


def test_runs_in_one_directory_do_not_share_the_sockets_of_their_kernels(papermill, tmp_path):
    write(
        tmp_path,
        "import json\nfrom ipykernel.connect import get_connection_info\n"
        "json.loads(get_connection_info())['ip']",
    )
    places = set()
    for name in ("one.ipynb", "two.ipynb"):
        assert papermill(name, "--engine", "sovlab", SOVLAB_FRESH="1").returncode == 0
        places.add(read(tmp_path / name)["cells"][0]["outputs"][0]["data"]["text/plain"][0])
    assert len(places) == 2
    assert all(place.startswith("'/") for place in places)
