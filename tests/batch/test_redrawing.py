r"""Lines that are drawn over and over: a log gets the last of them."""

from __future__ import annotations

import pytest

from sovlab.batch.shown.redrawing import Redrawn


def stream(text, name="stderr"):
    return {"output_type": "stream", "name": name, "text": text}


def told(*outputs, times=None):
    """What is told of outputs, at these seconds, and of the end of their cell."""
    made = []
    clock = iter(times or [0.0] * 1000)
    redrawn = Redrawn(made.append, clock=lambda: next(clock), every=30.0)
    for output in outputs:
        redrawn.output(output)
    redrawn.flush()
    return [(each.get("name"), each["text"]) if "text" in each else each["output_type"] for each in made]


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["plain", " text\n"], ["plain", " text\n"]),
        (["\r 1%", "\r 2%", "\r 3%"], [" 3%"]),
        (["\r 1%", "\r 2%\n"], [" 2%\n"]),
        (["\r 1%\r 2%\nnext\r 3%"], [" 2%\n", " 3%"]),
        (["\r 99%", "\r100%", "\n", "after\n"], ["100%\n", "after\n"]),
        (["a line\r\n", "another\r\n"], ["a line\n", "another\n"]),
        (["\r 9%", "\r    \r"], [" 9%"]),
        (["\r", "\r"], []),
    ],
)
def test_of_a_line_the_last_is_told(texts, lines):
    assert told(*map(stream, texts)) == [("stderr", line) for line in lines]


def test_what_comes_between_ends_a_line():
    shown = {"output_type": "display_data", "data": {}}
    assert told(stream("\r 1%"), stream("x\n", "stdout"), stream("\r 2%"), shown, stream("\r 3%")) == [
        ("stderr", " 1%"),
        ("stdout", "x\n"),
        ("stderr", " 2%"),
        "display_data",
        ("stderr", " 3%"),
    ]


def test_a_line_that_goes_on_for_long_is_told_as_it_is():
    times = [0.0, 10.0, 31.0, 31.0, 40.0, 70.0, 70.0, 70.0]
    texts = ["\r 1%", "\r 2%", "\r 3%", "\r 4%"]
    assert told(*map(stream, texts), times=times) == [("stderr", " 2%"), ("stderr", " 4%"), ("stderr", " 4%")]
