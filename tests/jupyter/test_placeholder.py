import copy
import io
import json
import math
import os
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

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
        lambda m: m == 1,
        lambda m: m != 1,
        lambda m: m == None,  # noqa: E711
        lambda m: m != "text",
        lambda m: m == m,
        lambda m: m in [1],
        lambda m: [2, m].index(1),
        lambda m: hash(m),
        lambda m: {m: 1},
        lambda m: {m},
        lambda m: m is None or m in {1, 2},
        lambda m: json.dumps(m),
        lambda m: json.dumps({"a": [1, m]}, indent=1),
        lambda m: json.dumps({m: 1}),
        lambda m: json.JSONEncoder().encode([m]),
        lambda m: json.dump(m, io.StringIO()),
        lambda m: copy.copy(m),
        lambda m: pickle.dumps([m], 2),
        lambda m: f"{m}",
        lambda m: print(m),
        lambda m: sorted([1, m]),
        lambda m: sum([m]),
        lambda m: max(m, 1),
        lambda m: round(m),
        lambda m: math.floor(m),
        lambda m: math.trunc(m),
        lambda m: math.sqrt(m),
        lambda m: range(m),
        lambda m: dict(m),
        lambda m: os.open(m, 0),
        lambda m: np.asarray(m),
        lambda m: np.add(m, 1),
        lambda m: np.mean(m),
        lambda m: np.float64(3) == m,
        lambda m: np.arange(3) == m,
        lambda m: np.array([1, 2]) + m,
        lambda m: pd.Series([1, 2]) == m,
        lambda m: pd.Series([1, 2]) + m,
        lambda m: pd.DataFrame(m),
        lambda m: pd.isna(m),
        lambda m: torch.ones(2) == m,
        lambda m: torch.ones(2) * m,
        lambda m: torch.add(m, 1),
        lambda m: torch.nn.functional.relu(m),
        lambda m: torch.nn.Linear(1, 1)(m),
        lambda m: torch.stack([m]),
    ],
)
def test_using_a_placeholder_as_the_value_says_where_the_value_comes_from(model, touch):
    with pytest.raises(PendingResultError, match="comes from job digits"):
        touch(model)


def test_looking_at_a_placeholder_says_so_without_an_error(model):
    assert repr(model) == "<'model' comes from job digits. Wait for it.>"
    assert dir(model) == []
    assert not hasattr(model, "_repr_html_")
    assert [part is model for part in (model, 1)] == [True, False]
    assert isinstance(model, Placeholder)
    assert not isinstance(model, dict)
