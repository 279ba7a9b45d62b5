"""A comparison is told in a terminal, to JUnit's readers and as a notebook."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import nbformat
import pytest

from sovlab.batch.verifying.comparing import compare
from sovlab.batch.verifying.junit import junit
from sovlab.batch.verifying.notebook import report_notebook
from sovlab.batch.verifying.report import cells_table, exit_code, summary
from sovlab.batch.verifying.result import Verdict
from tests.batch.verifying.made import code, error, notebook, shown, stdout

CUDA = {"accel": {"backend": "cuda", "devices": ["NVIDIA A100"], "driver": "1", "runtime": "1"}}
ROCM = {"accel": {"backend": "rocm", "devices": ["AMD MI300X"], "driver": "1", "runtime": "1"}}


def both(again_of_cuda=ROCM):
    """Two runs with a cell of each verdict."""
    ignored = {"tags": ["nbval-ignore-output"]}
    recorded = notebook(
        code(stdout("1"), id="same", source="same()"),
        code(stdout("1.0"), id="within", source="within()"),
        code(stdout("1.0"), id="differs", source="differs()\nmore"),
        code(stdout("1"), id="error", source="error()"),
        code(stdout("1"), id="missing", source="missing()"),
        code(stdout("1"), id="ignored", source="ignored()", **ignored),
        code(stdout("1"), id="unrun", source="unrun()"),
        **CUDA,
    )
    again = notebook(
        code(stdout("1"), id="same", source="same()"),
        code(stdout("1.0000005"), id="within", source="within()"),
        code(stdout("2.0"), id="differs", source="differs()\nmore"),
        code(error("ValueError"), id="error", source="error()"),
        code(stdout("2"), id="ignored", source="ignored()", **ignored),
        code(id="unrun", source="unrun()", count=None),
        **again_of_cuda,
    )
    return compare(recorded, again)


def test_the_table_has_a_row_for_each_cell_that_needs_a_look():
    rows = cells_table(both()).rows
    assert [(row[0], row[1]) for row in rows] == [
        ("Cell 2 [within] within()", "within tolerance"),
        ("Cell 3 [differs] differs()", "differs"),
        ("Cell 4 [error] error()", "error"),
        ("Cell 5 [missing] missing()", "missing"),
        ("Cell 6 [ignored] ignored()", "ignored"),
        ("Cell 7 [unrun] unrun()", "not run"),
    ]
    assert rows[1][2] == (
        "stdout: 1 number changed, 1 beyond tolerance, at worst by 1 (relative 0.5) (1.0 → 2.0)"
    )
    assert len(cells_table(both(), every=True).rows) == 7


def test_a_comparison_without_a_difference_says_so():
    same = compare(notebook(code(stdout("1"))), notebook(code(stdout("1"))))
    assert cells_table(same).text() == "Every cell is the same."


def test_drift_is_told_first_and_how_far_other_devices_are_apart():
    said = summary(both())
    silent = next(
        each for each in said if each.startswith("Neither run says what these were: the packages, ")
    )
    place = said.index(
        "Equal numbers are not promised across different devices. "
        "2 numbers changed; cell 3 at worst by 1 (relative 0.5)."
    )
    assert said.index("The devices differ: NVIDIA A100 × 1 in the record, AMD MI300X × 1 now.") < place
    assert said.index(silent) < place
    assert said[-1] == (
        "7 code cells: 1 same, 1 within tolerance, 1 differs, 1 error, 1 missing, 1 ignored, 1 not run."
    )


def test_on_the_same_devices_nothing_is_said_of_promises():
    assert not any("promised" in each for each in summary(both(CUDA)))


def test_across_devices_numbers_that_did_not_change_are_told_as_compared_only():
    result = compare(notebook(code(stdout("1")), **CUDA), notebook(code(stdout("1")), **ROCM))
    assert (
        "Equal numbers are not promised across different devices. No number that was compared changed."
        in summary(result)
    )


def test_where_nothing_was_compared_it_is_said():
    assert summary(compare(notebook(), notebook()))[-1] == "There are no code cells: nothing was compared."
    ignored = code(tags=["nbval-skip"])
    assert summary(compare(notebook(ignored), notebook(ignored)))[-1] == "Nothing was compared."


def status(recorded, again):
    return exit_code(compare(notebook(*recorded), notebook(*again)))


def test_the_exit_code_is_0_where_the_record_holds_and_1_elsewhere():
    skip = {"tags": ["nbval-skip"]}
    assert status([code(stdout("1")), code(id="b", **skip)], [code(stdout("1")), code(id="b")]) == 0
    assert status([code(stdout("1.0"))], [code(stdout("1.0000001"))]) == 0
    assert status([code(stdout("1"))], [code(stdout("2"))]) == 1
    assert status([code()], [code(error("E"))]) == 1
    assert status([code(source="a"), code(source="b", id="b")], [code(source="a")]) == 1
    assert status([code()], [code(count=None)]) == 1


def test_junit_has_a_case_per_cell_with_a_name_of_its_own():
    suite = ET.fromstring(junit(both(), "nb/train.ipynb").encode())[0]
    cases = suite.findall("testcase")
    assert {case.get("classname") for case in cases} == {"nb/train.ipynb"}
    assert [case.get("name") for case in cases][:2] == ["Cell 1 [same] same()", "Cell 2 [within] within()"]
    assert [[child.tag for child in case] for case in cases] == [
        [], ["system-out"], ["failure"], ["error"], ["failure"], ["skipped"], ["error"],
    ]  # fmt: skip
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "2",
        "errors": "2",
        "skipped": "1",
    }
    failure = cases[2][0]
    assert failure.get("message").startswith("differs: stdout: 1 number changed")
    assert "record: 1.0" in failure.text
    assert "now:    2.0" in failure.text


def test_names_stay_unique_where_cells_look_alike_and_the_second_run_has_more():
    cells = [code(id="", source="f()") for _ in range(5)]
    result = compare(notebook(*cells[:3]), notebook(*cells))
    names = [case.get("name") for case in ET.fromstring(junit(result, "a").encode()).iter("testcase")]
    assert len(set(names)) == len(names) == 5


def test_junit_holds_nothing_that_xml_has_no_place_for():
    odd = "\x1b[31mred\x1b[0m \x00\x08\ud800\uffff <&> ]]> é 中 🙂"
    result = compare(notebook(code(stdout(odd), source=odd)), notebook(code(stdout(odd + "!"), source=odd)))
    case = next(ET.fromstring(junit(result, odd).encode("utf-8")).iter("testcase"))
    assert case.get("name").endswith("<&> ]]> é 中 🙂")
    assert "red" in case[0].text
    assert "\x1b" not in case[0].text


def test_junit_stays_below_30_megabytes_and_keeps_failing():
    line = "word " * 30
    outputs = [stdout(f"{line}{i}\n", f"stream{i}") for i in range(13)]
    others = [stdout(f"{line}x{i}\n", f"stream{i}") for i in range(13)]
    cells = [code(*outputs, id=str(i)) for i in range(2400)]
    again = [code(*others, id=str(i)) for i in range(2400)]
    text = junit(compare(notebook(*cells), notebook(*again)), "n" * 6000).encode()
    assert len(text) < 30_000_000
    suite = ET.fromstring(text)[0]
    assert suite.get("failures") == suite.get("tests")
    assert suite.findall("testcase")[-1].get("name").endswith("more cells")


def test_the_report_is_a_notebook_with_both_outputs_of_each_cell_that_differs():
    report = report_notebook(both(), "train.ipynb")
    nbformat.validate(report)
    assert json.loads(json.dumps(report)) == report
    first, *rest = report["cells"]
    assert first["source"].index("packages") < first["source"].index("7 code cells")
    titles = [cell["source"].splitlines()[0] for cell in rest if cell["cell_type"] == "markdown"]
    assert titles == [
        "## Cell 2: within tolerance",
        "## Cell 3: differs",
        "## Cell 4: error",
        "## Cell 5: missing",
        "## Cell 7: not run",
    ]
    pair = [cell for cell in rest if cell["id"].startswith("cell-2-")]
    assert [cell["outputs"][0]["text"] for cell in pair] == ["1.0", "2.0"]
    assert [cell["source"] for cell in pair] == [
        "# the record\ndiffers()\nmore",
        "# this run\ndiffers()\nmore",
    ]


def test_nothing_that_a_notebook_says_becomes_markup_in_the_report():
    odd = "<img src=x onerror=alert(1)> ``` [a](javascript:b) $x$"
    result = compare(notebook(code(stdout(odd), source=odd)), notebook(code(stdout(odd + "!"), source=odd)))
    told = report_notebook(result, odd)["cells"]
    assert told[0]["source"].splitlines()[0] == f"# `{odd.replace('`', 'ˋ')}` compared"
    fence = "````"
    assert f"\n{fence}text\n" in told[1]["source"]
    assert told[1]["source"].endswith(f"\n{fence}")


def test_a_name_of_an_output_is_no_markup_either():
    result = compare(notebook(code(shown("<b>x</b>", "1"))), notebook(code()))
    assert "<b>" not in report_notebook(result, "a")["cells"][1]["source"].split("```")[0].split("`")[-1]


def test_outputs_that_are_too_long_or_deep_or_odd_are_left_out_of_the_report_with_a_word():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    outputs = [
        shown("application/json", {"deep": deep, "nan": float("nan")}),
        shown("image/png", "A" * 5_000_000),
        shown("text/plain", {"no": "text"}),
        shown("application/vnd.jupyter.widget-view+json", {"model_id": "1"}),
        {"output_type": "new"},
        {"output_type": "stream", "name": 3, "text": ["a", 3]},
        {"output_type": "error", "traceback": "no list"},
    ]
    report = report_notebook(compare(notebook(code(*outputs)), notebook(code())), "a")
    nbformat.validate(report)
    copied = report["cells"][2]["outputs"]
    assert "left out" in copied[1]["data"]["text/plain"]
    assert copied[3]["data"] == {}
    assert copied[5]["text"] == "a"
    assert len(json.dumps(report, allow_nan=False)) < 100_000


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_told_in_every_report(verdict):
    result = both()
    assert verdict in result.counts
    assert str(verdict) in summary(result)[-1]
