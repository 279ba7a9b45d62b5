"""Nothing that may stand in a file stops a comparison, and none takes long."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovlab.batch.verifying.comparing import compare
from sovlab.batch.verifying.junit import junit
from sovlab.batch.verifying.notebook import report_notebook
from sovlab.batch.verifying.report import cells_table, exit_code, summary
from sovlab.batch.verifying.result import Verdict
from sovlab.batch.verifying.tolerance import Tolerance
from tests.batch.verifying.made import code, error, notebook, shown, stdout

EXAMPLES = int(os.environ.get("SOVLAB_TEST_EXAMPLES", "150"))
SLOWLY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

ODD = "\x00\r\b\x1b[\ud800<>&`0123456789.e-+ \n"
TEXT = st.text(st.characters() | st.sampled_from(ODD), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MIMES = [
    "text/plain", "text/html", "image/png", "image/jpeg", "image/svg+xml", "application/json",
    "application/pdf", "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json", "",
]  # fmt: skip
OUTPUTS = st.one_of(
    st.builds(stdout, TEXT, st.sampled_from(["stdout", "stderr"])),
    st.builds(shown, st.sampled_from(MIMES), TEXT | st.lists(TEXT, max_size=3) | JSON),
    st.builds(error, TEXT, TEXT),
)
TAGS = st.lists(
    st.sampled_from(["raises-exception", "nbval-ignore-output", "sovlab-tol=0.1", "nbval-skip"]) | JSON
)
CELLS = st.builds(
    lambda outputs, **rest: code(*outputs, **rest),
    st.lists(OUTPUTS, max_size=4),
    id=st.sampled_from(["a", "b", "c", ""]),
    source=TEXT,
    count=st.integers(1, 9) | st.none(),
    tags=TAGS,
)
NOTEBOOKS = st.builds(lambda cells: notebook(*cells), st.lists(CELLS, max_size=4))
KEYS = st.sampled_from(
    [
        "cells",
        "metadata",
        "cell_type",
        "outputs",
        "output_type",
        "data",
        "text",
        "source",
        "tags",
        "sovlab",
        "papermill",
    ]
)
JUNK = st.recursive(
    JSON | st.sampled_from(["code", "stream", "error", "display_data"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


def told(result):
    """Tell of a comparison in every way, and hold what must hold of each."""
    assert exit_code(result) == int(any(not cell.verdict.passed for cell in result.cells))
    "\n".join([*summary(result), cells_table(result, every=True).text()]).encode()
    ET.fromstring(junit(result, "a.ipynb").encode())
    report = report_notebook(result, "a.ipynb")
    json.dumps(report, allow_nan=False, ensure_ascii=False).encode()
    nbformat.validate(report)


def ends_well(cell):
    """Whether a cell is one whose copy is the same: it may raise only where it is tagged."""
    return cell.verdict in (Verdict.SAME, Verdict.IGNORED, Verdict.NOT_RUN) or (
        cell.verdict is Verdict.ERROR and "as in the record" in cell.words
    )


@SLOWLY
@given(NOTEBOOKS, st.sampled_from([Tolerance(), Tolerance(sanitizers=()), Tolerance(rtol=0, atol=0)]))
def test_a_notebook_is_always_the_same_as_its_copy(book, options):
    result = compare(book, copy.deepcopy(book), options)
    assert all(ends_well(cell) for cell in result.cells)
    assert not any(cell.differences for cell in result.cells)


@SLOWLY
@given(NOTEBOOKS, NOTEBOOKS)
def test_any_two_notebooks_are_compared_and_told_of(recorded, again):
    result = compare(recorded, again)
    assert {cell.number for cell in result.cells if cell.recorded is not None} == {
        number for number, _ in enumerate(recorded["cells"], start=1)
    }
    told(result)


@SLOWLY
@given(st.dictionaries(KEYS, JUNK, max_size=4), st.dictionaries(KEYS, JUNK, max_size=4))
def test_what_is_no_notebook_has_no_cells_or_odd_ones_and_stops_nothing(recorded, again):
    told(compare(recorded, again))
    told(compare(notebook(recorded), notebook(again)))


def nested(depth, leaf, kind):
    value = leaf
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


@pytest.mark.parametrize("kind", ["list", "object"])
def test_json_may_be_as_deep_as_it_likes(kind):
    one, other = nested(200_000, 1, kind), nested(200_000, 2, kind)
    (cell,) = compare(
        notebook(code(shown("application/json", one))), notebook(code(shown("application/json", other)))
    ).cells
    assert cell.verdict is Verdict.DIFFERS
    assert len(cell.differences[0].recorded) < 200
    (same,) = compare(
        notebook(code(shown("application/json", one))),
        notebook(code(shown("application/json", nested(200_000, 1, kind)))),
    ).cells
    assert same.verdict is Verdict.SAME


def test_depth_stops_nothing_wherever_it_is():
    deep = nested(100_000, 1, "list")
    odd = {
        "cell_type": "code",
        "source": deep,
        "outputs": deep,
        "metadata": {"tags": deep, "sovlab": {"status": deep}},
    }
    for book in (
        {"cells": deep, "metadata": {"sovlab": deep}},
        notebook(odd, lock=deep, image=deep, accel=deep),
    ):
        told(compare(book, notebook(code(stdout("1")))))


LONG = {
    "numbers": ("0.123456 " * 600_000, "0.123457 " * 600_000),
    "lines": ("0.123456\n" * 600_000, "0.123457\n" * 600_000),
    "words": ("ab " * 1_600_000, "ba " * 1_600_000),
    "digits": ("1" * 5_000_000, "1" * 4_999_999 + "2"),
    "one line less": ("0.5 a\n" * 800_000, "b\n" + "0.5 a\n" * 799_998),
    "halves": ("\ud800\x00" * 2_500_000, "\ud801\x00" * 2_500_000),
    "carriage returns": ("a\r" * 1_000_000, "b\r" * 1_000_000),
    "backspaces": ("ab\b" * 600_000, "cb\b" * 600_000),
    "escapes": ("\x1b[" * 1_000_000, "\x1b]" * 1_000_000),
    "dots": ("1." * 1_000_000, "1." * 1_000_000 + "2"),
    "signs": ("+-" * 1_000_000, "-+" * 1_000_000),
    "bars": ("1%|" * 500_000, "2%|" * 500_000),
    "paths": ("/tmp/" * 400_000, "/tmp" * 500_000),
}


@pytest.mark.parametrize("kind", LONG)
def test_millions_of_characters_are_compared_and_told_of(kind):
    # Were any of it quadratic, it would end at the time limit of a test, hours before its own end.
    one, other = LONG[kind]
    result = compare(notebook(code(stdout(one))), notebook(code(stdout(other))))
    assert result.cells[0].verdict is Verdict.DIFFERS
    told(result)


@pytest.mark.parametrize("piece", ["<td ", "<td>", "<", "<td <", "</td", "T_"])
def test_a_million_characters_of_broken_html_are_compared(piece):
    one = piece * (1_000_000 // len(piece))
    book, other = (notebook(code(shown("text/html", text))) for text in (one, one + "x"))
    assert compare(book, other).cells[0].verdict is Verdict.DIFFERS


def test_importing_it_imports_neither_nbformat_nor_numpy_nor_pillow():
    program = (
        "import sys, sovlab.batch.verifying.comparing, sovlab.batch.verifying.junit, "
        "sovlab.batch.verifying.notebook; "
        "print([name for name in ('nbformat', 'numpy', 'PIL', 'nbval', 'jsonschema') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
