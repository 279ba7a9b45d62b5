"""Colours and weights of terminal text: SGR sequences (ECMA-48) to styles and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
"""The eight; their bright variants are called ``bright-red`` and so on."""

_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
_CUBE = (0, 95, 135, 175, 215, 255)


class Style(msgspec.Struct, frozen=True):
    """How characters look.

    Attributes:
        fg: a name of `COLOURS`, ``bright-`` and a name, ``#rrggbb``, or empty for the default.
        bg: the same, behind the characters.
    """

    fg: str = ""
    bg: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    strike: bool = False

    @property
    def sgr(self) -> str:
        """The sequence that sets this style after a reset; empty for plain text."""
        codes = [str(code) for code, name in _ON.items() if getattr(self, name)]
        codes += [code for code in (_code(self.fg, 30), _code(self.bg, 40)) if code]
        return f"\x1b[{';'.join(codes)}m" if codes else ""


PLAIN = Style()


def restyle(style: Style, parameters: str) -> Style:
    """The style after ``ESC [ parameters m``; unknown codes change nothing."""
    codes = iter([int(p) if p.isdecimal() else 0 for p in parameters.replace(":", ";").split(";")])
    for code in codes:
        if code == 0:
            style = PLAIN
        elif code in _ON:
            style = _switch(style, (_ON[code],), True)
        elif code in _OFF:
            style = _switch(style, _OFF[code], False)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, fg=_name(code))
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, bg=_name(code - 10))
        elif code in (38, 48):
            colour = _extended(codes)
            style = replace(style, fg=colour) if code == 38 else replace(style, bg=colour)
        elif code == 39:
            style = replace(style, fg="")
        elif code == 49:
            style = replace(style, bg="")
    return style


def _switch(style: Style, names: tuple[str, ...], on: bool) -> Style:
    changes: dict[str, Any] = dict.fromkeys(names, on)
    return replace(style, **changes)


def _name(code: int) -> str:
    return ("bright-" if code >= 90 else "") + COLOURS[code % 10]


def _extended(codes: Iterator[int]) -> str:
    kind = next(codes, 0)
    if kind == 2:
        red, green, blue = (min(next(codes, 0), 255) for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    if kind != 5:
        return ""
    number = min(next(codes, 0), 255)
    if number < 16:
        return ("bright-" if number > 7 else "") + COLOURS[number % 8]
    if number >= 232:
        return f"#{8 + 10 * (number - 232):02x}" + f"{8 + 10 * (number - 232):02x}" * 2
    number -= 16
    return "#" + "".join(f"{_CUBE[number // step % 6]:02x}" for step in (36, 6, 1))


def _code(colour: str, base: int) -> str:
    if not colour:
        return ""
    if colour.startswith("#"):
        return f"{base + 8};2;" + ";".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    bright = colour.startswith("bright-")
    return str(base + (60 if bright else 0) + COLOURS.index(colour.removeprefix("bright-")))
