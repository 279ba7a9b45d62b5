"""The file beside an executed notebook: written in one step, and read only if it is of that run."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from sovlab.batch.provenance import sidecar
from sovlab.batch.provenance.images import parts_of


def test_it_is_beside_the_notebook_and_named_by_its_digest(tmp_path):
    notebook = tmp_path / "out.ipynb"
    notebook.write_text("{}")
    notebook.chmod(0o640)
    said = sidecar.write(notebook, {"packages": ["é==1"]})
    path = tmp_path / "out.ipynb.sovlab.json"
    assert said == {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.ipynb", path.name]
    found = sidecar.read(notebook, {"sidecar": said})
    assert found == sidecar.Sidecar(path.name, {"packages": ["é==1"]}, path)


def test_one_of_another_run_counts_for_nothing(tmp_path):
    notebook = tmp_path / "out.ipynb"
    said = sidecar.write(notebook, {"run": 1})
    sidecar.write(notebook, {"run": 2})
    found = sidecar.read(notebook, {"sidecar": said})
    assert (found.content, found.path) == ({}, None)
    assert "is not the one of this run" in found.problem


def test_one_that_is_gone_is_told_and_one_that_was_renamed_with_its_notebook_is_found(tmp_path):
    said = sidecar.write(tmp_path / "out.ipynb", {"run": 1})
    moved = tmp_path / "kept.ipynb.sovlab.json"
    os.rename(tmp_path / "out.ipynb.sovlab.json", moved)
    assert sidecar.read(tmp_path / "out.ipynb", {"sidecar": said}).problem == "is not there"
    assert sidecar.read(tmp_path / "kept.ipynb", {"sidecar": said}).path == moved


def test_a_write_that_fails_leaves_the_earlier_one_and_nothing_else(tmp_path):
    notebook = tmp_path / "out.ipynb"
    said = sidecar.write(notebook, {"run": 1})
    with pytest.raises(ValueError, match="Out of range"):
        sidecar.write(notebook, {"run": float("nan")})
    assert sidecar.read(notebook, {"sidecar": said}).content == {"run": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "said",
    [
        *(None, 1, [], {}, {"name": 1, "sha256": "x"}, {"name": "../../x.sovlab.json", "sha256": "x"}),
        *({"name": "/etc/x.sovlab.json", "sha256": "x"}, {"name": "x.txt", "sha256": "x"}),
        {"name": "a\0.sovlab.json", "sha256": "x"},
    ],
)
def test_a_reference_that_is_none_is_none(tmp_path, said):
    assert sidecar.read(tmp_path / "out.ipynb", {"sidecar": said}) == sidecar.Sidecar()


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, json.dumps("x").encode()])
def test_content_that_is_no_object_is_told(tmp_path, data):
    (tmp_path / "out.ipynb.sovlab.json").write_bytes(data)
    said = {"name": "out.ipynb.sovlab.json", "sha256": hashlib.sha256(data).hexdigest()}
    assert "cannot be read" in sidecar.read(tmp_path / "out.ipynb", {"sidecar": said}).problem


DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("", {}),
        ("python", {"registry": "docker.io", "name": "library/python", "tag": "latest"}),
        ("me/x:1", {"registry": "docker.io", "name": "me/x", "tag": "1"}),
        (f"r:5000/a/b/c@{DIGEST}", {"registry": "r:5000", "name": "a/b/c", "digest": DIGEST}),
        (
            f"r.example.org/x:2@{DIGEST}",
            {"registry": "r.example.org", "name": "x", "tag": "2", "digest": DIGEST},
        ),
        ("localhost/x@sha256:short", {"registry": "localhost", "name": "x", "tag": "latest"}),
    ],
)
def test_an_image_is_taken_apart(image, parts):
    assert parts_of(image) == parts
