"""The magics in a real InteractiveShell, with real jobs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
from IPython.core.completer import provisionalcompleter

from sovlab.errors import (
    BackendError,
    CaptureError,
    JobNotFound,
    PendingResultError,
    ResultError,
    SovlabError,
    SpecError,
    UsageError,
)
from sovlab.jupyter.live_cards import LiveCard, live_cards_of

MIME = "application/vnd.sovlab.job.v1+json"


def test_a_cell_runs_as_a_job_and_its_variables_come_back(notebook):
    notebook.run("import os\nhere = os.getpid()\nx = 20")
    notebook.run(
        "%%sovsubmit --name double --out y,there --wait\nimport os\ny, there = 2 * x + 2, os.getpid()"
    )
    assert notebook["y"] == 42
    assert notebook["there"] != notebook["here"]


def test_functions_and_classes_of_the_notebook_travel_and_keep_their_identity(notebook):
    notebook.run("class Point:\n    def __init__(self, x):\n        self.x = x")
    notebook.run("def twice(p):\n    return Point(2 * p.x)")
    notebook.run("p = Point(4)")
    notebook.run("%%sovsubmit --name points --out q --wait\nq = twice(p)")
    assert notebook.run("isinstance(q, Point) and q.x") == 8


def test_a_module_beside_the_notebook_travels(notebook, tmp_path):
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "__init__.py").write_text("from .inner import answer\n")
    (tmp_path / "mylab" / "inner.py").write_text("def answer():\n    return 42\n")
    notebook.run("import mylab")
    notebook.run("%%sovsubmit --name module --out a,where --wait\na = mylab.answer()\nwhere = mylab.__file__")
    assert notebook["a"] == 42
    assert notebook["where"] == str(tmp_path / "mylab" / "__init__.py")


def test_out_holds_a_placeholder_until_the_job_has_ended_and_the_value_after(notebook, tmp_path):
    gate = tmp_path / "gate"
    notebook.run("import os, time")
    notebook.run(
        "%%sovsubmit --name gated --out value\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\nvalue = 7"
    )
    error = notebook.fails("value + 1")
    assert isinstance(error, PendingResultError)
    assert "gated" in str(error)
    assert "%sovwait" in str(error)
    gate.touch()
    notebook.run("%sovwait gated")
    assert notebook.run("value + 1") == 8


def test_the_value_is_bound_before_the_next_cell_runs_without_waiting_for_it(notebook, client):
    notebook.run("%%sovsubmit --name quick --out value\nvalue = [1, 2]")
    client.job("quick").wait(60)
    assert notebook.run("value") == [1, 2]


def test_a_name_bound_again_by_the_user_is_left_alone(notebook, client):
    notebook.run("%%sovsubmit --name shadow --out value\nvalue = 1")
    notebook.run("value = 'mine'")
    client.job("shadow").wait(60)
    assert notebook.run("value") == "mine"


def test_an_error_in_the_cell_is_shown_as_the_users_own_with_its_cell_and_line(notebook):
    notebook.run("def divide(a, b):\n    # a comment\n    return a / b")
    defined = len(notebook["In"]) - 1
    error = notebook.fails("%%sovsubmit --name broken --wait\nx = 1\ndivide(x, 0)")
    submitted = len(notebook["In"]) - 1
    assert isinstance(error, ZeroDivisionError)
    shown = "\n".join(error._render_traceback_())
    assert f"Cell In[{submitted}], line 2" in shown
    assert f"Cell In[{defined}], line 3, in divide" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "sovlab" not in shown


def test_a_traceback_is_shown_once_and_the_error_of_the_cell_has_it(notebook, client):
    notebook.run("def divide(a, b):\n    return a / b")
    error = notebook.fails("%%sovsubmit --name once --wait\nprint('printed')\ndivide(1, 0)")
    (card,) = notebook.shown
    assert "return a / b" in "\n".join(error._render_traceback_())
    for form in ("text/html", "text/plain"):
        assert "return a / b" not in card[form]
        assert "printed" in card[form]
        assert "failed" in card[form]
        assert "ZeroDivisionError" in card[form]
    assert "return a / b" in card[MIME]["error"]["traceback"]
    # Looked at by itself, the card has it.
    notebook.run("import sovlab\nsovlab.job('once')")
    assert live_cards_of(notebook.shell)._cards[client.job("once").id].final.wait(60)
    assert "return a / b" in notebook.shown[-1]["text/plain"]


def test_of_several_jobs_that_failed_each_traceback_is_shown_once(notebook, tmp_path):
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\n"
    for name in ("first", "second"):
        notebook.run(f"%%sovsubmit --name {name}\n{wait}raise ValueError('of {name}')")
    cards = live_cards_of(notebook.shell)
    cards._cards.clear()  # as in another kernel, which has no cards of them yet

    def open_when_shown() -> None:
        while not cards._cards:
            threading.Event().wait(0.02)
        gate.touch()

    opened = threading.Thread(target=open_when_shown, daemon=True)
    opened.start()
    error = notebook.fails("%sovwait first second")
    opened.join()
    assert "of first" in "\n".join(error._render_traceback_())
    texts = [card["text/plain"] for card in notebook.shown[2:]]
    assert texts
    assert not any("raise ValueError('of first')" in text for text in texts)
    for text in texts[1:]:
        assert "raise ValueError('of second')" in text


def test_what_failed_leaves_a_placeholder_that_says_why(notebook, client):
    notebook.run("%%sovsubmit --name dies --out value\nvalue = 1 / 0")
    client.job("dies").wait(60)
    error = notebook.fails("value + 1")
    assert isinstance(error, PendingResultError)
    assert "was not produced" in str(error)


def test_a_name_that_was_asked_for_and_not_bound_is_told_as_that(notebook, client):
    notebook.run("%%sovsubmit --name unbound --wait --out total\nif False:\n    total = 1")
    job = client.job("unbound")
    with pytest.raises(ResultError) as asked:
        job.result("total")
    for error in (notebook.fails("total + 1"), asked.value):
        assert "did not return 'total': the code did not bind total" in str(error)
        assert "--out" not in str(error)
    with pytest.raises(ResultError, match="asked for total, not for 'other'"):
        job.result("other")
    notebook.run("%%sovsubmit --name never --wait --out gone\nx = 1")
    assert notebook.shown[-1][MIME]["notes"] == ["--out names gone, which the cell does not bind."]


def test_the_card_is_one_bundle_that_ends_in_its_final_state(notebook):
    notebook.run("%%sovsubmit --name card --wait\nprint('hello <b>')\n6 * 7")
    (card,) = notebook.shown
    assert set(card) == {MIME, "text/html", "text/plain"}
    assert card[MIME]["state"] == "succeeded"
    assert "<script" not in card["text/html"]
    assert "hello &lt;b&gt;" in card["text/html"]
    assert "42" in card["text/html"]
    assert "succeeded" in card["text/plain"]


def test_a_script_runs_with_its_arguments(notebook, tmp_path, capsys):
    (tmp_path / "my script.py").write_text("import sys\nprint(sys.argv[1:], __name__)\n")
    notebook.run("%sovsubmit 'my script.py' --wait --name script -- --lr 0.1 '$HOME `x`'")
    capsys.readouterr()
    notebook.run("%sovlogs script")
    assert capsys.readouterr().out == "['--lr', '0.1', '$HOME `x`'] __main__\n"


def test_a_secret_is_withheld_and_named_but_never_shown(notebook):
    notebook.run("hf_token = 'hf_' + 'a' * 34\nx = 1")
    notebook.run(
        "%%sovsubmit --name secretive --wait --out seen\n"
        "seen = 'hf_token' in globals()\nif x > 1:\n    print(hf_token)"
    )
    assert notebook["seen"] is False
    text = str(notebook.shown)
    assert "hf_token" in text
    assert "hf_aaa" not in text


def test_dry_run_shows_what_would_travel_and_submits_nothing(notebook, client):
    before = len(client.jobs())
    notebook.run("data = list(range(1000))")
    notebook.run("%%sovsubmit --dry-run --name never --out total\ntotal = sum(data)")
    text = str(notebook.shown)
    assert "data" in text
    assert "never" in text
    assert len(client.jobs()) == before


def test_jobs_logs_and_cancel(notebook, client, capsys):
    notebook.run("%%sovsubmit --name sleeper\nimport time\nprint('began', flush=True)\ntime.sleep(600)")
    notebook.run("%sovjobs")
    assert "sleeper" in str(notebook.shown[-1])
    notebook.run("%sovcancel sleeper")
    assert client.job("sleeper").wait(60).state == "cancelled"
    notebook.run("%sovlogs sleeper")


def test_backends_and_targets_are_listed(notebook):
    notebook.run("%sovbackends")
    assert "cpu" in str(notebook.shown[-1])
    notebook.run("%sovtarget")
    assert "local" in str(notebook.shown[-1])


@pytest.mark.parametrize(
    ("cell", "error", "says"),
    [
        ("%%sovsubmit --backend cudda\n1", BackendError, "cuda"),
        ("%%sovsubmit --gpus -1\n1", SpecError, "--gpus"),
        ("%%sovsubmit --nodes 0\n1", SpecError, "--nodes"),
        ("%%sovsubmit --cpu -2\n1", SpecError, "--cpu"),
        (
            "%%sovsubmit --finish-by yesterday\n1",
            UsageError,
            "--finish-by: 'yesterday' is not a time by which",
        ),
        ("%%sovsubmit --memory -4G\n1", UsageError, "size"),
        ("%%sovsubmit --memory 512k\n1", UsageError, "512MiB"),
        ("%%sovsubmit --timeout soon\n1", UsageError, "duration"),
        ("%%sovsubmit --in nowhere\n1", CaptureError, "nowhere"),
        ("%%sovsubmit --frobnicate\n1", UsageError, "frobnicate"),
        ("%%sovsubmit stray\n1", UsageError, "stray"),
        ("%sovsubmit missing.py", UsageError, "missing.py"),
        ("%sovsubmit", UsageError, "nothing to run"),
        ("%%sovsubmit --target moon\n1", UsageError, "moon"),
        ("%sovlogs nobody", JobNotFound, "nobody"),
        ("%%sovsubmit --name 'unclosed\n1", UsageError, "quot"),
        ("%%sovsubmit\n!ls", CaptureError, "!ls"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(notebook, client, cell, error, says):
    before = [record.id for record in client.jobs()]
    caught = notebook.fails(cell)
    assert isinstance(caught, error)
    assert says in str(caught)
    assert isinstance(caught, SovlabError)
    assert len(caught._render_traceback_()) == 1
    assert [record.id for record in client.jobs()] == before
    assert not notebook.shown


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%%sovsubmit --gpu 2\n1", "%%sovsubmit: unrecognized arguments: --gpu. Did you mean --gpus?"),
        ("%sovsubmit train.py --lr 3", "Arguments of a script go after --."),
        (
            "%%sovsubmit --timeout soon\n1",
            "%%sovsubmit: --timeout: 'soon' is not a valid duration. Write it like 90s, 15m, 1h30m or 2d.",
        ),
        ("%sovlogs", "%sovlogs: job is missing. %sovlogs? shows what it takes."),
        (
            "%sovlogs --tail x job",
            "%sovlogs: --tail: 'x' is not a whole number. %sovlogs? shows what it takes.",
        ),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_what_to_write(notebook, line, says):
    assert str(notebook.fails(line)).endswith(says)


def test_what_cannot_be_pickled_is_named_with_its_line(notebook):
    notebook.run("import threading\nlock = threading.Lock()")
    error = notebook.fails("%%sovsubmit --name locked\nx = 1\nwith lock:\n    pass")
    assert isinstance(error, CaptureError)
    assert "lock" in str(error)
    assert "line 2" in str(error)


def test_a_syntax_error_is_the_users_own_and_nothing_is_submitted(notebook, client):
    before = len(client.jobs())
    error = notebook.fails("%%sovsubmit --name syntax\nx = 1\nfor i in range(3)\n    print(i)")
    submitted = len(notebook["In"]) - 1
    assert isinstance(error.__cause__, SyntaxError)
    shown = error._render_traceback_()
    assert shown[0] == f"  Cell In[{submitted}], line 2"
    assert shown[1].strip() == "for i in range(3)"
    assert shown[-1] == "SyntaxError: expected ':'"
    assert "sovlab" not in str(shown)
    assert len(client.jobs()) == before


def test_a_placeholder_is_not_sent_to_another_job(notebook):
    notebook.run("%%sovsubmit --name first --out slow\nimport time\ntime.sleep(600)\nslow = 1")
    error = notebook.fails("%%sovsubmit --name second\nprint(slow)")
    assert isinstance(error, PendingResultError)
    notebook.run("%sovcancel first")


def test_help_is_the_docstring_and_the_flag(notebook, capsys):
    notebook.run("%sovsubmit --help")
    shown = capsys.readouterr().out
    assert shown.startswith(
        "usage: %%sovsubmit [flags]\n       %sovsubmit [flags] script.py [-- arguments]\n"
    )
    assert "--backend" in shown
    asked = notebook.shell.object_inspect_mime("%%sovsubmit")["text/plain"]  # as %%sovsubmit? does
    assert "usage: %%sovsubmit [flags]" in asked
    assert "--backend" in asked


def test_loading_imports_nothing_that_only_a_submit_needs():
    code = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'sovlab')\n"
        "print(sorted(name for name in sys.modules if name.startswith('sovlab')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['sovlab', 'sovlab._version', 'sovlab.jupyter', 'sovlab.jupyter.magics']"


FIRST_SUBMIT = """
import json, sys, threading
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
loaded = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():  # cards have threads that load more
            loaded.append(name)

