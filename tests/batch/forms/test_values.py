"""What a text that somebody typed means for a parameter, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.forms.parameters import Parameter
from sovlab.batch.forms.values import unknown, value_of
from sovlab.errors import SpecError

KINDS = ["int", "float", "bool", "str", "list", "dict", "any"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", " 30 ", 30),
        ("int", "-1_000", -1000),
        ("float", "1", 1.0),
        ("float", "1e-3", 0.001),
        ("bool", "true", True),
        ("bool", "False", False),
        ("str", " as it is ", " as it is "),
        ("str", "0.1", "0.1"),
        ("list", "[1, 'a', [True]]", [1, "a", [True]]),
        ("list", "(1, 2)", [1, 2]),
        ("list", "1, 2", [1, 2]),
        ("list", '["a", true, null]', ["a", True, None]),
        ("dict", "{'a': {'b': 1}}", {"a": {"b": 1}}),
        ("dict", '{"a": false}', {"a": False}),
        ("any", "0.1", 0.1),
        ("any", "some words", "some words"),
        ("any", "'2'", "2"),
    ],
)
def test_a_text_is_a_value_of_the_type_of_its_parameter(kind, text, value):
    made = value_of(Parameter("x", kind), text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("int", "thirty", "x is a whole number; “thirty” is not one."),
        ("int", "1.5", "is a whole number"),
        ("int", "1e3", "is a whole number"),
        ("int", "", "nothing is given"),
        ("int", "None", "is a whole number"),
        ("float", "0,1", "x is a number; “0,1” is not one."),
        ("float", "nan", "cannot be handed"),
        ("float", "1e999", "cannot be handed"),
        ("bool", "yes", "x is True or False; “yes” is neither."),
        ("list", "{'a': 1}", "is a list"),
        ("list", "[1", "is a list"),
        ("list", "[{1, 2}]", "a set"),
        ("dict", "{1: 2}", "a key that is no text"),
        ("dict", "[]", "is a dictionary"),
        ("any", "{1, 2}", "a set"),
        ("any", "(1, 2)", "quotation marks"),
        ("any", "b'x'", "a bytes"),
        ("list", "[" * 60 + "]" * 60, "too many brackets"),
        ("list", "[" * 5000, "is a list"),
        ("int", "9" * 5000, "is a whole number"),
    ],
)
def test_a_text_of_another_type_is_refused_by_name(kind, text, said):
    with pytest.raises(SpecError) as caught:
        value_of(Parameter("x", kind), text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_none_is_one_where_the_parameter_may_be_none():
    assert value_of(Parameter("x", "int", optional=True), "None") is None
    assert value_of(Parameter("x", "str"), "None") == "None"


def test_choices_are_the_only_ones():
    parameter = Parameter("way", "str", choices=("sgd", "adam"))
    assert value_of(parameter, "adam") == "adam"
    with pytest.raises(SpecError, match="way is one of sgd, adam; “adan” is none of them") as caught:
        value_of(parameter, "adan")
    assert caught.value.hint == "Did you mean adam?"


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_refused_and_not_repeated(kind):
    value = "hf_" + "q" * 40
    with pytest.raises(SpecError) as caught:
        value_of(Parameter("x", kind), f"['{value}']" if kind == "list" else value)
    assert value not in str(caught.value)


def test_a_name_that_is_none_of_the_notebooks_has_a_near_one():
    error = unknown("epoch", {"epochs": Parameter("epochs"), "lr": Parameter("lr")})
    assert "Did you mean epochs? It has epochs, lr." in str(error)
    assert "no cell with the tag" in str(unknown("x" * 10_000, {}))


@given(st.sampled_from(KINDS), st.booleans(), st.text(max_size=40))
def test_what_is_accepted_can_be_written_into_a_notebook(kind, optional, text):
    try:
        value = value_of(Parameter("x", kind, optional=optional), text)
    except SpecError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value
