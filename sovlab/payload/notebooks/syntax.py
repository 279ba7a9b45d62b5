"""Magics and shell commands, which only IPython understands: what to do instead, and where code has them."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping

from sovlab.errors import CaptureError
from sovlab.runner.source.definitions import Definition

_INSTEAD = (
    (r"[!%]+\s*((uv )?pip|conda|mamba) +install\b", "Install it in the environment that jobs run in."),
    (r"!", "Use subprocess.run([...]) there, or run the command in a cell of its own before."),
    (
        r"%%(bash|sh|script|system|sx|cmd|perl|ruby|pypy|python2?)\b|%%!",
        "The cell of a job is Python: give the commands to subprocess.run(['bash', '-c', …], check=True).",
    ),
    (
        r"%%(html|markdown|latex|svg|js|javascript|HTML|SVG)\b",
        "The cell of a job is Python: show it with display(HTML(…)), or its like, of IPython.display.",
    ),
    (r"%%(writefile|file)\b", "The cell of a job is Python: write it with pathlib.Path(…).write_text(…)."),
    (r"%%(time|capture)\b", "Remove the line: a job is timed and its output is kept anyway."),
    (r"%%?timeit\b", "Use timeit.timeit of the standard library."),
    (r"%time\b", "Remove the word %time: a job is timed anyway."),
    (r"%%?l?prun\b", "Use cProfile of the standard library."),
    (r"%%", "The cell of a job is Python: write it in Python, or run it in a cell of its own here."),
    (r"%run\b", "Submit the script itself with %sovsubmit, or import it."),
    (r"%cd\b", "Use os.chdir(…)."),
    (r"%(set_)?env\b", "Use --env NAME=value, or os.environ."),
)
_OTHERS = "Move it to a cell of its own, or write it in Python."
_CALLS = {"system": "!", "getoutput": "!", "run_line_magic": "%", "run_cell_magic": "%%"}
"""Methods of IPython's shell, as which it compiles a line, and what that began with."""


def instead(line: str) -> str:
    """What to do instead of a line of IPython's, which may assign: ``x = !ls``; one sentence."""
    bare = re.sub(r"^[\w, *]+=\s*(?=[%!])", "", line.strip())
    return next((advice for pattern, advice in _INSTEAD if re.match(pattern, bare)), _OTHERS)


def lines_within(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Lines of IPython's that code has as IPython compiled it: each as it was written, with its number."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        shell, mark = node.func.value, _CALLS.get(node.func.attr)
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        if (
            mark
            and isinstance(shell, ast.Call)
            and isinstance(shell.func, ast.Name)
            and shell.func.id == "get_ipython"
            and len(words) == len(node.args) > 0
        ):
            yield mark + " ".join(map(str, words[:2])).strip(), node.lineno


def may_run_them(code: types.CodeType) -> bool:
    """Whether compiled code has such lines."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return ("get_ipython" in code.co_names and not _CALLS.keys().isdisjoint(code.co_names)) or any(
        map(may_run_them, inner)
    )


def lines_of(definition: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Such lines of a function or class: each with the name of the method that has it, or empty."""
    inside: set[int] = set()
    for member in definition.body if isinstance(definition, ast.ClassDef) else ():
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            for text, line in lines_within(member):
                inside.add(line)
                yield member.name, text, line
    yield from (("", text, line) for text, line in lines_within(definition) if line not in inside)


def only_told(
    gathered: Mapping[str, Definition],
    names: Iterable[str],
    cell: ast.AST | None,
    label: Callable[[str], str],
) -> list[str]:
    """Refuse what would run a line that only IPython understands; of methods that nobody names, messages.

    Args:
        gathered: the definitions that travel.
        names: of those whose source has such lines.
        cell: the code that calls them; None for a call.
        label: what a file of linecache is called.

    Raises:
        CaptureError: one would run such a line.
    """
    messages = []
    trees: list[ast.AST] = [definition.statement.node for definition in gathered.values()]
    called = None if cell is None else {"forward"}
    if called is not None and cell is not None:
        called |= {n.attr for tree in [*trees, cell] for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for name in names:
        statement = gathered[name].statement
        for function, text, line in lines_of(statement.node):
            where, advice = f"line {line} of {label(statement.file)}", instead(text)
            if function and called is not None and function not in called and function[:2] != "__":
                messages.append(f"{name}.{function} runs {text!r} in {where}, which fails in a job. {advice}")
                continue
            raise CaptureError(
                f"{name} runs {text[:80]!r} in {where}, for IPython, but a job runs plain Python.", advice
            )
    return messages
