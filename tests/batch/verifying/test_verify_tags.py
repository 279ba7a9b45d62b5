"""Tags and comments ask for what they ask of nbval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbval.plugin import find_comment_markers, find_metadata_tags

from sovlab.batch.verifying.tags import Marks, marks_of
from tests.batch.verifying.made import code

NAMES = {"check": "check", "check_exception": "raises", "skip": "skip"}


def theirs(markers):
    return {NAMES[name]: value for name, value in dict(markers).items()}


def ours(marks: Marks):
    return {
        name: getattr(marks, name) for name in NAMES.values() if getattr(marks, name) not in (None, False)
    } | ({"check": False} if marks.check is False else {})


TAGS = [
    "nbval-ignore-output", "nbval-check-output", "nbval-raises-exception", "raises-exception", "nbval-skip",
    "pytest-validate-ignore-output", "NBVAL_SKIP", "parameters",
]  # fmt: skip
LINES = [
    "# NBVAL_IGNORE_OUTPUT", "#NBVAL_CHECK_OUTPUT", "  ## NBVAL_RAISES_EXCEPTION  ", "# NBVAL_SKIP", "x = 1",
    "x = 1  # NBVAL_SKIP", "# PYTEST_VALIDATE_IGNORE_OUTPUT", "# nbval_skip", "# see NBVAL_SKIP",
]  # fmt: skip


@given(st.lists(st.sampled_from(TAGS)), st.lists(st.sampled_from(LINES)))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tags_and_comments_are_read_as_nbval_reads_them(tags, lines):
    source = "\n".join(lines)
    want = theirs(find_metadata_tags({"tags": tags})) | theirs(find_comment_markers(source))
    assert ours(marks_of(code(source=source, tags=tags))) == want


def test_contradictions_are_told():
    marks = marks_of(code(tags=["nbval-check-output"], source="# NBVAL_IGNORE_OUTPUT"))
    assert marks.check is False
    assert marks.notes == [
        "Tags or comments say both to check and to ignore its output; NBVAL_IGNORE_OUTPUT counts."
    ]


@pytest.mark.parametrize(
    ("word", "rtol", "atol"),
    [("sovlab-tol=1e-3", 1e-3, None), ("sovlab-tol=0,0.5", 0.0, 0.5), ("sovlab-tol=2", 2, None)],
)
def test_a_tolerance_is_read_from_a_tag_and_from_a_comment(word, rtol, atol):
    for cell in (code(tags=[word]), code(source=f"# {word}\nf()")):
        marks = marks_of(cell)
        assert (marks.rtol, marks.atol, marks.notes) == (rtol, atol, [])


@pytest.mark.parametrize(
    "word", ["sovlab-tol=", "sovlab-tol=x", "sovlab-tol=-1", "sovlab-tol=nan", "sovlab-tol=1,2,3"]
)
def test_what_is_no_tolerance_loosens_nothing_and_is_told(word):
    marks = marks_of(code(tags=[word]))
    assert (marks.rtol, marks.atol) == (None, None)
    assert marks.notes == [f"{word} is no tolerance and does not count: write sovlab-tol=1e-3."]


@pytest.mark.parametrize("tags", [None, "nbval-skip", {"nbval-skip": 1}, [None, 3, ["nbval-skip"]]])
def test_tags_that_are_no_list_of_texts_ask_for_nothing(tags):
    assert marks_of(code(tags=tags)) == Marks()
