"""The commit of a run's code, of real repositories."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from sovlab.batch.provenance.commits import commit_of, public_remote


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*words):
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "in.ipynb").write_text("{}")
    (tmp_path / "out.ipynb").write_text("{}")
    (tmp_path / "lib.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return git


def asked(folder):
    return commit_of([folder], folder / "in.ipynb", [folder / "out.ipynb"])


def test_a_clean_checkout_is_its_commit(repository, tmp_path):
    assert asked(tmp_path) == {"commit": repository("rev-parse", "HEAD"), "dirty": False}


def test_the_output_of_the_run_itself_is_no_change(repository, tmp_path):
    (tmp_path / "out.ipynb").write_text('{"cells": []}')
    assert asked(tmp_path)["dirty"] is False


def test_changes_are_told_with_their_digest(repository, tmp_path):
    (tmp_path / "lib.py").write_text("x = 2\n")
    first = asked(tmp_path)
    difference = subprocess.run(["git", "diff", "HEAD", "--binary"], cwd=tmp_path, capture_output=True).stdout
    assert first["dirty"] is True
    assert first["diff_sha256"] == hashlib.sha256(difference).hexdigest()
    (tmp_path / "lib.py").write_text("x = 3\n")
    assert asked(tmp_path)["diff_sha256"] != first["diff_sha256"]


def test_a_notebook_in_no_commit_is_a_change(repository, tmp_path):
    (tmp_path / "new.ipynb").write_text("{}")
    assert commit_of([tmp_path], tmp_path / "new.ipynb", []) == {
        "commit": repository("rev-parse", "HEAD"),
        "dirty": True,
    }


def test_the_remote_has_no_credentials(repository, tmp_path):
    repository("remote", "add", "origin", "https://me:hunter2@git.example.org/group/x.git")
    assert asked(tmp_path)["remote"] == "https://git.example.org/group/x.git"


def test_the_repository_of_a_hook_is_not_taken_for_the_notebooks(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert asked(tmp_path)["commit"] == repository_head(tmp_path)


def repository_head(folder):
    return (folder / ".git" / (folder / ".git" / "HEAD").read_text().split()[1]).read_text().strip()


def test_without_a_repository_or_a_commit_or_git_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert commit_of([tmp_path / "plain", tmp_path / "missing"], None, []) == {}
    subprocess.run(["git", "init", "-q", "plain"], cwd=tmp_path, check=True)
    assert commit_of([tmp_path / "plain"], None, []) == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of([tmp_path / "plain"], None, []) == {}


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://git.example.org/a/b.git", "https://git.example.org/a/b.git"),
        ("https://token@git.example.org:8443/a/b?key=1#x", "https://git.example.org:8443/a/b"),
        ("git@git.example.org:a/b.git", "ssh://git.example.org/a/b.git"),
        ("ssh://git@git.example.org/a/b", "ssh://git.example.org/a/b"),
        ("/srv/git/b.git", ""),
        ("../b.git", ""),
        ("file:///home/me/b.git", ""),
        ("C:\\b", ""),
        ("https://git.example.org/zaphodb/b.git", ""),
        ("git@git.example.org:zaphodb/b.git", ""),
        ("https://[half/b", ""),
        ("https://git.example.org:port/b", ""),
        ("", ""),
    ],
)
def test_only_a_servers_remote_that_names_not_the_user_is_public(url, public, monkeypatch):
    monkeypatch.setenv("USER", "zaphodb")
    assert public_remote(url) == public
