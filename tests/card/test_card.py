"""The card of a job: what it says in each state, and that nothing in it can do harm."""

from __future__ import annotations

import base64
import datetime
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.card.bundle import MIME, render
from sovlab.card.sanitizing import sanitize
from sovlab.card.terminal import TerminalTail
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress, Reason, ReturnedName
from sovlab.core.spec import JobSpec, PayloadKind, Resources

NOW = 1_780_000_000.0
SCHEMA = jsonschema.Draft202012Validator(
    json.loads(files("sovlab.card").joinpath("card.schema.json").read_text())
)
FIRST = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parent / "card-v1.schema.json").read_text())
)
"""The schema as it was published first: whoever reads by it reads every card of version 1."""
ID = "digits-7f3k9q"
TRACEBACK = """Cell In[7], line 2
    1 x, y = batch
--> 2 train(x)
Cell In[3], line 4, in train
    3 for x, y in loader:
--> 4     loss = criterion(net(x), z)
    5     loss.backward()
NameError: name 'z' is not defined
"""

_VOID = {"br", "col", "hr", "img", "wbr"}


class Page(HTMLParser):
    """Reads a card as a browser does: its text, its elements, and whether each one is closed."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.elements, self.open = "", [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def tags(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def spec(**changes):
    given = {"name": "digits", "kind": PayloadKind.CELL, "payload": "0" * 64, "origin": "In[7]"}
    return JobSpec(**{**given, **changes})


def card(state, *, log=b"", history=(), spec=spec(), outputs=(), notes=(), **status):  # noqa: B008
    record = JobRecord(id=ID, target="local", spec=spec, status=JobStatus(state=state, **status))
    bundle = render(record, log, history, NOW, outputs=outputs, notes=notes)
    assert set(bundle) == {MIME, "text/html", "text/plain"}
    json.dumps(bundle, allow_nan=False).encode()
    SCHEMA.validate(bundle[MIME])
    FIRST.validate(bundle[MIME])
    page = Page(bundle["text/html"])
    for tag, attrs in page.elements:
        assert tag not in ("script", "style", "iframe", "object", "button")
        assert not [name for name in attrs if name.startswith("on") or name in ("class", "id")]
    return bundle, page


def reports(*steps, total=50, every=4.0):
    start = NOW - every * len(steps)
    return [Progress(step=s, total=total, time=start + every * (i + 1)) for i, s in enumerate(steps)]


def test_a_waiting_job_says_why_and_how_to_cancel_it():
    bundle, page = card(
        JobState.QUEUED,
        reason=Reason.WAITING,
        message="waiting: 2 ahead of you",
        ahead=2,
        submitted=NOW - 240,
        spec=spec(backend="rocm", resources=Resources(gpus=8)),
        notes=["hf_token was withheld."],
    )
    assert "digits waiting: 2 ahead of you, 4 min so far · rocm, 8 GPUs · local" in page.text
    assert f"%sovcancel {ID}" in page.text
    assert "hf_token was withheld." in page.text
    assert bundle["text/plain"].splitlines()[0].startswith("digits: waiting: 2 ahead of you")


def test_a_running_job_shows_its_clock_step_metrics_bar_and_time_left():
    history = reports(*range(1, 32))
    last = Progress(step=31, total=50, metrics={"loss": 0.0841234, "phase": "warm-up", "n": 3}, time=NOW)
    bundle, page = card(JobState.RUNNING, started=NOW - 134, progress=last, history=history, host="node-7")
    assert "digits running 2 min 14 s · cpu · local · node-7" in page.text
    assert "step 31 of 50 · loss 0.08412 · phase warm-up · n 3 · about 1 min 20 s left" in page.text
    (bar,) = page.tags("progress")
    assert float(bar["value"]) / float(bar["max"]) == pytest.approx(0.62)
    assert bundle[MIME]["progress"]["seconds_left"] == pytest.approx(76)
    assert f"%sovwait {ID}" in bundle["text/plain"]


def test_the_clock_is_the_callers():
    record = JobRecord(
        id=ID, target="local", spec=spec(), status=JobStatus(state=JobState.RUNNING, started=NOW)
    )
    shown = [render(record, b"", [], NOW + s)["text/plain"].splitlines()[0] for s in (0, 4.7, 75, 7300)]
    assert [line.split(" · ")[0] for line in shown] == [
        "digits: running",
        "digits: running 4 s",
        "digits: running 1 min 15 s",
        "digits: running 2 h 1 min",
    ]


def test_a_card_that_may_stand_still_says_of_when_it_is_and_how_to_see_the_job_anew():
    day = datetime.datetime.fromtimestamp(NOW).astimezone().strftime("%Y-%m-%d %H:%M")
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.UNKNOWN):
        bundle, page = card(state, started=NOW - 5)
        assert f"as of {day}" in page.text
        assert f'look again: sovlab.job("{ID}")' in page.text
        assert f'look again: sovlab.job("{ID}")' in bundle["text/plain"]
    _, ended = card(JobState.SUCCEEDED, started=NOW - 5, ended=NOW)
    assert "as of" not in ended.text


@pytest.mark.parametrize(
    ("history", "says"),
    [
        (reports(1), None),
        (reports(1, 2, total=None), None),
        (reports(5, 5), None),
        (reports(40, 49, 1, 2), "about 3 min 10 s left"),  # a second pass
        (reports(1, 50), "a few seconds left"),
        (reports(1, 2, total=100_000), "about 4 d 15 h left"),
        ([Progress(step=s, total=9, time=NOW - 300 + s) for s in (1, 2)], "no report for 4 min 58 s"),
        ([Progress(step=s, total=9, time=0) for s in (1, 2)], "no report"),
    ],
)
def test_time_left_is_only_said_where_it_can_be(history, says):
    _, page = card(JobState.RUNNING, started=NOW - 400, history=history)
    if says is None:
        assert "left" not in page.text
    else:
        assert says in page.text


def test_progress_without_a_total_has_no_bar():
    _, page = card(JobState.RUNNING, started=NOW, progress=Progress(step=7))
    assert "step 7" in page.text
    assert not page.tags("progress")


def test_a_diverged_loss_is_told_and_the_data_stays_json():
    bundle, page = card(
        JobState.RUNNING, started=NOW, progress=Progress(step=1, metrics={"loss": float("nan")})
    )
    assert "loss nan" in page.text
    assert bundle[MIME]["progress"]["metrics"] == {"loss": "nan"}


def test_a_user_error_shows_their_traceback_once_with_its_lines_marked():
    error = {
        "type": "NameError",
        "module": "builtins",
        "message": "name 'z' is not defined",
        "traceback": TRACEBACK,
    }
    bundle, page = card(
        JobState.FAILED,
        reason=Reason.USER_ERROR,
        message="NameError: name 'z' is not defined",
        started=NOW - 3,
        ended=NOW,
        error=error,
        exit_code=1,
        log=b"epoch 1\n" + TRACEBACK.encode(),
    )
    assert "failed after 3.0 s: NameError" in page.text
    assert page.text.count("criterion") == 1
    assert "epoch 1" in page.text
    marked = re.findall(r"<strong[^>]*>([^<]*)</strong>", bundle["text/html"])
    assert marked == ["digits", "--&gt; 2 train(x)", "--&gt; 4     loss = criterion(net(x), z)", "NameError"]
    assert bundle[MIME]["error"]["traceback"] == TRACEBACK.rstrip("\n")
    assert [line["text"] for line in bundle[MIME]["log"]["lines"]] == ["epoch 1"]
    assert "%sovcancel" not in page.text


def test_the_message_of_an_error_is_wrapped_and_its_code_is_not():
    traceback = "Cell In[1], line 1\n--> 1 x\nValueError: " + "a long story " * 20 + "\nand its second line"
    bundle, _ = card(
        JobState.FAILED, reason=Reason.USER_ERROR, error={"type": "ValueError", "traceback": traceback}
    )
    (pre,) = re.findall(r"<pre[^>]*>(.*?)</pre>", bundle["text/html"], re.DOTALL)
    above, message = pre.split('<span style="white-space:pre-wrap')
    assert "--&gt; 1 x" in above
    assert "a long story" in message
    assert message.endswith("and its second line</span>")


def test_after_a_crash_the_users_frames_are_shown_and_the_runners_are_not():
    ours = [f'  File "sovlab/runner/{name}.py", line 9 in run' for name in "abcdefghijklmno"]
    printed = [
        "about to crash",
        "Fatal Python error: Segmentation fault",
        "",
        "Current thread 0x00007f8df342ab80 (most recent call first):",
        '  File "Cell In[24]", line 3 in <module>',
        *ours,
        '  File "/state/runner/7825e507d6858f36.pyz/__main__.py", line 5 in <module>',
        '  File "<frozen runpy>", line 88 in _run_code',
    ]
    ended = {"log": "\n".join(printed).encode(), "reason": Reason.KILLED, "started": NOW - 1, "ended": NOW}
    bundle, page = card(JobState.FAILED, signal="SIGSEGV", **ended)
    assert [line["text"] for line in bundle[MIME]["log"]["lines"]] == printed[:5]
    assert "last 5 of 22 lines" in page.text
    bundle, _ = card(JobState.FAILED, **ended)
    assert bundle[MIME]["log"]["lines"][-1]["text"] == printed[-1]


def test_a_long_traceback_keeps_both_ends():
    lines = [f"frame {i}" for i in range(500)]
    _, page = card(
        JobState.FAILED,
        reason=Reason.USER_ERROR,
        error={"type": "E", "traceback": "\n".join([*lines, "E: end"])},
    )
    assert "frame 19\n… 421 lines …\nframe 441" in page.text
    assert "E: end" in page.text


@pytest.mark.parametrize(
    ("reason", "message", "headline"),
    [
        (Reason.TIMEOUT, "It ran longer than its --timeout of 60 s.", "ran out of time after 1 min"),
        (Reason.KILLED, "It was ended from outside by SIGKILL.", "was killed after 1 min"),
        (Reason.OUT_OF_MEMORY, "The kernel killed it.", "ran out of memory after 1 min"),
        (Reason.PAYLOAD, "It needs Python 3.12.", "could not load its payload after 1 min"),
        (Reason.RUNNER, "The disk is full.", "failed in its runner after 1 min"),
    ],
)
def test_each_bad_end_is_named(reason, message, headline):
    _, page = card(
        JobState.FAILED, reason=reason, message=message, started=NOW - 60, ended=NOW, signal="SIGKILL"
    )
    assert f"digits {headline}" in page.text
    assert message in page.text
    assert "SIGKILL" in page.text
    assert f'sovlab.job("{ID}").rerun()' in page.text


def test_a_lost_job_has_no_end_to_count_to():
    _, page = card(
        JobState.FAILED, reason=Reason.LOST, message="Its machine was restarted.", started=NOW - 60
    )
    assert "digits was lost" in page.text
    assert "after" not in page.text


def test_cancelled_before_and_after_the_start():
    _, before = card(JobState.CANCELLED, reason=Reason.CANCELLED, ended=NOW, message="It was cancelled.")
    assert "cancelled before it started" in before.text
    _, after = card(JobState.CANCELLED, reason=Reason.CANCELLED, started=NOW - 63, ended=NOW)
    assert "cancelled after 1 min 3 s" in after.text


def test_a_damaged_record_still_has_a_card():
    bundle, page = card(
        JobState.UNKNOWN, spec=None, reason=Reason.UNREADABLE, message="its spec.json cannot be read."
    )
    assert f"{ID} state unknown" in page.text
    assert "Its spec.json cannot be read." in page.text
    assert bundle[MIME]["kind"] is None


def test_a_succeeded_job_says_what_it_took_and_what_came_back():
    bundle, page = card(
        JobState.SUCCEEDED,
        started=NOW - 218,
        ended=NOW,
        host="node-7",
        python="3.11.9",
        max_rss=612_000_000,
        cpu_seconds=401,
        progress=Progress(step=50, total=50, metrics={"loss": 0.03}),
        returned=(
            ReturnedName(name="model", type="__main__.Net", size=1_200_000),
            ReturnedName(name="history", type="builtins.list", size=900, detail="50 items"),
            ReturnedName(name="loader", error="a generator cannot be sent"),
            ReturnedName(name="lock", error="lock (_thread.lock) cannot be pickled"),
        ),
        unreturned=("loss", "optimizer"),
        log=b"".join(b"epoch %d\n" % i for i in range(1, 51)),
    )
    rows = dict(re.findall(r"<b[^>]*>([^<]*)</b> <span[^>]*>(.*?)</span></div>", bundle["text/html"]))
    assert "digits succeeded in 3 min 38 s" in page.text
    assert rows["Hardware"] == "cpu on node-7, Python 3.11.9"
    assert rows["Reached"] == "step 50 of 50 · loss 0.03"
    assert rows["Memory"] == "612 MB at its peak, 6 min 41 s of CPU time"
    assert rows["Returned"] == "model (Net, 1.2 MB), history (list, 50 items, 900 B)"
    assert "loader: a generator cannot be sent" in page.text
    assert rows["Not returned"] == "lock (_thread.lock) cannot be pickled"
    assert "loss, optimizer" in rows["Left behind"]
    assert "--out model,history,loss,optimizer" in rows["Left behind"]
    assert f"last 12 of 50 lines · all: %sovlogs {ID}" in page.text
    assert "epoch 39\nepoch 40" in page.text
    assert "epoch 38" not in page.text
    assert "Returned: model" in bundle["text/plain"]


def test_the_log_keeps_its_colours_in_the_themes_words_and_its_ranks():
    tail = TerminalTail()
    tail.feed(b"\x1b[31mred\x1b[0m \x1b[1;38;2;1;2;3mtrue\x1b[0m \x1b[7minverse", 0)
    tail.feed(b"plain <b>\n", 11)
    bundle, page = card(JobState.RUNNING, started=NOW, log=tail)
    assert " 0 red true inverse\n11 plain <b>" in page.text
    html = bundle["text/html"]
    assert re.search(r'<span style="color:var\(--jp-error-color1,#\w+\)">red</span>', html)
    assert '<span style="color:#010203;font-weight:600">true</span>' in html
    assert bundle[MIME]["log"]["lines"][1] == {"rank": 11, "text": "plain <b>"}


def test_every_colour_but_the_jobs_own_is_a_theme_variable_with_a_fallback():
    bundle, _ = card(
        JobState.FAILED,
        reason=Reason.USER_ERROR,
        started=NOW - 3,
        ended=NOW,
        log=b"\x1b[32mx\x1b[0m\n",
        error={"type": "E", "traceback": TRACEBACK},
        returned=(ReturnedName(name="a", error="b"),),
        notes=["n"],
    )
    for style in re.findall(r'style="([^"]*)"', bundle["text/html"]):
        for name, value in (part.split(":", 1) for part in style.split(";")):
            if "color" in name or name == "background":
                assert value == "none" or re.fullmatch(r"var\(--jp-[a-z0-9-]+,#[0-9a-f]{3,6}\)", value), style


def test_the_schema_is_one():
    SCHEMA.check_schema(SCHEMA.schema)
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({"version": 1})


@pytest.mark.parametrize("key", FIRST.schema["required"])
def test_the_schema_asks_for_all_that_it_asked_for_first(key):
    bundle, _ = card(JobState.RUNNING, progress=Progress(step=1))
    assert not SCHEMA.is_valid({k: v for k, v in bundle[MIME].items() if k != key})
    assert not SCHEMA.is_valid({**bundle[MIME], key: object()})


# what the job displayed

PNG = base64.b64encode(b"\x89PNG not really").decode()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"text/plain": "<Net & co>"}, "&lt;Net &amp; co&gt;</pre>"),
        ({"text/plain": ["a", "b"]}, "ab</pre>"),
        ({"image/png": PNG + "\n", "text/plain": "<Figure>"}, f'src="data:image/png;base64,{PNG}"'),
        ({"image/svg+xml": "<svg onload='x()'/>"}, 'src="data:image/svg+xml;base64,'),
        ({"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "1"}, "<td>1</td>"),
        ({"text/latex": "$x<1$"}, "<div>$x&lt;1$</div>"),
        ({"text/plain": "x" * 100_010}, "… 10 more characters"),
        ({"text/html": "<div id=p></div><script>draw()</script>", "text/plain": "Plot()"}, "Plot()</pre>"),
        ({"application/javascript": "draw()", "text/plain": "Plot()"}, "needs scripts"),
    ],
)
def test_what_the_job_displayed_is_on_the_card(data, shown):
    bundle, _ = card(JobState.SUCCEEDED, outputs=[{"data": data, "metadata": {}}])
    assert shown in bundle["text/html"]
    assert bundle[MIME]["outputs"] == 1


def test_a_picture_keeps_its_size():
    data = {"data": {"image/png": PNG}, "metadata": {"image/png": {"width": 320, "height": 240.0}}}
    _, page = card(JobState.SUCCEEDED, outputs=[data])
    (picture,) = page.tags("img")
    assert (picture["width"], picture["height"]) == ("320", "240")


def test_a_picture_cannot_leave_its_attribute():
    _, page = card(JobState.SUCCEEDED, outputs=[{"data": {"image/png": 'x" onerror="alert(1)'}}])
    (picture,) = page.tags("img")
    assert picture["src"] == "data:image/png;base64,xonerror=alert1"


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ('<b onclick="x()" class="c" id="i">bold</b>', "<b>bold</b>"),
        ("<p>a<b>b</p>c", "<p>a<b>b</b></p>c"),
        ("</div></div>text", "text"),
        ("<script>x()</script>y", "y"),
        ("<style>td{color:red}</style><td>1", "<td>1</td>"),
        ("<svg><script>x()</script><a>t</a></svg>after", "after"),
        ('<a href="javascript:x()">t</a>', "<a>t</a>"),
        ('<a href="https://e.org/">t</a>', '<a href="https://e.org/" rel="noopener noreferrer">t</a>'),
        ('<img src="https://e.org/track.png">', "<img>"),
        (f'<img src="data:image/png;base64,{PNG}">', f'<img src="data:image/png;base64,{PNG}">'),
        ('<img src="data:image/svg+xml;base64,AA">', "<img>"),
        ('<td style="color:red;position:fixed;background-color:rgb(1, 2, 3)">', None),
        ('<p style="color:expression(x());width:url(http://e)">t</p>', "<p>t</p>"),
        ("<form action=http://e><input><button>b</button></form>", "b"),
        ("<iframe src=//e></iframe>a&lt;b", "a&lt;b"),
        ("<!-- c --><!DOCTYPE x><?php?>t", "t"),
        ('<p title="a&quot;b">&amp;</p>', '<p title="a&quot;b">&amp;</p>'),
    ],
)
def test_html_of_the_job_is_reduced_to_what_is_harmless(html, clean):
    result, scripted = sanitize(html)
    if clean is None:
        assert result == '<td style="color:red;background-color:rgb(1, 2, 3)"></td>'
    else:
        assert result == clean
    assert scripted == ("<script" in html)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_html_becomes_well_formed(html):
    page = Page(sanitize(html)[0])
    assert not page.tags("script")


# text from anywhere

_HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "<script>x</script>",
            "</pre></div>",
            '"><img src=x onerror=y>',
            "\x00\x1b[31m\x07",
            "\ud800",
            "&lt;",
        ]
    ),
    st.text(alphabet=st.characters(categories=["Cc", "Cs", "Co", "Cf"]), max_size=10),
)


@settings(deadline=None)
@given(hostile=_HOSTILE, log=st.binary(max_size=200))
def test_no_text_of_a_job_can_break_its_card(hostile, log):
    bundle, page = card(
        JobState.FAILED,
        reason=Reason.USER_ERROR,
        message=hostile,
        started=NOW - 1,
        ended=NOW,
        spec=spec(origin=hostile, outputs=("a",)),
        host=hostile,
        python=hostile,
        error={
            "type": hostile,
            "message": hostile,
            "traceback": f"Cell In[1], line 1\n--> 1 {hostile}\n{hostile}: x",
        },
        returned=(
            ReturnedName(name="a", type=hostile, size=1, detail=hostile),
            ReturnedName(name="b", error=hostile),
        ),
        progress=Progress(step=1, total=2, metrics={hostile: hostile}),
        outputs=[{"data": {"text/plain": hostile, "text/html": hostile}}],
        notes=[hostile],
        log=log,
    )
    assert "digits" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", bundle["text/html"] + bundle["text/plain"])
    bundle["text/html"].encode()
    bundle["text/plain"].encode()


def test_the_traceback_of_a_rank_is_shown_once_whatever_the_others_print_after_it():
    tail = TerminalTail()
    tail.feed(b"one\n", 1)
    tail.feed(b"begun ", 0)
    tail.feed(b"Cell In[1], line 1\n\nE: x\n", 0)
    tail.feed(b"two\nthree\n", 1)
    error = {"type": "E", "traceback": "Cell In[1], line 1\n\nE: x", "rank": 0}
    bundle, page = card(JobState.FAILED, reason=Reason.USER_ERROR, error=error, log=tail)
    assert page.text.count("E: x") == 1
    lines = [(line["rank"], line["text"].strip()) for line in bundle[MIME]["log"]["lines"]]
    assert lines == [(1, "one"), (0, "begun"), (1, "two"), (1, "three")]


def test_a_log_without_the_traceback_at_its_end_is_left_whole():
    error = {"type": "E", "traceback": "Cell In[1], line 1\nE: x"}
    bundle, _ = card(JobState.FAILED, reason=Reason.USER_ERROR, error=error, log=b"E: x\nlast words\n")
    assert [line["text"] for line in bundle[MIME]["log"]["lines"]] == ["E: x", "last words"]
