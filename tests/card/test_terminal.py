"""The tail of a log as a terminal shows it."""

from __future__ import annotations

import io
import tracemalloc

import pytest
import tqdm
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.card.ansi import PLAIN, Style, restyle
from sovlab.card.terminal import TerminalTail


def shown(*chunks, **options):
    tail = TerminalTail(**options)
    for chunk in chunks:
        tail.feed(chunk if isinstance(chunk, bytes) else chunk.encode())
    return [line.text for line in tail.lines()]


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("", []),
        ("one\ntwo\n", ["one", "two"]),
        ("one\ntwo", ["one", "two"]),
        ("one\n\nthree\n\n\n", ["one", "", "three"]),
        ("12%\r24%\r100%", ["100%"]),
        ("a long line\rshort", ["shortg line"]),
        ("a long line\r\x1b[Kshort", ["short"]),
        ("abc\x1b[1Kd", ["   d"]),
        ("abc\r\x1b[2Kd", ["d"]),
        ("abc\b\bX", ["aXc"]),
        ("a\tb\n1234567\tb", ["a       b", "1234567 b"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("outer 1\ninner 1\x1b[A\router 2\n\rinner 2", ["outer 2", "inner 2"]),
        ("a\nb\nc\x1b[2F!", ["!", "b", "c"]),
        ("x\x1b[5Cy\x1b[3Dz\x1b[1Gw", ["w   z y"]),
        ("old\nold\x1b[2J\x1b[Hnew", ["new"]),
        ("ab\ncd\x1b[A\r\x1b[Jnew", ["new"]),
        ("\x1b]0;a title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["textlink"]),
        ("\x1b[?25lhidden cursor\x1b[?25h\x07\x0e\x7f", ["hidden cursor"]),
        ("50%|█████     |", ["50%|█████     |"]),
        ("\x1b[999999999999A\x1b[0Bdown", ["", "down"]),
        ("done\r      \r", []),
    ],
)
def test_what_a_terminal_would_show(printed, lines):
    assert shown(printed) == lines


def test_only_the_last_lines_are_shown_and_all_are_counted():
    tail = TerminalTail(lines=3)
    tail.feed("".join(f"line {i}\n" for i in range(100_000)).encode() + b"unfinished")
    assert [line.text for line in tail.lines()] == ["line 99998", "line 99999", "unfinished"]
    assert tail.total == 100_001


def test_a_long_line_is_cut_and_says_so():
    (line,) = shown("x" * 5000 + "\n", width=20)
    assert line == "x" * 20 + "…"
    assert shown("x" * 5000 + "\rshort\x1b[K", width=20) == ["short"]


def test_a_character_split_between_chunks_is_whole_and_a_broken_one_is_marked():
    smile = "😀é".encode()
    assert shown(*(smile[i : i + 1] for i in range(len(smile)))) == ["😀é"]
    assert shown(b"a\xff\xfeb\n", b"\xe2\x82", b"\n") == ["a\ufffd\ufffdb", "\ufffd"]


def test_colours_are_kept_and_go_on_over_lines():
    tail = TerminalTail()
    tail.feed(b"plain \x1b[1;31mred\nstill\x1b[0m plain")
    first, second = tail.lines()
    red = Style(fg="red", bold=True)
    assert first.runs == (("plain ", PLAIN), ("red", red))
    assert second.runs == (("still", red), (" plain", PLAIN))
    assert second.ansi == "\x1b[1;31mstill\x1b[0m plain"


def test_colours_go_on_from_what_was_left_out():
    tail = TerminalTail(lines=2)
    tail.feed(b"\x1b[0m\x1b[32mgreen\n" + b"line\n" * 100_000)
    assert tail.lines()[-1].runs == (("line", Style(fg="green")),)


def test_an_overwritten_colour_is_gone():
    tail = TerminalTail()
    tail.feed(b"\x1b[31mred red\x1b[0m\rplain")
    assert tail.lines()[0].runs == (("plain", PLAIN), ("ed", Style(fg="red")))


@pytest.mark.parametrize(
    ("parameters", "style"),
    [
        ("", PLAIN),
        ("1;4;33", Style(bold=True, underline=True, fg="yellow")),
        ("94;47", Style(fg="bright-blue", bg="white")),
        ("38;5;9", Style(fg="bright-red")),
        ("38;5;208", Style(fg="#ff8700")),
        ("48;5;244", Style(bg="#808080")),
        ("38;2;1;2;300", Style(fg="#0102ff")),
        ("7;3", Style(inverse=True, italic=True)),
        ("38;5", Style(fg="black")),
        ("38", PLAIN),
        ("123", PLAIN),
        ("1;22;3;23;31;39", PLAIN),
    ],
)
def test_sgr(parameters, style):
    assert restyle(PLAIN, parameters) == style
    assert restyle(PLAIN, style.sgr[2:-1]) == style


def test_real_nested_bars_redraw_as_in_a_terminal():
    printed = io.StringIO()
    for _ in tqdm.trange(3, desc="outer", file=printed, ncols=60, mininterval=0, ascii=True):
        for _ in tqdm.trange(5, desc="inner", file=printed, ncols=60, mininterval=0, ascii=True, leave=False):
            pass
    lines = shown(printed.getvalue())
    assert len(lines) == 1
    assert lines[0].startswith("outer: 100%|##########")


def test_ranks_are_told_apart_and_stand_in_the_order_in_which_they_were_written():
    tail = TerminalTail(lines=4)
    tail.feed(b"0: one\n0: tw", 0)
    tail.feed("1: one ü".encode()[:-1], 1)
    tail.feed(b"o\n", 0)
    tail.feed("ü".encode()[-1:] + b"\n", 1)
    assert [(line.rank, line.text) for line in tail.lines()] == [
        (0, "0: one"),
        (0, "0: two"),
        (1, "1: one ü"),
    ]


def test_a_bar_of_one_rank_stays_in_sight_while_another_prints():
    tail = TerminalTail(lines=2)
    for step in range(50):
        tail.feed(f"\rbar {step}".encode(), 1)
        tail.feed(b"noise\n", 0)
    assert [(line.rank, line.text) for line in tail.lines()] == [(1, "bar 49"), (0, "noise")]


def test_a_redrawn_upper_line_of_a_rank_stays_above_its_lower_one():
    tail = TerminalTail()
    tail.feed(b"outer 1\ninner 1", 0)
    tail.feed(b"other\n", 1)
    tail.feed(b"\x1b[A\router 2", 0)
    texts = [line.text for line in tail.lines()]
    assert texts.index("outer 2") < texts.index("inner 1")


_TEXTS = ["line\n", "\n", "a", "bcd ", "\r", "\b", "\t", "é", "😀", "x" * 30]
_SEQUENCES = ["\x1b[A", "\x1b[2B", "\x1b[K", "\x1b[31m", "\x1b[0m", "\x1b[2J", "\x1b[H", "\x1b]0;t\x07"]
_FRAGMENTS = ["\x1b", "[", "3", "m", "\x1b[38;5;1", "\x1b]0;"]
_PIECES = st.sampled_from([*_TEXTS, *_SEQUENCES, *_FRAGMENTS])


@settings(deadline=None, max_examples=50)
@given(st.lists(_PIECES, max_size=60), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_how_a_log_is_cut_into_chunks_makes_no_difference(pieces, cuts):
    data = "".join(pieces).encode()
    whole, parts = TerminalTail(lines=5, width=25), TerminalTail(lines=5, width=25)
    whole.feed(data)
    position = 0
    while position < len(data):
        for size in cuts:
            parts.feed(data[position : position + size])
            parts.lines()  # works on what was collected
            position += size
    assert parts.lines() == whole.lines()


@settings(deadline=None, max_examples=50)
@given(st.lists(_PIECES, min_size=1, max_size=12))
def test_leaving_out_what_cannot_be_seen_makes_no_difference(pieces):
    block = "".join(pieces).encode()
    at_once, slowly = TerminalTail(lines=2, width=25), TerminalTail(lines=2, width=25)
    at_once.feed(block * 60)
    for _ in range(60):
        slowly.feed(block)
        slowly.lines()
    assert at_once.lines() == slowly.lines()


def test_memory_is_bounded_whatever_is_printed():
    tail = TerminalTail()
    tracemalloc.start()
    try:
        for chunk in (
            b"x" * (1 << 16),
            b"line\n" * (1 << 13),
            b"\x1b]0;never ends " * (1 << 12),
            b"\x1b[1;2;3",
        ):
            for _ in range(40):
                tail.feed(chunk)
        for rank in range(64):
            tail.feed(b"line of a rank\n" * 1000, rank)
        tail.lines()
        assert tracemalloc.get_traced_memory()[0] < 8 << 20
    finally:
        tracemalloc.stop()
