"""What notebooks have recorded, whoever wrote them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.batch.results import recorded_values
from sovlab.cli import main
from sovlab.runner.protocol.recorded import MIME
from sovlab.views.runs import runs_document, runs_table
from sovlab.views.table import UNKNOWN
from tests.batch.made_runs import DOCUMENT, ROW


def notebook(*told, kind="display_data"):
    outputs = [{"output_type": kind, "data": {MIME: each}, "metadata": {}} for each in told]
    return {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": "", "outputs": outputs}]}


def values(**named):
    return {"version": 1, "values": named}


def test_of_a_name_the_last_value_counts_and_texts_can_be_shown():
    told = notebook(values(loss=1, name="a\x1b[31m"), values(loss=0.5, layers=[64, {"x": None}]))
    assert recorded_values(told) == {"loss": 0.5, "name": "a", "layers": [64, {"x": None}]}


def deep(levels):
    made = 1
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    "value", [deep(9), deep(500), "x" * 20_000, [0] * 20_000, {str(n): n for n in range(9_000)}]
)
def test_what_is_larger_or_deeper_than_any_is_left_out_and_hides_nothing(value):
    assert recorded_values(notebook(values(bad=value, good=1))) == {"good": 1}


def test_numbers_that_json_rounds_or_lacks_are_text():
    assert recorded_values(notebook(values(a=2**60, b=10**10_000, c=math.nan))) == {
        "a": str(2**60),
        "b": f"{10**10_000:#x}",
        "c": "nan",
    }


def test_secrets_are_not_shown_and_names_are_counted():
    secret = f"hf_{'a' * 34}"
    assert recorded_values(notebook(values(x=secret, api_key="k", many=[secret]))) == {
        "x": "…",
        "api_key": "…",
        "many": "…",
    }
    many = recorded_values(notebook(values(**{f"n{n}": n for n in range(1000)}), values(n5=6)))
    assert len(many) == 100
    assert many["n5"] == 6
    assert recorded_values(notebook({"values": {"": 1, "x" * 200: 2}})) == {}


@pytest.mark.parametrize("told", [None, [], "text", {"values": []}, {"values": None}, {"version": 1}, 7])
def test_what_is_no_record_is_none(told):
    assert recorded_values(notebook(told)) == {}
    assert recorded_values(notebook(values(x=1), kind="stream")) == {}
    assert recorded_values({"cells": told}) == recorded_values({"cells": [told]}) == {}
    assert recorded_values({"cells": [{"outputs": told}, {"outputs": [told]}]}) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=120), JSON, max_size=5))
def test_whatever_is_recorded_makes_a_document_by_the_schema_and_a_table(told):
    found = recorded_values(notebook({"values": told}))
    rows = [{**ROW, "recorded": found}, ROW]
    document = runs_document("name", rows)
    DOCUMENT.validate(document)
    json.dumps(document, allow_nan=False).encode()
    text = runs_table(rows).text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_what_is_not_known_is_a_dash():
    rows = [{**ROW, "recorded": {"loss": 0.25}, "point": {"lr": 1}}, {**ROW, "point": {"lr": 2}}]
    table = runs_table(rows)
    assert table.columns == ("lr", "State", "loss", "Ran", "Energy", "Source", "Output")
    assert table.rows[0][:5] == ("1", "not submitted", "0.25", UNKNOWN, UNKNOWN)
    assert table.rows[1][2] == UNKNOWN


def test_the_command_shows_them_also_of_a_notebook_that_was_run_by_hand(tmp_path, capsys):
    path = tmp_path / "out.ipynb"
    path.write_text(json.dumps(notebook(values(loss=0.25))))
    assert main(["show", str(path)]) == 0
    assert "loss = 0.25" in capsys.readouterr().out
    assert main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"recorded": {"loss": 0.25}}
