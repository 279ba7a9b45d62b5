"""What was found is kept for a while, and looked for anew once something has changed that can be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
import trees

from sovlab.backends import Machine, cache, circumstances, detect, detections, known
from sovlab.backends.registry import BUILT_IN

WATCHED = """
import sys
from pathlib import Path
from sovlab.backends import cache, detections
cache._SETTLED = 0.0
found = detections(Path(sys.argv[1]))
looked = [name for name in ("sovlab.backends.cuda", "sovlab.backends.hpu", "importlib.metadata")
          if name in sys.modules]
print([d.backend for d in found], looked)
"""


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Packages that were installed a moment ago do not keep anything from being kept."""
    monkeypatch.setattr(cache, "_SETTLED", 0.0)


def here(root, **environ):
    return Machine(root=root, environ=environ, nvml="")


def devices(directory, machine):
    return {d.backend: [v.index for v in d.devices] for d in detections(directory, machine) if d.devices}


def told(directory):
    """The one file that is kept."""
    (file,) = directory.glob("*.json")
    return file


def test_what_is_kept_is_what_was_found(tmp_path):
    found = detections(tmp_path)
    assert found == detect()
    assert detections(tmp_path) == found
    assert json.loads(told(tmp_path).read_bytes())["added"] is False


def test_the_next_process_looks_neither_for_hardware_nor_for_packages(tmp_path):
    said = [
        subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path!r}\n{WATCHED}", tmp_path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    looked = "['sovlab.backends.cuda', 'sovlab.backends.hpu', 'importlib.metadata']"
    assert said == [f"{[*BUILT_IN]} {looked}\n", f"{[*BUILT_IN]} []\n"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"time": 1e12, "found": [], "added": false}',
        b'{"time": 0}',
    ],
    ids=repr,
)
def test_a_file_that_is_damaged_or_of_another_version_is_written_anew(tmp_path, content):
    found = detections(tmp_path)
    told(tmp_path).write_bytes(content)
    assert detections(tmp_path) == found
    assert json.loads(told(tmp_path).read_bytes())["found"]


@pytest.mark.parametrize("place", ["found", "devices"])
def test_a_file_with_parts_of_another_kind_is_written_anew(tmp_path, place):
    found = detections(tmp_path)
    content = json.loads(told(tmp_path).read_bytes())
    if place == "found":
        content["found"] = content["found"][:2]
    else:
        content["found"][0][1] = [["zero", None]]
    told(tmp_path).write_text(json.dumps(content))
    assert detections(tmp_path) == found


@pytest.mark.parametrize("age", [cache.FRESH + 1, -60.0])
def test_what_is_old_or_comes_from_the_future_does_not_count(tmp_path, age):
    detections(tmp_path)
    content = json.loads(told(tmp_path).read_bytes())
    content["found"][0][2] = "Made up."
    told(tmp_path).write_text(json.dumps(content))
    assert detections(tmp_path)[0].why == "Made up."
    told(tmp_path).write_text(json.dumps({**content, "time": content["time"] - age}))
    assert detections(tmp_path)[0].why != "Made up."


def test_what_nobody_needs_any_more_is_removed(tmp_path):
    root, kept = tmp_path / "root", tmp_path / "kept"
    root.mkdir()
    detections(kept, here(root))
    old = told(kept)
    os.utime(old, (0, 0))
    trees.amd(root)
    detections(kept, here(root))
    assert not old.exists()


def test_a_directory_that_cannot_be_written_changes_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert detections(tmp_path / "file" / "hardware") == detect()


def test_processes_at_once_find_the_same_and_leave_one_whole_file(tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", WATCHED, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert {process.communicate()[0].partition("]")[0] for process in started} == {str([*BUILT_IN])[:-1]}
    assert {process.returncode for process in started} == {0}
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    assert json.loads(told(tmp_path).read_bytes())["found"]


# what changes on the machine


def _mode(root):
    (root / "dev/dri/renderD128").chmod(0)
    (root / "dev/dri/renderD128").chmod(0o640)


@pytest.mark.parametrize(
    ("appears", "name"),
    [
        (lambda root: trees.nvidia_proc(root, ("0000:18:00.0", "NVIDIA H100 80GB HBM3")), "cuda"),
        (trees.amd, "rocm"),
        (lambda root: trees.intel_card(root, 0, "0000:18:00.0", "0x0bd5"), "xpu"),
        (lambda root: trees.gaudi(root, 0, 0), "hpu"),
    ],
    ids=["cuda", "rocm", "xpu", "hpu"],
)
def test_a_device_that_appears_is_seen_at_once(tmp_path, appears, name):
    root, kept = tmp_path / "root", tmp_path / "kept"
    root.mkdir()
    assert set(devices(kept, here(root))) == {"cpu"}
    assert set(devices(kept, here(root))) == {"cpu"}
    appears(root)
    assert set(devices(kept, here(root))) == {"cpu", name}


