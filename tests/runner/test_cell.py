from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sovlab.runner.values.pack import Pack
from tests.runner.conftest import RunningJob


def test_names_asked_for_come_back_and_others_are_named(job: RunningJob) -> None:
    record = job.run("x = [1, 2]\ny = x\nz = 5\n_hidden = 1\nimport os\ndef f(): ...", outputs=["x", "y"])
    assert (job.status, record["reason"], record["exit_code"]) == (0, "succeeded", 0)
    values = job.values
    assert values == {"x": [1, 2], "y": [1, 2]}
    assert values["x"] is values["y"]
    assert record["results"]["unreturned"] == ["z"]


def test_variables_are_there_and_those_left_alone_are_not_called_bound(job: RunningJob) -> None:
    job.run("out = data + other", variables={"data": 40, "other": 2}, outputs=["out", "data"])
    assert job.values == {"out": 42, "data": 40}
    assert job.record["results"]["unreturned"] == []


def test_a_name_that_was_not_bound_is_reported_beside_those_that_were(job: RunningJob) -> None:
    record = job.run("x = 1", outputs=["x", "model"])
    assert record["reason"] == "succeeded"
    by_name = {entry["name"]: entry["error"] for entry in record["results"]["names"]}
    assert by_name["x"] == ""
    assert "model" in by_name["model"]


def test_a_value_that_cannot_be_pickled_leaves_the_others(job: RunningJob) -> None:
    record = job.run("import threading\na = threading.Lock()\nb = 2", outputs=["a", "b"])
    assert record["reason"] == "succeeded"
    assert job.values["b"] == 2
    errors = {entry["name"]: entry["error"] for entry in record["results"]["names"]}
    assert "a" in errors["a"]
    assert "pickle" in errors["a"]


def test_output_is_byte_for_byte(job: RunningJob) -> None:
    job.run(
        r"""
        import ctypes, os, subprocess, sys
        print("text ü", end="\r")
        sys.stdout.buffer.write(b"\x00\xff\x1e raw\r\n")
        os.write(1, b"direct\n")
        ctypes.CDLL(None).puts(b"from C"); ctypes.CDLL(None).fflush(None)
        subprocess.run(["printf", "child\\n"])
        print("error", file=sys.stderr)
        print("split", "over", "writes");
        """
    )
    assert job.output == (
        "text ü\r".encode() + b"\x00\xff\x1e raw\r\ndirect\nfrom C\nchild\nerror\nsplit over writes\n"
    )


def test_output_is_there_at_once_without_a_line_end(job: RunningJob) -> None:
    job.write("import time\nprint(' 10%|#   |', end='\\r')\ntime.sleep(60)")
    job.start()
    job.until(" 10%|#   |\r")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_a_gigabyte_of_output_costs_no_memory(job: RunningJob) -> None:
    source = """
        import os, time
        for _ in range(1024):
            print('x' * 1048575)
        open("done", "w").close()
        while os.path.exists("done"):
            time.sleep(0.01)
    """
    job.write(source)
    with open(os.devnull, "wb") as sink:
        job.process = subprocess.Popen(
            [sys.executable, str(job.archive), "run", str(job.directory / "order.json")], stdout=sink
        )
    while not (job.directory / "work" / "done").exists():
        assert job.process.poll() is None
        time.sleep(0.01)
    status = Path(f"/proc/{job.process.pid}/status").read_text()
    (job.directory / "work" / "done").unlink()
    assert job.wait() == 0
    assert int(status.partition("VmHWM:")[2].split()[0]) < 100_000
    assert job.record["max_rss"] < 100e6


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1 + 1", ["2"]),
        ("1 + 1;", []),
        ("(1 +\n 1) ; # quiet", []),
        ("'ü'; 2  # ;", ["2"]),
        ("x = 3", []),
        ("None", []),
        ("", []),
        ("if True:\n    5", []),
        ("import asyncio\nawait asyncio.sleep(0, 'awaited')", ["'awaited'"]),
    ],
)
def test_the_last_expression_is_displayed(job: RunningJob, source: str, shown: list[str]) -> None:
    job.run(source)
    assert job.record["reason"] == "succeeded"
    path = job.directory / "results.pack"
    found = [bundle["data"]["text/plain"] for bundle in job.outputs] if path.exists() else []
    assert found == shown
    assert job.output == b""


def test_await_and_async_for_at_the_top(job: RunningJob) -> None:
    job.run(
        """
        import asyncio
        async def numbers():
            for i in range(3):
                await asyncio.sleep(0)
                yield i
        total = 0
        async for i in numbers():
            total += i
        async with asyncio.Lock():
            total += 10
        """,
        outputs=["total"],
    )
    assert job.values == {"total": 13}


def test_a_call_returns_its_value(job: RunningJob) -> None:
    record = job.run(kind="call", variables={"__call__": (divmod, (17,), {})}, outputs=["return"])
    assert record["reason"] == "user_error"
    job.directory.joinpath("exit.json").unlink()
    job.run(kind="call", variables={"__call__": (divmod, (17, 5), {})}, outputs=["return"])
    assert job.values == {"return": (3, 2)}


def test_a_script_has_its_arguments_its_file_and_its_modules(job: RunningJob) -> None:
    job.run(
        """
        import os, sys
        import beside
        from package.inner import WHERE
        if __name__ == "__main__":
            print(sys.argv[1:], os.path.basename(__file__), beside.VALUE, WHERE)
        """,
        kind="script",
        args=["--lr", "0.1 $HOME `x`"],
        files={"beside.py": "VALUE = 1", "package/__init__.py": "", "package/inner.py": "WHERE = __name__"},
    )
    assert job.log == "['--lr', '0.1 $HOME `x`'] train.py 1 package.inner\n"


