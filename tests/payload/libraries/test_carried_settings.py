"""Settings that earlier cells made are in force in the jobs of that notebook."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from sovlab.options.job import Options
from sovlab.payload.code import Cell
from sovlab.payload.scripts import Script
from sovlab.runner.settings import reading

# A notebook in a process of its own: each cell of the first list is run in it, then the probe both here and
# as jobs, of which the first is started and a later one forked from a process that has the libraries already.
NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from sovlab.client import default
from sovlab.options.job import Options
from sovlab.payload.code import Cell
quiet = Config()
quiet.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=quiet)
cells, probe, times = json.load(sys.stdin)
for cell in [*cells, probe]:
    shell.run_cell(cell, store_history=True).raise_error()
told = {"here": shell.user_ns.get("x"), "jobs": [], "messages": []}
for _ in range(times):
    submitted = default().submit(Cell(probe, shell.user_ns, label="In[9]"), Options(outputs=("x",)))
    told["messages"].append(list(submitted.messages))
    told["jobs"].append(submitted.job.result()["x"])
    told["log"] = submitted.job.logs()
print("TOLD" + json.dumps(told))
"""


@pytest.fixture
def answers(client):
    def run(cells, probe, times=1):
        asked = json.dumps([[textwrap.dedent(cell) for cell in cells], textwrap.dedent(probe), times])
        done = subprocess.run(
            [sys.executable, "-c", NOTEBOOK], input=asked, capture_output=True, text=True, timeout=150
        )
        assert "TOLD" in done.stdout, done.stdout + done.stderr
        told = json.loads(done.stdout.rpartition("TOLD")[2])
        assert told["jobs"] == [told["here"]] * times, told["log"]
        return told

    return run


def test_settings_of_the_standard_library_are_in_force(answers):
    told = answers(
        [
            """
            import csv, decimal, gc, locale, logging, multiprocessing, socket, sys, warnings
            class Odd(UserWarning):
                pass
            """,
            """
            decimal.getcontext().prec = 7
            decimal.getcontext().traps[decimal.Inexact] = True
            decimal.getcontext().traps[decimal.DivisionByZero] = False
            locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
            sys.setrecursionlimit(4321)
            sys.set_int_max_str_digits(5000)
            gc.disable()
            socket.setdefaulttimeout(2.5)
            csv.field_size_limit(99)
            multiprocessing.set_start_method("spawn")
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="of no import", category=UserWarning)
            warnings.filterwarnings("ignore", category=Odd)
            logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(message)s", stream=sys.stdout)
            logging.getLogger("train.loop").setLevel(logging.DEBUG)
            sys.path.append("/etc")
            """,
        ],
        """
        import csv, decimal, gc, locale, logging, multiprocessing, socket, sys, warnings
        x = [str(decimal.getcontext().traps[t]) for t in (decimal.Inexact, decimal.DivisionByZero)]
        x += [decimal.getcontext().prec, locale.setlocale(locale.LC_NUMERIC), sys.getrecursionlimit()]
        x += [sys.get_int_max_str_digits(), gc.isenabled(), socket.getdefaulttimeout()]
        x += [csv.field_size_limit()]
        x += [multiprocessing.get_start_method(), logging.root.level, logging.getLogger("train.loop").level]
        x += [[h.formatter._fmt for h in logging.root.handlers], "/etc" in sys.path]
        for warning in (UserWarning("of no import"), Odd("odd"), RuntimeWarning("grave")):
            try:
                warnings.warn(warning)
                x.append("silent")
            except RuntimeWarning as error:
                x.append(str(error))
        """,
    )
    assert told["here"][-3:] == ["silent", "silent", "grave"]
    assert told["messages"] == [[]]


