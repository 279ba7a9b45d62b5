"""The object store, and the pack files in it."""

import contextlib
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.errors import SovlabError
from sovlab.payload import store
from sovlab.payload.code import Cell
from sovlab.runner.values.hashing import BLOCK, BlockHash
from sovlab.runner.values.pack import ALIGNMENT, Pack, PackError, PackWriter
from sovlab.settings import states


def big(mib):
    return np.random.default_rng(0).integers(0, 255, mib << 20, dtype=np.uint8)


def reference(data):
    """The digest as its definition says."""
    if len(data) <= BLOCK:
        return hashlib.sha256(data).hexdigest()
    blocks = [hashlib.sha256(data[i : i + BLOCK]).digest() for i in range(0, len(data), BLOCK)]
    return hashlib.sha256(b"".join(blocks)).hexdigest()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2 * BLOCK + 5), max_size=5)
    | st.lists(st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK]), max_size=4)
)
def test_the_digest_does_not_depend_on_the_pieces(sizes):
    hashing, whole = BlockHash(), bytearray()
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        hashing.update(memoryview(piece))
        whole += piece
    assert hashing.digest() == reference(bytes(whole))


def names(directory):
    return sorted(os.listdir(directory))


@pytest.mark.parametrize("value", [np.zeros(10), big(16)], ids=["small", "large"])
def test_a_payload_is_named_by_its_hash_and_written_once(tmp_path, value):
    first = Cell("print(x)", {"x": value}).pack(tmp_path)
    assert names(tmp_path) == [f"{first.digest}.pack"]
    assert reference(first.path.read_bytes()) == first.digest == Pack(first.path).digest()
    assert first.size == first.path.stat().st_size
    inode = first.path.stat().st_ino
    again = Cell("print(x)", {"x": value.copy()}).pack(tmp_path)
    assert (again.digest, again.path.stat().st_ino) == (first.digest, inode)
    assert names(tmp_path) == [f"{first.digest}.pack"]


def test_the_second_time_nothing_is_written(tmp_path):
    code = textwrap.dedent(
        """
        import sys, pathlib, numpy as np
        from sovlab.payload.code import Cell
        x = np.arange(4 << 20)
        def written():
            return int(dict(l.split(": ") for l in open("/proc/self/io"))["wchar"])
        for _ in range(2):
            before = written()
            Cell("print(x)", {"x": x}).pack(pathlib.Path(sys.argv[1]))
            print(written() - before)
        """
    )
    if not os.path.exists("/proc/self/io"):
        pytest.skip("only Linux counts what a process writes")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    first, second = map(int, done.stdout.split())
    assert first > 32 << 20
    assert second < 10_000


@pytest.mark.parametrize("value", ["few", big(3)], ids=["small", "large"])
def test_what_is_submitted_again_counts_as_used_now_and_no_sweep_takes_it(tmp_path, value):
    place = states.objects_of(tmp_path)
    path = Cell("x", {"x": value}, label="In[1]").pack(place, outputs=()).path
    os.utime(path, (1000.0, 1000.0))
    assert Cell("x", {"x": value}, label="In[1]").pack(place, outputs=()).path == path
    assert states.sweep_objects(tmp_path, time.time() - 3600) == 0
    assert path.exists()


@pytest.mark.parametrize("value", ["few", big(3)], ids=["small", "large"])
def test_submits_and_sweeps_at_once_get_along(tmp_path, value):
    place, over = states.objects_of(tmp_path), threading.Event()

    def sweep():
        while not over.is_set():
            for path in place.glob("[0-9a-f]*.pack"):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path, (1000.0, 1000.0))
            states.sweep_objects(tmp_path, 2000.0)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        digests = {Cell("x", {"x": value}, label="In[1]").pack(place, outputs=()).digest for _ in range(30)}
    finally:
        over.set()
        sweeper.join()
    assert len(digests) == 1
    assert not [path for path in place.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("place", "hashed"), [(0, 1), (BLOCK, 1), (BLOCK + 5000, 2)])
def test_another_of_the_same_size_is_written_under_its_own_name(tmp_path, monkeypatch, place, hashed):
    """Where it differs at a place that is looked at, it is not hashed before it is written."""
    value = np.zeros(8 << 20, np.uint8)
    first = Cell("print(x)", {"x": value}).pack(tmp_path)
    value[place] = 1
    made: list[BlockHash] = []
    begin = BlockHash.__init__

    def counted(self):
        made.append(self)
        begin(self)

    monkeypatch.setattr(BlockHash, "__init__", counted)
    second = Cell("print(x)", {"x": value}).pack(tmp_path)
    assert second.size == first.size
    assert names(tmp_path) == sorted(f"{pack.digest}.pack" for pack in (first, second))
    for pack in (first, second):
        assert reference(pack.path.read_bytes()) == pack.digest
    assert len(made) == hashed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_pack_that_may_not_be_read_is_no_hindrance(tmp_path):
    first = Cell("print(x)", {"x": big(8)}).pack(tmp_path)
    first.path.chmod(0)
    assert Cell("print(x)", {"x": big(8) + 1}).pack(tmp_path).digest != first.digest


