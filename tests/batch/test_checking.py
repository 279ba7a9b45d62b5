"""Which parameters a notebook has."""

from __future__ import annotations

import pytest

from sovlab.batch.checking import parameters_of


def notebook(source, tags=("parameters",)):
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}]}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("lr = 0.1\nseed = 1", ["lr", "seed"]),
        ("a = b = 1", ["a", "b"]),
        ("a, (b, *c) = 1, (2, 3)", ["a", "b", "c"]),
        ("mode: Literal['fast', 'slow'] = 'fast'  # type: ignore", ["mode"]),
        ("# a comment\nx: int = 1  # and one = more\ny: dict[str, int] = {}", ["x", "y"]),
        ('text = """\nno = 1\n"""', ["text"]),
        ("if True:\n    x = 1", ["x"]),
        ("print(x)", []),
        ("let x = 1;", []),
        (["x = 1\n", "y = 2"], ["x", "y"]),
        (7, []),
        ("x = 1\0", []),
    ],
)
def test_names_that_the_cell_binds(source, names):
    assert sorted(parameters_of(notebook(source))) == names


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"cells": 1},
        {"cells": [None, 1, {}, {"metadata": 1}, {"metadata": {"tags": 1}}]},
        notebook("x = 1", ()),
    ],
)
def test_another_notebook_has_none(made):
    assert parameters_of(made) == []
