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

from sovlab.core.job import JobState
from sovlab.errors import ExecutorError, PendingResultError, ResultError
from sovlab.jupyter.placeholder import Binder, Placeholder


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


class Ended:
    """A job that has ended, whose values are these: one that is an exception is raised, each only once."""

    id = "digits-aaaaaa"
    state = JobState.SUCCEEDED

    def __init__(self, **values):
        self.values = {name: list(found) for name, found in values.items()}

    def result(self, name):
        found = self.values[name].pop(0)
        if isinstance(found, BaseException):
            raise found
        return found


def test_a_value_that_cannot_be_had_now_is_bound_before_a_later_cell():
    away = ExecutorError("Target site does not answer.", "Try again.")
    job, names = Ended(model=[away, away, 7], history=[1]), {}
    binder = Binder(names)
    binder.expect(job, ["model", "history"])
    binder.bind_ended()
    assert names["history"] == 1
    assert type(names["model"]) is Placeholder
    binder.bind_ended()
    assert type(names["model"]) is Placeholder
    binder.bind_ended()
    assert names["model"] == 7
    binder.bind_ended()  # there is nothing left to ask for


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ResultError("'model' needs module lab.", "Install it."), r"^'model' needs module lab\."),
        (TypeError("no"), r"^'model' could not be loaded: TypeError: no"),
    ],
)
def test_a_value_that_cannot_be_loaded_says_so_and_the_others_are_bound(failure, told):
    job, names = Ended(model=[failure], history=[1]), {}
    binder = Binder(names)
    binder.expect(job, ["model", "history"])
    binder.bind_ended()
    assert names["history"] == 1
    with pytest.raises(ResultError, match=told):
        names["model"] + 1
    binder.bind_ended()
    with pytest.raises(ResultError, match=told):
        names["model"] + 1


def test_a_name_that_the_user_has_bound_since_stays_theirs():
    job, names = Ended(model=[7]), {}
    binder = Binder(names)
    binder.expect(job, ["model"])
    names["model"] = "mine"
    binder.bind_ended()
    assert names["model"] == "mine"
