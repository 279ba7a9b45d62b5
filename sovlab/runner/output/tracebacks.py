"""Tracebacks in IPython's plain style, with the notebook's own cells and lines and no frames of the runner.

::

    Cell In[7], line 4, in train
        3 for x, y in loader:
    --> 4     loss = criterion(net(x), z)
    NameError: name 'z' is not defined
"""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from typing import Any, Dict, List, Optional, Set

_CONTEXT = 2
_FRAMES = 60
_TEXT = 100_000
_DEPTH = 10
_SHOWN = ("label", "line", "function", "source")


class Report:
    """An exception as people and programs read it.

    Attributes:
        text: what is printed, ending in a newline.
        frames: of the exception itself, outermost first: label, line, function, source.
    """

    def __init__(self, error: BaseException) -> None:
        self.frames = _frames(error)
        self.text = _cut("\n".join(_chain(error, set())) + "\n")
        self._error = error

    def as_dict(self, rank: Optional[int] = None) -> Dict[str, Any]:
        """The form in which the exit record holds it."""
        kind = type(self._error)
        return {
            "type": kind.__qualname__,
            "module": kind.__module__,
            "message": _cut(message_of(self._error), 10_000),
            "traceback": self.text,
            "frames": [{key: f[key] for key in _SHOWN} for f in self.frames[-_FRAMES:]],
            "rank": rank,
        }


def message_of(error: BaseException) -> str:
    """``str(error)``, whatever that does."""
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} whose message cannot be shown>"


def _chain(error: BaseException, seen: Set[int]) -> List[str]:
    seen.add(id(error))
    lines: List[str] = []
    cause, context = error.__cause__, error.__context__
    if cause is not None and id(cause) not in seen and len(seen) < _DEPTH:
        lines = _chain(cause, seen)
        lines += ["", "The above exception was the direct cause of the following exception:", ""]
    elif cause is None and context is not None and not error.__suppress_context__ and id(context) not in seen:
        lines = _chain(context, seen) if len(seen) < _DEPTH else ["… earlier exceptions left out …"]
        lines += ["", "During handling of the above exception, another exception occurred:", ""]
    return lines + _one(error, seen)


def _one(error: BaseException, seen: Set[int]) -> List[str]:
    lines: List[str] = []
    frames = _frames(error)
    if len(frames) > _FRAMES:
        left_out = len(frames) - _FRAMES
        middle = {"label": "", "line": 0, "function": f"… {left_out} frames left out …", "source": ""}
        frames = [*frames[: _FRAMES // 2], middle, *frames[-_FRAMES // 2 :]]
    for frame in frames:
        if not frame["label"]:
            lines.append(frame["function"])
            continue
        where = f", in {frame['function']}" if frame["function"] != "<module>" else ""
        lines.append(f"{frame['label']}, line {frame['line']}{where}")
        lines += _context(frame["file"], frame["line"])
        if frame["times"] > 1:
            lines.append(f"    [this frame {frame['times']} times]")
    if isinstance(error, SyntaxError) and error.lineno is not None:
        lines += _syntax(error)
    lines += _headline(error)
    for number, inner in enumerate(getattr(error, "exceptions", None) or () if _is_group(error) else (), 1):
        lines.append(f"  ├─ {number} of {len(error.exceptions)}")  # type: ignore[attr-defined]
        lines += [f"  │ {line}".rstrip() for line in _chain(inner, seen)]
    return lines


def _is_group(error: BaseException) -> bool:
    return any(kind.__name__ == "BaseExceptionGroup" for kind in type(error).__mro__)


def _headline(error: BaseException) -> List[str]:
    """``NameError: name 'z' is not defined`` as Python writes it, with its hints and notes."""
    if isinstance(error, SyntaxError):
        return [f"{type(error).__name__}: {error.msg}", *_notes(error)]
    try:
        # Only the traceback knows the names that it suggests.
        formatter = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=0, compact=True
        )
        if _is_group(error):
            return [f"{_name(type(error))}: {error}", *_notes(error)]
        return "".join(formatter.format_exception_only()).rstrip("\n").split("\n")
    except Exception:
        return [f"{_name(type(error))}: {message_of(error)}", *_notes(error)]


def _name(kind: type) -> str:
    plain = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}"


def _notes(error: BaseException) -> List[str]:
    notes = getattr(error, "__notes__", None)
    return [line for note in notes for line in str(note).split("\n")] if isinstance(notes, list) else []


def _syntax(error: SyntaxError) -> List[str]:
    line = error.lineno or 0
    lines = [f"{label(error.filename or '<unknown>')}, line {line}"]
    text = error.text or linecache.getline(error.filename or "", line)
    if text:
        stripped = text.rstrip("\n").lstrip()
        indent = len(text.rstrip("\n")) - len(stripped)
        lines.append(f"    {stripped}")
        if error.offset:
            start = max(error.offset - 1 - indent, 0)
            end_line, end = getattr(error, "end_lineno", None), getattr(error, "end_offset", None)
            width = end - error.offset if end_line == line and end and end > error.offset else 1
            lines.append("    " + " " * start + "^" * width)
    return lines


def _context(file: str, line: int) -> List[str]:
    source = linecache.getlines(file)
    if not 0 < line <= len(source):
        return []
    first, last = max(line - _CONTEXT, 1), min(line + _CONTEXT, len(source))
    shown = {n: source[n - 1].rstrip() for n in range(first, last + 1)}
    while last > line and not shown[last]:
        last -= 1
    while first < line and not shown[first]:
        first += 1
    width = len(str(last))
    return [
        f"{'-->' if n == line else '   '} {n:>{width}} {shown[n]}".rstrip() for n in range(first, last + 1)
    ]


def _frames(error: BaseException) -> List[Dict[str, Any]]:
    frames: List[Dict[str, Any]] = []
    trace = error.__traceback__
    while trace is not None:
        code, line = trace.tb_frame.f_code, trace.tb_lineno
        module = trace.tb_frame.f_globals.get("__name__")
        file = code.co_filename
        trace = trace.tb_next
        if _is_ours(module, file):
            continue
        function = getattr(code, "co_qualname", code.co_name)
        same = frames and frames[-1]["file"] == file and frames[-1]["line"] == line
        if same and frames[-1]["function"] == function:
            frames[-1]["times"] += 1
            continue
        frames.append(
            {
                "label": label(file),
                "line": line,
                "function": function,
                "source": linecache.getline(file, line).strip(),
                "file": file,
                "times": 1,
            }
        )
    # What runs a coroutine of the cell stands above it.
    users = [n for n, frame in enumerate(frames) if frame["label"].startswith("Cell ")]
    if users and all(_is_asyncio(frame["file"]) for frame in frames[: users[0]]):
        frames = frames[users[0] :]
    return frames


def _is_ours(module: Any, file: str) -> bool:
    # By module: compiled files in an archive do not know its path.
    ours = isinstance(module, str) and (module == "sovlab" or module.startswith("sovlab."))
    return ours or (file.startswith("<frozen ") and "importlib" in file)


def _is_asyncio(file: str) -> bool:
    return os.path.basename(os.path.dirname(file)) == "asyncio"


def label(file: str) -> str:
    """How people know a file: ``Cell In[7]``; ``File mylib/model.py``, from where it is imported."""
    if file.startswith(("Cell ", "<")):
        return file
    roots = [os.path.abspath(root) + os.sep for root in sys.path]
    nearest = max((root for root in roots if file.startswith(root)), key=len, default="")
    return f"File {file[len(nearest) :]}"


def _cut(text: str, limit: int = _TEXT) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]}\n…\n{text[-limit // 2 :]}"
