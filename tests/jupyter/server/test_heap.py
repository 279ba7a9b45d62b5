"""How many heaps the server's threads share."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from sovlab.jupyter.server.heap import keep_few_arenas

kept = keep_few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
together = threading.Barrier(6)
def allocate():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
[each.start() for each in threads]
[each.join() for each in threads]
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
print(kept)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps are glibc's")
@pytest.mark.parametrize(("said", "kept", "heaps"), [("", "True", {1, 2}), ("5", "False", {3, 4, 5})])
def test_threads_share_two_heaps_unless_the_environment_says_another_number(
    tmp_path, monkeypatch, said, kept, heaps
):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if said:
        monkeypatch.setenv("MALLOC_ARENA_MAX", said)
    told = tmp_path / "heaps.xml"
    ran = subprocess.run([sys.executable, "-c", PROGRAM, told], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == kept
    assert told.read_text().count("<heap nr=") in heaps