def test_shipped_modules_come_before_those_in_the_working_directory(job: RunningJob) -> None:
    job.write("import mine, theirs\nprint(mine.V, theirs.V)", files={"mine.py": "V = 'shipped'"})
    (job.directory / "work" / "mine.py").write_text("V = 'lying there'")
    (job.directory / "work" / "theirs.py").write_text("V = 'found'")
    job.start()
    job.wait()
    assert job.log == "shipped found\n"


@pytest.mark.parametrize("path", ["../outside.py", "/tmp/outside.py", "a//b.py", "a/../../b.py"])
def test_a_file_that_leads_elsewhere_is_refused(job: RunningJob, path: str) -> None:
    record = job.run("1", files={path: "evil = 1"})
    assert record["reason"] == "payload"
    assert path in record["message"]
    assert not (job.directory / "outside.py").exists()


def test_main_is_the_cell(job: RunningJob) -> None:
    job.run(
        """
        import pickle, sys
        class Point:
            def __init__(self, x): self.x = x
        def double(x): return 2 * x
        again = pickle.loads(pickle.dumps([Point(3), double]))
        assert __name__ == "__main__" and sys.modules["__main__"].Point is Point
        out = (again[0].x, again[1] is double)
        """,
        outputs=["out"],
    )
    assert job.values == {"out": (3, True)}


def test_source_of_what_the_cell_defines_is_known(job: RunningJob) -> None:
    job.run("import inspect\n\ndef f():\n    return 1\n\nprint(inspect.getsource(f), f.__code__.co_filename)")
    assert job.log == "def f():\n    return 1\n Cell In[7]\n"


def test_definitions_of_other_cells_are_there(job: RunningJob) -> None:
    other = "import math\n\ndef area(r, scale=2):\n    return scale * round(math.pi * r)\n"
    key = hashlib.sha256(other.encode()).hexdigest()
    source = other.split("\n", 2)[2]
    entry = {
        "name": "area",
        "key": key,
        "line": 3,
        "segment": "file/area.txt",
        "defaults": False,
        "future": [],
        "before": [],
        "variables": [],
    }
    job.run(
        "x = area(1)",
        files={"area.txt": source},
        meta={"definitions": [entry], "imports": [["math", "math", None]]},
        outputs=["x"],
    )
    assert job.values == {"x": 6}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_does_not_run_the_runner_again(job: RunningJob, method: str) -> None:
    record = job.run(
        f"""
        import multiprocessing, operator
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            out = pool.map(operator.neg, [1, 2])
        print("once")
        """,
        outputs=["out"],
    )
    assert record["reason"] == "succeeded", job.log
    assert job.values == {"out": [-1, -2]}
    assert job.log == "once\n"


def test_workers_of_a_data_loader(job: RunningJob) -> None:
    pytest.importorskip("torch")
    record = job.run(
        """
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Squares(Dataset):
            def __len__(self): return 4
            def __getitem__(self, i): return torch.tensor(i * i)
        out = sorted(int(x) for batch in DataLoader(Squares(), batch_size=2, num_workers=2) for x in batch)
        """,
        outputs=["out"],
    )
    assert record["reason"] == "succeeded", job.log
    assert job.values == {"out": [0, 1, 4, 9]}
    assert "torch" in record["imported"]


def test_a_file_left_open_is_written_and_atexit_runs(job: RunningJob) -> None:
    source = "import atexit\nf = open('kept.txt', 'w')\nf.write('all of it')\natexit.register(print, 'bye');"
    job.run(source, environ={"PYTHONWARNINGS": "ignore"})
    assert (job.directory / "work" / "kept.txt").read_text() == "all of it"
    assert job.log == "bye\n"


def test_a_withheld_name_says_so(job: RunningJob) -> None:
    record = job.run("print(hf_token)", meta={"withheld": ["hf_token"]})
    assert record["error"]["type"] == "NameError"
    assert "withheld" in record["error"]["message"]
    assert "--in hf_token" in record["error"]["message"]


def test_an_unknown_name_is_the_users_own_error(job: RunningJob) -> None:
    record = job.run("print(no_such_thing)", meta={"withheld": ["hf_token"]})
    assert record["error"]["message"] == "name 'no_such_thing' is not defined"


def test_standard_input_is_empty(job: RunningJob) -> None:
    assert job.run("input()")["error"]["type"] == "EOFError"


def test_a_returned_function_brings_what_it_reads(job: RunningJob) -> None:
    job.run(
        "scale = 3\ndef helper(x): return x * scale\ndef f(x): return helper(x) + given",
        variables={"given": 1},
        outputs=["f"],
    )
    meta = Pack(job.directory / "results.pack").meta
    assert {d["name"] for d in meta["definitions"]} == {"f", "helper"}
    assert meta["needed"] == ["scale"]


def test_the_environment_is_the_orders(job: RunningJob) -> None:
    job.run("import os\nprint(os.environ['SOVLAB_JOB_ID'], os.environ['LR'], os.getcwd())", env={"LR": "0.1"})
    assert job.log == f"{job.job_id} 0.1 {Path(job.directory / 'work').resolve()}\n"


def test_a_forked_worker_dies_of_sigterm_even_while_it_waits(job: RunningJob) -> None:
    job.run(
        """
        import multiprocessing, signal, time
        context = multiprocessing.get_context("fork")
        lock = context.Lock()
        lock.acquire()
        codes = []
        for delay in (0, 0.001, 0.01, 0.2):
            worker = context.Process(target=lock.acquire)
            worker.start()
            time.sleep(delay)
            worker.terminate()
            worker.join(10)
            codes.append(worker.exitcode)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        """,
        outputs=["codes", "blocked"],
    )
    assert job.values == {"codes": [-15] * 4, "blocked": set()}
