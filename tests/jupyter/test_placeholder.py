import copy
import os
import pickle

import pytest

from sovlab.errors import PendingResultError
from sovlab.jupyter.placeholder import Placeholder


@pytest.fixture
def model():
    return Placeholder(lambda: PendingResultError("'model' comes from job digits.", "Wait for it."))


@pytest.mark.parametrize(
    "touch",
    [
        lambda m: m.eval(),
        lambda m: m(1),
        lambda m: m[0],
        lambda m: m + 1,
        lambda m: 1 + m,
        lambda m: m @ m,
        lambda m: bool(m),
        lambda m: len(m),
        lambda m: list(m),
        lambda m: 3 in m,
        lambda m: f"{m:.2f}",
        lambda m: str(m),
        lambda m: float(m),
        lambda m: m < 3,
        lambda m: -m,
        lambda m: setattr(m, "x", 1),
        lambda m: m.__setitem__(0, 1),
        lambda m: pickle.dumps(m),
        lambda m: copy.deepcopy(m),
        lambda m: os.fspath(m),
    ],
)
def test_using_a_placeholder_as_the_value_says_where_the_value_comes_from(model, touch):
    with pytest.raises(PendingResultError, match="comes from job digits"):
        touch(model)


def test_looking_at_a_placeholder_says_so_without_an_error(model):
    assert repr(model) == "<'model' comes from job digits. Wait for it.>"
    assert dir(model) == []
    assert not hasattr(model, "_repr_html_")
    assert {model: 1}[model] == 1
