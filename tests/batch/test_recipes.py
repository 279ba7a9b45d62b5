"""The recipes for CI in the README: their commands, run as CI runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.batch.conformance.engines import parameters, read, write

README = Path(__file__).parents[2] / "README.md"
FAILS = "raise ValueError('on purpose')"


def recipes():
    text = README.read_text().split("\n### In CI\n")[1].split("\n## ")[0]
    found = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)\n```\n", text, re.DOTALL)]
    github = found[0]["jobs"]["notebook"]["steps"]
    steps = [(step["run"], step.get("if") == "always()") for step in github if "run" in step]
    gitlab = found[1]["notebook"]
    lines = [("\n".join(gitlab["script"]), False), ("\n".join(gitlab["after_script"]), True)]
    return {"github": steps, "gitlab": lines}


@pytest.mark.parametrize("name", ["github", "gitlab"])
@pytest.mark.parametrize("fails", [False, True], ids=["passes", "fails"])
def test_a_recipe_runs_a_notebook_verifies_it_and_tells_how_it_went(client, tmp_path, name, fails):
    write(tmp_path, parameters("lr = 1"), FAILS if fails else "print('lr is', lr)")
    (tmp_path / "in.ipynb").rename(tmp_path / "train.ipynb")
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    summary = tmp_path / "summary.md"
    environ = {**os.environ, "PATH": os.pathsep.join(folders), "GITHUB_STEP_SUMMARY": str(summary)}
    statuses, said = [], ""
    for script, always in recipes()[name]:
        if not always and any(statuses):
            continue
        script = "\n".join(line for line in script.splitlines() if not line.startswith("pip install"))
        if not script:
            continue
        # Both run a step by ``bash -e``.
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=150,
        )
        statuses.append(done.returncode)
        said += done.stdout + done.stderr
    assert statuses[0] == int(fails), said
    assert "%|" not in said  # no bar
    shown = summary.read_text() if name == "github" else said
    assert ("failed in" if fails else "succeeded in") in shown
    assert "Energy" in shown
    assert read(tmp_path / "out.ipynb")["metadata"]["sovlab"]["run"]["status"] == (
        "failed" if fails else "succeeded"
    )
    if not fails:
        assert "lr is 0.1" in said
        report = ElementTree.parse(tmp_path / "verify.xml").getroot()
        suite = report if report.tag == "testsuite" else report.find("testsuite")
        assert suite.get("failures") == "0"
        assert int(suite.get("tests")) > 0
        assert read(tmp_path / "verify.ipynb")["cells"]
