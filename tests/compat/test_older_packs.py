"""Payloads and results that an older sovlab wrote, loaded in a notebook and in a job."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from sovlab.core.job import JobState
from sovlab.errors import JobTimeout, ResultError, SovlabError
from sovlab.payload.results import Results
from sovlab.payload.shipping import runner_zip
from sovlab.runner import checkpoint, progress
from sovlab.runner.output import display
from sovlab.runner.protocol.frames import FrameReader
from sovlab.runner.source.installing import Installer
from sovlab.runner.values.moved import MOVED, present
from sovlab.runner.values.pack import Pack
from sovlab.runner.values.unpickling import loads

from .conftest import DATA, Older

torch = pytest.importorskip("torch")

MODULES: list[str] = json.loads((DATA / "modules.json").read_bytes())
NAMES = {
    "checkpoint": ("Checkpoint",),
    "display": ("DisplayHandle", "display"),
    "figures": ("FigureCanvas",),
    "pickling": ("_cached_again",),
    "progress": ("progress",),
    "tensors": ("_same", "meta_storage", "rebuild_storage", "typed_storage"),
    "unpickling": ("main_attribute", "main_namespace"),
}
"""What the packs of the data name, by the module of the runner that had it."""
OTHERS = {
    "display": ("clear_output", "publish", "show", "update_display"),
    "figures": ("FigureManager",),
}
"""What the user's code could reach as well, and so return."""
MADE_WITH = (3, 11)
"""The Python that made the data: what is bytecode loads in no other."""


@pytest.mark.parametrize("module", MODULES)
def test_each_module_of_the_older_runner_is_found_and_can_be_imported(module: str) -> None:
    importlib.import_module(present(module))
    moved = not (Path(display.__file__).parents[1] / f"{module.rpartition('.')[2]}.py").exists()
    assert moved == (present(module) != module)


def test_each_entry_of_the_table_was_a_module_and_is_one() -> None:
    for name, now in MOVED.items():
        assert f"sovlab.runner.{name}" in MODULES
        assert importlib.import_module(f"sovlab.runner.{now}").__name__ == present(f"sovlab.runner.{name}")


def test_names_of_other_modules_stay_as_they_are() -> None:
    for module in (
        "sovlab.errors",
        "sovlab.runner.progress",
        "sovlab.runner.values.pack",
        "display",
        "__main__",
    ):
        assert present(module) == module


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for table in (NAMES, OTHERS) for module, names in table.items() for name in names],
)
def test_what_a_pack_may_name_is_where_the_table_says(module: str, name: str) -> None:
    assert callable(loads(f"csovlab.runner.{module}\n{name}\n.".encode(), main={}))


def test_the_packs_of_the_data_name_all_that_is_said_of_them() -> None:
    told = b"".join(path.read_bytes() for path in DATA.rglob("*.pack"))
    assert set(re.findall(rb"sovlab\.runner\.([a-z_]+)", told)) == {module.encode() for module in NAMES}
    assert set(re.findall(rb"sovlab\.(?!runner)[a-z_.]+[a-z]", told)) >= {
        b"sovlab.core.job",
        b"sovlab.errors",
    }
    for names in NAMES.values():
        for name in names:
            assert name.encode() in told


# --- in a notebook


def results(older: Older, name: str) -> tuple[Results, dict[str, Any]]:
    """The results of a job, and the notebook that they are loaded in: it has kept its variables."""
    main: dict[str, Any] = {"__name__": "__main__", "FACTOR": 3}
    order = older.order(name)
    return Results(str(order["results"]), main=main, labels=order["labels"]), main


