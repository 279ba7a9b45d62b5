"""What a cell's source reads from the notebook, found without running it."""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sovlab.errors import CaptureError
from sovlab.runner.source.parsing import parse
from sovlab.runner.source.scopes import Names, names_in

_ONLY_HERE = r"%\s*(matplotlib|config|load_ext|autoreload|reload_ext)\b"
"""Magics that set up the notebook's own process; a job does without them."""
_MAGIC = r"(?:[\w, *]+=\s*)?[%!]|\?|\w[\w.]*\?{1,2}\s*$"


class Source(msgspec.Struct, frozen=True):
    """Source that is known to compile.

    Attributes:
        data: as it travels: byte for byte the user's, but for magics that a job does without.
        names: what it reads and binds.
        tree: its syntax tree.
        text: ``data`` decoded, for messages.
    """

    data: bytes
    names: Names
    tree: ast.Module
    text: str

    @property
    def key(self) -> str:
        """SHA-256 of the source, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    def line(self, name: str) -> str:
        """Where ``name`` is first read, for a message: ``line 3``; empty if nothing in it reads it."""
        number = self.names.reads.get(name)
        return f"line {number}" if number is not None and number > 0 else ""


def read_cell(source: str, file: str, returned: Sequence[str] = ()) -> Source:
    """Read a cell.

    Args:
        source: the cell, byte for byte.
        file: its file name in tracebacks, e.g. ``Cell In[7]``.
        returned: names of ``--out``; one that the cell may leave as it is, is read as well.

    Raises:
        SyntaxError: the user's own, with their line.
        CaptureError: it has a magic or a shell command that only a notebook understands.
    """
    text = source
    while True:
        try:
            tree = parse(text, file)
            break
        except SyntaxError as error:
            text = _without_magic(text, error)
        except ValueError as error:
            raise SyntaxError(str(error)) from None
    return _checked(text.encode("utf-8", "surrogatepass"), text, tree, file, returned)


def read_script(data: bytes, file: str) -> Source:
    """Read a Python file, in whatever encoding it declares. Raises `SyntaxError`."""
    try:
        tree = parse(data, file)
    except ValueError as error:
        raise SyntaxError(f"{file}: {error}") from None
    return _checked(data, data.decode(errors="replace"), tree, file)


def _checked(data: bytes, text: str, tree: ast.Module, file: str, returned: Sequence[str] = ()) -> Source:
    # Some errors, like a return outside of a function, show only when it is compiled.
    compile(data, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return Source(data, names_in(tree, returned), tree, text)


def _without_magic(text: str, error: SyntaxError) -> str:
    """``text`` with the magic at the line of ``error`` made a comment, on a line of the same number."""
    from sovlab.payload.notebooks.syntax import instead

    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    number = (error.lineno or 0) - 1
    line = lines[number] if 0 <= number < len(lines) else ""
    bare = line.strip()
    if not re.match(_MAGIC, bare):
        raise error
    if re.match(_ONLY_HERE, bare):
        indent = line[: len(line) - len(line.lstrip())]
        lines[number] = f"{indent}pass  # {line.lstrip()}"
        return "".join(lines)
    raise CaptureError(
        f"Line {number + 1} of the cell, {bare[:80]!r}, is for IPython, but a job runs plain Python.",
        instead(bare),
    )


def undefined(source: Source, namespace: Mapping[str, Any]) -> list[str]:
    """One sentence for each name that neither notebook, cell nor Python defines.

    It is no error: what runs before may define it (a star import, ``exec``), and if nothing does, the
    user's own NameError says where.
    """
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(source.tree)):
        return []
    sentences = []
    for name in sorted(source.names.reads):
        defined = name in namespace or name in source.names.binds or hasattr(builtins, name)
        # What only --out names has no line: of that another sentence tells.
        where = source.line(name)
        if not defined and where and not name.startswith("_") and name not in ("get_ipython", "display"):
            hint = did_you_mean(name, namespace)
            sentences.append(
                f"{name}, read in {where}, is defined neither in the notebook nor in the cell.{hint}"
            )
    return sentences


def refuse_undefined(source: Source) -> None:
    """Refuse a cell that reads what only its notebook can have.

    Raises:
        CaptureError: with the first such name, and where it is read.
    """
    sentences = undefined(source, {})
    if sentences:
        name = sentences[0].partition(",")[0]
        more = f" It reads {len(sentences) - 1} more such." if len(sentences) > 1 else ""
        raise CaptureError(
            f"The cell reads {name} in {source.line(name)}, which it does not define, and no kernel was "
            f"asked for it.{more}",
            "Start the notebook's kernel, run what defines it, and submit the cell again.",
        )


def looked_through(source: Source) -> list[str]:
    """One sentence if the code looks at the names of the notebook as a whole: in a job they are few."""
    if not re.search(r"\b(globals|vars|locals|dir)\(\)", source.text):
        return []
    from sovlab.runner.source.binding import FUNCTIONS, is_namespace, looked_up

    todo: list[tuple[ast.AST, bool]] = [(source.tree, False)]
    while todo:
        node, inside = todo.pop()
        inside = inside or isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef))
        written = isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
        if written or looked_up(node) is not None or getattr(node, "attr", "") == "update":
            continue
        name = getattr(getattr(node, "func", None), "id", "")
        called = isinstance(node, ast.Call) and not node.args and name == "dir"
        if (called or is_namespace(node)) and (name == "globals" or not inside):
            return [
                f"Line {node.lineno} looks through {name}(): "  # type: ignore[attr-defined]
                "in a job that has what the code reads by name, and no more."
            ]
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]
    return []


def did_you_mean(name: str, namespace: Mapping[str, Any]) -> str:
    """A sentence with the public name that is nearest to ``name``, behind a space; empty if none is near."""
    import difflib

    near = difflib.get_close_matches(name, [n for n in namespace if not n.startswith("_")], 1)
    return f" Did you mean {near[0]}?" if near else ""
