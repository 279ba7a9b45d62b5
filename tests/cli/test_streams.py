"""What the command writes reaches terminals of any encoding, and ends with its reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SAYS = """
import sys
print('héllo ✓ 日本 😀')
sys.stdout.buffer.write(b'raw \\xff\\xfe\\n')
"""
TERMINALS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "utf-8"},
]


def run(*args, cwd, env=None, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "sovlab", *args],
        cwd=cwd,
        capture_output=True,
        timeout=120,
        env={**os.environ, **(env or {})},
        **kwargs,
    )


@pytest.fixture
def talkative(client, tmp_path):
    """A script that prints what few terminals have."""
    (tmp_path / "talk.py").write_text(SAYS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("env", TERMINALS, ids=lambda env: next(iter(env.items()))[1])
def test_a_log_is_what_the_job_wrote_byte_for_byte(talkative, env):
    plain = subprocess.run(
        [sys.executable, "talk.py"],
        cwd=talkative,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ).stdout
    done = run("submit", "talk.py", "--follow", cwd=talkative, env=env)
    assert done.returncode == 0, done.stderr
    job_id, _, printed = done.stdout.partition(b"\n")
    # The stream of a script and its descriptor are one order in a job, not in a pipe of plain Python.
    assert sorted(printed.splitlines()) == sorted(plain.splitlines())
    logs = run("logs", "--follow", job_id.decode(), cwd=talkative, env=env)
    assert (logs.returncode, logs.stdout) == (0, printed)
    tail = run("logs", "--tail", "1", job_id.decode(), cwd=talkative, env=env)
    assert (tail.returncode, tail.stdout) == (0, b"raw \xff\xfe\n")


@pytest.mark.parametrize("env", TERMINALS[:3], ids=lambda env: next(iter(env.items()))[1])
def test_tables_documents_and_errors_are_said_in_other_words(talkative, env):
    fails = talkative / "fails.py"
    fails.write_text("raise ValueError('\u65e5\u672c \u2713')", encoding="utf-8")
    unseen = run("submit", "fails.py", "--name", "n\u00e9t", "--wait", cwd=talkative)
    assert unseen.returncode == 1
    for args, status in [
        (["jobs"], 0),
        (["target", "show"], 0),
        (["backends"], 0),
        (["doctor"], 0),
        (["wait", unseen.stdout.decode().strip()], 1),
        (["submit", "fails.py", "--dry-run"], 0),
        (["logs", "n\u00f6 \u2713"], 2),
        (["submit", "\u65e5.py"], 2),
    ]:
        done = run(*args, cwd=talkative, env=env)
        assert done.returncode == status, (args, done.stderr)
        assert b"Traceback" not in done.stderr
    document = run("wait", unseen.stdout.decode().strip(), "--json", cwd=talkative, env=env)
    (told,) = json.loads(document.stdout)
    assert told["error"]["message"] == "\u65e5\u672c \u2713"
    assert told["name"] == "n\u00e9t"


@pytest.mark.parametrize(
    "args", ["jobs -n 0", "jobs --json -n 0", "doctor", "backends", "--help", "target show"]
)
def test_a_reader_that_has_seen_enough_is_no_error(talkative, args):
    command = f"{sys.executable} -m sovlab {args} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=talkative, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_keeps_its_status_where_nobody_reads_it(talkative):
    command = f"{sys.executable} -m sovlab logs nobody 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], cwd=talkative, timeout=120, check=False).returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_said_in_a_sentence(talkative):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sovlab", "target", "show"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    assert done.stderr == "sovlab: The output cannot be written: No space left on device.\n"


def test_closed_output_is_no_error(talkative):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sovlab jobs -n 0 >&-"],
        cwd=talkative,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_document_has_a_value_of_the_environment_or_an_argument_that_looks_like_a_secret(talkative):
    words = ["--password=hunter-2", "--lr", "0.1", "--api-key", "abc-123", "https://me:pass-word@host/x"]
    asked = ["submit", "talk.py", "--env", "PLAIN=value-1", "--env", "TOKEN=value-2", "--json"]
    printed = [
        run(*asked, *more, "--", *words, cwd=talkative).stdout.decode()
        for more in (["--dry-run"], ["--wait"], [])
    ]
    printed.append(run("jobs", "--json", "-n", "0", cwd=talkative).stdout.decode())
    for secret in ("value-1", "value-2", "hunter-2", "abc-123", "pass-word"):
        assert not any(secret in text for text in printed)
    spec = json.loads(printed[0])["spec"]
    assert spec["env"] == ["PLAIN", "TOKEN"]
    assert spec["args"] == ["--password=…", "--lr", "0.1", "--api-key", "…", "…"]
