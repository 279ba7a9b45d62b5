"""Local modules found through imports."""

import os
import sys

import pytest

from sovlab.errors import CaptureError
from sovlab.payload.files import modules


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.fixture(autouse=True)
def clean_modules(monkeypatch):
    """What a test imports is forgotten after it."""
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("sklearn", "numpy", "torch", "scipy", "encodings", "hypothesis")):
            del sys.modules[name]
    sys.path[:] = path
    sys.path_importer_cache.clear()


def test_a_package_travels_as_a_tree_without_what_nobody_needs(tmp_path):
    write(
        tmp_path,
        {
            "mypkg/__init__.py": "from . import sub",
            "mypkg/sub/__init__.py": "from ..deep import thing",
            "mypkg/deep.py": "thing = 1",
            "mypkg/data/labels.json": "{}",
            "mypkg/unused.py": "x = 1",
            "mypkg/__pycache__/deep.cpython-311.pyc": b"\0",
            "mypkg/.git/config": "x",
            "mypkg/.hidden": "x",
            "mypkg/checkpoints/a.bin": b"x",
            "mypkg/best.pt": b"x",
            "mypkg/huge.bin": b"x" * (modules.MAX_FILE + 1),
            "unrelated.py": "x",
        },
    )
    found = modules.collect({"mypkg.sub", "json", "numpy"}, tmp_path)
    assert sorted(found.files) == [
        "mypkg/__init__.py",
        "mypkg/data/labels.json",
        "mypkg/deep.py",
        "mypkg/sub/__init__.py",
        "mypkg/unused.py",
    ]
    assert sorted(found.messages) == [
        "mypkg/best.pt of the local package mypkg was left out: it is a checkpoint.",
        "mypkg/huge.bin of the local package mypkg was left out: its size is 5.0 MB.",
    ]


def test_a_single_module_brings_its_own_local_imports(tmp_path):
    write(
        tmp_path,
        {
            "one.py": "import json, two\ntry:\n    import absent_library\nexcept ImportError: pass",
            "two.py": "def f():\n    import three_pkg.inner\n    importlib.import_module('four')",
            "three_pkg/__init__.py": "",
            "three_pkg/inner.py": "import one",
            "four.py": "",
            "five.py": "",
        },
    )
    found = modules.collect({"one"}, tmp_path)
    assert sorted(found.files) == [
        "four.py",
        "one.py",
        "three_pkg/__init__.py",
        "three_pkg/inner.py",
        "two.py",
    ]


def test_namespace_packages_of_several_places(tmp_path, monkeypatch):
    write(tmp_path, {"p1/space/a.py": "", "p2/space/b.py": ""})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "p1"), str(tmp_path / "p2"), *sys.path])
    assert sorted(modules.collect({"space.a"}, tmp_path).files) == ["space/a.py", "space/b.py"]


def test_a_local_directory_named_like_a_stdlib_module_is_not_mistaken_for_it(tmp_path):
    write(
        tmp_path,
        {"json/notes.txt": "x", "work/statistics/mod.py": "", "work/main_mod.py": "import statistics"},
    )
    assert not modules.collect({"json"}, tmp_path).files
    assert sorted(modules.collect({"main_mod"}, tmp_path / "work").files) == ["main_mod.py"]


def test_a_module_that_shadows_a_stdlib_one_travels_as_it_does_here(tmp_path):
    write(tmp_path, {"this.py": "VALUE = 1"})
    assert sorted(modules.collect({"this"}, tmp_path).files) == ["this.py"]


def test_links_are_followed_and_loops_end(tmp_path):
    write(tmp_path, {"pkg/__init__.py": "", "elsewhere/real.py": "X = 1", "elsewhere/dir/mod.py": ""})
    os.symlink(tmp_path / "elsewhere/real.py", tmp_path / "pkg/linked.py")
    os.symlink(tmp_path / "elsewhere/dir", tmp_path / "pkg/sub")
    os.symlink(tmp_path / "pkg", tmp_path / "pkg/loop")
    os.symlink(tmp_path / "nowhere", tmp_path / "pkg/broken.py")
    found = modules.collect({"pkg"}, tmp_path)
    assert sorted(found.files) == ["pkg/__init__.py", "pkg/linked.py", "pkg/sub/mod.py"]
    assert dict(found.read())["pkg/linked.py"] == b"X = 1"


def test_an_installed_library_stays_and_an_editable_one_travels(tmp_path, monkeypatch):
    write(tmp_path, {"env/site-packages/lib_a/__init__.py": "", "src/lib_b/__init__.py": ""})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "env/site-packages"), str(tmp_path / "src"), *sys.path])
    assert sorted(modules.collect({"lib_a", "lib_b", "sovlab", "torch"}, tmp_path).files) == [
        "lib_b/__init__.py"
    ]


def test_a_changed_file_is_read_anew(tmp_path):
    write(tmp_path, {"mod_x.py": "import mod_y", "mod_y.py": "", "mod_zz.py": ""})
    assert sorted(modules.collect({"mod_x"}, tmp_path).files) == ["mod_x.py", "mod_y.py"]
    write(tmp_path, {"mod_x.py": "import mod_zz"})
    assert sorted(modules.collect({"mod_x"}, tmp_path).files) == ["mod_x.py", "mod_zz.py"]


def test_a_broken_module_travels_all_the_same(tmp_path):
    write(tmp_path, {"bad_mod.py": "def (:"})
    assert sorted(modules.collect({"bad_mod"}, tmp_path).files) == ["bad_mod.py"]


def test_a_module_that_cannot_be_read_is_named(tmp_path):
    write(tmp_path, {"gone_mod.py": ""})
    found = modules.collect({"gone_mod"}, tmp_path)
    (tmp_path / "gone_mod.py").unlink()
    with pytest.raises(CaptureError, match=r"gone_mod\.py cannot be read"):
        list(found.read())


def test_names_with_spaces_unicode_and_bytes(tmp_path):
    write(tmp_path, {"pkg_u/__init__.py": "", "pkg_u/ä ö.json": "{}"})
    with open(os.fsencode(tmp_path) + b"/pkg_u/\xff.txt", "wb") as file:
        file.write(b"x")
    found = modules.collect({"pkg_u"}, tmp_path)
    assert sorted(found.files) == ["pkg_u/__init__.py", "pkg_u/ä ö.json"]
    assert len(found.messages) == 1
    assert "not valid Unicode" in found.messages[0]


def test_a_cell_runs_in_the_job_with_a_package_beside_the_notebook(notebook):
    write(
        notebook.directory,
        {
            "nb_pkg/__init__.py": "from .core import train",
            "nb_pkg/core.py": "from . import helpers\nclass Result:\n    pass\n"
            "def train(x):\n    r = Result()\n    r.value = helpers.double(x)\n    return r",
            "nb_pkg/helpers.py": "def double(x):\n    return 2 * x",
            "nb_single.py": "from nb_pkg import train as t",
        },
    )
    sys.path.insert(0, str(notebook.directory))
    out, _ = notebook.submit("from nb_pkg import train\nprint(train(4).value)")
    assert out == "8\n"
    notebook.run("import nb_single\nfrom nb_pkg.core import Result, train\nr = [train(5)]")
    packed = notebook.pack("print(r[0].value, nb_single.t(1).value)")
    assert "nb_pkg/helpers.py" in packed.files
    assert notebook.job(packed)[0] == "10 2\n"
    # Only the value tells of the module here.
    notebook.run("del nb_single, Result, train")
    assert "nb_pkg/core.py" in notebook.pack("print(r)").files
