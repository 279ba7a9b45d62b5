"""Which runs a command means, and where their notebooks go."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.cli import _resolve_type

from sovlab.batch import outputs
from sovlab.batch.grid import check_places, planned
from sovlab.errors import SpecError


def runs(pattern, **texts):
    return [
        (dict(point.parameters), output) for point, output in planned(texts.items(), pattern, _resolve_type)
    ]


def test_each_combination_is_a_run_the_last_parameter_changing_fastest():
    assert runs("out-{lr}-{seed}.ipynb", lr="0.1,1e-2", seed="1..2", name="adam") == [
        ({"lr": 0.1, "seed": 1, "name": "adam"}, "out-0.1-1.ipynb"),
        ({"lr": 0.1, "seed": 2, "name": "adam"}, "out-0.1-2.ipynb"),
        ({"lr": 0.01, "seed": 1, "name": "adam"}, "out-0.01-1.ipynb"),
        ({"lr": 0.01, "seed": 2, "name": "adam"}, "out-0.01-2.ipynb"),
    ]


def test_without_braces_commas_and_dots_are_text_as_they_were():
    assert runs("out.ipynb", lr="0.1,0.01", seed="1..5") == [
        ({"lr": "0.1,0.01", "seed": "1..5"}, "out.ipynb")
    ]
    assert runs("{{x}}.ipynb", lr="a,b") == [({"lr": "a,b"}, "{x}.ipynb")]


def test_values_have_the_types_that_papermill_gives_them_and_a_quotation_is_text():
    made = runs("{x}.ipynb", x="1,1.5,True,None,word,'2','a,b',[1, 2]")
    assert [values["x"] for values, _ in made] == [1, 1.5, True, None, "word", "2", "a,b", "[1, 2]"]
    assert runs("{lr}.ipynb", lr="1", layers="'64,32'") == [({"lr": 1, "layers": "64,32"}, "1.ipynb")]
    assert runs("{lr}.ipynb", lr=" a ")[0][0] == {"lr": " a "}


@pytest.mark.parametrize(
    ("text", "values"),
    [("3..1", [3, 2, 1]), ("-1..1", [-1, 0, 1]), ("4..4", [4]), ("1..2,9", [1, 2, 9])],
)
def test_ranges(text, values):
    assert [point["x"] for point, _ in runs("{x}.ipynb", x=text)] == values


@pytest.mark.parametrize(
    ("pattern", "texts", "says"),
    [
        ("{lr}.ipynb", {"lr": "1,2", "seed": "1..3"}, "seed has 3 values, but the output"),
        ("{lr}.ipynb", {"lr": "0.1,0.10"}, "Two runs would write 0.1.ipynb: lr=0.1 and lr=0.1"),
        ("{lr}.ipynb", {"lr": "a/b,a_b"}, "Two runs would write a_b.ipynb: lr=a/b and lr=a_b"),
        ("{lr:.1f}.ipynb", {"lr": "0.11,0.12"}, "Two runs would write 0.1.ipynb"),
        ("a/./{lr}", {"lr": "x,x"}, "Two runs would write"),
        ("{lrr}.ipynb", {"lr": "1,2"}, "names {lrr}, of which no -p says the value. Did you mean lr?"),
        ("{}.ipynb", {"lr": "1"}, "In braces stands the name of a parameter"),
        ("{0}.ipynb", {"lr": "1"}, "In braces stands the name of a parameter"),
        ("{lr.__class__}.ipynb", {"lr": "1"}, "In braces stands the name of a parameter"),
        ("{lr:{lr}}.ipynb", {"lr": "1"}, "In braces stands the name of a parameter"),
        ("{lr.ipynb", {"lr": "1"}, "cannot be filled"),
        ("{lr:d}.ipynb", {"lr": "word"}, "lr cannot be written as {lr:d}"),
        ("{lr}.ipynb", {"lr": "1..10000000"}, "too many values"),
        ("{a}{b}.ipynb", {"a": "1..200", "b": "1..200"}, "40,000 points"),
        ("{lr}-{pm[run_uuid]}.ipynb", {"lr": "1,2"}, "another each time"),
    ],
)
def test_what_cannot_be_meant_is_refused(pattern, texts, says):
    with pytest.raises(SpecError) as refused:
        runs(pattern, **texts)
    assert says in f"{refused.value}"


def test_what_papermill_fills_is_left_to_it():
    pattern = "{lr}-{pm[run_uuid]!s:>40}.ipynb"
    filled = outputs.filled(pattern, {"lr": 1})
    assert filled == "1-{pm[run_uuid]!s:>40}.ipynb"
    assert outputs.for_papermill(filled, pattern) == filled
    assert not outputs.is_certain(pattern)
    assert outputs.for_papermill("{x}.ipynb", "{{x}}.ipynb") == "{{x}}.ipynb"


@given(st.text(max_size=300))
def test_no_value_leaves_its_place(value):
    output = outputs.filled("runs/out-{x}.ipynb", {"x": value})
    assert os.path.dirname(os.path.normpath(output)) == "runs"
    assert len(os.path.basename(output)) <= 110
    assert os.path.normpath(outputs.filled("runs/{x}/out.ipynb", {"x": value})).startswith("runs")
    assert outputs.for_papermill(output, "runs/out-{x}.ipynb").format() == output


def test_folders_must_be_there_and_the_notebook_is_no_output_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in.ipynb", "elsewhere.ipynb"):
        (tmp_path / name).write_text("{}")
    made = planned([("x", "in,other")], "{x}.ipynb", _resolve_type)
    check_places("elsewhere.ipynb", made)
    with pytest.raises(SpecError, match="is the notebook itself"):
        check_places(str(tmp_path / "in.ipynb"), made)
    with pytest.raises(SpecError, match="The folder of no/"):
        check_places("in.ipynb", planned([("x", "in,other")], "no/{x}.ipynb", _resolve_type))
    check_places("in.ipynb", planned([("x", "1,2")], "s3://bucket/{x}.ipynb", _resolve_type))
