"""Files that a notebook names: sent, or said before the run begins, and not missed in it."""

from __future__ import annotations

import pytest

from sovlab.payload.notebooks import code


def notebook(*sources):
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    return code.Notebook(cells=cells, metadata={}, kernel="python3")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "here" / "data").mkdir(parents=True)
    (tmp_path / "here" / "data" / "train.csv").write_text("a,b\n1,2\n")
    (tmp_path / "here" / "config.yaml").write_text("lr: 0.1\n")
    (tmp_path / "here" / ".env").write_text("TOKEN=1\n")
    (tmp_path / "beside.csv").write_text("1\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "here"


def pack(made, tmp_path, **options):
    return made.pack(tmp_path / "store", **options)


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import csv; list(csv.reader(open('data/train.csv')))", ["data/train.csv"]),
        ("from pathlib import Path\nPath('data') / 'train.csv'", ["data/train.csv"]),
        ("split = 'train'\nopen(f'data/{split}.csv')", ["data/train.csv"]),
        ("import os\nos.path.join('data', 'train.csv')", ["data/train.csv"]),
        ("import glob\nglob.glob('data/*.csv')", ["data/train.csv"]),
        ("open('./config.yaml')", ["config.yaml"]),
        ("open('data/../config.yaml')", ["config.yaml"]),
        ("# open('config.yaml')\nprint('no/such/file.csv', '..', '/', '*', ' ')", []),
        ("%load config.yaml", []),
        ("this is no Python (", []),
    ],
)
def test_what_a_cell_names_and_is_small_travels(folder, tmp_path, source, files):
    packed = pack(notebook("x = 1", source), tmp_path)
    assert sorted(packed.files) == files
    assert packed.messages == []


def test_what_does_not_travel_is_said_with_the_cell_that_names_it(folder, tmp_path):
    (folder / "large.bin").write_bytes(b"x" * 6_000_000)
    absolute = tmp_path / "beside.csv"
    cells = (
        "open('large.bin')",
        f"open({str(absolute)!r})",
        "open('~/beside.csv')",
        "open('.env')",
        "open('../beside.csv')",
    )
    packed = pack(notebook(*cells), tmp_path)
    assert sorted(packed.files) == []
    said = "\n".join(packed.messages)
    assert "large.bin, which cell 1 may read, was not sent: its size is 6.0 MB" in said
    assert "--file large.bin" in said
    assert f"{absolute}, which cell 2 names, was not sent" in said
    assert "~/beside.csv, which cell 3 names, was not sent" in said
    assert ".env, which cell 4 may read, was not sent: .env is hidden" in said
    assert "which cell 5 may read, was not sent: it is not below" in said
    assert len(packed.messages) == 5


def test_what_is_named_is_sent_whatever_it_is_and_then_not_said(folder, tmp_path):
    (folder / "large.bin").write_bytes(b"x" * 6_000_000)
    packed = pack(notebook("open('large.bin')"), tmp_path, files=["large.bin"])
    assert sorted(packed.files) == ["large.bin"]
    assert packed.messages == []


def test_it_is_found_from_the_working_directory_of_the_job(folder, tmp_path):
    from sovlab.runner.values.pack import Pack

    packed = pack(notebook("open('data/train.csv')", "import os; os.listdir('data')"), tmp_path)
    assert Pack(packed.path).meta["links"] == {"data/train.csv": "data/train.csv", "data": "data"}


def test_a_job_that_sees_the_files_of_this_machine_gets_none(folder, tmp_path):
    packed = pack(notebook("open('data/train.csv')"), tmp_path, shared=True)
    assert (list(packed.files), packed.messages) == ([], [])
