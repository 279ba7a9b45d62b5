"""``sovlab publish``: what is taken out of a notebook, what stays, and what is only named."""

from __future__ import annotations

import copy
import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output

from sovlab.batch.publishing.hints import looks_secret
from sovlab.batch.publishing.stripping import Published
from sovlab.batch.record import cells_digest
from sovlab.batch.recorded import was_changed
from sovlab.cli import main

HOME = "/data/people/zaphodb"
KEY = "hf_" + "aB3" * 12


@pytest.fixture(autouse=True)
def _zaphod(monkeypatch):
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setenv("USER", "zaphodb")


def executed():
    outputs = [
        new_output("stream", name="stdout", text=f"read {HOME}/data.csv\n"),
        new_output(
            "error",
            ename="OSError",
            evalue=f"no {HOME}/x",
            traceback=[f"File \x1b[32m{HOME}/proj/in.py:3\x1b[39m", "File /home/trillian/lib.py"],
        ),
        new_output(
            "display_data",
            data={
                "text/html": f"<a href='file://{HOME}/x'>x</a>",
                "application/json": {"path": f"{HOME}/y", "n": [1, 2.5, None, True]},
                "image/png": "iVBORw0KGgo=",
            },
        ),
    ]
    made = new_notebook(
        cells=[
            new_code_cell("lr = 0.1", metadata={"tags": ["parameters"]}),
            new_code_cell("work()", outputs=outputs, execution_count=2),
        ]
    )
    made.metadata["papermill"] = {
        "input_path": f"{HOME}/proj/in.ipynb",
        "output_path": "s3://bucket/secret-project/out.ipynb?sig=abc",
        "environment_variables": {"HOME": HOME},
        "parameters": {"lr": 0.1},
        "version": "2.7.0",
    }
    made.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"a": {"value": f"{HOME}/w"}}}
    }
    made.metadata["sovlab"] = {
        "schema": 1,
        "run": {"id": "in-1", "target": "secret-cluster", "status": "failed", "message": f"no {HOME}/x"},
        "notebook": {"sha256": cells_digest(made.cells)},
        "image": {"registry": "registry.intern.example", "name": "lab/x", "digest": "sha256:" + "ab" * 32},
        "code": {"commit": "ab" * 20, "remote": "https://git.intern.example/a/b"},
        "sidecar": {"name": "out.ipynb.sovlab.json", "sha256": "cd" * 32},
    }
    return made


def write(tmp_path, notebook):
    path = tmp_path / "out.ipynb"
    path.write_text(json.dumps(notebook))
    return path


def test_what_tells_of_a_person_or_a_site_is_gone_and_all_else_is_as_it_was():
    before = executed()
    kept = copy.deepcopy(before)
    made = Published(before)
    text = json.dumps(made.notebook)
    for word in ("zaphodb", "trillian", "bucket", "sig=abc", "secret-cluster", "intern.example"):
        assert word not in text
    assert made.notebook["metadata"]["papermill"] == {
        "input_path": "in.ipynb",
        "output_path": "out.ipynb",
        "environment_variables": {},
        "parameters": {"lr": 0.1},
        "version": "2.7.0",
    }
    outputs = made.notebook["cells"][1]["outputs"]
    assert outputs[0]["text"] == "read ~/data.csv\n"
    assert outputs[1]["traceback"] == ["File \x1b[32m~/proj/in.py:3\x1b[39m", "File ~/lib.py"]
    assert outputs[2]["data"]["application/json"] == {"path": "~/y", "n": [1, 2.5, None, True]}
    assert outputs[2]["data"]["image/png"] == "iVBORw0KGgo="
    assert made.notebook["metadata"]["sovlab"]["image"] == {"name": "lab/x", "digest": "sha256:" + "ab" * 32}
    assert made.notebook["metadata"]["sovlab"]["code"] == {"commit": "ab" * 20}
    assert [cell["source"] for cell in made.notebook["cells"]] == [cell.source for cell in before.cells]
    assert not was_changed(made.notebook)
    assert before == kept
    nbformat.validate(nbformat.from_dict(made.notebook))


def test_each_thing_is_told_once():
    assert Published(executed()).taken == [
        "papermill's input_path, but for the file's name in.ipynb.",
        "papermill's output_path, but for the file's name out.ipynb.",
        "papermill's environment_variables: 1.",
        "The name of the target, in sovlab's record.",
        "The site's own registry of the image, in sovlab's record.",
        "The site's own remote of the code, in sovlab's record.",
        "The reference to the file beside the notebook, which stays here.",
        "sovlab's record: a home directory, ~ in its place.",
        "The state of the widgets: a home directory, ~ in its place.",
        "Cell 2, outputs: a home directory, ~ in its place, 6 times.",
    ]


def test_a_published_notebook_has_nothing_more_to_be_taken_out():
    again = Published(Published(executed()).notebook)
    assert (again.taken, again.hints) == ([], [])


def test_what_everybody_may_know_of_a_run_stays():
    made = executed()
    made.metadata.sovlab["image"]["registry"] = "ghcr.io"
    made.metadata.sovlab["code"]["remote"] = "https://github.com/a/b"
    record = Published(made).notebook["metadata"]["sovlab"]
    assert record["image"]["registry"] == "ghcr.io"
    assert record["code"]["remote"] == "https://github.com/a/b"


