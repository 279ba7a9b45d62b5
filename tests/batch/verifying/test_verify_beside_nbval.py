"""The same notebook passes and fails here and by nbval, which runs it itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbformat
import pytest

from sovlab.batch.verifying.comparing import compare
from sovlab.batch.verifying.sanitizing import read_sanitizers
from sovlab.batch.verifying.tolerance import Tolerance
from tests.batch.verifying.made import display, error, stdout

SANITIZERS = "[years]\nregex: year \\d{4}\nreplace: year YYYY\n"

CELLS: list[tuple[str, list[Any], list[str], bool]] = [
    # source, outputs of the record, tags, whether the record was run
    ("print('same')", [stdout("same\n")], [], True),
    ("print('now')", [stdout("then\n")], [], True),
    ("print('now')  # differs", [stdout("then\n")], ["nbval-ignore-output"], True),
    ("# NBVAL_IGNORE_OUTPUT\nprint('now')", [stdout("then\n")], ["nbval-check-output"], True),
    ("# NBVAL_CHECK_OUTPUT\nprint('now')", [stdout("then\n")], [], True),
    ("print('checked')", [stdout("checked\n")], ["nbval-check-output"], True),
    ("raise ValueError('no')", [error("ValueError", "no")], [], True),
    ("raise ValueError('no')  # may", [error("ValueError", "no")], ["raises-exception"], True),
    ("raise ValueError('no')  # must", [error("ValueError", "no")], ["nbval-raises-exception"], True),
    ("# NBVAL_RAISES_EXCEPTION\nraise ValueError('other')", [error("ValueError", "no")], [], True),
    ("# NBVAL_RAISES_EXCEPTION\nraise TypeError('no')", [error("ValueError", "no")], [], True),
    ("print('fine')", [error("ValueError", "no")], ["raises-exception"], True),
    ("raise ValueError('no')  # was fine", [], ["raises-exception"], True),
    ("raise ValueError('any')", [], ["raises-exception", "nbval-ignore-output"], True),
    ("raise ValueError('never')", [stdout("x\n")], ["nbval-skip"], True),
    ("# NBVAL_SKIP\nraise ValueError('never')", [], [], True),
    ("print('first time')", [], [], False),
    ("raise ValueError('first time')", [], [], False),
    ("raise ValueError('first time')", [], ["raises-exception"], False),
    ("print('year', 2026)", [stdout("year 1999\n")], [], True),
    ("import sys; print('a'); print('w', file=sys.stderr); print('b')",
     [stdout("a\nb\n"), stdout("w\n", "stderr")], [], True),
    ("print('50%', end='\\r'); print('100%')", [stdout("100%\n")], [], True),
    ("from IPython.display import display, HTML\ndisplay(HTML('<b>1</b>'))",
     [display(text_plain="1")], [], True),
    ("display('one'); display('two')",
     [display(text_plain="'one'"), display(text_plain="'two'")], [], True),
    ("display('one'); display('two')  # order",
     [display(text_plain="'two'"), display(text_plain="'one'")], [], True),
    ("display('one')", [display(text_plain="'one'"), display(text_plain="'one'")], [], True),
    ("", [], [], False),
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """The record, as somebody might have saved it."""
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for place, (source, outputs, tags, ran) in enumerate(CELLS):
        cell = nbformat.v4.new_code_cell(source, id=f"c{place}", metadata={"tags": tags})
        cell.outputs = [nbformat.from_dict(output) for output in outputs]
        cell.execution_count = place + 1 if ran else None
        book.cells.append(cell)
    path = tmp_path_factory.mktemp("nbval") / "record.ipynb"
    nbformat.write(book, path)
    path.with_name("sanitize.ini").write_text(SANITIZERS)
    return path


@pytest.fixture(scope="module")
def again(recorded) -> dict[str, Any]:
    """A second run, as JSON, which goes on after an exception: nbval does."""
    from nbclient import NotebookClient

    book = nbformat.read(recorded, as_version=4)
    NotebookClient(book, kernel_name="python3", allow_errors=True, timeout=120).execute()
    return json.loads(nbformat.writes(book))


def passed_by_nbval(path: Path, *options: str) -> list[bool]:
    report = path.with_suffix(".xml")
    command = [
        sys.executable, "-m", "pytest", str(path), "--nbval-kernel-name", "python3", f"--junitxml={report}",
        "--nbval-sanitize-with", str(path.with_name("sanitize.ini")), "-q", "-p", "no:cacheprovider",
        "-c", os.devnull, "--rootdir", str(path.parent), *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = {
        int(re.search(r"Cell (\d+)", case.get("name")).group(1)): case
        for case in ET.parse(report).iter("testcase")
    }
    return [case.find("failure") is None and case.find("error") is None for _, case in sorted(cases.items())]


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--nbval", "--nbval-lax"])
def test_every_tag_and_comment_passes_and_fails_as_by_nbval(recorded, again, option):
    options = Tolerance(rtol=0, atol=0, lax=option == "--nbval-lax", sanitizers=read_sanitizers(SANITIZERS))
    result = compare(json.loads(recorded.read_text()), again, options)
    ours = [cell.verdict.passed for cell in result.cells]
    theirs = passed_by_nbval(recorded, option)
    differing = [
        (CELLS[place], ours[place], theirs[place])
        for place in range(len(CELLS))
        if ours[place] != theirs[place]
    ]
    assert differing == []
    assert {True, False} == set(ours)
