"""An executor from a package outside of the tree, found by its entry point, is as good as a built-in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the package is installed, and settings that name its executor."""
    site = tmp_path / "site"
    about = site / "sovlab_outside-1.dist-info"
    about.mkdir(parents=True)
    (site / "sovlab_outside.py").write_text((ROOT / "tests/executors/outside/sovlab_outside.py").read_text())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sovlab-outside\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[sovlab.executors]\noutside = sovlab_outside:PROVIDER\nbroken = sovlab_outside:NOTHING\n"
    )
    config = tmp_path / "config.toml"
    config.write_text(
        '[targets.lab]\nexecutor = "outside"\n[targets.lab.outside]\ndirectory = "elsewhere"\ncores = 2\n'
    )
    paths = [str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "SOVLAB_CONFIG_FILE": str(config),
        "SOVLAB_STATE_DIR": str(tmp_path / "state"),
        "SOVLAB_TEST_TARGET": "lab",
        "SOVLAB_TEST_CONFIG": str(config),
    }


def sovlab(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sovlab", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=120, check=False, cwd="/"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_passes_the_contract_tests(installed):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "target"]
    done = subprocess.run(
        [*command, "tests/executors/test_contract.py"],
        capture_output=True,
        text=True,
        env=installed,
        timeout=800,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_its_targets_are_listed_and_shown_with_their_settings(installed):
    listed = sovlab(installed, "target")
    assert "directory elsewhere" in listed.stdout, listed.stderr
    shown = sovlab(installed, "target", "show", "lab")
    assert f"{installed['SOVLAB_CONFIG_FILE']}, line 4" in shown.stdout
    assert "elsewhere" in shown.stdout


def test_an_id_is_found_on_whichever_target_it_is(installed, tmp_path):
    (tmp_path / "code.py").write_text("print('from the lab')")
    sent = sovlab(installed, "submit", str(tmp_path / "code.py"), "--target", "lab", "--wait")
    job_id = sent.stdout.split()[0]
    assert sovlab(installed, "logs", job_id).stdout == "from the lab\n"  # the target in use is this machine
    assert sovlab(installed, "jobs").stdout.count(job_id) == 0
    refused = sovlab(installed, "logs", job_id, "--target", "local")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"There is no job {job_id!r} on target local." in refused.stderr
    assert (
        "There is no job 'code' on target local." in sovlab(installed, "logs", "code").stderr
    )  # a name is not


def test_a_wrong_key_of_its_section_is_named(installed):
    config = Path(installed["SOVLAB_CONFIG_FILE"])
    config.write_text('[targets.lab]\nexecutor = "outside"\n[targets.lab.outside]\ndirectry = "x"\n')
    done = sovlab(installed, "jobs", "--target", "lab")
    assert done.returncode == 2
    assert "Did you mean directory?" in done.stderr


@pytest.mark.parametrize(
    ("executor", "says"), [("broken", "could not be loaded"), ("outsid", "Did you mean outside?")]
)
def test_one_that_is_broken_or_not_there_is_said_with_the_line(installed, executor, says):
    config = Path(installed["SOVLAB_CONFIG_FILE"])
    config.write_text(f'[targets.lab]\nexecutor = "{executor}"\n')
    done = sovlab(installed, "jobs", "--target", "lab")
    assert done.returncode == 2
    assert says in done.stderr
    assert f"{config}, line 1" in done.stderr
