"""Each test that SECURITY.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("line", LINES)
def test_what_holds_is_tested(line):
    named = line.strip("| ").split(" | ")[-1]
    found = re.findall(r"`(\w+\.(?:spec\.ts|py))`: ((?:(?!; `).)+)", named)
    assert found, named
    for file, tests in found:
        paths = [*(ROOT / "tests").rglob(file), *(ROOT / "extension" / "src" / "__tests__").glob(file)]
        assert len(paths) == 1, f"{file}: {paths}"
        text = paths[0].read_text()
        if file.endswith(".py"):
            names = re.findall(r"`(test_\w+)`", tests)
            assert names
            for name in names:
                assert re.search(rf"^\s*(?:async )?def {name}\(", text, re.MULTILINE), name
        else:
            assert re.search(rf"\('{re.escape(tests)}(?:'|:)", text), tests