def test_widgets_go_when_that_is_asked():
    made = Published(executed(), widgets=False)
    assert "widgets" not in made.notebook["metadata"]
    assert "The state of the widgets." in made.taken


def test_sources_and_parameters_are_left_and_named():
    made = new_notebook(
        cells=[
            new_code_cell(f"open('{HOME}/x')"),
            new_code_cell(f"token = '{KEY}'"),
            new_code_cell("1", outputs=[new_output("stream", name="stdout", text="x" * 100_000 + f" {KEY}")]),
        ],
        metadata={
            "papermill": {"parameters": {"path": f"{HOME}/data", "api_key": "abcdefgh"}},
            "kernelspec": {"name": "python3", "display_name": f"Python ({HOME}/env)"},
        },
    )
    published = Published(made)
    assert published.taken == []
    assert published.notebook == made
    assert published.hints == [
        "Parameter path names a home directory or a machine.",
        "Parameter api_key looks like a secret.",
        "The kernel's name tells of a home directory or a machine.",
        "Cell 1: its source names a home directory or a machine, and is left as it is.",
        "Cell 2: its source holds what looks like a secret.",
        "Cell 3: an output holds what looks like a secret.",
    ]
    assert KEY not in " ".join(published.hints)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("api_key = 'abcdefgh'", True),
        ("connect(password='tiger5')", True),
        ('{"password": "tiger5"}', True),
        ("https://me:tiger5@db.example.org/", True),
        ("api_key = os.environ['API_KEY']", False),
        ("api_key = '…'", False),
        ("api_key = '<your key>'", False),
        ("password = '****'", False),
        ("tokens = 'a b c'", False),
        ("", False),
    ],
)
def test_what_looks_like_a_secret(text, secret):
    assert looks_secret(text) is secret


def test_the_command_writes_a_copy_and_says_what_it_did(tmp_path, capsys):
    path = write(tmp_path, executed())
    before = path.read_bytes()
    assert main(["publish", str(path)]) == 0
    told = capsys.readouterr().err
    assert "Taken out: papermill's input_path" in told
    assert "out.public.ipynb" in told
    assert path.read_bytes() == before
    made = json.loads((tmp_path / "out.public.ipynb").read_text())
    assert made == Published(json.loads(before)).notebook
    assert main(["publish", str(path), str(tmp_path / "other.ipynb")]) == 0
    assert json.loads((tmp_path / "other.ipynb").read_text()) == made


def test_the_notebook_itself_is_changed_only_in_place(tmp_path, capsys):
    path = write(tmp_path, executed())
    (tmp_path / "link.ipynb").symlink_to(path)
    before = path.read_bytes()
    for same in (path, tmp_path / "link.ipynb"):
        assert main(["publish", str(path), str(same)]) == 2
        assert "over the notebook itself" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["publish", str(path), "x.ipynb", "--in-place"]) == 2
    assert main(["publish", str(path), "--in-place"]) == 0
    assert b"zaphodb" not in path.read_bytes()


def test_check_writes_nothing_and_fails_where_something_would_be_taken_out(tmp_path, capsys):
    path = write(tmp_path, executed())
    assert main(["publish", str(path), "--check"]) == 1
    assert "Would be taken out: papermill's input_path" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["out.ipynb"]
    main(["publish", str(path), "--in-place"])
    assert main(["publish", str(path), "--check"]) == 0


def test_what_looks_like_a_secret_is_a_failure(tmp_path, capsys):
    path = write(tmp_path, new_notebook(cells=[new_code_cell(f"key = '{KEY}'")]))
    assert main(["publish", str(path)]) == 1
    told = capsys.readouterr().err
    assert "Look at this: Cell 1" in told
    assert KEY not in told
    assert (tmp_path / "out.public.ipynb").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys):
    path = write(tmp_path, executed())
    assert main(["publish", str(path), str(tmp_path / "none" / "x.ipynb")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["out.ipynb"]


KEYS = [
    *("papermill", "sovlab", "run", "target", "image", "registry", "code", "remote", "input_path", "tags"),
    *("parameters", "environment_variables", "outputs", "data", "text", "traceback", "source"),
]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(ANY, ANY, ANY)
def test_no_content_is_an_error(metadata, cell, outputs):
    made = {
        "cells": [cell, {"cell_type": "code", "source": cell, "metadata": metadata, "outputs": outputs}],
        "metadata": metadata,
        "nbformat": 4,
    }
    before = copy.deepcopy(made)
    published = Published(made)
    assert json.dumps(made) == json.dumps(before)
    assert json.dumps(Published(published.notebook).notebook) == json.dumps(published.notebook)
    assert all(isinstance(each, str) for each in (*published.taken, *published.hints))


def test_what_is_nested_without_end_is_refused_or_cut(tmp_path, capsys):
    path = tmp_path / "deep.ipynb"
    deep = "[" * 900 + "]" * 900
    cells = f'[{{"cell_type": "code", "outputs": {deep}}}]'
    path.write_text(f'{{"cells": {cells}, "metadata": {{"sovlab": {deep}}}, "nbformat": 4}}')
    assert main(["publish", str(path)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
