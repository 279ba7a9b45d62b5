from __future__ import annotations

import sys

import pytest

from tests.runner.conftest import RunningJob


def test_the_cell_with_its_lines_and_no_frame_of_the_runner(job: RunningJob) -> None:
    record = job.run(
        """\
        def train(loader):
            total = 0
            for x in loader:
                total += x / z
            return total
        train([1])
        """
    )
    expected = """\
Cell In[7], line 6
    4         total += x / z
    5     return total
--> 6 train([1])
Cell In[7], line 4, in train
    2     total = 0
    3     for x in loader:
--> 4         total += x / z
    5     return total
    6 train([1])
NameError: name 'z' is not defined
"""
    assert record["error"]["traceback"] == expected
    assert job.log == expected
    assert [(f["line"], f["function"]) for f in record["error"]["frames"]] == [(6, "<module>"), (4, "train")]


def test_local_modules_and_libraries_by_the_path_they_are_imported_from(job: RunningJob) -> None:
    record = job.run(
        "import json\nfrom package.inner import load\nload(json)",
        files={
            "package/__init__.py": "",
            "package/inner.py": "def load(json):\n    return json.loads('{')\n",
        },
    )
    labels = [f["label"] for f in record["error"]["frames"]]
    assert labels[:3] == ["Cell In[7]", "File package/inner.py", "File json/__init__.py"]
    assert "--> 2     return json.loads('{')" in job.log
    assert "JSONDecodeError: Expecting property name" in job.log
    assert record["error"]["module"] == "json.decoder"
    assert "sovlab" not in job.log


def test_an_error_while_a_local_module_is_imported(job: RunningJob) -> None:
    record = job.run("import broken", files={"broken.py": "x = 1\ny = x.nothing\n"})
    assert [(f["label"], f["line"]) for f in record["error"]["frames"]] == [
        ("Cell In[7]", 1),
        ("File broken.py", 2),
    ]


def test_a_syntax_error_with_its_line_and_caret(job: RunningJob) -> None:
    job.run("import broken", files={"broken.py": "x = 1\nif x\n    y = 2\n"})
    assert "File broken.py, line 2\n    if x\n        ^\nSyntaxError:" in job.log


def test_chained_exceptions(job: RunningJob) -> None:
    job.run(
        """
        try:
            try:
                {}["a"]
            except KeyError as e:
                raise ValueError("bad") from e
        except ValueError:
            raise RuntimeError("worse")
        """
    )
    parts = [
        "KeyError: 'a'",
        "The above exception was the direct cause",
        "ValueError: bad",
        "During handling of the above exception",
        "RuntimeError: worse",
    ]
    places = [job.log.index(part) for part in parts]
    assert places == sorted(places)


def test_a_suppressed_context_is_not_shown(job: RunningJob) -> None:
    job.run("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('only this') from None")
    assert "ZeroDivisionError" not in job.log.replace("except ZeroDivisionError", "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="of Python 3.11")
def test_notes_and_groups(job: RunningJob) -> None:
    job.run(
        """
        def fail():
            raise KeyError("inner")
        found = []
        try:
            fail()
        except KeyError as e:
            e.add_note("while reading shard 3")
            found.append(e)
        raise ExceptionGroup("two things", [*found, ValueError("other")])
        """
    )
    for part in (
        "ExceptionGroup: two things (2 sub-exceptions)",
        "while reading shard 3",
        "ValueError: other",
    ):
        assert part in job.log
    assert "Cell In[7], line 3, in fail" in job.log


def test_recursion_is_folded(job: RunningJob) -> None:
    record = job.run("def f(n):\n    return f(n + 1)\nf(0)")
    assert "RecursionError" in job.log
    assert len(job.log) < 3000
    assert len(record["error"]["frames"]) < 10


def test_await_shows_no_event_loop(job: RunningJob) -> None:
    record = job.run("import asyncio\nasync def f():\n    raise ValueError('x')\nawait f()")
    assert [f["label"] for f in record["error"]["frames"]] == ["Cell In[7]"] * 2
    assert "asyncio/" not in job.log


def test_an_exception_whose_message_fails(job: RunningJob) -> None:
    record = job.run("class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd()")
    assert record["reason"] == "user_error"
    assert record["error"]["type"] == "Odd"


def test_the_exception_comes_back(job: RunningJob) -> None:
    from sovlab.runner.values.pack import Pack
    from sovlab.runner.values.unpickling import loads

    job.run("raise KeyError('shard')")
    pack = Pack(job.directory / "results.pack")
    assert pack.meta["error_pickle"]
    error = loads(bytes(pack.segment("exception")), main={})
    assert type(error) is KeyError
    assert error.args == ("shard",)


def test_an_exception_of_the_cells_own_class_brings_the_class(job: RunningJob) -> None:
    from sovlab.runner.values.pack import Pack

    job.run("class TooHot(Exception):\n    pass\nraise TooHot(91)")
    meta = Pack(job.directory / "results.pack").meta
    assert meta["error_pickle"]
    assert [d["name"] for d in meta["definitions"]] == ["TooHot"]


def test_an_exception_that_cannot_be_sent_leaves_its_text(job: RunningJob) -> None:
    from sovlab.runner.values.pack import Pack

    record = job.run("import threading\nraise ValueError(threading.Lock())")
    assert record["error"]["type"] == "ValueError"
    assert not Pack(job.directory / "results.pack").meta["error_pickle"]