def test_settings_of_array_libraries_are_in_force(answers):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    told = answers(
        [
            """
            import matplotlib, numpy as np, pandas as pd, sklearn
            DIGITS = 3
            def money(value):
                return f"{value:.{DIGITS}f} EUR"
            """,
            """
            np.set_printoptions(precision=2, suppress=True, formatter={"float": lambda v: f"<{v:.1f}>"})
            np.seterr(divide="raise", over="ignore")
            pd.set_option("display.max_rows", 7)
            pd.options.display.float_format = money
            matplotlib.rcParams["figure.figsize"] = (3, 2)
            matplotlib.rcParams["axes.prop_cycle"] = matplotlib.cycler(color=["r", "g"])
            sklearn.set_config(transform_output="pandas")
            """,
        ],
        """
        import matplotlib, numpy as np, pandas as pd, sklearn
        x = [str(np.array([1.26, 2e-9])), np.geterr(), pd.get_option("display.max_rows")]
        x += [str(pd.Series([1.25])), list(matplotlib.rcParams["figure.figsize"])]
        x += [str(matplotlib.rcParams["axes.prop_cycle"]), sklearn.get_config()["transform_output"]]
        x += [len(repr(pd.DataFrame({f"column{i}": [0.5] for i in range(40)})).splitlines())]
        """,
    )
    assert "1.250 EUR" in told["here"][3]


TORCH = """
import torch
x = [str(torch.get_default_dtype()), torch.zeros(1).device.type, torch.is_grad_enabled()]
x += [torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()]
x += [torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark]
x += [torch.backends.cudnn.deterministic]
x += [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.is_anomaly_enabled()]
x += [repr(torch.full((2,), 1 / 3, device="cpu")), torch.backends.cuda.math_sdp_enabled()]
x += [str((torch.ones(2, 2, device="cpu") @ torch.ones(2, 2, device="cpu")).dtype)]
"""


def test_settings_of_torch_are_in_force_in_jobs_that_start_and_that_are_forked(answers):
    pytest.importorskip("torch")
    told = answers(
        [
            "import torch",
            """
            torch.set_default_dtype(torch.float64)
            torch.set_default_device("meta")
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.set_grad_enabled(False)
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.allow_tf32 = False
            torch.set_printoptions(precision=2)
            torch.autograd.set_detect_anomaly(True)
            torch.backends.cuda.enable_math_sdp(False)
            """,
        ],
        TORCH,
        times=3,
    )
    assert told["here"][:3] == ["torch.float64", "meta", False]


def test_a_job_after_one_with_settings_has_none_of_them(answers):
    pytest.importorskip("torch")
    answers(["import torch", "torch.set_default_dtype(torch.float64)"], TORCH)
    told = answers(["import torch"], TORCH)
    assert told["here"][0] == "torch.float32"


def test_what_is_set_and_does_not_travel_is_said_once(answers):
    pytest.importorskip("numpy")
    told = answers(
        [
            "import logging, numpy, threading, warnings",
            """
            numpy.random.seed(3)
            numpy.seterrcall(lambda *_, lock=threading.Lock(): None)
            logging.root.addHandler(logging.FileHandler("/dev/null"))
            """,
        ],
        "x = 5",
        times=2,
    )
    for message, seed in zip(told["messages"], ["numpy.random.seed, ", ""], strict=True):
        handler = "the FileHandler of the logger root"
        names = f"{handler}, {seed}numpy.seterrcall"
        assert message == [f"What earlier cells set with {names} is not in force in a job: set them there."]


def test_libraries_are_not_imported_for_their_settings(client, monkeypatch):
    monkeypatch.setattr(reading, "changed", lambda: {"csv": {"csv.field_size_limit": 99}})
    probe = "import sys\nx = ['csv' in sys.modules]\nimport csv\nx += [csv.field_size_limit()]"
    job = client.submit(Cell(probe, {}), Options(outputs=("x",))).job
    assert job.result()["x"] == [False, 99]


def test_a_fresh_process_has_nothing_to_carry_but_its_filters_and_its_path():
    code = "from sovlab.runner.settings import reading; print(sorted(reading.changed()))"
    imports = "\n".join(
        f"try:\n    import {name}\nexcept ImportError:\n    pass"
        for name in ("torch", "numpy", "pandas", "matplotlib.pyplot", "sklearn", "torch._dynamo")
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{code}"], capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"sys", "warnings"}


def test_a_script_is_a_fresh_process(notebook, meta, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "changed", lambda: {"sys": {"sys.setrecursionlimit": 4321}})
    path = tmp_path / "train.py"
    path.write_text("print(1)")
    assert meta(Script(path).pack(notebook.store))["settings"] == {}
    cell = Cell("print(1)", {}).pack(notebook.store)
    assert meta(cell)["settings"] == {"sys": {"sys.setrecursionlimit": ["json", 4321]}}