sys.meta_path.insert(0, Watch())
shell.run_line_magic("load_ext", "sovlab")
shell.run_cell_magic("sovsubmit", "", "answer = 42")
sys.meta_path.pop(0)
shell.run_line_magic("sovwait", "")
print(json.dumps(loaded))
"""


def test_a_first_submit_imports_nothing_that_only_others_need(client):
    for _ in range(2):  # the first one makes what the second one finds
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", FIRST_SUBMIT], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    rooms = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("sovlab.")}
    assert not rooms & {"sovlab.cli", "sovlab.kube", "sovlab.sensors", "sovlab.torch"}
    vendors = {f"sovlab.backends.{name}" for name in ("cuda", "rocm", "xpu", "hpu", "machine")}
    others = {
        "sovlab.backends.weighing",
        "sovlab.card.sanitizing",
        "sovlab.client.conditions",
        "sovlab.core.decoding",
        "sovlab.core.energy.condition",
        "sovlab.core.event",
        "sovlab.core.finding",
        "sovlab.core.plan",
        "sovlab.core.target",
        "sovlab.executors.kubernetes",
        "sovlab.executors.local.agent",
        "sovlab.executors.local.logs",
        "sovlab.executors.watching",
        "sovlab.jupyter.tables",
        "sovlab.options.target",
        "sovlab.payload.results",
        "sovlab.settings.editing",
        "sovlab.settings.toml",
    }
    standard = {"difflib", "html.parser", "importlib.metadata", "tomllib", "zipfile"}
    assert not loaded & (vendors | others | standard)
    assert {name for name in loaded if name in ("psutil", "platformdirs", "yaml", "rich")} == set()
    # One more is paid for by everybody's first submit: import it where it is used, if that can be.
    assert len([name for name in loaded if name.startswith("sovlab")]) <= 105


@pytest.mark.parametrize(
    ("line", "offered", "kind"),
    [
        ("%%sovsubmit --ba", "--backend", "flag"),
        ("%%sovsubmit --backend c", "cpu", "backend"),
        ("%%sovsubmit --in da", "data", "variable"),
        ("%%sovsubmit --out model,da", "data", "variable"),
        ("%sovlogs compl", "completed", "job"),
        ("%sovtarget lo", "local", "target"),
        ("%sovlogs --fo", "--follow", "flag"),
    ],
)
def test_tab_completes_flags_backends_variables_and_jobs(notebook, line, offered, kind):
    notebook.run("data = 1")
    if "compl" in line:
        notebook.run("%%sovsubmit --name completed --wait\n1")
    with provisionalcompleter():
        found = list(notebook.shell.Completer.completions(line, len(line)))
    assert offered in [completion.text for completion in found]
    whole = [line[: c.start] + c.text for c in found]
    assert all(each.startswith(line) for each in whole), whole
    assert {c.type for c in found} == {kind}


def test_where_a_backend_is_meant_nothing_else_is_offered(notebook):
    notebook.shell.run_line_magic("reload_ext", "sovlab")
    line = "%%sovsubmit --backend "
    with provisionalcompleter():
        found = [completion.text for completion in notebook.shell.Completer.completions(line, len(line))]
    assert found == ["auto", "cpu", "cuda", "hpu", "rocm", "xpu"]


def test_a_handle_at_the_end_of_a_cell_shows_its_card(notebook):
    notebook.run("import sovlab\njob = sovlab.submit(pow, 2, 5, name='power')\njob.wait()")
    notebook.run("job")
    assert notebook.shown[-1][MIME]["name"] == "power"
    assert notebook.run("job.result()") == 32


def test_interrupt_while_the_card_is_shown_offers_what_it_offers_while_waiting(
    notebook, client, monkeypatch, capsys
):
    show = LiveCard.show

    def interrupted(card):
        show(card)
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCard, "show", interrupted)
    monkeypatch.setattr("builtins.input", lambda prompt: "c")
    notebook.fails("%%sovsubmit --wait --name early\nimport time\ntime.sleep(600)")
    assert "Cancelling early" in capsys.readouterr().out
    assert client.job("early").state == "cancelled"
