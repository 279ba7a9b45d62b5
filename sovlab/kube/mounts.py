"""Where a container finds what is mounted into it."""

from __future__ import annotations

GIVEN, WORK, STORE, TERMINATION = "/sovlab/in", "/sovlab/work", "/sovlab/store", "/dev/termination-log"
"""Paths in a container: what it was sent, where it may write, the store, and the termination message."""
SHM = "/dev/shm"  # noqa: S108 - shared memory of the pod alone, as large as its memory
"""Where ranks and data loaders share tensors."""
