"""`NewType`, `ParamSpec`, `TypeVarTuple` and parametrised classes of the notebook, in jobs and back."""

import pytest

from sovlab.payload.results import Results

FORMS = """
import dataclasses, typing
from typing import Callable, Concatenate, Generic, NewType, Optional, ParamSpec, TypeVar, TypeVarTuple, Unpack
UserId = NewType("UserId", int)
Deep = NewType("Deep", UserId)
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")
T = TypeVar("T", bound="Point")
R = TypeVar("R")
Handler = Callable[Concatenate[int, P], R]
Shape = tuple[int, Unpack[Ts]]
"""
USERS = """
@dataclasses.dataclass
class Point(Generic[R]):
    id: UserId
    x: Optional[Deep] = None
class Array(Generic[Unpack[Ts]]):
    pass
def logged(f: Callable[P, R]) -> Callable[P, R]:
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return f(*args, **kwargs)
    return inner
@logged
def get(u: UserId) -> Point[int]:
    return Point(u)
"""


def test_forms_are_the_notebooks_own_when_they_come_back(notebook):
    notebook.run(FORMS)
    names = ["UserId", "Deep", "P", "Ts", "T", "Handler", "Shape"]
    _, results = notebook.submit(f"out = [{', '.join(names)}]\nparts = (P.args, P.kwargs)", ["out", "parts"])
    back = Results(results, main=notebook.ns)
    mine = [notebook.ns[name] for name in names]
    assert back.value("out") == mine
    assert all(a is b for a, b in zip(back.value("out")[:5], mine[:5], strict=True))
    assert back.value("parts")[0].__origin__ is notebook.ns["P"]


def test_forms_in_annotations_fields_and_generics(notebook):
    notebook.run(FORMS)
    notebook.run(USERS)
    out, _ = notebook.submit(
        """
        print(get(UserId(4)), Point[int](UserId(2)).id, Array[int, str].__args__ == (int, str))
        print([f.type is UserId for f in dataclasses.fields(Point)], Point.__parameters__ == (R,))
        print(typing.get_type_hints(get)["args"] == P.args, Deep.__supertype__ is UserId)
        """
    )
    assert out == "Point(id=4, x=None) 2 True\n[True, False] True\nTrue True\n"


def test_a_form_that_only_the_job_has_comes_back(notebook):
    source = "import typing\nLocal = typing.NewType('Local', str)\nout = [Local, typing.Annotated[Local, 1]]"
    _, results = notebook.submit(source, ["out"])
    local, annotated = Results(results, main=notebook.ns).value("out")
    assert (local.__name__, local.__supertype__, annotated.__origin__ is local) == ("Local", str, True)


def test_a_parametrised_model_is_one_class_there_and_here(notebook):
    pytest.importorskip("pydantic")
    notebook.run("import pydantic, typing\nT = typing.TypeVar('T')")
    notebook.run("class Box(pydantic.BaseModel, typing.Generic[T]):\n    v: T")
    notebook.run("a, b, kind = Box[int](v=1), Box[int](v=2), Box[int]")
    source = "c, d = Box[int](v=3), Box[str](v='s')\nprint(type(a) is type(b) is kind, a == Box[int](v=1))"
    out, results = notebook.submit(source, ["c", "d", "a"])
    assert out == "True True\n"
    back = Results(results, main=notebook.ns)
    box = notebook.ns["Box"]
    assert [type(back.value(name)) for name in "cda"] == [box[int], box[str], box[int]]
