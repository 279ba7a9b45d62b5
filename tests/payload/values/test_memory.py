"""Memory on the way there and back: never more than 1.3 times the payload."""

import subprocess
import sys
import textwrap

import pytest

MIB = 1 << 20
SIZE = 256 * MIB

COMMON = """
import os, pathlib, resource, sys
def peak():
    # On Linux a child's ru_maxrss begins with that of its parent; the mark of its own memory does not.
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = pathlib.Path(sys.argv[1])
"""
VALUES = {
    "tensor": "import torch; torch.ones(4).sum(); make = lambda: torch.ones(SIZE // 4)",
    "array": "import numpy as np; make = lambda: np.ones(SIZE // 8)",
    "bytes": "make = lambda: b'x' * SIZE",
    "parts": "import torch; make = lambda: [torch.ones(SIZE // 4 // 64) for _ in range(64)]",
}


def run(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("kind", VALUES)
def test_packing_and_loading_stay_within_the_payload(tmp_path, kind):
    pack = COMMON + textwrap.dedent(
        f"""
        SIZE = {SIZE}
        {VALUES[kind]}
        import cloudpickle
        from sovlab.payload.code import Cell
        Cell("x", {{"x": 1}}).pack(path)
        empty = peak()
        x = make()
        packed = Cell("x", {{"x": x}}).pack(path, send=("x",))
        print(peak() - empty, packed.path)
        """
    )
    used, packed = run(pack, tmp_path)
    assert 0.99 * SIZE < int(used) <= 1.3 * SIZE  # the peak is counted in pages of several sizes
    load = COMMON + textwrap.dedent(
        f"""
        SIZE = {SIZE}
        {VALUES[kind]}
        from sovlab.runner.values.pack import Pack
        from sovlab.runner.values.pickling import load
        empty = peak()
        values, errors = load(Pack(path), ["x"], main={{}})
        x = values["x"]
        parts = x if isinstance(x, list) else [x]
        total = len(x) if isinstance(x, bytes) else sum(float(t.sum()) for t in parts)
        print(peak() - empty, int(total))
        """
    )
    used, total = run(load, packed)
    assert int(used) <= 1.3 * SIZE
    assert int(total) == {"tensor": SIZE // 4, "array": SIZE // 8, "bytes": SIZE, "parts": SIZE // 4}[kind]
