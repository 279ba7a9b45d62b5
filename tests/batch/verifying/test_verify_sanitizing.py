"""What differs from run to run and says nothing is taken out, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.verifying.sanitizing import DEFAULTS, Sanitizer, read_sanitizers, sanitized
from sovlab.errors import UsageError


@pytest.mark.parametrize(
    ("recorded", "again"),
    [
        ("<Line2D at 0x7f3a1c2b4d50>", "<Line2D at 0x7fffffff0010>"),
        ("saved /tmp/tmpab12/x.pt", "saved /tmp/tmpzz99/x.pt"),
        ("at /var/folders/ab/T/tmp1", "at /private/var/folders/cd/T/tmp2"),
        (r"C:\Users\me\AppData\Local\Temp\a1", r"C:\Users\you\AppData\Local\Temp\b2"),
        ("2026-01-02T03:04:05.678+00:00 done", "2025-11-12 13:14:15 done"),
        ("took 1.23 s", "took 987 ms"),
        ("took 59.1s", "took 1min 3s"),
        (
            "1.2 ms ± 3 µs per loop (mean of 7 runs, 1,000 loops each)",
            "9 ms ± 40 µs per loop (mean of 7 runs, 10 loops each)",
        ),
        ("100%|████| 10/10 [00:01<00:00, 9.9it/s]", "100%|██████| 10/10 [00:02<00:00,  4.1it/s]"),
        (
            "100%|██| 10/10 [00:01<00:00, 9.9it/s, loss=0.5]",
            "100%|██| 10/10 [00:05<00:00, 2.1it/s, loss=0.5]",
        ),
        ("45it [00:01, 44.9it/s]", "45it [00:02, 20.1it/s]"),
        ("<ipython-input-3-0a1b2c3d4e5f> in f", "<ipython-input-17-ffffffffffff> in f"),
        ("/tmp/ipykernel_123/456.py:1: W", "/tmp/ipykernel_9/88.py:1: W"),
        ("D:/x/ipykernel_123/456.py:1: W", "D:/x/ipykernel_9/88.py:1: W"),
        ("Cell In[3], line 1", "Cell In[14], line 1"),
        ("<style>#T_0a1b2_row0 {}</style>", "<style>#T_fffff_row0 {}</style>"),
    ],
)
def test_noise_is_taken_out(recorded, again):
    assert recorded != again
    assert sanitized(recorded, DEFAULTS) == sanitized(again, DEFAULTS)


@pytest.mark.parametrize(
    ("recorded", "again"),
    [
        ("mask 0xff", "mask 0xfe"),
        ("/data/tmp/a", "/data/tmp/b"),
        ("2026-01-02", "2026-01-03"),
        (
            "100%|██| 10/10 [00:01<00:00, 9.9it/s, loss=0.5]",
            "100%|██| 10/10 [00:01<00:00, 9.9it/s, loss=0.6]",
        ),
        ("100%|██| 10/10 [00:01<00:00, 9.9it/s]", "100%|██| 11/11 [00:01<00:00, 9.9it/s]"),
        ("5 samples", "6 samples"),
        ("3 hidden", "4 hidden"),
        ("v1s", "v2s"),
    ],
)
def test_results_are_left(recorded, again):
    assert sanitized(recorded, DEFAULTS) != sanitized(again, DEFAULTS)


@given(st.text(st.sampled_from("0x7fabcT_/tmp it[]|%:,.-<>s \n1"), max_size=200))
def test_the_signs_of_a_sanitiser_never_hide_what_its_pattern_finds(text):
    for each in DEFAULTS:
        assert each(text) == each.pattern.sub(each.replacement, text)


NBVAL = """\
[regex1]
regex: \\d{1,2}/\\d{1,2}/\\d{2,4}
replace: DATE-STAMP

[regex2]
regex: (\\d+) blocks
replace: \\1 X
"""


def test_files_of_nbval_are_read_as_nbval_reads_them(tmp_path):
    from nbval.plugin import get_sanitize_patterns

    ours, theirs = read_sanitizers(NBVAL), dict(get_sanitize_patterns(NBVAL))
    assert [(each.pattern.pattern, each.replacement) for each in ours] == list(theirs.items())
    text = want = "on 1/2/2026, 17 blocks"
    for regex, replacement in theirs.items():
        want = re.sub(regex, replacement, want)
    assert sanitized(text, ours) == want == "on DATE-STAMP, 17 X"


def test_a_file_with_the_line_ends_of_windows_says_the_same():
    assert read_sanitizers(NBVAL.replace("\n", "\r\n")) == read_sanitizers(NBVAL)


def test_of_two_with_the_same_regex_the_later_counts():
    assert sanitized("a", read_sanitizers("regex: a\nreplace: b\n\nregex: a\nreplace: c\n")) == "c"


def test_an_empty_file_has_no_sanitisers():
    assert read_sanitizers("\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "[only a section]\n",
        "regex: (\nreplace: x\n",
        "regex: a\nreplace: \\1\n",
        "regex: a\nreplace: \\g<no>\n",
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(text):
    with pytest.raises(UsageError, match=re.escape("my.ini")):
        read_sanitizers(text, "my.ini")


def test_a_sanitiser_of_ones_own_is_asked_of_every_text():
    assert Sanitizer("x", re.compile("[ab]"), "-")("cab") == "c--"
