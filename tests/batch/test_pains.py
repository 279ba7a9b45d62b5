r"""Twenty things that hurt people who run notebooks as jobs: that they do not here.

What other tests show is named; the rest is below, by number.

==  =========================================  ==============================================================
 1  out of memory shows nothing but a death     below; ``test_deaths``: the words, of cgroups of both versions
 2  the last reply never comes                  ``test_lines``: …does_not_answer_at_its_end_holds_no_run_up
 3  a flood is cut, or ends the run             ``test_floods``
 4  memory grows with the outputs               below; ``conformance/test_outputs``: long ones come back
 5  the client dies, and the job with it        ``test_engine``, ``test_engine_on_cluster``: …comes_back…
 6  a signal loses all output                   below; ``conformance/test_stops``: 28, 29; ``test_recipes``
 7  a time-out looks like an end                ``conformance/test_stops``: 25
 8  parallel runs meet at a port                ``test_engine``: …do_not_share_the_sockets_of_their_kernels
 9  a typo runs with the default                below; ``tests/cli/test_run_command``: a_misspelt_parameter…
10  parameters are not seen                     ``test_checking``; ``test_run_command``: …that_python_binds
11  the laptop's kernel is not there            ``test_engine``: …gives_way…; ``test_images``; 27
12  another directory, and no data              below; ``test_named_files``; ``conformance/test_on_cluster``
13  a secret in the output                      ``test_engine``, ``test_run_command``: a_secret_is_no…
14  a magic that fails looks like success       ``conformance/test_outcomes``: 23
15  a bar is a thousand lines of a log          below; ``test_lines``; ``test_recipes``: no bar in CI
16  another encoding, another time zone         below
17  ids that are missing, cells to skip         ``conformance``: 15 and 18
18  a failure leaves no notebook                ``test_run_command``: a_cell_that_fails…, a_dead_kernel…
19  noise looks like a difference               ``verifying/test_verify_sanitizing``, ``…_data``, ``…_report``
20  another device looks like a mistake         ``verifying/test_verify_drift``; ``…_report``: across_devices…
==  =========================================  ==============================================================
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import papermill as library
import pytest

from sovlab.errors import SpecError
from sovlab.payload.notebooks.code import Notebook
from tests.batch.conformance.engines import (
    commands,
    hears_interrupts,
    parameters,
    prepared,
    read,
    until,
    write,
)
from tests.batch.test_engine_on_cluster import cluster, papermill  # noqa: F401 - fixtures


def sovlab(folder, *args, **keywords):
    """Run the command to its end."""
    command = [sys.executable, "-m", "sovlab", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, **keywords)


def test_01_memory_that_ran_out_is_told_with_its_limit(papermill, cluster):  # noqa: F811
    # Held is what was written to.
    takes = "held = bytearray(3 * 10**9)\nheld[::4096] = b'x' * -(-len(held) // 4096)"
    write(papermill.work, "print('partial', flush=True)", takes, "3")
    words = ("run", "in.ipynb", "out.ipynb", "--memory", "800M")
    done = sovlab(papermill.work, *words, env=papermill.variables)
    assert done.returncode == 138, done.stderr
    assert "It used more memory than it was given: ask for more with --memory." in done.stderr
    assert "It was given 800 MiB." in done.stderr
    assert "The notebook as far as it came: out.ipynb" in done.stderr
    cells = read(papermill.work / "out.ipynb")["cells"]
    assert cells[0]["outputs"][0]["text"] == ["partial\n"]
    assert [cell["metadata"].get("sovlab", {}).get("status") for cell in cells] == [None, "killed", "not run"]


def test_04_long_outputs_are_not_in_the_log_of_the_job(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, *(f"print('{letter}' * 2_000_000)" for letter in "abcdefgh"))
    nb = library.execute_notebook("in.ipynb", "out.ipynb", engine_name="sovlab", progress_bar=False)
    assert [len(cell.outputs[0].text) for cell in nb.cells] == [2_000_001] * 8
    log = "".join(client.job(nb.metadata.sovlab.run.id).logs())
    assert len(log) < 500_000
    assert "the rest is in the notebook" in log


def test_06_what_is_run_by_exec_hears_the_signal_of_a_pipeline_that_is_cancelled(client, tmp_path):
    begun = tmp_path / "begun"
    write(tmp_path, f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)", "2")
    line = f"exec {sys.executable} -m sovlab run in.ipynb out.ipynb --cancel-on-interrupt"
    shell = subprocess.Popen(
        ["bash", "-e", "-c", line],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_interrupts,
    )
    until(begun.exists, shell)
    shell.send_signal(signal.SIGINT)
    said = shell.communicate(timeout=60)[1]
    assert shell.returncode == 130, said
    job = client.job(re.search(r"Job (\S+) is cancelled", said)[1])
    assert job.wait(60).state == "cancelled"
    nb = read(tmp_path / "out.ipynb")
    assert [cell["metadata"]["sovlab"]["status"] for cell in nb["cells"]] == ["cancelled", "not run"]
    shown = sovlab(tmp_path, "show", "out.ipynb")
    assert f"{job.id} on target local" in shown.stdout


def test_09_a_typo_is_an_error_of_the_engine_where_that_is_asked_for(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOVLAB_STRICT_PARAMS", "1")
    before = len(client.jobs())
    write(tmp_path, parameters("rate = b = 1"), "rate")
    given = {"engine_name": "sovlab", "progress_bar": False}
    with pytest.raises(SpecError, match=r"has no parameter 'rat'\. Did you mean rate"):
        library.execute_notebook("in.ipynb", "out.ipynb", {"b": 2, "rat": 3}, **given)
    assert len(client.jobs()) == before
    cells = read(tmp_path / "out.ipynb")["cells"]
    assert [cell["metadata"]["sovlab"]["status"] for cell in cells] == ["not run"] * 3
    nb = library.execute_notebook("in.ipynb", "out.ipynb", {"b": 2}, **given)
    assert nb.cells[-1].outputs[0].data["text/plain"] == "1"


def test_12_a_path_of_this_machine_in_a_parameter_is_told_of_before_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data.csv"
    data.write_text("1\n")
    injected = {"cell_type": "code", "source": f'# Parameters\ndata = "{data}"\n', "metadata": {}}
    packed = Notebook(cells=[injected], metadata={}, kernel="python3").pack(tmp_path / "store")
    assert len(packed.messages) == 1
    assert f"{data}, which cell 1 names, was not sent" in packed.messages[0]


BAR = (
    "import sys, time\nfrom tqdm import tqdm\n"
    "for i in tqdm(range(200), mininterval=0, miniters=1, file=sys.stderr, ascii=True):\n    pass\n"
    "print('trained')"
)


def test_15_a_bar_is_a_line_of_the_log_and_whole_in_the_notebook(client, tmp_path):
    write(tmp_path, BAR)
    done = sovlab(tmp_path, "run", "in.ipynb", "out.ipynb", "--log-output")
    assert done.returncode == 0, done.stderr
    drawn = [line for line in done.stderr.splitlines() if "/200 [" in line]
    assert len(drawn) == 1, done.stderr
    assert drawn[0].startswith("100%|")
    assert "trained" in done.stderr.splitlines()
    kept = "".join("".join(output["text"]) for output in read(tmp_path / "out.ipynb")["cells"][0]["outputs"])
    assert kept.count("\r") > 100


def test_16_letters_of_all_languages_on_a_console_that_has_none(client, tmp_path):
    text = "é中😀"
    made = prepared(tmp_path, parameters("t = ''"), f"print(t, '{text}')\nt", f"raise ValueError('{text}')")
    for folder in made.values():
        (folder / "in.ipynb").rename(folder / f"{text}.ipynb")
    both = commands(
        made, f"{text}.ipynb", "out-{t}.ipynb", "-p", "t", text, LC_ALL="C", PYTHONIOENCODING="ascii"
    )
    nb = both.same(f"out-{text}.ipynb")
    assert both.ours.status == 1
    assert nb["cells"][3]["outputs"][0]["text"] == [f"{text} {text}\n"]
    assert nb["metadata"]["papermill"]["parameters"] == {"t": text}
    for said in (nb["metadata"]["papermill"], nb["cells"][3]["metadata"]["papermill"]):
        assert said["start_time"].endswith("+00:00")
        assert said["end_time"].endswith("+00:00")
