"""What is private in a text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.provenance.private import Private

ALICE = Private(["/data/u/alice"], ["alice"], ["gpu-box-7"], ["/scratch/alice/work/run1"], any_home=True)


@pytest.mark.parametrize(
    ("text", "cleared"),
    [
        ("/data/u/alice/x.py", "~/x.py"),
        ("see /data/u/alice.", "see ~."),
        ('File "/data/u/alice/x.py", line 1', 'File "~/x.py", line 1'),
        ("\x1b[32m/data/u/alice/x.py\x1b[0m", "\x1b[32m~/x.py\x1b[0m"),
        ("file:///data/u/alice/x", "file://~/x"),
        ("/data/u/alicea/x", "/data/u/alicea/x"),
        ("/mnt/data/u/alice/x", "/mnt/data/u/user/x"),
        ("/home/bob/x and /Users/carol", "~/x and ~"),
        (r"C:\Users\bob\x.py", r"~\x.py"),
        ("/scratch/alice/work/run1/data.csv", "./data.csv"),
        ("/lustre/alice/big.npy", "/lustre/user/big.npy"),
        ("on gpu-box-7: ok", "on host: ok"),
        ("gpu-box-71 my-gpu-box-7", "gpu-box-71 my-gpu-box-7"),
        ("alice likes /usr/lib/python3", "alice likes /usr/lib/python3"),
        ("https://example.org/home/alice", "https://example.org/home/alice"),
    ],
)
def test_a_text_is_cleared_of_paths_and_names(text, cleared):
    assert ALICE.without(text) == cleared


def test_what_was_found_is_told():
    found = []
    ALICE.without("\x1b[1m/data/u/alice/x on gpu-box-7", found.append)
    assert [(each.kind, each.text) for each in found] == [("home", "/data/u/alice"), ("host", "gpu-box-7")]


def test_names_that_many_have_are_not_private():
    assert Private(users=["root", "jovyan"], hosts=["localhost"]).without("/x/root/jovyan on localhost") == (
        "/x/root/jovyan on localhost"
    )


def test_here_is_this_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/very/own/place-of-zaphod")
    cleared = Private.here().cleared(
        {"/very/own/place-of-zaphod/x": ["a /very/own/place-of-zaphod"], "n": 1.5}
    )
    assert cleared == {"~/x": ["a ~"], "n": 1.5}


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_not_private_stays(value):
    assert Private(["/data/u/alice"]).cleared(value) == value


def test_what_is_nested_without_end_is_cut():
    deep = []
    for _ in range(50_000):
        deep = [deep]
    assert "None" in repr(ALICE.cleared(deep))
