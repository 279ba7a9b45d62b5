"""The card as HTML: handsome in JupyterLab's themes, and still readable where all style is taken away.

Only ``style`` attributes with JupyterLab's theme variables, no script, no class, no address. Where style
is stripped (GitHub, nbviewer), what is left is ``<strong>``, ``<b>``, ``<progress>`` and ``<pre>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sovlab.card import words as words
from sovlab.card.ansi import PLAIN, Style
from sovlab.card.outputs import escaped, render_output
from sovlab.card.terminal import Line
from sovlab.core.job import JobRecord, JobState, Progress

if TYPE_CHECKING:
    from sovlab.card.power import PowerText

_INK = "var(--jp-content-font-color1,#212121)"
_INK2 = "var(--jp-content-font-color2,#616161)"
_INK3 = "var(--jp-content-font-color3,#8a8a8a)"
"""Too pale for words in the light theme: of marks alone, and of what a program printed in grey."""
_PAPER = "var(--jp-layout-color1,#fff)"
_LINE = "var(--jp-border-color2,#e0e0e0)"
_RUN = "var(--jp-brand-color1,#1976d2)"
_GOOD = "var(--jp-success-color1,#388e3c)"
_BAD = "var(--jp-error-color1,#d32f2f)"
_WARN = "var(--jp-warn-color1,#f57c00)"
_SANS = "var(--jp-ui-font-family,system-ui,sans-serif)"
_MONO = "var(--jp-code-font-family,ui-monospace,monospace)"

_MARKS = {
    JobState.PENDING: ("○", _INK3),
    JobState.QUEUED: ("○", _INK3),
    JobState.SUSPENDED: ("○", _WARN),
    JobState.RUNNING: ("●", _RUN),
    JobState.SUCCEEDED: ("✓", _GOOD),
    JobState.FAILED: ("✗", _BAD),
    JobState.CANCELLED: ("■", _INK3),
    JobState.UNKNOWN: ("?", _WARN),
}
"""A shape and a colour for each state: colour alone does not tell it."""

_COLOURS = {
    "black": _INK,
    "red": _BAD,
    "green": _GOOD,
    "yellow": _WARN,
    "blue": _RUN,
    "magenta": "var(--jp-mirror-editor-operator-color,#7800c2)",
    "cyan": "var(--jp-info-color1,#0097a7)",
    "white": _INK2,
    "bright-black": _INK3,
    "bright-white": _INK,
}
"""The terminal's colours as the theme has them, legible on light and dark."""

_BLOCK = f"border-top:1px solid {_LINE};padding:6px 12px"
_PRE = (
    f"margin:0;padding:0;border:0;background:none;color:{_INK};font-family:{_MONO};font-size:12px;"
    "line-height:1.45;white-space:pre;overflow-x:auto"
)
_SMALL = f"color:{_INK2};font-size:11px"
_CODE = f"border:0;background:none;padding:0;font-family:{_MONO}"
_WHOLE = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
"""Style of text of which nothing may be cut off."""


