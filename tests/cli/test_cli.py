"""The command as a shell sees it: real processes, real jobs."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest

JOB = jsonschema.Draft202012Validator(
    json.loads(files("sovlab.views").joinpath("job.schema.json").read_text())
)


@pytest.fixture
def sovlab(client, tmp_path):
    """Run ``sovlab …`` in a directory of its own."""

    def run(*args, **kwargs):
        return subprocess.run(
            [sys.executable, "-m", "sovlab", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            **kwargs,
        )

    return run


def write(directory, name, text):
    (directory / name).write_text(text)
    return name


def test_submit_prints_the_id_and_wait_tells_how_it_ended(sovlab, tmp_path):
    done = sovlab("submit", write(tmp_path, "ok.py", "print('out')"), "--name", "ok")
    assert done.returncode == 0
    job_id = done.stdout.strip()
    assert job_id.startswith("ok-")
    assert sovlab("wait", job_id).returncode == 0
    assert sovlab("logs", job_id).stdout == "out\n"


def test_a_module_is_submitted_as_python_runs_it(sovlab, tmp_path):
    (tmp_path / "lab").mkdir()
    write(tmp_path / "lab", "__init__.py", "")
    write(tmp_path / "lab", "part.py", "VALUE = 3")
    write(
        tmp_path / "lab",
        "train.py",
        "import sys\nfrom .part import VALUE\nprint(__spec__.name, __file__, sys.argv, VALUE)",
    )
    plain = subprocess.run(
        [sys.executable, "-m", "lab.train", "--lr", "1"], cwd=tmp_path, capture_output=True, text=True
    )
    done = sovlab("submit", "-f", "-m", "lab.train", "--", "--lr", "1")
    job_id, _, printed = done.stdout.partition("\n")
    assert (done.returncode, job_id[:6], printed) == (0, "train-", plain.stdout)
    printed = sovlab("submit", "-m", "lab.train", "word", "-f").stdout.partition("\n")[2]
    assert printed == plain.stdout.replace("'--lr', '1'", "'word'")
    assert "There is no module lab.nothing" in sovlab("submit", "-m", "lab.nothing").stderr
    assert "nothing to run" in sovlab("submit").stderr


def test_clean_names_what_jobs_wrote_and_keeps_it(sovlab, tmp_path):
    script = write(
        tmp_path,
        "saves.py",
        "import sovlab.runner.checkpoint as c, os\nd = os.environ['SOVLAB_CHECKPOINT']\n"
        "os.makedirs(d)\nopen(os.path.join(d, 'step.pt'), 'w').write('x')",
    )
    job_id = sovlab("submit", "-f", "--json", script)
    job_id = json.loads(job_id.stdout)[0]["id"]
    said = sovlab("clean", "--all", "--dry-run").stdout
    assert "sovlab clean --files deletes" in said
    assert f"{job_id}  " in said
    assert "step.pt" in said
    sovlab("clean", "--all")
    assert sovlab("logs", job_id).returncode == 0
    sovlab("clean", "--all", "--files")
    assert sovlab("logs", job_id).returncode == 2


def test_follow_prints_the_log_on_standard_output_alone(sovlab, tmp_path):
    done = sovlab(
        "submit",
        "-f",
        write(tmp_path, "talk.py", "import sys\nfor w in sys.argv[1:]: print(w)"),
        "--",
        "--json",
        "-x",
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == ["--json", "-x"]


@pytest.mark.parametrize(
    ("source", "flags", "status"),
    [
        ("raise ValueError('no')", [], 1),
        ("import sys; sys.exit(3)", [], 1),
        ("import sys; sys.exit(0)", [], 0),
        ("import time; time.sleep(60)", ["--timeout", "1s"], 124),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", [], 1),
    ],
)
def test_the_exit_status_says_how_the_job_ended(sovlab, tmp_path, source, flags, status):
    done = sovlab("submit", write(tmp_path, "job.py", source), "--wait", *flags)
    assert done.returncode == status, done.stderr
    assert "Traceback (most recent call last)" not in done.stdout + done.stderr


def test_a_cancelled_job_is_130(sovlab, tmp_path):
    job_id = sovlab("submit", write(tmp_path, "s.py", "import time; time.sleep(600)")).stdout.strip()
    assert sovlab("cancel", job_id).returncode == 0
    assert sovlab("wait", job_id).returncode == 130
    again = sovlab("cancel", job_id)
    assert again.returncode == 0
    assert "already ended" in again.stderr


def test_waiting_too_short_is_124_and_the_job_goes_on(sovlab, tmp_path, client):
    job_id = sovlab("submit", write(tmp_path, "s.py", "import time; time.sleep(600)")).stdout.strip()
    done = sovlab("wait", job_id, "--timeout", "1s")
    assert done.returncode == 124
    assert not client.job(job_id).done()
    client.job(job_id).cancel()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["submit", "missing.py"], "missing.py"),
        (["submit", "ok.py", "--backend", "cudda"], "cuda"),
        (["submit", "ok.py", "--gpus", "-1"], "--gpus"),
        (["submit", "ok.py", "--nodes", "0"], "--nodes"),
        (["submit", "ok.py", "--memory", "lots"], "size"),
        (["submit", "ok.py", "--memory", "9999T"], "memory"),
        (["submit", "ok.py", "--memory", "2"], "Did you mean 2GiB?"),
        (["submit", "ok.py", "--energy-budget", "2"], "'2' has no unit. Write an energy like 2kWh"),
        (["submit", "ok.py", "--energy-budget", "-5W"], "'-5W' is a power, not an energy"),
        (["submit", "ok.py", "--energy-budget=-5kWh"], "greater than zero"),
        (["submit", "ok.py", "--energy-budget", "NaN"], "'NaN' is not a valid energy"),
        (["submit", "ok.py", "--max-temperature", "185F"], "Fahrenheit"),
        (["submit", "ok.py", "--power-cap", "300"], "'300' has no unit. Write a power like 300W"),
        (["submit", "ok.py", "--power-cap", "2kWh"], "'2kWh' is an energy, not a power"),
        (["submit", "ok.py", "--power-cap", "300W"], "--power-cap is for accelerators"),
        (["submit", "ok.py", "--max-temperature", "900"], "at most 150 °C"),
        (
            ["submit", "ok.py", "--finish-by", "yesterday"],
            "'yesterday' is not a time by which a job can finish",
        ),
        (["submit", "ok.py", "--finish-by", "2020-01-01T08:00"], "'2020-01-01T08:00' is past"),
        (["submit", "ok.py", "--finish-by", "25:00"], "Write it like 08:00"),
        (["submit", "ok.py", "--finish-by", "+9999d"], "more than a year away"),
        (["submit", "ok.py", "--finish-by", "+-1h"], "'-1h' is not a valid duration"),
        (["sweep", "ok.py", "x=1,2", "--finish-by", "+1h", "--", "{x}"], "A sweep has no --finish-by"),
        (["submit", "ok.py", "--env", "NOVALUE"], "NOVALUE"),
        (["submit", "ok.py", "--target", "moon"], "moon"),
        (["submit", "bad.py"], "bad.py"),
        (["submit", "."], "."),
        (["logs", "nobody"], "nobody"),
        (["logs", "../../etc/passwd"], "passwd"),
        (["target", "use", "moon"], "moon"),
        (["jobs", "--", "x"], "after --"),
        (["frobnicate"], "frobnicate"),
        (["submti", "ok.py"], "Did you mean submit?"),
        (["submit", "ok.py", "--gpu", "1"], "Did you mean --gpus?"),
        (["submit", "ok.py", "--lr", "0.1"], "after --"),
        (["submit"], "nothing to run"),
        ([], "Command is missing"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(sovlab, tmp_path, client, args, says):
    write(tmp_path, "ok.py", "1")
    write(tmp_path, "bad.py", "x = (")
    before = len(client.jobs())
    done = sovlab(*args)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert len(client.jobs()) == before


def test_json_is_one_document(sovlab, tmp_path):
    write(tmp_path, "ok.py", "print('noise')")
    submitted = json.loads(sovlab("submit", "ok.py", "--json").stdout)
    assert (submitted["target"], submitted["state"]) == ("local", "pending")
    (ended,) = json.loads(sovlab("wait", submitted["id"], "--json").stdout)
    assert (ended["id"], ended["state"]) == (submitted["id"], "succeeded")
    listed = json.loads(sovlab("jobs", "--json", "-n", "0").stdout)
    assert ended in listed
    (waited,) = json.loads(sovlab("submit", "ok.py", "--wait", "--json").stdout)
    failed = sovlab("submit", write(tmp_path, "bad.py", "raise ValueError('no')"), "--wait", "--json")
    assert failed.returncode == 1
    (told,) = json.loads(failed.stdout)
    assert told["error"]["traceback"].endswith("ValueError: no")
    for document in (submitted, ended, waited, told, *listed):
        JOB.validate(document)
    assert {"cpu", "cuda"} <= {
        c["detection"]["backend"] for c in json.loads(sovlab("backends", "--json").stdout)
    }
    plan = json.loads(sovlab("submit", "ok.py", "--dry-run", "--json").stdout)
    assert plan["spec"]["name"] == "ok"


def test_in_a_terminal_progress_is_a_bar_and_the_end_is_told(sovlab, tmp_path, client):
    write(tmp_path, "steps.py", "import sovlab\nfor i in range(5): sovlab.progress(i + 1, 5)")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sovlab", "submit", "steps.py", "--wait"],
        cwd=tmp_path,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:
        pass  # Linux says EIO when the other end has closed
    os.close(master)
    assert process.wait(60) == 0
    assert "━".encode() in seen
    plain = re.sub(r"\x1b\[[0-?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"^steps succeeded in [\d.]+ m?s\.\s*$", re.sub(r".*\r(?!\n)", "", plain), re.MULTILINE)


def test_clean_deletes_what_has_ended_and_nothing_else(sovlab, tmp_path, client):
    ended = sovlab("submit", write(tmp_path, "ok.py", "1")).stdout.strip()
    sovlab("wait", ended)
    running = sovlab("submit", write(tmp_path, "s.py", "import time; time.sleep(600)")).stdout.strip()
    assert "Would delete" in sovlab("clean", "--all", "--dry-run").stdout
    assert sovlab("logs", ended).returncode == 0
    assert sovlab("clean", "--all").returncode == 0
    assert sovlab("logs", ended).returncode == 2
    assert not client.job(running).done()
    client.job(running).cancel()


def test_doctor_runs_a_job_and_says_what_it_found(sovlab):
    done = sovlab("doctor")
    assert done.returncode == 0, done.stdout
    assert "a job: ran on target local" in done.stdout
    assert "✓ backend cpu: " in done.stdout
    assert "✗" not in done.stdout


def test_a_closed_pipe_is_no_error(sovlab, tmp_path):
    job_id = sovlab("submit", write(tmp_path, "many.py", "for i in range(200000): print(i)")).stdout.strip()
    sovlab("wait", job_id)
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m sovlab logs {job_id} | head -1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "0\n"
    assert done.stderr == ""
