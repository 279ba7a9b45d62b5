"""Whole notebooks of a page as runs: the form, what is refused beside which field, and real runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
SECRET = "hf_" + "s" * 40
CELL = "lr = 0.1  # how fast\nepochs: int = 3\nfast = False\nsizes = [1, 2]\nname = 'adam'"


def write(path: Path, *sources: str, parameters: str = CELL, **metadata: Any) -> dict[str, Any]:
    """Write a notebook; what it says."""
    tagged = [(parameters, ["parameters"])] if parameters else []
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "execution_count": None,
            "metadata": {"tags": tags},
            "source": source,
            "outputs": [],
        }
        for n, (source, tags) in enumerate([*tagged, *((source, []) for source in sources)])
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = {"cells": cells, "metadata": {**kernel, **metadata}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(document))
    return document


def printed(path: Path) -> str:
    """All that an executed notebook has printed."""
    cells = json.loads(path.read_text())["cells"]
    return "".join("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", ()))


@pytest.fixture
def notebook(root: Path) -> dict[str, Any]:
    """``train.ipynb``."""
    return write(root / "train.ipynb", "print(lr, epochs, fast, sizes, name)")


@pytest.fixture
def written(api: Any, eventually: Any) -> Any:
    """Wait until an output is whole, and its process has ended; how far it is then."""

    async def wait(output: str) -> Any:
        while True:
            answer = await api("GET", "runs", params={"output": output})
            assert answer.status == 200, answer
            if answer.body["over"]:
                return answer.body
            await asyncio.sleep(0.05)

    return wait


async def test_a_form_has_the_parameters_their_types_and_a_free_path(api, root, notebook):
    form = (await api("GET", "runs", "form", params={"path": "train.ipynb"})).body
    assert [(each["name"], each["kind"], each["default"]) for each in form["parameters"]] == [
        ("lr", "float", "0.1"),
        ("epochs", "int", "3"),
        ("fast", "bool", "False"),
        ("sizes", "list", "[1, 2]"),
        ("name", "str", "adam"),
    ]
    assert form["parameters"][0]["note"] == "how fast"
    assert (form["kernel"], form["language"], form["output"]) == ("python3", "python", "train-out.ipynb")
    (root / "train-out.ipynb").symlink_to("nowhere.ipynb")
    assert (await api("GET", "runs", "form", params={"path": "RTC:train.ipynb"})).body["output"] == (
        "train-out-2.ipynb"
    )


async def test_a_form_says_why_there_is_nothing_to_set(api, root):
    write(root / "plain.ipynb", parameters="")
    write(root / "r.ipynb", parameters="lr <- 0.1", kernelspec={"name": "ir", "language": "R"})
    write(root / "none.ipynb", kernelspec={})
    notes = [
        (await api("GET", "runs", "form", params={"path": f"{name}.ipynb"})).body["notes"]
        for name in ("plain", "r", "none")
    ]
    assert ["no cell" in notes[0][0], "of R runs" in notes[1][0], "no kernel" in notes[2][0]] == [True] * 3
    refused = await api("POST", "runs", body={"notebook": "none.ipynb", "output": "out.ipynb"})
    assert (refused.status, refused.body["hint"]) == (422, "Choose a kernel in the notebook, and save it.")


async def test_what_is_no_notebook_below_the_root_has_no_form(api, root, tmp_path):
    write(tmp_path / "outside.ipynb")
    (root / "link.ipynb").symlink_to(tmp_path / "outside.ipynb")
    write(root / ".hidden.ipynb")
    (root / "text.txt").write_text("{}")
    (root / "broken.ipynb").write_text("{")
    (root / "deep.ipynb").write_text("[" * 100_000)
    (root / "list.ipynb").write_text('{"cells": 3}')
    os.mkfifo(root / "pipe.ipynb")
    statuses = {
        path: (await api("GET", "runs", "form", params={"path": path})).status
        for path in (
            *("../outside.ipynb", "link.ipynb", ".hidden.ipynb", "text.txt", "nowhere.ipynb", "pipe.ipynb"),
            *("broken.ipynb", "deep.ipynb", "list.ipynb", "a\0.ipynb"),
        )
    }
    assert list(statuses.values()) == [403, 403, 403, 422, 404, 404, 422, 422, 422, 403]
    assert (await api("GET", "runs", "form")).status == 422


async def test_a_parameter_without_a_value_must_be_given_one(api, root, written):
    write(root / "asks.ipynb", "print(n)", parameters="n: int")
    form = (await api("GET", "runs", "form", params={"path": "asks.ipynb"})).body
    assert form["parameters"][0]["required"]
    body = {"notebook": "asks.ipynb", "output": "out.ipynb"}
    refused = await api("POST", "runs", body=body)
    assert [each["pointer"] for each in refused.body["errors"]] == ["/parameters/n"]
    assert (await api("POST", "runs", body={**body, "parameters": {"n": "7"}})).status == 201
    await written("out.ipynb")
    assert printed(root / "out.ipynb") == "7\n"


async def test_each_mistake_is_told_beside_its_field_and_nothing_begins(api, client, root, notebook):
    before = len(client.jobs())
    answer = await api(
        "POST",
        "runs",
        body={
            "notebook": "train.ipynb",
            "output": "train.ipynb",
            "parameters": {
                **{"lr": "fast", "epochs": "thirty", "fast": "maybe", "sizes": "[1", "name": SECRET},
                **{"epoch": "3", "a/b~": "1"},
            },
            "options": {"name": "n" * 900, "memory": "lots", "gpus": 1, "outputs": ["x"]},
        },
    )
    assert answer.status == 422
    faults = {each["pointer"]: each for each in answer.body["errors"]}
    assert set(faults) == {
        *(f"/parameters/{name}" for name in ("lr", "epochs", "fast", "sizes", "name", "epoch", "a~1b~0")),
        *("/options/memory", "/options/outputs", "/output"),
    } | ({"/options/name"} & set(faults))
    assert faults["/parameters/epochs"]["detail"] == "epochs is a whole number; “thirty” is not one."
    assert faults["/parameters/epoch"]["hint"].startswith("Did you mean epochs?")
    assert "--env" in faults["/parameters/name"]["hint"]
    assert faults["/output"]["detail"] == "The output is the notebook itself."
    assert SECRET not in json.dumps(answer.body)
    assert len(client.jobs()) == before
    assert json.loads((root / "train.ipynb").read_text()) == notebook


async def test_the_output_is_never_a_file_that_is_there_or_outside(api, client, root, tmp_path, notebook):
    before = len(client.jobs())
    (root / "there.ipynb").write_text("precious")
    (root / "dangling.ipynb").symlink_to(root / "target.ipynb")
    (root / "leads-out.ipynb").symlink_to(tmp_path / "stolen.ipynb")
    (root / "same.ipynb").hardlink_to(root / "train.ipynb")
    (root / "folder").symlink_to(root)
    (root / "elsewhere").symlink_to(tmp_path)
    (root / "dir.ipynb").mkdir()
    (root / "shut").mkdir(mode=0o500)
    expected = {
        "there.ipynb": 409,
        "dangling.ipynb": 409,
        "leads-out.ipynb": 403,
        "same.ipynb": 422,
        "folder/train.ipynb": 422,
        "shut/../train.ipynb": 422,
        "/train.ipynb": 422,
        "RTC:train.ipynb": 422,
        "elsewhere/out.ipynb": 403,
        "../out.ipynb": 403,
        ".out.ipynb": 403,
        "dir.ipynb": 409,
        "out.txt": 422,
        "out": 422,
        ".ipynb": 422,
        "no/such/out.ipynb": 422,
        "there.ipynb/out.ipynb": 422,
        "out\0.ipynb": 403,
        f"{'x' * 300}.ipynb": 422,
        "OUT.IPYNB": 422,
    }
    if os.geteuid() != 0:
        expected["shut/out.ipynb"] = 422
    tree = sorted(root.rglob("*"))
    for path, status in expected.items():
        answer = await api("POST", "runs", body={"notebook": "train.ipynb", "output": path})
        assert answer.status == status, (path, answer.body)
        assert [each["pointer"] for each in answer.body["errors"]] == ["/output"], path
    assert sorted(root.rglob("*")) == tree
    assert (root / "there.ipynb").read_text() == "precious"
    assert not (tmp_path / "stolen.ipynb").exists()
    assert len(client.jobs()) == before


async def test_a_notebook_runs_with_what_was_typed_and_is_left_as_it_is(api, root, written):
    made = write(
        root / "a b {x}#ü" / "tr{a}in.ipynb",
        "import beside\nprint(lr, epochs, fast, sizes, name, beside.NAME)",
    )
    (root / "a b {x}#ü" / "beside.py").write_text("NAME = 'module'")
    (root / "outs").mkdir()
    typed = {"lr": "1", "epochs": "30", "fast": "true", "sizes": '["a", null]', "name": "it's {lr} \\ ü\n"}
    answer = await api(
        "POST",
        "runs",
        body={
            "notebook": "a b {x}#ü/tr{a}in.ipynb",
            "output": "outs/out {b}.ipynb",
            "parameters": typed,
            "options": {"name": "typed"},
        },
    )
    assert answer.status == 201, answer.body
    assert answer.body == {
        "job": answer.body["job"],
        "target": "local",
        "found": "new",
        "output": "outs/out {b}.ipynb",
    }
    assert await written("outs/out {b}.ipynb") == {
        "output": "outs/out {b}.ipynb",
        "written": True,
        "over": True,
        "problem": "",
    }
    assert printed(root / "outs" / "out {b}.ipynb") == "1.0 30 True ['a', None] it's {lr} \\ ü\n module\n"
    job = (await api("GET", "jobs", answer.body["job"])).body
    assert (job["name"], job["state"]) == ("typed", "succeeded")
    assert json.loads((root / "a b {x}#ü" / "tr{a}in.ipynb").read_text()) == made
    record = json.loads((root / "outs" / "out {b}.ipynb").read_text())["metadata"]
    assert record["sovlab"]["run"]["id"] == answer.body["job"]


async def test_the_same_again_is_the_same_run_at_another_path(api, root, notebook, written):
    async def begin(output: str, **more: Any) -> Any:
        body = {"notebook": "train.ipynb", "output": output, "parameters": {"epochs": "77"}, **more}
        return await api("POST", "runs", body=body)

    first = await begin("one.ipynb", key="click-00000001")
    assert (await begin("one.ipynb", key="click-00000001")).body == first.body
    assert (await begin("one.ipynb")).status == 409
    await written("one.ipynb")
    second = await begin("two.ipynb")
    assert (second.body["job"], second.body["found"]) == (first.body["job"], "ended")
    await written("two.ipynb")
    assert printed(root / "two.ipynb") == printed(root / "one.ipynb") == "0.1 77 False [1, 2] adam\n"
    third = await begin("three.ipynb", fresh=True)
    assert third.body["found"] == "new"
    assert third.body["job"] != first.body["job"]
    await written("three.ipynb")


async def test_a_run_that_fails_is_told_of_and_written_as_far_as_it_came(api, root, written):
    write(root / "fails.ipynb", "print('so far')", "1 / 0", "print('never')", parameters="")
    answer = await api("POST", "runs", body={"notebook": "fails.ipynb", "output": "out.ipynb"})
    assert answer.status == 201
    outcome = await written("out.ipynb")
    assert outcome["written"]
    assert "ZeroDivisionError" in outcome["problem"]
    assert printed(root / "out.ipynb").startswith("so far\n")


async def test_a_run_that_is_refused_leaves_nothing(api, root, notebook, client, monkeypatch):
    before, tree = len(client.jobs()), sorted(root.rglob("*"))
    body = {"notebook": "train.ipynb", "output": "out.ipynb", "options": {"backend": "rocm", "gpus": 1}}
    answer = await api("POST", "runs", body=body)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/options/backend")
    assert "ROCm" in answer.body["detail"]
    unknown = await api("POST", "runs", body={**body, "options": {"target": "moon"}})
    assert "moon" in unknown.body["detail"]
    monkeypatch.setattr(
        "sovlab.batch.forms.staying.command", lambda: ["/bin/sh", "-c", "echo why it is >&2; exit 7"]
    )
    broken = await api("POST", "runs", body={"notebook": "train.ipynb", "output": "out.ipynb"})
    assert (broken.status, broken.body["detail"]) == (
        503,
        "The run did not begin. Its process ended with 7. why it is",
    )
    monkeypatch.setattr("sovlab.batch.forms.staying.command", lambda: ["/no/such/program"])
    absent = await api("POST", "runs", body={"notebook": "train.ipynb", "output": "out.ipynb"})
    assert (absent.status, "No process" in absent.body["detail"]) == (503, True)
    assert sorted(root.rglob("*")) == tree
    assert len(client.jobs()) == before


async def test_nothing_is_left_of_a_process_that_has_ended(api, root, notebook, services, written):
    assert (await api("POST", "runs", body={"notebook": "train.ipynb", "output": "out.ipynb"})).status == 201
    (staying,) = services.runs._runs.values()
    pid = staying._process.pid
    await written("out.ipynb")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not staying.log.exists()


def test_a_run_goes_on_to_its_end_when_its_server_is_killed(tmp_path, client, unused_port):
    gate, root = tmp_path / "gate", tmp_path / "root"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.02)"
    write(root / "long.ipynb", waits, "print('whole')", parameters="")
    arguments = [
        f"--ServerApp.port={unused_port}",
        f"--ServerApp.root_dir={root}",
        "--IdentityProvider.token=t",
    ]
    more = ["--ServerApp.jpserver_extensions={'sovlab.jupyter.server': True}", "--allow-root", "--no-browser"]
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *arguments, *more],
            stdout=log,
            stderr=log,
            env={**os.environ, **places},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{unused_port}/sovlab/api/"

    def ask(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        said = {"Authorization": "token t", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data=data, headers=said)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    def until(fits: Any) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, ValueError):
                if found := fits():
                    return found
            assert time.monotonic() < end, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.05)

    try:
        until(lambda: ask("version"))
        begun = ask("runs", {"notebook": "long.ipynb", "output": "out.ipynb"})
        assert not ask("runs?output=out.ipynb")["written"]
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    gate.touch()

    def ended() -> Any:
        found = json.loads((root / "out.ipynb").read_text())["metadata"].get("sovlab", {})
        return found if found.get("run", {}).get("status") == "succeeded" else None

    record = until(ended)
    assert record["run"]["id"] == begun["job"]
    assert printed(root / "out.ipynb") == "whole\n"


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def test_a_process_that_is_killed_is_told_of(api, root, services, written, client):
    write(root / "killed.ipynb", "import time\ntime.sleep(600)", parameters="")
    answer = await api("POST", "runs", body={"notebook": "killed.ipynb", "output": "out.ipynb"})
    (staying,) = services.runs._runs.values()
    os.kill(staying._process.pid, signal.SIGKILL)
    outcome = await written("out.ipynb")
    assert (outcome["written"], outcome["over"]) == (False, True)
    assert outcome["problem"].startswith("Its process ended with -9.")
    await api("POST", "jobs", answer.body["job"], "cancel", body="")


async def test_what_another_server_has_begun_is_looked_up_in_the_file(api, root):
    write(root / "done.ipynb", sovlab={"run": {"id": "x-abc"}})
    write(root / "begun.ipynb")
    for name, whole in (("done", True), ("begun", False), ("nowhere", False)):
        answer = await api("GET", "runs", params={"output": f"{name}.ipynb"})
        assert (answer.body["written"], answer.body["over"]) == (whole, None)
    assert (await api("GET", "runs", params={"output": "../x.ipynb"})).status == 403