def check_digits(values: dict[str, Any], main: dict[str, Any]) -> None:
    """What the job `digits` returned, however it came here."""
    assert [digit.shown() for digit in values["digits"]] == [7, 14]
    assert type(values["digits"][0]) is main["Digit"]
    emphasised, cube, shown, displayed = values["returned"]["functions"]
    assert (emphasised(values["digits"][1]), cube(2), shown(values["digits"][0])) == (14, 56, 7)
    assert cube.cache_parameters()["maxsize"] == 8
    assert displayed is display.display
    assert values["tell"](5) == 5
    assert (values["returned"]["point"].x, values["returned"]["point"].y) == (2.0, 3.0)
    assert values["area"](2) == 12
    scale, point, moved, area, bound = values["functions"]
    assert (scale(2), point(1.0).moved(1).y, moved(point(1.0), 2).x, area(3), bound(1).y) == (
        18,
        1.0,
        3.0,
        27,
        3.0,
    )
    assert (type(values["handle"]), values["handle"].display_id) == (display.DisplayHandle, "one")
    assert values["canvas"].__name__ == "FigureCanvas"
    assert values["speakers"][0] is progress.progress
    assert values["speakers"][1] is checkpoint.checkpoint
    failed, late, key = values["failures"]
    assert (type(failed), str(failed)) == (SovlabError, "It did not work. Try again.")
    assert (type(late), str(late), key.args) == (JobTimeout, "It took too long.", ("k",))
    check_tensors(values)


def check_tensors(values: dict[str, Any]) -> None:
    shared, storages = values["shared"], values["storages"]
    assert shared["base"].tolist() == [0, 1, 2, 30, 4, 5]
    shared["base"][4] = 40.0
    assert (shared["view"].tolist(), shared["row"].tolist()) == ([2, 30, 40], [30, 40, 5])
    assert values["tied"][0] is values["tied"][1]
    assert isinstance(values["weight"], torch.nn.Parameter)
    assert values["weight"].data_ptr() == values["tied"][0].data_ptr()
    assert storages["untyped"].data_ptr() == storages["same"].data_ptr() == shared["base"].data_ptr()
    assert storages["typed"]._untyped_storage.data_ptr() == shared["base"].data_ptr()
    assert storages["typed"].dtype == torch.float32
    assert (storages["meta"].nbytes(), storages["meta"].device.type) == (24, "meta")
    assert list(storages["elsewhere"].cpu()) == list(range(8))
    assert (values["empty"].shape, values["meta"].shape, values["meta"].device.type) == (
        (0, 3),
        (4, 5),
        "meta",
    )


def test_results_are_loaded_in_a_notebook(older: Older) -> None:
    found, main = results(older, "digits")
    values = found.values()
    assert found.errors == {}
    assert list(values) == older.order("digits")["outputs"]
    assert main["display"] is display.display
    assert found.outputs[0]["data"] == {"text/plain": "'shown'"}
    check_digits(values, main)


def test_what_a_returned_function_displays_is_displayed_in_the_notebook(older: Older) -> None:
    found, main = results(older, "digits")
    quiet = Config()
    quiet.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    InteractiveShell.instance(config=quiet)
    try:
        with capture_output() as shown:
            found.value("tell")(5)
            found.value("handle").update(6)
            main["display"](7)
    finally:
        InteractiveShell.clear_instance()
    assert [output.data["text/plain"] for output in shown.outputs] == ["5", "6", "7"]
    assert display.outputs.bundles() == []


def test_the_result_of_a_call_is_loaded_in_a_notebook(older: Older) -> None:
    assert results(older, "scale")[0].value("return").tolist() == [0, 6, 12, 18, 24, 30]


def test_the_exception_of_a_job_is_rebuilt_in_a_notebook(older: Older) -> None:
    error = results(older, "fails")[0].exception()
    assert (type(error).__name__, str(error), error.loss) == ("Diverged", "the loss is 1000000000.0", 1e9)


