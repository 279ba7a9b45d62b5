"""Behaviours 01 to 10: what papermill makes of parameters and paths, before an engine is asked."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys

import pytest
from papermill.exceptions import PapermillMissingParameterException

from tests.batch.conformance.engines import (
    ENGINES,
    calls,
    commands,
    folders,
    parameters,
    prepared,
    read,
    tagged,
    write,
)

TYPED = {"a": 3, "b": 0.5, "c": "hi", "d": True, "e": None}
ODD = {
    **{"i1": ("1_000", 1000), "i2": (" 5 ", 5), "i3": ("007", 7), "i4": ("-0", 0)},
    **{"f1": ("1e3", 1000.0), "f2": ("1.", 1.0)},
    **{f"s{n}": (text, text) for n, text in enumerate(("0x10", "true", "null", "[1]", "1,2"))},
}
"""What the command line says, and what papermill makes of it."""
YAML = {
    **{"y1": ("yes", True), "y2": ("on", True), "y3": ("1:30", 90), "y4": ("012", 10), "y5": ("0x1F", 31)},
    **{"y6": ("1e3", "1e3"), "y7": ("~", None), "y8": ("2026-11-27", "2026-11-27")},
    **{"y9": ("{k: [1, {l: é中}]}", {"k": [1, {"l": "é中"}]})},
}


ORDER = {"bf": "f", "fy": "y", "yp": "p", "pr": "r"}
"""Names that two flags give, and that of the one that counts."""


@pytest.fixture(scope="module")
def given(client, tmp_path_factory):
    """A command that gives parameters in every way that there is."""
    names = [
        *TYPED,
        *ODD,
        *YAML,
        "nan",
        "inf",
        "raw",
        *ORDER,
        "PAPERMILL_INPUT_PATH",
        "PAPERMILL_OUTPUT_PATH",
    ]
    told = "import json; print(json.dumps({n: globals()[n] for n in NAMES}))".replace("NAMES", repr(names))
    made = prepared(tmp_path_factory.mktemp("given"), "'before'", parameters("a = 1\nraw = 0"), told)
    for folder in made.values():
        (folder / "file.yaml").write_text("bf: f\nfy: f\nunknown: 1\n")
    words = [word for name, value in TYPED.items() for word in ("-p", name, str(value))]
    words += [word for name, (text, _) in ODD.items() for word in ("-p", name, text)]
    words += [word for name, (text, _) in YAML.items() for word in ("-y", f"{name}: {text}")]
    words += ["-p", "nan", "nan", "-p", "inf", "inf", "-r", "raw", "3", "--inject-paths", "--no-progress-bar"]
    # Where they stand on the command line does not count.
    words += ["-r", "pr", "r", "-p", "pr", "p", "-p", "yp", "p", "-y", "{yp: y, fy: y}", "-f", "file.yaml"]
    words += ["-b", base64.b64encode(b"{bf: b, PAPERMILL_OUTPUT_PATH: b}").decode()]
    both = commands(made, "in.ipynb", "out-{a}-{c}.ipynb", *words)
    assert (both.own.status, both.own.out) == (0, ""), both.own.err
    return both


OUT = "out-3-hi.ipynb"


def injected(nb):
    """The cell that papermill put in, and which one it is."""
    found = [
        (index, "".join(cell["source"]))
        for index, cell in enumerate(nb["cells"])
        if "injected-parameters" in cell["metadata"].get("tags", ())
    ]
    assert len(found) == 1
    return found[0]


def seen(nb):
    """What the kernel had for parameters."""
    return json.loads("".join(nb["cells"][-1]["outputs"][0]["text"]))


def test_01_parameters_of_each_type(given):
    nb = given.same(OUT)
    assert injected(nb)[1].startswith("# Parameters\n")
    assert all(
        line in injected(nb)[1] for line in ("a = 3\n", "b = 0.5\n", 'c = "hi"\n', "d = True\n", "e = None\n")
    )
    assert {name: nb["metadata"]["papermill"]["parameters"][name] for name in TYPED} == TYPED
    assert {name: seen(nb)[name] for name in TYPED} == TYPED


def test_02_numbers_and_what_only_looks_like_one(given):
    found = seen(given.same(OUT))
    for name, (text, value) in ODD.items():
        assert (found[name], type(found[name])) == (value, type(value)), text


def test_03_numbers_that_json_lacks(given):
    nb = given.same(OUT)
    assert "nan = float('nan')" in injected(nb)[1]
    assert "inf = float('inf')" in injected(nb)[1]
    assert math.isnan(nb["metadata"]["papermill"]["parameters"]["nan"])
    assert nb["metadata"]["papermill"]["parameters"]["inf"] == math.inf
    assert nb["metadata"]["sovlab"]["parameters"]["count"] == len(nb["metadata"]["papermill"]["parameters"])
    shown = subprocess.run(
        [sys.executable, "-m", "sovlab", "show", OUT],
        cwd=given.ours.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert "nan = nan" in shown.stdout
    assert "inf = inf" in shown.stdout


def test_04_raw_text_and_which_of_two_counts(given):
    found = seen(given.same(OUT))
    assert found["raw"] == "3"
    assert {name: found[name] for name in ORDER} == ORDER
    assert (found["PAPERMILL_INPUT_PATH"], found["PAPERMILL_OUTPUT_PATH"]) == ("in.ipynb", "b")


def test_05_values_of_yaml(given):
    found = seen(given.same(OUT))
    assert {name: found[name] for name in YAML} == {name: value for name, (_, value) in YAML.items()}


def test_06_after_the_first_cell_with_the_tag(given):
    assert injected(given.same(OUT))[0] == 2


def test_06_at_the_top_without_the_tag_and_07_a_parameter_that_is_unknown(client, tmp_path):
    both = calls(prepared(tmp_path, "x"), parameters={"x": 2})
    assert injected(both.same())[0] == 0
    for ran in (both.own, both.ours):
        assert "WARNING Input notebook does not contain a cell with tag 'parameters'" in ran.err
        assert "WARNING Passed unknown parameter: x" in ran.err


def test_07_without_parameters_nothing_is_put_in(client, tmp_path):
    both = calls(prepared(tmp_path, parameters("x = 1"), "x"), prepare_only=True)
    nb = both.same()
    assert len(nb["cells"]) == 2
    assert "WARNING" not in both.own.err + both.ours.err


def test_07_an_unknown_parameter_of_a_command(given):
    for ran in (given.own, given.ours):
        assert "Passed unknown parameter: unknown\n" in ran.err
        assert "Passed unknown parameter: a\n" not in ran.err


def test_08_the_paths_as_the_user_gave_them(client, tmp_path):
    made = prepared(tmp_path, "1")
    both = commands(made, "in.ipynb", "o-{PAPERMILL_INPUT_PATH}", "--inject-paths", "--prepare-only")
    assert injected(both.same("o-in.ipynb"))[1].splitlines() == [
        "# Parameters",
        'PAPERMILL_INPUT_PATH = "in.ipynb"',
        'PAPERMILL_OUTPUT_PATH = "o-{PAPERMILL_INPUT_PATH}"',
    ]


def test_09_fields_in_paths(client, tmp_path):
    made = folders(tmp_path)
    for engine in ENGINES:
        write(made[engine], "1", name="in-0.5.ipynb")
    keywords = {"parameters": {"lr": 0.5}, "prepare_only": True, "source": "in-{lr}.ipynb"}
    both = calls(made, output="out-{lr:.2f}-{pm[run_uuid]}.ipynb", **keywords)
    for ran in (both.own, both.ours):
        assert ran.error is None
        (path,) = ran.folder.glob("out-0.50-*-*-*-*-*.ipynb")
        assert read(path)["metadata"]["papermill"]["output_path"] == path.name
    both = calls(made, output="out-{seed}.ipynb", **keywords)
    assert both.own.raised == both.ours.raised
    assert isinstance(both.ours.error, PapermillMissingParameterException)


def test_10_prepared_only(client, tmp_path):
    before = len(client.jobs())
    made = prepared(tmp_path, parameters("a = 1"), "1/0", tagged("2", "x", papermill={"status": "old"}))
    both = calls(made, parameters={"a": 2}, prepare_only=True, report_mode=True)
    nb = both.same()
    assert [cell["metadata"].get("papermill") for cell in nb["cells"]] == [{}, None, {}, {"status": "old"}]
    assert [cell["execution_count"] for cell in nb["cells"]] == [None] * 4
    assert "start_time" not in nb["metadata"]["papermill"]
    assert all(cell["metadata"]["jupyter"] == {"source_hidden": True} for cell in nb["cells"])
    assert len(client.jobs()) == before


LANGUAGES = {
    "ir": "R",
    "sparkrkernel": "R",
    "spylon": "scala",
    "sparkkernel": "scala",
    "julia-1.11": "julia",
    "matlab": "matlab",
    ".net-csharp": "C#",
    ".net-fsharp": "F#",
    ".net-powershell": "PowerShell",
    "pysparkkernel": "python",
    "bash": "bash",
}
SAID = {"_a": 1, "b": 0.5, "c": 'é"', "d": True}


@pytest.mark.parametrize("kernel", LANGUAGES)
def test_parameters_of_other_languages(client, tmp_path, kernel):
    spec = {
        "kernelspec": {"name": kernel, "display_name": kernel},
        "language_info": {"name": LANGUAGES[kernel]},
    }
    made = prepared(tmp_path, parameters("a"), metadata=spec)
    nb = calls(made, parameters=SAID, prepare_only=True).same()
    assert injected(nb)[0] == 1
    assert r"\xe9" in injected(nb)[1] or "é" in injected(nb)[1]
    for value in (None, [1, {"k": 2}]):  # which some have no word for
        both = calls(made, parameters={"x": value}, prepare_only=True)
        assert both.own.raised == both.ours.raised
        assert both.own.error is not None or both.same()
