"""A run told to other programs: a crate and a statement, of whatever a notebook says."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovlab.batch.provenance import sidecar
from sovlab.batch.provenance.crate import crate
from sovlab.batch.provenance.private import Private
from sovlab.batch.provenance.reading import read_notebook
from sovlab.batch.provenance.sidecar import Sidecar
from sovlab.batch.provenance.slsa import statement
from sovlab.batch.provenance.told import input_of, told
from sovlab.batch.record import LARGEST, cells_digest, fitted, parameters_digest, told_message
from sovlab.cli import main
from tests.batch.provenance.crates import check_crate, check_statement

CELL = {"cell_type": "code", "source": "lr", "metadata": {}, "outputs": [], "execution_count": 1, "id": "a"}
INJECTED = {**CELL, "source": "lr = 0.5", "metadata": {"tags": ["injected-parameters"]}, "id": "b"}
RECORD = {
    "schema": 1,
    "sovlab": "0.1",
    "run": {
        "id": "in-1",
        "target": "lab 1",
        "status": "succeeded",
        "message": "",
        "started": 1795648000.5,
        "finished": 1795648060.0,
    },
    "kernel": {"wanted": "mine", "used": "python3"},
    "python": "3.12.1",
    "accel": {"backend": "cuda", "gpus": 2},
    "nodes": 4,
    "energy": {
        "joules": 3600.0,
        "source": "counter",
        "method": "NVML energy counter",
        "scope": "device",
        "coverage": 0.5,
    },
    "notebook": {"sha256": cells_digest([INJECTED, CELL])},
    "code": {"commit": "ab" * 20, "dirty": True, "remote": "https://git.example.org/a/b"},
    "image": {
        "registry": "r.example.org:5000",
        "name": "lab/cuda",
        "tag": "1",
        "digest": "sha256:" + "cd" * 32,
    },
    "lock": {
        "count": 12,
        "sha256": "ef" * 32,
        "packages": ["numpy==2.1.0", "scikit_learn==1.5+x", "no version"],
    },
}


def notebook(record=RECORD, parameters=None, **papermill):
    given_ = {"lr": 0.5, "name": "é 中", "deep": {"a": [1]}, "nan": float("nan"), "empty": "", "": 1}
    said = {"input_path": "in.ipynb", "parameters": given_ if parameters is None else parameters, **papermill}
    return {
        "cells": [INJECTED, CELL],
        "metadata": {"sovlab": record, "papermill": said},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture
def folder(tmp_path):
    said = sidecar.write(tmp_path / "out.ipynb", {"packages": ["numpy==2.1.0"]})
    (tmp_path / "out.ipynb").write_text(json.dumps(notebook({**RECORD, "sidecar": said})))
    (tmp_path / "in.ipynb").write_text(json.dumps({**notebook(None), "cells": [CELL]}))
    return tmp_path


def test_a_crate_has_all_that_is_known(folder, capsys):
    assert (
        main(["show", str(folder / "out.ipynb"), "--rocrate", "--agent", "https://orcid.org/0000-0001"]) == 0
    )
    made = folder / "out.crate"
    graph = check_crate(json.loads((made / "ro-crate-metadata.json").read_text()), made)
    assert sorted(each.name for each in made.iterdir()) == [
        "in.ipynb",
        "out.ipynb",
        "out.ipynb.sovlab.json",
        "ro-crate-metadata.json",
    ]
    action = graph["#run-in-1"]
    assert (action["startTime"], action["endTime"]) == ("2026-11-25T23:06:40Z", "2026-11-25T23:07:40Z")
    assert action["agent"] == [{"@id": "https://orcid.org/0000-0001"}]
    assert "error" not in action
    assert {each["@id"] for each in action["object"]} == {
        *(
            "in.ipynb",
            "#parameter-lr",
            "#parameter-name",
            "#parameter-deep",
            "#parameter-nan",
            "#parameter-empty",
        ),
        "#code-" + "ab" * 20,
    }
    assert {each["@id"] for each in action["result"]} == {"out.ipynb", "out.ipynb.sovlab.json"}
    energy = graph["#energy"]
    assert (energy["value"], energy["unitText"]) == (3600.0, "J")
    assert energy["measurementTechnique"] == "counter: NVML energy counter"
    assert energy["description"] == "counter, of the device, 50% of the run's time"
    assert graph["#image"]["sha256"] == "cd" * 32
    assert graph["#image"]["registry"] == "r.example.org:5000"
    assert graph["#parameter-deep"]["value"] == '{"a": [1]}'
    assert graph["https://pypi.org/project/scikit_learn/1.5%2Bx/"]["softwareVersion"] == "1.5+x"
    assert graph["out.ipynb"]["sha256"] == hashlib.sha256((folder / "out.ipynb").read_bytes()).hexdigest()
    assert "no licence" in graph["./"]["license"].lower()


def test_a_statement_has_all_that_is_known(folder, capsys):
    assert main(["show", str(folder / "out.ipynb"), "--slsa"]) == 0
    made = json.loads(capsys.readouterr().out)
    predicate = check_statement(made)
    assert made["subject"] == [
        {
            "name": "out.ipynb",
            "digest": {"sha256": hashlib.sha256((folder / "out.ipynb").read_bytes()).hexdigest()},
        }
    ]
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert definition["externalParameters"]["notebook"] == {
        "name": "in.ipynb",
        "cellsSha256": RECORD["notebook"]["sha256"],
    }
    assert definition["externalParameters"]["parameters"]["nan"] == "NaN"
    assert definition["internalParameters"]["energy"]["source"] == "counter"
    uris = [each.get("uri") for each in definition["resolvedDependencies"]]
    assert uris == [
        None,
        "git+https://git.example.org/a/b",
        f"docker://r.example.org:5000/lab/cuda@sha256:{'cd' * 32}",
        "pkg:pypi/numpy@2.1.0",
        "pkg:pypi/scikit-learn@1.5%2Bx",
    ]
    assert definition["resolvedDependencies"][1]["annotations"] == {"dirty": True}
    assert details["builder"]["id"] == "urn:sovlab:target:lab%201"
    assert details["metadata"]["invocationId"] == "in-1"
    assert [each["name"] for each in details["byproducts"]] == ["out.ipynb.sovlab.json"]


def test_a_failed_run_is_told_with_its_error_and_no_energy_is_told_where_none_is_known(folder):
    run = {**RECORD["run"], "status": "failed", "message": "ZeroDivisionError"}
    record = {**RECORD, "run": run, "energy": {"joules": 5.0, "source": "a guess"}}
    found = told(notebook(record), folder / "out.ipynb", Sidecar(), None)
    graph = check_crate(crate(found, published="2026-11-29"))
    assert graph["#run-in-1"]["error"] == "ZeroDivisionError"
    assert graph["#run-in-1"]["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert "#energy" not in graph
    assert "energy" not in check_statement(statement(found))["buildDefinition"]["internalParameters"]


def test_only_a_notebook_with_the_same_cells_is_taken_for_the_one_that_was_run(folder, capsys):
    path = folder / "out.ipynb"
    assert input_of(notebook(), path, read_notebook) == folder / "in.ipynb"
    (folder / "in.ipynb").write_text(json.dumps({**notebook(None), "cells": [{**CELL, "source": "2"}]}))
    assert input_of(notebook(), path, read_notebook) is None
    assert main(["show", str(path), "--slsa"]) == 0
    assert "has other cells now" in capsys.readouterr().err
    (folder / "in.ipynb").write_text("[")
    assert input_of(notebook(), path, read_notebook) is None
    for said in ("s3://b/in.ipynb", "a\0b", "", 5, "/etc/passwd", str(folder)):
        assert input_of(notebook(input_path=said), path, read_notebook) is None


def test_two_notebooks_of_one_name_are_two_files_of_a_crate(folder):
    (folder / "a").mkdir()
    (folder / "in.ipynb").rename(folder / "a" / "out.ipynb")
    made = notebook({**RECORD}, input_path=str(folder / "a" / "out.ipynb"))
    (folder / "out.ipynb").write_text(json.dumps(made))
    assert main(["show", str(folder / "out.ipynb"), "--rocrate", str(folder / "c")]) == 0
    graph = check_crate(json.loads((folder / "c" / "ro-crate-metadata.json").read_text()), folder / "c")
    assert graph["input-out.ipynb"]["alternateName"] == "out.ipynb"


def test_another_crate_is_not_written_over_and_ours_is(folder, capsys):
    path, metadata = str(folder / "out.ipynb"), folder / "c" / "ro-crate-metadata.json"
    for _ in range(2):
        assert main(["show", path, "--rocrate", str(folder / "c"), "--license", "CC0"]) == 0
    assert json.loads(metadata.read_text())["@graph"][1]["license"] == "CC0"
    for other in ('{"@graph": []}', "[", "[]"):
        metadata.write_text(other)
        assert main(["show", path, "--rocrate", str(folder / "c")]) == 2
        assert metadata.read_text() == other
    assert "is another crate's" in capsys.readouterr().err


def test_what_cannot_be_asked_for_is_refused(folder, capsys):
    path = str(folder / "out.ipynb")
    assert main(["show", path, "--slsa", "--rocrate"]) == 2
    assert main(["show", path, "--agent", "me"]) == 2
    (folder / "file").write_text("")
    assert main(["show", path, "--rocrate", str(folder / "file")]) == 2
    (folder / "plain.ipynb").write_text(json.dumps(notebook(None)))
    assert main(["show", str(folder / "plain.ipynb"), "--slsa"]) == 1
    assert "has no record of a run" in capsys.readouterr().err


def test_people_are_told_of_the_file_beside(folder, capsys):
    path = folder / "out.ipynb"
    main(["show", str(path)])
    assert "More        out.ipynb.sovlab.json\n" in capsys.readouterr().out
    sidecar.write(path, {"another": "run"})
    main(["show", str(path)])
    assert "More        out.ipynb.sovlab.json is not the one of this run" in capsys.readouterr().out


KEYS = sorted(
    {*RECORD, *(key for each in RECORD.values() if isinstance(each, dict) for key in each), "sidecar"}
)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["counter", "succeeded"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(ANY, ANY, ANY, st.text(), st.text())
def test_no_content_makes_a_crate_or_a_statement_that_is_none(folder, record, parameters, path, agent, text):
    changed = dict.fromkeys(RECORD, record) if isinstance(record, str) else record
    made = notebook(
        {**RECORD, **changed} if isinstance(changed, dict) else changed, parameters, input_path=path
    )
    beside = sidecar.read(folder / "out.ipynb", {"sidecar": record})
    found = told(made, folder / "out.ipynb", beside, input_of(made, folder / "out.ipynb", read_notebook))
    check_crate(crate(found, published="2026-11-29", agent=agent, license_=text))
    check_statement(statement(found))


@pytest.mark.parametrize(
    "record",
    [
        [],
        5,
        "x",
        {"run": 5},
        {"run": {"id": []}, "sidecar": {"name": [], "sha256": {}}},
        {"lock": {"packages": [1]}},
    ],
)
@pytest.mark.parametrize("words", [["--slsa"], ["--rocrate"], []])
def test_a_hostile_notebook_gives_a_message_or_a_document(tmp_path, capsys, record, words):
    path = tmp_path / "x.ipynb"
    path.write_text(
        json.dumps({**notebook(record), "cells": [5, None, {"cell_type": [], "source": 5, "metadata": 1}]})
    )
    assert main(["show", str(path), *words]) in (0, 1)
    assert "Traceback" not in capsys.readouterr().err


# --- the size of a record


def test_a_record_of_a_large_run_is_small_and_keeps_what_matters():
    record = json.loads(json.dumps(RECORD))
    record["run"]["message"] = "中" * 300
    record["lock"]["packages"] = [f"a-package-of-a-long-name-{n}==1.2.{n}" for n in range(40)]
    record["accel"]["devices"] = [{"name": "中" * 100, "count": n} for n in range(4)]
    record["code"]["remote"] = "https://git.example.org/" + "a" * 270
    made = fitted(record)
    assert len(json.dumps(made, ensure_ascii=False).encode()) <= LARGEST
    assert made["run"]["id"] == "in-1"
    assert made["energy"] == RECORD["energy"]
    assert made["lock"]["sha256"] == RECORD["lock"]["sha256"]
    assert made["lock"]["packages"][0] == "a-package-of-a-long-name-0==1.2.0"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("ZeroDivisionError: division by zero", "ZeroDivisionError: division by zero"),
        (
            "NotebookFailed: In [3] failed: OSError: no https://me:tiger@db.example.org/x",
            "NotebookFailed: In [3] failed: OSError: (left out: it looks like a secret)",
        ),
        ("OSError: " + "x" * 280 + " /very/long/home/x", "OSError: " + "x" * 280 + " ~/x"),
        ("hf_" + "aB3" * 12, "(left out: it looks like a secret)"),
    ],
)
def test_an_error_that_quotes_a_secret_is_kept_without_it(message, kept):
    assert told_message(message, Private(["/very/long/home"])) == kept


def test_the_digest_of_parameters_is_that_of_their_canonical_json():
    text = '{"a":[1,true,null,"NaN"],"é":"-Infinity"}'
    found = parameters_digest({"é": float("-inf"), "a": (1, True, None, float("nan"))})
    assert found == hashlib.sha256(text.encode()).hexdigest()