class CardText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a card, the same in all its forms.

    Attributes:
        headline: the state and how long it has lasted, in one line.
        location: hardware, target and host, in one line; empty where the table says it.
        message: one more sentence, or empty.
        progress: the job's last report; None if it made none.
        time_left: the time left, or how long nothing was reported; empty if neither is known.
        facts: rows of the table of an ended job; empty before.
        lines: the end of the log, as a terminal would show it.
        total: how many lines the log has.
        traceback: the user's, line by line; empty where it is shown elsewhere.
        notes: sentences for the user.
        seen: the time that the card is of, if it may have changed since.
        power: what the devices of a running job do; None if that is not known.
        earlier: what the last runs of the same code took; empty where nothing is known of them, and once the
            job has ended.
        chosen: how its backend was chosen, where there was something to choose; empty once it has ended.
    """

    headline: str
    location: str
    message: str
    progress: Progress | None
    time_left: str
    facts: Sequence[words.Fact]
    lines: Sequence[Line]
    total: int
    traceback: Sequence[str]
    notes: Sequence[str]
    seen: str
    power: PowerText | None = None
    earlier: str = ""
    chosen: str = ""


def render_html(record: JobRecord, text: CardText, outputs: Sequence[Mapping[str, Any]]) -> str:
    """The card as one ``<div>``; all text is escaped here."""
    frame = (
        f"border:1px solid {_LINE};border-radius:4px;margin:4px 0;max-width:760px;overflow:hidden;"
        f"background:{_PAPER};color:{_INK};font-family:{_SANS};font-size:13px;line-height:1.45"
    )
    parts = [
        _head(record, text),
        _progress(record, text),
        _power(text.power),
        _log(record, text),
        _traceback(text.traceback, record),
        *(_output(bundle) for bundle in outputs),
        _facts(text.facts),
        *map(_warned, text.notes),
        _commands(record, text),
    ]
    return f'<div style="{frame}">{"".join(parts)}</div>'


def _head(record: JobRecord, text: CardText) -> str:
    mark, colour = _MARKS[record.status.state]
    bad = record.status.state is JobState.FAILED
    location = f' <span style="color:{_INK2}">· {escaped(text.location)}</span>' if text.location else ""
    message = (
        f'<div style="color:{_INK2};margin-top:4px">{escaped(text.message)}</div>' if text.message else ""
    )
    return (
        f'<div style="padding:8px 12px"><span style="color:{colour}">{mark}</span> '
        f'<strong style="font-weight:600">{escaped(record.name)}</strong> '
        f'<span style="color:{_BAD if bad else _INK}">{escaped(text.headline)}</span>'
        f"{location}{message}{_quiet(text.chosen)}{_quiet(text.earlier)}</div>"
    )


def _quiet(text: str) -> str:
    return f'<div><small style="{_SMALL}">{escaped(text)}</small></div>' if text else ""


def _progress(record: JobRecord, text: CardText) -> str:
    if text.progress is None or record.status.state.ended:
        return ""  # then the table has it
    fraction = text.progress.fraction
    shown = escaped(words.progress_words(text.progress) + (f" · {text.time_left}" if text.time_left else ""))
    if fraction is None:
        return f'<div style="padding:0 12px 8px;color:{_INK2}">{shown}</div>'
    percent = f"{fraction:.0%}"
    bar = (
        f'<progress value="{fraction:.4f}" max="1" title="{percent}" style="display:block;width:100%;'
        f'height:6px;margin:0;accent-color:{_RUN}">{percent}</progress>'
    )
    return (
        f'<div style="padding:0 12px 8px;color:{_INK2}">{bar}<div style="margin-top:4px">{shown}</div></div>'
    )


def _power(text: PowerText | None) -> str:
    if text is None:
        return ""
    from sovlab.card.power import power_row

    warnings = "".join(_warned(sentence) for sentence in (text.slowed, text.trouble) if sentence)
    return f'<div style="{_BLOCK}">{power_row(text, _SMALL, _RUN)}{_quiet(text.footprint)}</div>{warnings}'


def _warned(sentence: str) -> str:
    # The mark has the colour, the words have ink: amber on white is not legible.
    mark = f'<span style="color:{_WARN};font-size:10px">▲</span>'
    return f'<div style="{_BLOCK}">{mark} {escaped(sentence)}</div>'


def _log(record: JobRecord, text: CardText) -> str:
    if not text.lines:
        return ""
    ranks = [str(line.rank) for line in text.lines if line.rank is not None]
    width = max(map(len, ranks), default=0)
    rows = []
    for line in text.lines:
        label = f"{'' if line.rank is None else line.rank:>{width}} " if ranks else ""
        shown = f'<span style="color:{_INK2}">{label}</span>' if label else ""
        rows.append(shown + "".join(_run(*run) for run in line.runs) + ("…" if line.cut else ""))
    note = ""
    if text.total > len(text.lines) and not text.traceback:
        note = (
            f'<div><small style="{_SMALL}">last {len(text.lines)} of {text.total:,} lines'
            f" · all: {_command(f'%sovlogs {record.id}')}</small></div>"
        )
    joined = "\n".join(rows)
    return f'<div style="{_BLOCK}"><pre style="{_PRE}">{joined}</pre>{note}</div>'


def _run(text: str, style: Style) -> str:
    if style == PLAIN:
        return escaped(text)
    fg, bg = _colour(style.fg), _colour(style.bg)
    if style.inverse:
        fg, bg = bg or _PAPER, fg or _INK
    css = [
        f"color:{fg}" if fg else "",
        f"background-color:{bg}" if bg else "",
        "font-weight:600" if style.bold else "",
        "opacity:.7" if style.dim else "",
        "font-style:italic" if style.italic else "",
        "text-decoration:underline" if style.underline else "",
        "text-decoration:line-through" if style.strike else "",
    ]
    return f'<span style="{";".join(part for part in css if part)}">{escaped(text)}</span>'


def _colour(name: str) -> str:
    if not name or name.startswith("#"):
        return name
    return _COLOURS.get(name) or _COLOURS[name.removeprefix("bright-")]


def _traceback(lines: Sequence[str], record: JobRecord) -> str:
    if not lines:
        return ""
    kind = re.escape(str((record.status.error or {}).get("type") or "Error"))
    error = re.compile(rf"(?:[\w.]+\.)?{kind}(?=:|$)")
    shown = [_traced(line, error) for line in lines]
    last = max((i for i, line in enumerate(lines) if error.match(line)), default=len(lines))
    above, message = "".join(f"{line}\n" for line in shown[:last]), "\n".join(shown[last:])
    whole = f'<span style="{_WHOLE}">{message}</span>' if message else ""
    return f'<div style="{_BLOCK}"><pre style="{_PRE}">{above}{whole}</pre></div>'


def _traced(line: str, error: re.Pattern[str]) -> str:
    if re.match(r"-+> *\d+", line):
        return _strong(line)
    header = re.fullmatch(r"(\S.*, line \d+)(, in .+)?", line)
    if header:
        return f'{escaped(header[1])}<span style="color:{_INK2}">{escaped(header[2] or "")}</span>'
    name = error.match(line)
    return _strong(name[0]) + escaped(line[name.end() :]) if name else escaped(line)


def _strong(text: str) -> str:
    return f'<strong style="color:{_BAD};font-weight:600">{escaped(text)}</strong>'


def _facts(facts: Sequence[words.Fact]) -> str:
    # No <table>: sites that take the style away would set its cells to the right, as for numbers.
    if not facts:
        return ""
    label = f"flex:none;width:92px;color:{_INK2};font-weight:400"
    rows = []
    for fact in facts:
        code = f"{_CODE};font-size:12px;color:{_INK};display:inline-block;{_WHOLE}"
        hint = f' <code style="{code}">{escaped(fact.hint)}</code>' if fact.hint else ""
        value_style = f"color:{_BAD if fact.bad else _INK};overflow-wrap:anywhere"
        rows.append(
            f'<div style="display:flex"><b style="{label}">{escaped(fact.label)}</b> '
            f'<span style="{value_style}">{escaped(fact.text)}{hint}</span></div>'
        )
    return f'<div style="{_BLOCK}">{"".join(rows)}</div>'


def _commands(record: JobRecord, text: CardText) -> str:
    lines = [" · ".join(f"{escaped(what)}: {_command(code)}" for what, code in words.commands(record))]
    if text.seen:
        what, code = words.look_again(record)
        lines.append(f"{escaped(text.seen)} · {escaped(what)}: {_command(code)}")
    shown = "<br>".join(line for line in lines if line)
    return f'<div style="{_BLOCK}"><small style="{_SMALL}">{shown}</small></div>' if shown else ""


def _command(code: str) -> str:
    return f'<code style="{_CODE};font-size:11px;color:{_INK2}">{escaped(code)}</code>'


def _output(bundle: Mapping[str, Any]) -> str:
    shown, left_out = render_output(bundle, _PRE)
    if left_out:
        shown += (
            f'<div style="color:{_INK2}">Its interactive form needs scripts, which a card does not run.</div>'
        )
    return f'<div style="{_BLOCK};overflow-x:auto">{shown}</div>' if shown else ""