def test_closures_are_loaded_in_a_notebook_with_the_same_python(older: Older) -> None:
    found, _ = results(older, "closures")
    if sys.version_info[:2] != MADE_WITH:
        with pytest.raises(ResultError, match=r"bytecode of Python 3\.11"):
            found.value("tools")
        return
    tools, there = found.value("tools"), found.value("there")
    assert (tools["times"](2), tools["cached"](2), tools["plus"](2)) == (12, 30, 5)
    assert (there["times"](2), there["cached"](2)) == (7, 9)
    assert (tools["cached"].cache_parameters()["maxsize"], there["cached"].cache_parameters()["maxsize"]) == (
        4,
        2,
    )


@pytest.mark.parametrize("name", ["digits", "fails", "ranks", "scale", "waits"])
def test_payloads_are_loaded_in_a_notebook(older: Older, name: str) -> None:
    order = older.order(name)
    installer = Installer(Pack(str(order["payload"])), {"__name__": "__main__"}, order["labels"])
    installer.all()
    assert installer.errors == {}


def test_a_payload_that_only_a_notebook_can_load_is_loaded_there() -> None:
    main: dict[str, Any] = {}
    installer = Installer(Pack(DATA / "states.pack"), main)
    installer.all()
    assert installer.errors == {}
    assert main["states"] == [JobState.SUCCEEDED, JobState.FAILED]
    assert (main["JobTimeout"], main["SovlabError"]) == (JobTimeout, SovlabError)


# --- in a job


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runner_zip(tmp_path_factory.mktemp("runner"))


def run(older: Older, runner: Path, name: str) -> tuple[dict[str, Any], str]:
    """Run an older payload by the runner of now: (exit record, log)."""
    directory = older.job(name)
    for left in ("exit.json", "results.pack", "run.json"):
        (directory / left).unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, str(runner), "run", str(directory / "order.json")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=150,
    )
    pieces = FrameReader(str(older.order(name)["nonce"])).feed(done.stdout)
    log = b"".join(piece for piece in pieces if isinstance(piece, bytes)).decode()
    return json.loads((directory / "exit.json").read_bytes()), log


def test_a_payload_runs_in_a_job(older: Older, runner: Path) -> None:
    before, _ = results(older, "digits")
    record, log = run(older, runner, "digits")
    assert record["reason"] == "succeeded", log
    assert log == (
        "area 12 scaled 18 half 1.5\n"
        "['scale', 'Point', 'moved', 'area', 'moved'] Point(x=1.0, y=2.0) "
        "['It did not work. Try again.', 'It took too long.', \"'k'\"]\n"
        "step 1\nstep 2\nstep 3\n"
        "[2.0, 30.0, 4.0] [30.0, 4.0, 5.0] True True\n"
        "[24, 24, 24] True\n"
        "[0, 1, 2, 3, 4, 5, 6, 7] (0, 3) meta meta\n"
    )
    assert record["progress"]["metrics"] == {"loss": 1 / 3}
    after, main = results(older, "digits")
    assert after.names == before.names
    assert after.outputs == before.outputs
    check_digits(after.values(), main)


def test_a_call_runs_in_a_job(older: Older, runner: Path) -> None:
    assert run(older, runner, "scale")[0]["reason"] == "succeeded"
    assert results(older, "scale")[0].value("return").tolist() == [0, 6, 12, 18, 24, 30]


def test_closures_run_in_a_job_with_the_same_python(older: Older, runner: Path) -> None:
    record, log = run(older, runner, "closures")
    if sys.version_info[:2] != MADE_WITH:
        assert record["reason"] == "payload"
        assert "only as bytecode of Python 3.11" in record["message"]
        return
    assert (record["reason"], log) == ("succeeded", "12 30 5 7 9\n")
    assert results(older, "closures")[0].value("tools")["cached"](2) == 30


def test_a_payload_that_fails_does_so_as_before(older: Older, runner: Path) -> None:
    before = json.loads((older.job("fails") / "exit.json").read_bytes())
    record, log = run(older, runner, "fails")
    assert (record["reason"], record["error"]) == (before["reason"], before["error"])
    assert log.startswith("before\nCell In[5], line 8\n")
    assert results(older, "fails")[0].exception().loss == 1e9
