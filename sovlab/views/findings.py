"""What a look at a target found."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.core.finding import Finding
from sovlab.views.table import Table


def findings_table(findings: Sequence[Finding]) -> Table:
    """Findings, one fact a row."""
    rows = tuple((each.what, str(each.level), each.found, each.advice) for each in findings)
    return Table(("What", "State", "Found", "More"), rows)
