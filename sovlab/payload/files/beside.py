"""Files that code reads beside itself: for jobs elsewhere, where the user's directories are not.

What is small and named in the source of a script or module that asks where it lies (``__file__``,
`importlib.resources`, …) is found; what is named with ``--file`` is sent whatever it is. Nothing is run to
find out.
"""

from __future__ import annotations

import ast
import functools
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sovlab.core.units import format_bytes
from sovlab.errors import CaptureError
from sovlab.payload import secrets
from sovlab.payload.files.modules import LEFT_OUT, MAX_DATA, MAX_FILE, LocalFiles
from sovlab.runner.source.parsing import parse

_ASKS = re.compile(
    rb"__file__|__path__|__spec__|importlib.resources|importlib_resources|get_data|getfile|getsourcefile"
    rb"|getabsfile|sys\.argv\[0\]|sys\.path\[0\]"
)
"""How code asks where it lies."""
_ABOVE = re.compile(rb"\.parent\s*\.parent|\.parents\b|dirname\(.*dirname\(|\.\.[/\"']")
_LONGEST = 200
_NEVER = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})
_KEYS = frozenset({".pem", ".key", ".p12", ".pfx"})
_OUTPUT = frozenset({".pt", ".pth", ".ckpt", ".safetensors"})


class Beside(msgspec.Struct):
    """Files that travel beside code.

    Attributes:
        files: path in the payload → path on this machine.
        links: path from the working directory → path in the payload, of what was named.
        messages: what was left out, one sentence each.
    """

    files: dict[str, Path] = {}
    links: dict[str, str] = {}
    messages: list[str] = []


def check_named(names: Sequence[str], cwd: Path) -> list[Path]:
    """The paths that ``--file`` names, absolute.

    Raises:
        CaptureError: one is not there, or cannot be read.
    """
    paths = []
    for name in names:
        path = Path(os.path.abspath(cwd / Path(name).expanduser()))  # noqa: PTH100 - a link stays one
        if not path.exists():
            raise CaptureError(f"--file names {name}, which does not exist.", "Give a path from here.")
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise CaptureError(f"--file names {name}, which cannot be read.", "Check its permissions.")
        paths.append(path)
    return paths


def below(path: Path, bases: Sequence[Path]) -> str:
    """The path from the first of ``bases`` that holds it, with ``/``; empty if none does."""
    return next((path.relative_to(base).as_posix() for base in bases if path.is_relative_to(base)), "")


def named_files(paths: Sequence[Path], bases: Sequence[Path], cwd: Path) -> Beside:
    """What was named, as it travels.

    Raises:
        CaptureError: it lies outside of ``bases``, or a part of it cannot be read.
    """
    beside = Beside()
    for path in paths:
        name = below(path, bases)
        if not name:
            raise CaptureError(
                f"--file names {path}, which is not below {bases[0]}: beside the job's code it has no place.",
                "Put it, or a link to it, below that directory.",
            )
        for file in _walk(path):
            beside.files[below(file, bases)] = file
        if name != "." and path.is_relative_to(cwd) and path != cwd:
            beside.links[path.relative_to(cwd).as_posix()] = name
    return beside


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def refuse(error: OSError) -> None:
        raise CaptureError(f"{error.filename} cannot be read: {error.strerror}.", "Check its permissions.")

    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file():
                yield file


def read_by(local: LocalFiles, script: Path | None, limit: Path) -> dict[Path, str]:
    """What the sources name beside themselves and is there, each with the name of who reads it.

    Args:
        local: the modules that travel.
        script: and the script.
        limit: a directory above which nothing is looked for.
    """
    found: dict[Path, str] = {}
    sources = {str(path): name for name, path in local.files.items() if path.suffix == ".py"}
    if script is not None:
        sources[os.path.abspath(script)] = script.name  # noqa: PTH100 - a link stays one
    for path, name in sorted(sources.items()):
        for read in _read_by_one(Path(path), limit):
            found.setdefault(read, name)
    return found


def _read_by_one(source: Path, limit: Path) -> list[Path]:
    try:
        status = source.stat()
    except OSError:
        return []
    patterns, above = _patterns(source, status.st_mtime_ns, status.st_size)
    folders = [Path(os.path.abspath(source)).parent]  # noqa: PTH100
    real = Path(os.path.realpath(source)).parent
    if real not in folders:
        folders.append(real)  # a script that is a link, and resolves itself
    while above and folders[-1] != limit and folders[-1].is_relative_to(limit):
        folders.append(folders[-1].parent)
    found: list[Path] = []
    suffixes = {source.stem + p for p in patterns if re.fullmatch(r"\.\w+", p)}
    for pattern in patterns | suffixes:
        for folder in folders:
            there = matches(folder, pattern)
            if there:
                found += there
                break
    return [path for path in found if path != source]


