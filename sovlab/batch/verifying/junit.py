"""A comparison as JUnit's XML, which GitLab, GitHub and Jenkins show."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from sovlab.batch.verifying.report import cell_name, details, summary
from sovlab.batch.verifying.result import CellResult, Comparison, Verdict

_BYTES = 24_000_000
"""Of cases and what differs in them; GitLab takes 30 MB."""
_DETAILS = 40
_INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {
    Verdict.DIFFERS: "failure",
    Verdict.MISSING: "failure",
    Verdict.ERROR: "error",
    Verdict.NOT_RUN: "error",
    Verdict.IGNORED: "skipped",
}


def junit(comparison: Comparison, notebook: str) -> str:
    """The XML, with a case per code cell: its class is the notebook, its name unique.

    What differs or is missing is a failure, a cell that raised or was not run an error, an ignored one
    skipped. It is shorter than 30 MB: the details of the last cells are left out first, then these cells.

    Args:
        comparison: of the two runs.
        notebook: its path, as it is to be shown.
    """
    name = _valid(notebook)
    suite = ET.Element("testsuite", name=name, tests="0", failures="0", errors="0", skipped="0", time="0")
    ET.SubElement(suite, "system-out").text = _valid("\n".join(summary(comparison)))
    left, left_out, failed = _BYTES, 0, False
    counted = {"failure": 0, "error": 0, "skipped": 0}
    for cell in comparison.cells:
        case = _case(cell, name, with_details=left > _BYTES // 4)
        size = len(ET.tostring(case))
        if size > left:
            left_out, failed = left_out + 1, failed or not cell.verdict.passed
            continue
        left -= size
        tag = _TAGS.get(cell.verdict)
        if tag:
            counted[tag] += 1
        suite.append(case)
    if left_out:
        case = ET.SubElement(suite, "testcase", classname=name, name=f"{left_out} more cells", time="0")
        if failed:
            ET.SubElement(case, "failure", message="Not all of them passed; the report has no room for more.")
            counted["failure"] += 1
    suite.set("tests", str(sum(1 for _ in suite.iter("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(counted[tag]))
    suites = ET.Element("testsuites")
    suites.append(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _case(cell: CellResult, notebook: str, *, with_details: bool) -> ET.Element:
    case = ET.Element("testcase", classname=notebook, name=_valid(cell_name(cell)), file=notebook, time="0")
    lines = details(cell)[:_DETAILS] if with_details else []
    text = _valid("\n".join(lines))
    tag = _TAGS.get(cell.verdict)
    if tag is None:
        if text:
            ET.SubElement(case, "system-out").text = text
        return case
    words = f"{cell.verdict}: {cell.words}" if cell.words else str(cell.verdict)
    result = ET.SubElement(case, tag, message=_valid(words[:500]))
    if tag != "skipped":
        result.set("type", str(cell.verdict))
        result.text = text
    return case


def _valid(text: str) -> str:
    """Text that XML can hold: without escapes of terminals, other characters that it cannot hold replaced."""
    return _INVALID.sub("\ufffd", _ESCAPES.sub("", text))


_ESCAPES = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]")
