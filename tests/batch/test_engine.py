"""papermill's engine ``sovlab``, beyond what papermill's own does, to which ``conformance`` compares it."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.batch.conformance.engines import SPEC, comparable, hears_interrupts, parameters, read, write


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
