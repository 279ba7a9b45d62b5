"""What a parameters cell says of its names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.forms.parameters import MOST, Parameter, has_cell, parameters_of


def notebook(source, **cell):
    return {"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source, **cell}]}


def found(source):
    return {each.name: each for each in parameters_of(notebook(source))}


def test_type_default_and_comment_of_each_are_read_in_order():
    read = parameters_of(
        notebook("lr = 1e-3  # the learning rate\nepochs: int = 10\nname = 'adam'\nfast = False\n")
    )
    assert read == [
        Parameter("lr", "float", "float", "1e-3", note="the learning rate"),
        Parameter("epochs", "int", "int", "10"),
        Parameter("name", "str", "str", "adam"),
        Parameter("fast", "bool", "bool", "False"),
    ]


def test_what_is_annotated_counts_before_what_the_default_is():
    read = found(
        "from typing import Literal, Optional\n"
        "a: float = 1\nb: Optional[int] = None\nc: 'int | None' = 3\nd: Literal['sgd', 'adam'] = 'sgd'\n"
        "e: list[int] = [1]\nf: typing.Dict[str, int] = {}\ng: int | float = 1\nh: Path = None\ni: int\n"
    )
    kinds = {name: (each.kind, each.optional) for name, each in read.items()}
    assert kinds == {
        "a": ("float", False),
        "b": ("int", True),
        "c": ("int", True),
        "d": ("str", False),
        "e": ("list", False),
        "f": ("dict", False),
        "g": ("float", False),
        "h": ("any", True),
        "i": ("int", False),
    }
    assert read["d"].choices == ("sgd", "adam")
    assert read["i"] == Parameter("i", "int", "int", required=True)


def test_choices_may_be_none_too_and_of_several_types_there_are_none():
    read = found(
        "a: Optional[Literal['x', 'y']] = None\nb: Literal[1, 2, None] = 1\nc: Literal[1, 'x'] = 1\n"
        "d: Union[int, str, None] = 1\ne: Annotated[float, 'of the whole'] = 1\nf: 'a + ' = 1\n"
    )
    assert (read["a"].choices, read["a"].optional, read["a"].kind) == (("x", "y"), True, "str")
    assert (read["b"].choices, read["b"].optional) == (("1", "2"), True)
    assert (read["c"].choices, read["c"].kind) == ((), "any")
    assert (read["d"].kind, read["d"].optional) == ("any", True)
    assert (read["e"].kind, read["f"].kind) == ("float", "int")


def test_a_type_in_a_comment_is_one():
    read = found("x = 1  # type: float how far\ny = None # type: str")
    assert (read["x"].kind, read["x"].note) == ("float", "how far")
    assert (read["y"].kind, read["y"].optional) == ("str", True)


def test_lists_over_several_lines_tuples_and_several_names_are_read():
    read = found("sizes = [1,  # one\n  2,\n]  # all\na = b = 2\nc, d = 1, 'x'\n(e, f) = made()\n")
    assert read["sizes"].kind == "list"
    assert read["sizes"].note == "all"
    assert (read["a"].kind, read["b"].default) == ("int", "2")
    assert (read["c"].kind, read["d"].kind) == ("int", "str")
    assert read["e"] == Parameter("e", computed=True)


def test_what_is_computed_is_told_as_such_and_what_is_bound_later_counts():
    read = parameters_of(
        notebook("n = 3\nsteps = n * 100\nif n:\n    deep = 1\ndef f():\n    inner = 1\nn = 4")
    )
    assert [each.name for each in read] == ["steps", "deep", "n"]
    assert (read[0].default, read[0].computed, read[0].kind) == ("n * 100", True, "any")
    assert read[2].default == "4"


def test_lines_of_the_shell_are_passed_over():
    read = found("%matplotlib inline\n!pip list\nx = 1  # kept\n")
    assert (read["x"].kind, read["x"].note) == ("int", "kept")


def test_a_default_that_looks_like_a_secret_is_not_told():
    value = "hf_" + "a" * 40
    read = found(f"api_key = {value!r}\nmore = {{'token': {value!r}}}\nmax_tokens = 5\nurl = 'https://x'")
    assert [name for name, each in read.items() if each.secret] == ["api_key", "more"]
    assert value not in str(read)


def test_what_cannot_be_shown_is_not():
    value = "hf_" + "a" * 40
    read = found(f"half = '\\ud800'\nlong = 'x' * 3\nlonger = '{'x' * 20_000}'\nlogin = connect('{value}')")
    assert [read[name].default for name in ("half", "long", "longer", "login")] == [
        None,
        "'x' * 3",
        None,
        None,
    ]
    assert not any(each.secret for each in read.values())


def test_a_text_whose_name_is_a_secrets_is_told_as_one_before_it_has_a_value():
    read = found("hub_token = ''\napi_key: str\npassword = None\npwd = ''\ntoken = ''\npasswd = 3")
    assert [name for name, each in read.items() if each.secret] == ["hub_token", "api_key", "password"]


def test_other_languages_and_cells_of_other_kinds_have_none():
    assert parameters_of(notebook("lr <- 0.1")) == []
    assert has_cell(notebook("lr <- 0.1"))
    assert parameters_of(notebook("x = 1", cell_type="markdown")) == []
    assert not has_cell({"cells": [{"cell_type": "code", "metadata": {}, "source": "x = 1"}]})
    assert parameters_of(notebook(["x =", " 1"])) == [Parameter("x", "int", "int", "1")]


def test_there_are_so_many_and_no_more():
    assert len(parameters_of(notebook("\n".join(f"x{n} = {n}" for n in range(MOST + 5))))) == MOST


WORDS = st.sampled_from(
    [
        "x",
        "=",
        "1",
        "[",
        "]",
        "(",
        ")",
        ":",
        "int",
        "None",
        "#",
        "type:",
        "\n",
        " ",
        "'",
        '"""',
        "%",
        "if",
        "\\",
    ]
)
KEYS = st.sampled_from(["cells", "metadata", "tags", "source", "cell_type"])
JSON = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just("parameters")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=15,
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=20).map("".join)))
def test_no_source_makes_it_fail(source):
    for each in parameters_of(notebook(source)):
        assert each.name.isidentifier()


@given(st.dictionaries(st.just("cells"), JSON))
def test_no_notebook_makes_it_fail(made):
    assert isinstance(parameters_of(made), list)