def test_a_device_that_is_gone_or_out_of_order_is_not_offered_any_more(tmp_path):
    root, kept = tmp_path / "root", tmp_path / "kept"
    trees.amd(root, gpus=2)
    trees.gaudi(root, 0, 0)
    assert devices(kept, here(root)) == {"cpu": [0], "rocm": [0, 1], "hpu": [0]}
    (root / "dev/dri/renderD136").unlink()
    next(root.glob("sys/devices/*/*/status")).write_text("Malfunction\n")
    assert devices(kept, here(root)) == {"cpu": [0], "rocm": [0]}


def test_a_device_that_the_environment_hides_is_hidden_at_once_and_for_this_environment_alone(tmp_path):
    root, kept = tmp_path / "root", tmp_path / "kept"
    trees.amd(root, gpus=2)
    assert devices(kept, here(root))["rocm"] == [0, 1]
    assert devices(kept, here(root, HIP_VISIBLE_DEVICES="1"))["rocm"] == [1]
    assert devices(kept, here(root))["rocm"] == [0, 1]


@pytest.mark.parametrize("change", [_mode, lambda root: (root / "dev/nvidia0").write_text("")])
def test_who_may_open_a_device_file_matters_and_so_does_each_new_one(tmp_path, change):
    trees.amd(tmp_path)
    before = circumstances.hardware(tmp_path)
    assert circumstances.hardware(tmp_path) == before
    change(tmp_path)
    assert circumstances.hardware(tmp_path) != before


def test_every_variable_that_a_backend_reads_is_among_the_circumstances(tmp_path):
    class Recorder(Mapping):
        def __init__(self):
            self.read = set()

        def __getitem__(self, name):
            self.read.add(name)
            raise KeyError(name)

        def __iter__(self):
            return iter(())

        def __len__(self):
            return 0

    trees.nvidia_proc(tmp_path, ("0000:18:00.0", "NVIDIA H100 80GB HBM3"))
    trees.amd(tmp_path)
    trees.intel_card(tmp_path, 0, "0000:18:00.0", "0x0bd5")
    trees.gaudi(tmp_path, 0, 0)
    environ = Recorder()
    detect(Machine(root=tmp_path, environ=environ, nvml=""))
    assert {known()[name].backend.visible_devices for name in BUILT_IN if name != "cpu"} <= environ.read
    assert environ.read <= {*circumstances.VARIABLES}


# packages that add backends

ADDED = """
from pathlib import Path
from sovlab.backends import Provider
from sovlab.core.backend import Backend, Detection, Device
def look(machine):
    count = int((Path(__file__).parent / "count").read_text())
    return Detection(backend="tpx", devices=tuple(Device(index=i) for i in range(count)), why="Counted.")
PROVIDER = Provider(
    Backend(name="tpx", title="Test TPX", device="tpx", distributed="gloo", visible_devices="TPX"), look
)
"""


@pytest.mark.parametrize("folder", ["lib/site-packages", "source"])
def test_a_package_that_is_installed_later_adds_its_backend_and_looks_each_time(tmp_path, folder):
    place, kept = tmp_path / folder, tmp_path / "kept"
    place.mkdir(parents=True)
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r})\nfrom pathlib import Path\n"
        "from sovlab.backends import cache, detections, choose\nfrom sovlab.core.capacity import Capacity\n"
        "cache._SETTLED = 0.0\n"
        f"found = detections(Path({str(kept)!r}))\n"
        "counts = {d.backend: len(d.devices) for d in found}\n"
        "offers = [Capacity(detection=d, total=len(d.devices), free=len(d.devices), queued=0, source='')"
        " for d in found if d.backend not in ('cuda', 'rocm', 'xpu', 'hpu')]\n"
        "print(counts.get('tpx'), choose('auto', 0, offers)[0].name)"
    )

    def run():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run() == "None cpu"
    (place / "addon.py").write_text(ADDED)
    (place / "count").write_text("2")
    info = place / "addon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: addon\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sovlab.backends]\ntpx = addon:PROVIDER\n")
    assert run() == "2 tpx"
    (place / "count").write_text("3")
    assert run() == "3 tpx"
    for file in (*info.iterdir(), info):
        file.unlink() if file.is_file() else file.rmdir()
    assert run() == "None cpu"


def test_entry_points_that_are_edited_where_they_stand_are_seen(tmp_path, monkeypatch):
    info = tmp_path / "addon.egg-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[console_scripts]\n")
    os.utime(info / "entry_points.txt", (0, 0))
    monkeypatch.syspath_prepend(str(tmp_path))
    before = circumstances.packages()
    (info / "entry_points.txt").write_text("[sovlab.backends]\n")
    assert circumstances.packages() != before


def test_places_of_packages_that_have_only_just_changed_are_not_trusted(tmp_path, monkeypatch):
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(cache, "_SETTLED", 3600.0)
    assert detections(tmp_path / "kept") == detect()
    assert not (tmp_path / "kept").exists()
