r"""`TerminalTail`: the last lines of a log as a terminal would show them.

A log is bytes meant for a terminal: ``\r`` goes back to overwrite, tqdm moves the cursor up to redraw an
outer bar, colours are escape sequences. This keeps the few last lines of that, in bounded memory, at a
speed at which a log of gigabytes costs nothing that matters. Not kept: wrapping (a line is cut at a
width) and the double width of East Asian characters.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator

import msgspec

from sovlab.card.ansi import PLAIN, Style, restyle

_ABOVE = 40
"""Lines kept above those shown: cursor movements reach there, and a traceback is cut off from the end."""
_BUFFER = 1 << 18
"""Bytes that are collected before they are worked on; most of a fast log never is."""
_UNFINISHED = 4096
"""Longest escape sequence that is waited for."""

_SEQUENCE = (
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and other strings for a terminal
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x1f\x7f-\x9f]"
)
_OPEN_SEQUENCE = r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z"
_MOVES_UP = rb"\x1b\[[0-?]*[AFHJdf]|\x1bM"
_SGR = rb"\x1b\[([0-9;:]*)m"


class Line(msgspec.Struct, frozen=True):
    """One line as a terminal shows it.

    Attributes:
        runs: pieces of text and their style, joined they are the line.
        rank: global rank that printed it; None in a job of one process.
        cut: whether it goes on beyond the width.
    """

    runs: tuple[tuple[str, Style], ...]
    rank: int | None = None
    cut: bool = False

    @property
    def text(self) -> str:
        """The characters, without colours."""
        return "".join(piece for piece, _ in self.runs) + ("…" if self.cut else "")

    def without(self, count: int) -> Line:
        """The same without its last ``count`` characters."""
        runs, remaining = [], len(self.text) - count
        for text, style in self.runs:
            if remaining > 0:
                runs.append((text[:remaining], style))
            remaining -= len(text)
        return Line(tuple(runs), self.rank)

    @property
    def ansi(self) -> str:
        """The characters with colours as SGR sequences, reset at the end."""
        pieces = "".join(f"{s.sgr}{t}\x1b[0m" if s != PLAIN else t for t, s in self.runs)
        return pieces + ("…" if self.cut else "")


class TerminalTail:
    """Takes a log in chunks and keeps its last lines.

    Args:
        lines: number of lines to show.
        width: characters after which a line is cut.
    """

    def __init__(self, lines: int = 12, width: int = 200) -> None:
        self.shown = lines
        self._height, self._width = lines + _ABOVE, width
        self._screens: dict[int | None, _Screen] = {}
        self._buffer = bytearray()
        self._rank: int | None = None
        self._clock = itertools.count(1)

    def feed(self, data: bytes, rank: int | None = None) -> None:
        """Take the next bytes that a rank (None: the job's only process) printed."""
        if rank != self._rank:
            self._flush()
            self._rank = rank
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    @property
    def total(self) -> int:
        """Lines printed so far, by all ranks, the last unfinished ones included."""
        self._flush()
        return sum(s.ended + s.unfinished for s in self._screens.values())

    def lines(self) -> list[Line]:
        """The last lines, the oldest first; at most as many as are to be shown."""
        return self.kept()[-self.shown :]

    def kept(self) -> list[Line]:
        """All lines that are kept: some more than are to be shown.

        Those of several ranks are in the order in which they were last written to.
        """
        self._flush()
        if list(self._screens) == [None]:
            return [row.line(None) for row in self._screens[None].filled()]
        rows: list[tuple[int, _Row, int | None]] = []
        for rank, screen in self._screens.items():
            latest = 0
            for row in screen.filled():
                # The lines of one rank stay in its order, also where it redraws an upper one.
                latest = max(latest, row.written)
                rows.append((latest, row, rank))
        rows.sort(key=lambda entry: entry[0])
        return [row.line(rank) for _, row, rank in rows[-self._height :]]

    def _flush(self) -> None:
        if self._buffer:
            data, self._buffer = bytes(self._buffer), bytearray()
            if self._rank not in self._screens:
                self._screens[self._rank] = _Screen(self._height, self._width)
            self._screens[self._rank].feed(data, next(self._clock))


class _Row:
    __slots__ = ("chars", "cut", "styles", "written")

    def __init__(self) -> None:
        self.chars: list[str] = []
        self.styles: list[Style] | None = None  # None: all plain
        self.written = 0
        self.cut = False

    def put(self, column: int, text: str, style: Style) -> None:
        gap = column - len(self.chars)
        if gap > 0:
            self.chars += " " * gap
        if style != PLAIN or self.styles is not None:
            if self.styles is None:
                self.styles = [PLAIN] * len(self.chars)
            self.styles += [PLAIN] * (len(self.chars) - len(self.styles))
            self.styles[column : column + len(text)] = [style] * len(text)
        self.chars[column : column + len(text)] = text

    def erase(self, start: int, end: int | None) -> None:
        if end is None:
            del self.chars[start:]
            self.cut = False
            if self.styles is not None:
                del self.styles[start:]
        else:
            self.put(start, " " * max(min(end, len(self.chars)) - start, 0), PLAIN)

    def line(self, rank: int | None) -> Line:
        if self.styles is None:
            text = "".join(self.chars).rstrip()
            return Line(((text, PLAIN),) if text else (), rank, self.cut)
        runs: list[tuple[str, Style]] = []
        pairs = zip(self.chars, self.styles, strict=True)
        for style, group in itertools.groupby(pairs, key=lambda pair: pair[1]):
            runs.append(("".join(char for char, _ in group), style))
        while runs and not runs[-1][1].bg and not runs[-1][1].inverse and not runs[-1][0].rstrip():
            runs.pop()
        return Line(tuple(runs), rank, self.cut)


class _Screen:
    """One terminal, as high as the lines that are kept."""

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pending = ""
        self._style = PLAIN
        self._now = 0
        self.ended = 0
        self._clear()

    @property
    def unfinished(self) -> bool:
        return bool(self._rows[-1].chars)

    def filled(self) -> Iterator[_Row]:
        """Rows without the blank ones at the end."""
        last = len(self._rows)
        while last and not self._rows[last - 1].line(None).runs:
            last -= 1
        return iter(self._rows[:last])

    def feed(self, data: bytes, now: int) -> None:
        self._now = now
        self.ended += data.count(b"\n")
        text = self._pending + self._decoder.decode(self._last_lines(data))
        self._pending = ""
        unfinished = re.compile(_OPEN_SEQUENCE).search(text, max(len(text) - _UNFINISHED, 0))
        if unfinished:
            self._pending, text = unfinished[0], text[: unfinished.start()]
        position = 0
        for match in re.finditer(_SEQUENCE, text):
            if match.start() > position:
                self._write(text, position, match.start())
            position = match.end()
            self._control(match)
        if position < len(text):
            self._write(text, position, len(text))

    def _last_lines(self, data: bytes) -> bytes:
        """The end of ``data`` after which nothing before it can be seen; all of it if there is none."""
        start = len(data)
        for _ in range(self._height + 1):
            start = data.rfind(b"\n", 0, start)
            if start < 0:
                return data
        last = data[start + 1 :]
        if re.search(_MOVES_UP, last):
            return data
        # Of what is left out only the colours go on.
        reset = max(data.rfind(b"\x1b[0m", 0, start), data.rfind(b"\x1b[m", 0, start))
        for match in re.compile(_SGR).finditer(data, max(reset, 0), start):
            self._style = restyle(self._style, match[1].decode())
        self._clear()
        self._pending = ""
        self._decoder.reset()
        return last

    def _clear(self) -> None:
        self._rows, self._row, self._column = [_Row()], 0, 0

    def _write(self, text: str, start: int, end: int) -> None:
        row, room = self._rows[self._row], self._width - self._column
        row.written = self._now
        if room > 0:
            row.put(self._column, text[start : min(end, start + room)], self._style)
        self._column += end - start
        row.cut = row.cut or self._column > self._width

    def _control(self, match: re.Match[str]) -> None:
        character = match[0]
        if character == "\n":
            self._move(self._row + 1)
            self._column = 0
        elif character == "\r":
            self._column = 0
        elif character == "\b":
            self._column = max(self._column - 1, 0)
        elif character == "\t":
            self._column += 8 - self._column % 8
        elif character == "\x1bM":
            self._move(self._row - 1)
        elif match["final"]:
            self._sequence(match["final"], match["parameters"])

    def _sequence(self, final: str, parameters: str) -> None:
        if final == "m":
            if not parameters.startswith(("<", "=", ">", "?")):
                self._style = restyle(self._style, parameters)
            return
        numbers = [min(int(p), 1 << 16) if p.isdecimal() else 0 for p in parameters.split(";")]
        first = numbers[0]
        if final in "AF":
            self._move(self._row - max(first, 1))
        elif final in "BE":
            self._move(min(self._row + max(first, 1), self._row + self._height))
        elif final == "C":
            self._column += max(first, 1)
        elif final == "D":
            self._column = max(self._column - max(first, 1), 0)
        elif final in "G`":
            self._column = max(first - 1, 0)
        elif final in "Hf":
            self._move(min(max(first - 1, 0), len(self._rows) - 1))
            self._column = max(numbers[1] - 1, 0) if len(numbers) > 1 else 0
        elif final == "K":
            start, end = {0: (self._column, None), 1: (0, self._column + 1)}.get(first, (0, None))
            self._rows[self._row].erase(start, end)
            self._rows[self._row].written = self._now
        elif final == "J":
            self._erase_display(first)
        if final in "EF":
            self._column = 0

    def _erase_display(self, how: int) -> None:
        if how >= 2:
            self._clear()
        elif how == 0:
            self._rows[self._row].erase(self._column, None)
            del self._rows[self._row + 1 :]

    def _move(self, row: int) -> None:
        while row >= len(self._rows):
            self._rows.append(_Row())
        surplus = len(self._rows) - self._height
        if surplus > 0:
            del self._rows[:surplus]
            row -= surplus
        self._row = max(row, 0)
