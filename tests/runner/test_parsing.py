"""Threads that parse at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sovlab
from sovlab.runner.source.parsing import parse

_RACE = """
import gc, sys, threading, time
from sovlab.runner.source.parsing import parse

class Garbage:
    def __del__(self):
        time.sleep(0)

source, failed = open(sys.argv[1]).read(), []
gc.set_threshold(50, 2, 2)

def work():
    for _ in range(15):
        garbage = Garbage()
        garbage.itself = garbage
        del garbage
        try:
            parse(source)
        except BaseException as error:
            failed.append(repr(error))

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def test_threads_whose_garbage_lets_others_run_parse_all_the_same():
    source = Path(sovlab.__file__).parent / "errors.py"
    done = subprocess.run([sys.executable, "-c", _RACE, source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_python_says_of_another_thread_is_not_said_of_the_source(monkeypatch):
    answers = [SystemError("AST constructor recursion depth mismatch (before=18, after=16)")] * 3
    parsed = ast.parse

    def failing(*arguments):
        if answers:
            raise answers.pop()
        return parsed(*arguments)

    monkeypatch.setattr(ast, "parse", failing)
    assert ast.unparse(parse("x = 1")) == "x = 1"


def test_what_is_wrong_with_the_source_is_said_at_once():
    with pytest.raises(SyntaxError):
        parse("x =")


def test_nothing_parses_but_by_that():
    package = Path(sovlab.__file__).parent
    found = [path for path in package.rglob("*.py") if "ast.parse(" in path.read_text(encoding="utf-8")]
    assert found == [package / "runner" / "source" / "parsing.py"]
