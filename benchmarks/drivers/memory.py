"""Memory that is there before a sample begins.

The host of a virtual machine takes back what has been free for a second or two. To have it again costs up to
some seconds a GiB: whoever allocates next would pay that, and it would be taken for its own work.
"""

from __future__ import annotations

import mmap
import subprocess
import sys


def touch(size: int) -> None:
    """Have ``size`` bytes in use for a moment, in a process of its own: this one's peak stays its own."""
    subprocess.run([sys.executable, __file__, str(size)], check=True)


if __name__ == "__main__":
    with mmap.mmap(-1, int(sys.argv[1])) as taken:
        for offset in range(0, len(taken), mmap.PAGESIZE):
            taken[offset] = 1
