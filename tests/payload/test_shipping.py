"""The runner as one file."""

import os
import shutil
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
    shipping._with_bytecode.cache_clear()
    assert shipping.runner_zip(tmp_path / "runner") == first
    assert first.stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "runner").glob("*.pyz")] == [first.name]


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
    names = ("main", "values.pickling", "source.installing", "values.tensors")
    mods = ", ".join(f"sovlab.runner.{name}" for name in names)
    out = _import_from(other_python, path, f"import {mods}, cloudpickle, sovlab\nprint(sovlab.__version__)")
    assert out == sovlab.__version__


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SovlabError, match="cannot be written"):
        shipping.runner_zip(tmp_path / "file" / "runner")


@pytest.fixture
def settled(monkeypatch):
    """Sources that were written a moment ago are noted too."""
    monkeypatch.setattr(shipping, "_SETTLED", 0.0)
    shipping._with_bytecode.cache_clear()


WATCHED = """
import sys
from pathlib import Path
import cloudpickle, zipfile
from sovlab.payload import shipping
shipping._SETTLED = 0.0
seen = []
def watch(event, arguments):
    if event == "compile" or (event == "open" and str(arguments[0]).endswith(".py")):
        seen.append(event)
sys.addaudithook(watch)
path = shipping.runner_zip(Path(sys.argv[1]))
print(path.name, seen.count("open"), seen.count("compile"))
"""


def _watched(directory):
    done = subprocess.run([sys.executable, "-c", WATCHED, directory], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, opened, compiled = done.stdout.split()
    return name, int(opened), int(compiled)


def test_the_next_process_reads_and_compiles_no_source(tmp_path):
    name, opened, compiled = _watched(tmp_path)
    assert opened > 40
    assert compiled > 40
    assert _watched(tmp_path) == (name, 0, 0)


def _damage(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(64))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        _damage,
        lambda path: (_damage(path), os.utime(path, ns=(0, 1_700_000_000_000_000_000))),
    ],
    ids=["gone", "empty", "cut off", "overwritten", "overwritten, with an old time"],
)
def test_a_runner_that_is_not_whole_is_made_anew(tmp_path, settled, harm):
    path = shipping.runner_zip(tmp_path)
    good = zipfile.ZipFile(path).read("sovlab/errors.py")
    harm(path)
    assert shipping.runner_zip(tmp_path) == path
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("sovlab/errors.py") == good


@pytest.mark.parametrize(
    "content",
    [b"", b'{"runner": "', b"[]", b"null", b"{}", b'{"runner": 3, "status": []}', b"\xff\x00"],
    ids=repr,
)
def test_a_note_that_cannot_be_read_is_written_anew(tmp_path, settled, content):
    path = shipping.runner_zip(tmp_path)
    (note,) = tmp_path.glob("*.json")
    good = note.read_bytes()
    note.write_bytes(content)
    assert shipping.runner_zip(tmp_path) == path
    assert note.read_bytes() == good


def test_a_note_of_another_file_is_not_believed(tmp_path, settled):
    path = shipping.runner_zip(tmp_path)
    (note,) = tmp_path.glob("*.json")
    other = tmp_path / "other.pyz"
    other.write_bytes(path.read_bytes())
    note.write_text(note.read_text().replace(path.name, other.name))
    assert shipping.runner_zip(tmp_path) == path


def test_a_copy_of_the_directory_keeps_its_runner(tmp_path, settled):
    path = shipping.runner_zip(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copied = tmp_path / "b" / path.name
    before = copied.stat().st_ino
    assert shipping.runner_zip(tmp_path / "b") == copied
    assert copied.stat().st_ino == before


def test_processes_at_once_agree_and_none_replaces_what_another_uses(tmp_path):
    gate = tmp_path / "gate"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom sovlab.payload import shipping\n"
        "print('ready', flush=True)\n"
        f"while not Path({str(gate)!r}).exists(): time.sleep(0.001)\n"
        f"path = shipping.runner_zip(Path({str(tmp_path / 'runner')!r}))\n"
        "print(path.name, path.stat().st_ino)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    gate.touch()
    said = {process.communicate()[0] for process in started}
    assert len(said) == 1, said
    name = said.pop().split()[0]
    assert zipfile.ZipFile(tmp_path / "runner" / name).testzip() is None
    assert [p.name for p in (tmp_path / "runner").iterdir() if not p.name.endswith(".json")] == [name]


@pytest.fixture
def editable(tmp_path):
    """A copy of sovlab that is run from its sources; calls make a runner from it."""
    package = tmp_path / "tree" / "sovlab"
    shutil.copytree(
        Path(sovlab.errors.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )

    def make(settled=0.0):
        code = (
            "import sys\nfrom pathlib import Path\nfrom sovlab.payload import shipping\n"
            f"assert shipping.__file__.startswith({str(package)!r})\nshipping._SETTLED = {settled}\n"
            "print(shipping.runner_zip(Path(sys.argv[1])))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "runner"],
            capture_output=True,
            text=True,
            cwd=package.parent,
        )
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    return package, make


def test_an_edited_source_makes_another_runner_and_the_edit_taken_back_the_first(editable):
    package, make = editable
    first = make()
    source, added = package / "runner" / "values" / "hashing.py", package / "runner" / "values" / "added.py"
    original, status = source.read_bytes(), source.stat()
    # Neither its size nor the time of its content tells that it has changed.
    edited = original[:3] + original[3:4].swapcase() + original[4:]
    source.write_bytes(edited)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = make()
    added.write_text("VALUE = 1\n")
    third = make()
    assert len({first, second, third}) == 3
    assert zipfile.ZipFile(second).read("sovlab/runner/values/hashing.py") == edited
    assert zipfile.ZipFile(third).read("sovlab/runner/values/added.py") == b"VALUE = 1\n"
    added.unlink()
    source.write_bytes(original)
    assert make() == first


def test_a_source_that_has_only_just_changed_is_not_noted(editable):
    _, make = editable
    # It may change once more without getting another time.
    path = make(settled=3600.0)
    assert list(path.parent.glob("*.json")) == []
    assert make() == path
    assert len(list(path.parent.glob("*.json"))) == 1


def test_the_small_one_is_kept_too_and_does_without_a_directory(tmp_path, settled):
    small = shipping.small_runner(tmp_path / "runner")
    assert shipping.small_runner(tmp_path / "runner") == small
    (path,) = (tmp_path / "runner").glob("small-*.pyz")
    path.write_bytes(small[:1000])
    assert shipping.small_runner(tmp_path / "runner") == small
    (tmp_path / "file").write_text("")
    assert shipping.small_runner(tmp_path / "file" / "runner") == small
    names = zipfile.ZipFile(path).namelist()
    assert "sovlab/runner/main.py" in names
    assert not [name for name in names if name.endswith(".pyc")]
