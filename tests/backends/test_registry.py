"""Which backends are known, with real packages that add some."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from sovlab.backends import get, known
from sovlab.errors import BackendError

GOOD = """
from sovlab.backends import Provider
from sovlab.core.backend import Backend, Detection, Device
PROVIDER = Provider(
    Backend(name="tpx", title="Test TPX", device="tpx", distributed="gloo", visible_devices="TPX"),
    lambda machine: Detection(backend="tpx", devices=(Device(index=0, model="T1"),), why="It is here."),
)
"""


@pytest.fixture
def package(tmp_path):
    """Install a package with entry points, and run code that sees it."""

    def run(points, code, module=GOOD):
        (tmp_path / "addon.py").write_text(module)
        info = tmp_path / "addon-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: addon\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[sovlab.backends]\n" + points)
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_five_are_there_with_what_each_vendor_needs():
    assert list(known())[:5] == ["cpu", "cuda", "rocm", "xpu", "hpu"]
    told = {n: (p.backend.device, p.backend.distributed, p.backend.resource) for n, p in known().items()}
    assert told["cpu"] == ("cpu", "gloo", "")
    assert told["cuda"] == ("cuda", "nccl", "nvidia.com/gpu")
    assert told["rocm"] == ("cuda", "nccl", "amd.com/gpu")
    assert told["xpu"] == ("xpu", "xccl", "gpu.intel.com/xe")
    assert told["hpu"] == ("hpu", "hccl", "habana.ai/gaudi")
    assert [n for n, p in known().items() if not p.backend.is_accelerator] == ["cpu"]


def test_the_five_work_without_installed_metadata(tmp_path):
    code = (
        "import importlib.metadata, sys\n"
        "assert not list(importlib.metadata.entry_points(group='sovlab.backends'))\n"
        "from sovlab.backends import known; print(*known())"
    )
    import sovlab

    root = str(next(iter(sovlab.__path__)).rpartition("/")[0])
    (tmp_path / "sovlab").symlink_to(f"{root}/sovlab")
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path = [{str(tmp_path)!r}, *sys.path[1:]]\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={},
    )
    assert done.stdout.split() == ["cpu", "cuda", "rocm", "xpu", "hpu"], done.stderr


def test_a_package_adds_a_backend(package):
    out = package(
        "tpx = addon:PROVIDER\n",
        "from sovlab.backends import known, get, detect\n"
        "found = [d.devices[0].model for d in detect() if d.backend == 'tpx']\n"
        "print(get('tpx').title, found, 'tpx' in known())",
    )
    assert out == "Test TPX ['T1'] True\n"


@pytest.mark.parametrize(
    ("point", "module", "says"),
    [
        ("tpx = addon:PROVIDER", "import not_there", "not_there"),
        ("tpx = addon:PROVIDER", "PROVIDER = 3", "holds int, not Provider"),
        ("tpx = addon:NOTHING", GOOD, "NOTHING"),
        ("other = addon:PROVIDER", GOOD, "calls itself 'tpx'"),
    ],
)
def test_a_broken_package_is_reported_and_hides_nothing(package, point, module, says):
    name = point.split()[0]
    out = package(
        point + "\n",
        "from sovlab.backends import known, get, detect\n"
        "from sovlab.errors import BackendError\n"
        "assert list(known()) == ['cpu', 'cuda', 'rocm', 'xpu', 'hpu']\n"
        f"print([d.why for d in detect() if d.backend == {name!r}])\n"
        "try:\n"
        f"    get({name!r})\n"
        "except BackendError as error:\n"
        "    print(error)",
        module,
    )
    listed, raised = out.splitlines()
    assert says in listed
    assert says in raised
    assert "package addon" in raised


def test_a_built_in_name_cannot_be_taken(package):
    out = package(
        "cuda = addon:PROVIDER\n",
        "from sovlab.backends import broken, get; print(get('cuda').title); print(*broken().items())",
    )
    assert out.startswith("NVIDIA CUDA\n")
    assert "cuda of addon" in out


@pytest.mark.parametrize(("name", "near"), [("cudda", "cuda"), ("CUDA", "cuda"), ("rocn", "rocm")])
def test_an_unknown_name_gets_the_list_and_the_nearest(name, near):
    with pytest.raises(BackendError, match=f"Did you mean {near}") as caught:
        get(name)
    assert "cpu, cuda, rocm, xpu, hpu" in str(caught.value)


def test_backends_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get("cpu").device = "cuda"
    with pytest.raises(TypeError):
        known()["cpu"] = None