def test_writers_at_once_leave_one_object(tmp_path):
    value = big(8)
    digests = []

    def work():
        digests.append(Cell("print(x)", {"x": value}).pack(tmp_path).digest)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(digests)) == 1
    assert names(tmp_path) == [f"{digests[0]}.pack"]


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path):
    code = textwrap.dedent(
        """
        import sys, os, pathlib, numpy as np
        from sovlab.payload.code import Cell
        from sovlab.errors import SovlabError
        directory = pathlib.Path(sys.argv[1])
        try:
            Cell("print(x)", {"x": np.zeros(int(sys.argv[2]))}).pack(directory)
        except SovlabError as error:
            print(error)
        print(sorted(os.listdir(directory)))
        """
    )
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        for count in ("200000", "2000000"):
            done = subprocess.run(
                [sys.executable, "-c", code, place / "objects", count], capture_output=True, text=True
            )
            message, left = done.stdout.splitlines()
            assert message.startswith("The disk has no space for a payload of 1")
            assert "sovlab clean" in message
            assert left == "[]"
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def failing(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store._Whole, "write", failing)
    with pytest.raises(SovlabError, match="no space"):
        Cell("print(x)", {"x": big(8)}).pack(tmp_path)
    assert names(tmp_path) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SovlabError, match="cannot be written to"):
        Cell("1", {}).pack(tmp_path / "file" / "objects")


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(store._Whole, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Cell("print(x)", {"x": big(8)}).pack(tmp_path)
    assert names(tmp_path) == []
    assert not [t for t in threading.enumerate() if t.name == "sovlab-hash"]


def test_what_a_killed_process_left_is_swept_in_time(tmp_path):
    old, new = tmp_path / ".aa.tmp", tmp_path / ".bb.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    Cell("print(x)", {"x": big(8)}).pack(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_the_store_is_the_users_alone(tmp_path):
    packed = Cell("1", {}).pack(tmp_path / "state" / "objects")
    assert (tmp_path / "state" / "objects").stat().st_mode & 0o777 == 0o700
    assert packed.path.stat().st_mode & 0o077 == 0


def test_segments_lie_aligned_and_come_back(tmp_path):
    path = tmp_path / "p"
    with open(path, "wb") as file, PackWriter(file) as writer:
        writer.add("empty")
        writer.add("parts", b"ab", bytearray(b"cd"), memoryview(np.arange(3)))
        stream = writer.stream("stream")
        stream.write(b"x" * 100_000)
        stream.close()
        writer.add("big", b"y" * (9 << 20))
        digest = writer.finish({"k": "ü"})
    pack = Pack(path)
    assert pack.digest() == digest
    assert pack.meta == {"k": "ü"}
    assert sorted(pack.names()) == ["big", "empty", "parts", "stream"]
    assert bytes(pack.segment("parts")) == b"abcd" + np.arange(3).tobytes()
    assert bytes(pack.segment("stream")) == b"x" * 100_000
    assert len(pack.segment("big")) == 9 << 20
    raw = path.read_bytes()
    assert raw.index(b"y" * 1000) % ALIGNMENT == 0
    with pytest.raises(KeyError):
        pack.segment("absent")


def test_a_name_twice_is_refused(tmp_path):
    with PackWriter(None) as writer:
        writer.add("a", b"")
        with pytest.raises(ValueError, match="two segments"):
            writer.add("a", b"")


@pytest.mark.parametrize("cut", [0, 5, 100, -1, -20])
def test_a_damaged_pack_is_refused(tmp_path, cut):
    packed = Cell("print(1)", {}).pack(tmp_path)
    data = packed.path.read_bytes()
    (tmp_path / "cut").write_bytes(data[:cut])
    with pytest.raises(PackError):
        Pack(tmp_path / "cut")
    (tmp_path / "noise").write_bytes(b"\0" * len(data))
    with pytest.raises(PackError):
        Pack(tmp_path / "noise")
    (tmp_path / "index").write_bytes(data.replace(b'{"meta"', b'["meta"'))
    with pytest.raises(PackError):
        Pack(tmp_path / "index")