def matches(folder: Path, pattern: str) -> list[Path]:
    """What is there of a path from a folder, which may have ``*`` and ``?``; 1000 at most."""
    try:
        if re.search(r"[*?]", pattern):
            return sorted(folder.glob(pattern))[:1000]
        path = folder / pattern
        return [path] if path.exists() else []
    except (OSError, ValueError, NotImplementedError, IndexError):
        return []


@functools.lru_cache(maxsize=1024)
def _patterns(source: Path, _changed: int, _size: int) -> tuple[frozenset[str], bool]:
    """Paths that a source may read beside itself, and whether it looks above its own directory."""
    try:
        data = source.read_bytes()
        if not _ASKS.search(data):
            return frozenset(), False
        tree = parse(data, str(source))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return frozenset(), False
    return frozenset(filter(None, map(_usable, texts(tree)))), bool(_ABOVE.search(data))


def texts(tree: ast.AST) -> set[str]:
    """The texts in code that may be paths; what is joined by ``/`` or in a call is joined, too."""
    finder = _Constants()
    finder.visit(tree)
    return finder.found


class _Constants(ast.NodeVisitor):
    """Collects texts that may be paths; what is joined by ``/`` or in a call counts joined."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.add(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.found.add(_text(node) or "")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not isinstance(node.op, ast.Div):
            self.generic_visit(node)
            return
        parts: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div):
            parts.insert(0, left.right)
            left = left.left
        self._join([left, *parts])

    def visit_Call(self, node: ast.Call) -> None:
        self.visit(node.func)
        self._join(node.args)
        for keyword in node.keywords:
            self.visit(keyword.value)

    def _join(self, nodes: Sequence[ast.expr]) -> None:
        texts = [_text(node) for node in nodes]
        for node, text in zip(nodes, texts, strict=True):
            if text is None:
                self.visit(node)
        joined: list[str] = []
        for text in [*texts, None]:
            if text is not None:
                joined.append(text)
                continue
            if joined:
                self.found.add("/".join(joined))
                # The arguments of a call need not be one path.
                self.found.update(joined if len(joined) < len(nodes) or len(joined) == 1 else ())
            joined = []


def _text(node: ast.AST) -> str | None:
    """The text of a constant, with ``*`` where an f-string has a value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)
    return None


def _usable(text: str) -> str:
    """A relative path that leads downwards; empty if the text is none."""
    if not text.strip() or len(text) > _LONGEST or not text.isprintable() or text.startswith(("/", "~")):
        return ""
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    if not parts or not parts[0].strip("*?. "):
        return ""
    return "/".join(parts)


def small(found: Mapping[Path, str], bases: Sequence[Path], there: Iterable[str]) -> Beside:
    """Of what sources read, that which may travel without being named; the rest is said.

    Args:
        found: paths, each with who reads it.
        bases: the directories whose tree the payload keeps.
        there: paths in the payload that it has already.
    """
    beside, sum_, known = Beside(), 0, set(there)
    for path, reader in sorted(found.items()):
        name = below(path, bases)
        if not name:
            beside.messages.append(
                f"{path}, which {reader} may read, was not sent: it is not below {bases[0]}."
            )
            continue
        try:
            files = [p for p in _walk(path) if below(p, bases) not in known]
            sizes = [p.stat().st_size for p in files]
        except (OSError, CaptureError):
            beside.messages.append(f"{name}, which {reader} may read, was not sent: it cannot be read.")
            continue
        why = _withheld({below(p, bases): p for p in files}) or (
            f"its size is {format_bytes(sum(sizes))}"
            if max(sizes, default=0) > MAX_FILE or sum_ + sum(sizes) > MAX_DATA
            else ""
        )
        if why:
            beside.messages.append(
                f"{name}, which {reader} may read, was not sent: {why}. If the job needs it: --file {name}."
            )
            continue
        sum_ += sum(sizes)
        for file in files:
            known.add(below(file, bases))
            beside.files[below(file, bases)] = file
    return beside


def _withheld(files: Mapping[str, Path]) -> str:
    """Why files are not sent unless they are named, as a clause; empty if they are."""
    for name, file in files.items():
        parts = name.split("/")
        if any(part.startswith(".") for part in parts):
            return f"{name} is hidden"
        if file.suffix in _OUTPUT or LEFT_OUT.intersection(parts):
            return f"{name} may be a checkpoint"
        with file.open("rb") as opened:
            if file.suffix in _KEYS or secrets.suspicious(file.stem, opened.read(1 << 16)):
                return f"{name} looks like a secret"
    return ""


def mapped(path: Path) -> Any:
    """The content of a file, as a buffer that takes no memory of its own.

    Raises:
        CaptureError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        raise CaptureError(
            f"The file {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Check its permissions.",
        ) from error
