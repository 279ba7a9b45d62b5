"""``sovlab sweep`` as a shell sees it: real processes, real jobs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from sovlab.options.sweep import filled, literal, over_in, parameters_in, split_values

ECHO = "import sys\nprint(sys.argv[1:])"


@pytest.fixture
def sovlab(client, tmp_path):
    """Run ``sovlab sweep …`` in a directory of its own."""

    def run(*args):
        return subprocess.run(
            [sys.executable, "-m", "sovlab", "sweep", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )

    return run


def test_a_script_runs_with_each_combination_and_the_table_is_the_output(sovlab, tmp_path, client):
    (tmp_path / "train.py").write_text(ECHO)
    done = sovlab(
        "train.py", "--over", "cpu=0.5,1", "lr=0.1,1e-3", "word='a,b'", "--", "--lr={lr}", "{word}", "{left}"
    )
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split()[:6] == ["Point", "lr", "word", "cpu", "State", "Ran"]
    assert [row.split()[1:5] for row in rows] == [
        ["0.1", "a,b", "0.5", "succeeded"],
        ["0.1", "a,b", "1", "succeeded"],
        ["0.001", "a,b", "0.5", "succeeded"],
        ["0.001", "a,b", "1", "succeeded"],
    ]
    logs = [client.job(row.split()[-1]).logs() for row in rows]
    assert logs[0] == logs[1] == "['--lr=0.1', 'a,b', '{left}']\n"
    assert logs[2] == "['--lr=1e-3', 'a,b', '{left}']\n"  # as it was written
    assert "lr=0.1, word=a,b, cpu=0.5 succeeded after" in done.stderr


def test_json_is_one_document_and_the_status_tells_that_one_failed(sovlab, tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "__init__.py").write_text("")
    (tmp_path / "part" / "train.py").write_text("import sys\nsys.exit(int(sys.argv[1]))")
    done = sovlab("-m", "part.train", "status=0,3", "--json", "--name", "mine", "--", "{status}")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["name"] == "mine"
    assert [run["point"] for run in document["runs"]] == [{"status": 0}, {"status": 3}]
    assert [run["state"] for run in document["runs"]] == ["succeeded", "failed"]
    assert all(run["id"].startswith("mine-") for run in document["runs"])
    assert "value" not in document["runs"][0]


def test_repeats_without_parameters(sovlab, tmp_path):
    (tmp_path / "ok.py").write_text("1")
    done = sovlab("ok.py", "--repeats", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert [run["repeat"] for run in json.loads(done.stdout)["runs"]] == [1, 2]


def test_dry_run_lists_the_points(sovlab, tmp_path, client):
    (tmp_path / "ok.py").write_text("1")
    before = len(client.jobs())
    done = sovlab("ok.py", "x=1,2", "--dry-run", "--", "{x}")
    assert done.returncode == 0, done.stderr
    assert "ok#2" in done.stdout
    assert "Would submit 2 jobs." in done.stderr
    told = json.loads(sovlab("ok.py", "x=1,2", "--dry-run", "--json", "--", "{x}").stdout)
    assert told["runs"][1] == {"point": {"x": 2}, "name": "ok#2", "backend": "cpu"}
    assert len(client.jobs()) == before


def test_an_interrupt_leaves_what_runs_and_says_what_was_not_submitted(client, tmp_path):
    (tmp_path / "long.py").write_text("import time; time.sleep(600)")
    # What runs these tests in the background may have SIGINT ignored, and then its children ignore it too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "sovlab", "sweep", "long.py", "x=1,2,3", "--name", "interrupted", "--", "{x}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    with process:
        try:
            begin = process.stderr.readline()
            assert begin == "Sweep interrupted: submitted 1 of 3 runs; 2 wait for their turn.\n"
            job = client.job("interrupted#1")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    running = not job.done()
    job.cancel()
    assert process.returncode == 130
    assert "Interrupted; what runs goes on. 2 of 3 runs were not submitted." in said
    assert f"sovlab cancel {job.id}" in said
    assert "Traceback" not in said
    assert running
    assert [record.name for record in client.jobs() if record.name.startswith("interrupted")] == [
        "interrupted#1"
    ]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["ok.py", "x=1,2"], "X is swept, but no argument of the script has {x} in it."),
        (["ok.py", "x=1,2", "--", "--lr", "{lr}"], "{x} in it"),
        (["ok.py", "x=1,2", "--over", "cpu=1,-1", "--", "{x}"], "--cpu is -1"),
        (["ok.py", "x=1,2", "--over", "out=a,b", "--", "{x}"], "Only a cell has --out"),
        (["ok.py", "x=1,2", "--wait", "--", "{x}"], "--wait"),
        (["ok.py", "x=1,2", "--nowhere", "--", "{x}"], "--nowhere"),
        (["ok.py", "x", "--", "{x}"], "'x' has no values"),
        (["x=1,2", "--", "{x}"], "nothing to run"),
        (["missing.py", "x=1,2", "--", "{x}"], "missing.py"),
        (["ok.py", "x=1,2", "--plot", "no/where.png", "--", "{x}"], "No picture can be written"),
        (["ok.py", "x=1,2", "--plot", "sweep.docx", "--", "{x}"], "Name a file like sweep.png"),
        (["ok.py"], "Nothing is swept"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_submits_nothing(sovlab, tmp_path, client, args, says):
    (tmp_path / "ok.py").write_text("1")
    before = len(client.jobs())
    done = sovlab(*args)
    assert done.returncode == 2, done.stderr
    assert says.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert len(client.jobs()) == before


def test_where_nothing_was_measured_the_picture_says_why_after_the_table(sovlab, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "quick.py").write_text("1")
    done = sovlab("quick.py", "x=1,2", "--power-rate", "0", "--plot", "sweep.png", "--", "{x}")
    drawn = (tmp_path / "sweep.png").exists()  # where a sensor was quick enough
    assert done.returncode == (0 if drawn else 2), done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert drawn or "There is no energy of sweep quick to plot." in done.stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0.1,0.01", ["0.1", "0.01"]),
        ("(1,2),[3,4],{'a': 1, 'b': 2}", ["(1,2)", "[3,4]", "{'a': 1, 'b': 2}"]),
        ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
        ("a, b ,", ["a", "b", ""]),
        (")(,x", [")(", "x"]),
        ("", [""]),
    ],
)
def test_values_are_parted_at_commas_outside_of_brackets_and_quotations(text, parts):
    assert split_values(text) == parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1e-3", 0.001),
        ("True", True),
        ("(1, 2)", (1, 2)),
        ("'1'", "1"),
        ("adam", "adam"),
        ("1if", "1if"),
    ],
)
def test_values_are_literals_else_text(text, value):
    assert literal(text) == value
    assert type(literal(text)) is type(value)


def test_options_are_read_as_their_flags_read_them():
    words = ["memory=4G,", "--power-rate=2,0", "env=A=1,'B=2,3'", "backend=cpu"]
    assert over_in(words, cell=False) == {
        "memory": [4 << 30, None],
        "power_rate": [2.0, 0.0],
        "env": [{"A": "1"}, {"B": "2,3"}],
        "backend": ["cpu"],
    }


def test_what_is_filled_is_not_filled_again():
    assert filled(["{a}{b}", "{a:2}", "{{a}}"], {"a": "{b}", "b": "'x y'"}) == ["{b}x y", "{a:2}", "{{b}}"]


def test_a_range_is_each_whole_number_in_it():
    assert parameters_in(["seed=1..3,7", "word='1..3'", "version=1.2"]) == {
        "seed": ["1", "2", "3", "7"],
        "word": ["'1..3'"],
        "version": ["1.2"],
    }
