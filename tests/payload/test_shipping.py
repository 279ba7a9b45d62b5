"""The runner as one file."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sovlab.errors
from sovlab.errors import SovlabError
from sovlab.payload import shipping


def test_it_is_made_once_and_named_by_its_content(tmp_path):
    first = shipping.runner_zip(tmp_path / "runner")
    stamp = first.stat().st_mtime_ns
    shipping._zipped.cache_clear()
    assert shipping.runner_zip(tmp_path / "runner") == first
    assert first.stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "runner").iterdir()] == [first.name]


def test_it_holds_the_job_side_and_shadows_nothing_else(tmp_path):
    names = zipfile.ZipFile(shipping.runner_zip(tmp_path)).namelist()
    assert {n.split("/")[0] for n in names} == {"sovlab", "cloudpickle", "__main__.py"}
    assert {
        "sovlab/__init__.py",
        "sovlab/errors.py",
        "sovlab/runner/values/pickling.py",
        "cloudpickle/cloudpickle.py",
    } <= set(names)
    assert not [n for n in names if n.startswith(("sovlab/payload", "sovlab/client", "sovlab/core"))]
    assert all(f"{n}c" in names for n in names if n.endswith(".py") and n != "__main__.py")


def _import_from(python, path, code):
    done = subprocess.run(
        [python, "-I", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_this_interpreter_takes_its_bytecode_and_tracebacks_have_lines(tmp_path):
    path = shipping.runner_zip(tmp_path)
    out = _import_from(
        sys.executable,
        path,
        "import sovlab.errors, sovlab.runner.values.pickling as p, linecache\n"
        "print(p.__cached__ if hasattr(p, '__cached__') else p.__spec__.origin, p.__file__)",
    )
    assert ".pyc" in out
    text = _import_from(
        sys.executable,
        path,
        "import traceback\nfrom sovlab.runner.values.pack import Pack\n"
        "try: Pack('/nonexistent')\nexcept OSError: traceback.print_exc(file=sys.stdout)",
    )
    assert "sovlab/runner/values/pack.py" in text


def test_another_interpreter_takes_the_source(tmp_path, other_python):
    path = shipping.runner_zip(tmp_path)
    mods = ", ".join(
        f"sovlab.runner.{name}" for name in ("main", "values.pickling", "source.installing", "values.tensors")
    )
    out = _import_from(other_python, path, f"import {mods}, cloudpickle, sovlab\nprint(sovlab.__version__)")
    assert out == sovlab.__version__


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SovlabError, match="cannot be written"):
        shipping.runner_zip(tmp_path / "file" / "runner")


def test_a_changed_source_makes_another_file(tmp_path, monkeypatch):
    first = shipping.runner_zip(tmp_path)
    changed = tmp_path / "errors.py"
    changed.write_text(Path(sovlab.errors.__file__).read_text() + "\n# changed\n")
    sources = {**shipping._sources(), "sovlab/errors.py": changed}
    monkeypatch.setattr(shipping, "_sources", lambda: sources)
    assert shipping.runner_zip(tmp_path) != first
