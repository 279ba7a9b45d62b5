"""What cells have set in libraries is set in jobs."""

import builtins
import collections
import fractions
import os
import statistics
import sys
import types

import pytest

CELLS = {
    "a function that is there": (
        ["import statistics\nkept = statistics.mean", "statistics.mean = lambda x: ('mine', kept(x))"],
        "statistics.mean([1, 3])",
    ),
    "a function of the notebook": (
        ["import statistics", "def more(x):\n    return x + 1\nstatistics.more = more"],
        "statistics.more(1), statistics.more is more",
    ),
    "a name that the library has no more": (
        ["import collections, collections.abc", "collections.Mapping = collections.abc.Mapping"],
        "collections.Mapping",
    ),
    "a number": (["import fractions", "fractions.LIMIT = None"], "fractions.LIMIT"),
    "arguments that are filled in": (
        ["import functools, statistics", "statistics.mean = functools.partial(statistics.mean, [4])"],
        "statistics.mean()",
    ),
    "a method": (
        ["import fractions", "fractions.Fraction.twice = lambda self: 2 * self"],
        "fractions.Fraction(1, 3).twice()",
    ),
    "under another name, with setattr": (
        ["import fractions as fr", "setattr(fr, 'LIMIT', 7)"],
        "fr.LIMIT",
    ),
    "a wrapper with the names of what it wraps": (
        [
            "import functools, statistics\ndef timed(f):\n    @functools.wraps(f)\n    def wrapper(*args):\n"
            "        return 'timed', f(*args)\n    return wrapper",
            "statistics.mean = timed(statistics.mean)",
        ],
        "statistics.mean([1, 3])",
    ),
    "the same of a method": (
        [
            "import fractions, functools\nkept = fractions.Fraction.limit_denominator\n"
            "@functools.wraps(kept)\ndef wrapper(self, most=10):\n    return 'mine', kept(self, most)",
            "fractions.Fraction.limit_denominator = wrapper",
        ],
        "fractions.Fraction(1, 3).limit_denominator()",
    ),
    "of os": (["import os", "os.cpu_count = lambda: 3"], "os.cpu_count()"),
    "of sys": (["import sys", "sys.mine = [5]"], "sys.mine"),
    "a name that needs no import": (["import builtins", "builtins.twice = lambda x: 2 * x"], "twice(4)"),
    "a builtin": (
        ["import builtins", "builtins.oct = lambda x: ['mine', x]"],
        "oct(9)",
    ),
    "in a function": (
        ["import statistics", "def patch():\n    statistics.more = 5\npatch()"],
        "statistics.more",
    ),
    "and taken back": (
        ["import statistics\nkept = statistics.mean", "statistics.mean = 5", "statistics.mean = kept"],
        "statistics.mean([1, 3])",
    ),
}


@pytest.fixture
def libraries():
    """What the cells set here is gone after the test."""
    owners = (builtins, os, statistics, collections, fractions, fractions.Fraction)
    before = [dict(vars(owner)) for owner in owners]
    yield
    for owner, kept in zip(owners, before, strict=True):
        for name, value in list(vars(owner).items()):
            if name not in kept:
                delattr(owner, name)
            elif kept[name] is not value:
                setattr(owner, name, kept[name])
    vars(sys).pop("mine", None)


@pytest.mark.parametrize("form", CELLS)
def test_what_was_set_in_a_library_is_set_in_the_job(form, notebook, libraries):
    cells, use = CELLS[form]
    for cell in cells:
        notebook.run(cell)
    packed = notebook.pack(f"print(({use}))")
    assert not packed.messages
    out, _ = notebook.job(packed)
    assert out == f"{notebook.run(f'({use})')}\n"


def test_what_cannot_travel_is_named(notebook, libraries):
    notebook.run("import statistics\nstatistics.more = (n for n in [1])")
    packed = notebook.pack("print(hasattr(statistics, 'more'))")
    assert packed.messages == [
        "statistics.more, set here, does not travel: generator cannot be pickled. "
        "In the job it is as statistics makes it."
    ]
    assert notebook.job(packed)[0] == "False\n"


def test_a_library_that_the_code_does_not_import_is_left_alone(notebook, libraries):
    notebook.run("import statistics\nstatistics.more = (n for n in [1])\nclass Own: pass\nOwn.x = 3")
    packed = notebook.pack("print(Own.x)")
    assert not packed.messages
    assert notebook.job(packed)[0] == "3\n"
    assert isinstance(statistics.more, types.GeneratorType)
