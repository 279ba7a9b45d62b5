"""Results as the notebook opens them."""

import linecache
import pickle

import numpy as np
import pytest

from sovlab.errors import ResultError
from sovlab.payload.results import Results
from sovlab.runner.source.definitions import Definitions
from sovlab.runner.values.pack import PackWriter
from sovlab.runner.values.pickling import Dumper, PickleOptions, dump, dumps


class UserError(Exception):
    def __init__(self, message, code):
        super().__init__(message)
        self.code = code

    def __reduce__(self):
        return UserError, (self.args[0], self.code)


class Hidden:
    pass


@pytest.fixture
def results(tmp_path):
    """Results as a runner writes them."""

    def make(values, meta=None, exception=None):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pack"  # a pack is never written over
        with open(path, "wb") as file, PackWriter(file) as writer:
            sent = dump(values, writer, options=PickleOptions())
            if exception is not None:
                writer.add("exception", exception)
            names = [list(s) for s in sent]
            writer.finish({"format": "sovlab-results", "version": 1, "names": names, **(meta or {})})
        return Results(path, main={})

    return make


def test_values_by_name_each_loaded_once(results):
    shared = [1]
    back = results({"a": shared, "b": {"s": shared}, "x": np.arange(9999)})
    assert back.names == ["a", "b", "x"]
    assert back.value("a") is back.value("a")
    assert back.value("b")["s"] is back.value("a")
    assert set(back.values()) == {"a", "b", "x"}


def test_a_name_that_was_not_returned_is_refused_with_those_that_were(results):
    with pytest.raises(ResultError, match=r"no 'z'\. It returned a\."):
        results({"a": 1}).value("z")
    with pytest.raises(ResultError, match="--out"):
        results({}).value("z")


def test_a_name_that_the_job_could_not_send_says_why(results):
    back = results({"a": 1, "g": (i for i in [])})
    assert back.values() == {"a": 1}
    with pytest.raises(ResultError, match=r"'g' could not be sent back by the job: g \(generator\)"):
        back.value("g")


def test_a_result_whose_library_is_missing_stays_retrievable(results, monkeypatch):
    import sys
    import types

    library = types.ModuleType("absent_library")

    class Thing:
        pass

    Thing.__module__, Thing.__qualname__ = "absent_library", "Thing"
    library.Thing = Thing
    monkeypatch.setitem(sys.modules, "absent_library", library)
    thing = Thing()
    thing.x = 5
    back = results({"thing": thing, "n": 1})
    monkeypatch.delitem(sys.modules, "absent_library")
    assert back.values() == {"n": 1}
    with pytest.raises(
        ResultError, match="'thing' needs the library absent_library, which is not installed here"
    ):
        back.value("thing")
    monkeypatch.setitem(sys.modules, "absent_library", library)
    assert back.value("thing").x == 5
    assert back.errors == {}


def test_the_exception_is_rebuilt_with_the_traceback_it_had(results):
    back = results({}, {"traceback": "Traceback of the job"}, dumps(UserError("no", 7), PickleOptions()))
    found = back.exception()
    assert isinstance(found, UserError)
    assert found.code == 7
    assert "Traceback of the job" in str(found.__cause__)


def test_an_exception_that_cannot_be_rebuilt_is_none(results):
    assert results({}).exception() is None
    assert results({}, exception=b"\x80\x05garbage").exception() is None
    gone = dumps(Hidden(), PickleOptions(refer=lambda v: "Gone" if v is Hidden else None))
    assert results({}, exception=gone).exception() is None
    assert results({}, exception=pickle.dumps("no exception")).exception() is None


def test_an_exception_class_of_the_notebook_comes_back_as_that_class(notebook):
    notebook.run("class Stop(Exception):\n    pass")
    stop = notebook.ns["Stop"]
    data = dumps(stop("x"), PickleOptions(refer=lambda v: "Stop" if v is stop else None))
    path = notebook.directory / "r"
    with open(path, "wb") as file, PackWriter(file) as writer:
        writer.add("exception", data)
        writer.finish({})
    assert type(Results(path, main=notebook.ns).exception()) is stop


def test_outputs_are_given_as_they_were_sent(results):
    bundle = {"data": {"text/plain": "1"}, "metadata": {}}
    assert results({}, {"outputs": [bundle]}).outputs == [bundle]


def test_damaged_results_are_refused(tmp_path):
    (tmp_path / "r").write_bytes(b"half")
    with pytest.raises(ResultError, match="cannot be read"):
        Results(tmp_path / "r", main={})
    with pytest.raises(ResultError, match="cannot be read"):
        Results(tmp_path / "absent", main={})


def test_what_the_notebook_has_is_left_as_it_is_and_what_comes_back_runs_its_own(notebook):
    notebook.run("def helper(x):\n    return 'mine'\nimport math as m")
    _, path = notebook.submit(
        "import json as m\nclass P:\n    def go(self):\n        return helper(1)\n"
        "def helper(x):\n    return 'job'\np = P()",
        ["p"],
    )
    assert Results(path, main=notebook.ns).value("p").go() == "job"
    assert notebook.ns["helper"](1) == "mine"
    assert notebook.ns["m"].__name__ == "math"


def test_a_class_of_the_job_finds_what_its_body_reads(notebook):
    notebook.run("extra = 1")
    namespace = {"__name__": "__main__"}
    source = "N = 3\nclass Net:\n    width = N\n    def deep(self):\n        return M\nM = 7\nnet = Net()\n"
    linecache.cache["Cell job"] = (len(source), None, source.splitlines(True), "Cell job")
    exec(compile(source, "Cell job", "exec"), namespace)
    needed = []
    definitions = Definitions(namespace, lambda name, reader: needed.append(name))
    path = notebook.directory / "r"
    with open(path, "wb") as file, PackWriter(file) as writer:
        dumper = Dumper(writer, PickleOptions(definitions.refer))
        sent = [dumper.add("net", namespace["net"])]
        for name in needed:
            dumper.add(name, namespace[name])
        dumper.finish()
        meta = definitions.write(writer)
        writer.finish({"names": [list(s) for s in sent], "needed": needed, **meta})
    back = Results(path, main=notebook.ns)
    assert back.names == ["net"]
    net = back.value("net")
    assert (net.width, net.deep(), type(net)) == (3, 7, notebook.ns["Net"])
    assert list(back.values()) == ["net"]


def test_values_survive_the_removal_of_the_file(results, tmp_path):
    back = results({"x": np.ones(100_000)})
    value = back.value("x")
    later = results({"x": 1, "y": 2})
    for path in tmp_path.iterdir():
        path.unlink()
    assert value.sum() == 100_000
    with pytest.raises(ResultError, match="no longer kept"):
        later.value("y")


@pytest.mark.parametrize("names", [7, [7], [{"name": "x"}], [["x"]], [{"name": [], "error": "e"}]])
def test_results_that_do_not_say_what_is_in_them_are_refused(results, names):
    with pytest.raises(ResultError, match="do not say what is in them"):
        results({"x": 1}, meta={"names": names})
