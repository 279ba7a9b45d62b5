"""Which memory one pickle holds: what several arrays and tensors share is sent once, and shared again.

An array, or the storage of a tensor, that is written whole holds all that lies within its addresses. What
comes later and lies there is sent as a view of it: `numpy` and `torch` see the same memory, so it does not
matter which of them came first (``torch.from_numpy``, ``tensor.numpy()``).
"""

from __future__ import annotations

import bisect
import sys
from typing import Any, List, NamedTuple, Tuple

SMALL = 1 << 16
"""Bytes of an array that is sent whole where only a part of it is seen."""
MUCH = 1.5
"""How many times as large as what is seen of it memory may be that is sent in its place."""


class Region(NamedTuple):
    """Memory of an array or a storage.

    Attributes:
        low: address of its first byte.
        high: address of the byte behind its last.
        owner: an array, or an untyped storage of torch's on the CPU.
    """

    low: int
    high: int
    owner: Any

    @property
    def size(self) -> int:
        """Bytes from the first to the last."""
        return self.high - self.low


class _Regions:
    """Regions by their addresses."""

    def __init__(self) -> None:
        self._lows: List[int] = []
        self._regions: List[Region] = []
        self._longest = 0

    def add(self, region: Region) -> None:
        at = bisect.bisect_right(self._lows, region.low)
        self._lows.insert(at, region.low)
        self._regions.insert(at, region)
        self._longest = max(self._longest, region.size)

    def overlapping(self, low: int, high: int) -> List[Region]:
        first = bisect.bisect_right(self._lows, low - self._longest)
        last = bisect.bisect_left(self._lows, high)
        return [region for region in self._regions[first:last] if region.high > low]

    def without(self, low: int, high: int) -> None:
        """Forget those that lie within two addresses."""
        self._regions = [r for r in self._regions if not (low <= r.low and r.high <= high)]
        self._lows = [region.low for region in self._regions]


class Plan:
    """Memory to send whole wherever a part of it is met: what one pass has found out for the next.

    Attributes:
        is_new: whether something has been added that an earlier part of the pass did not heed.
        are_apart: whether something shares memory here that cannot share it on the other side.
    """

    def __init__(self) -> None:
        self.is_new = False
        self.are_apart = False
        self.regions = _Regions()

    def add(self, region: Region) -> None:
        """Let all of a region be sent wherever a part of it is met."""
        if any(r.low <= region.low and region.high <= r.high for r in self.regions.overlapping(*region[:2])):
            return
        self.regions.without(region.low, region.high)
        self.regions.add(region)
        self.is_new = True


class Memory:
    """What of the memory of arrays and tensors one pickle has written.

    Args:
        plan: what is to be sent whole; what would have been better so is added.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._whole = _Regions()
        self._copied = _Regions()

    def holder(self, low: int, high: int, but: Any) -> Any:
        """What is, or will be, written with all the memory between two addresses; None if nothing is."""
        for regions in (self._plan.regions, self._whole):
            for region in regions.overlapping(low, high):
                if region.low <= low and high <= region.high and region.owner is not but:
                    return region.owner
        return None

    def write(self, region: Region, root: Any = None, *, whole: bool = True) -> None:
        """Note what is written, and what it shares with others that were.

        Args:
            region: its memory, which nothing holds.
            root: the array of which it is a view.
            whole: whether it is written with all that lies between its addresses.
        """
        others = [
            other
            for regions in (self._whole, self._copied)
            for other in regions.overlapping(region.low, region.high)
            if other.owner is not region.owner and _share(other.owner, region.owner)
        ]
        if others:
            self._plan_for(region, others, root, whole=whole)
        (self._whole if whole else self._copied).add(region)

    def _plan_for(self, region: Region, others: List[Region], root: Any, *, whole: bool) -> None:
        known = self._plan.regions.overlapping(region.low, region.high)
        low = min(other.low for other in [region, *others, *known])
        high = max(other.high for other in [region, *others, *known])
        if whole and (low, high) == region[:2]:
            self._plan.add(region)
            return
        bound = max(SMALL, MUCH * sum(_seen(other.owner) for other in [region, *others]))
        if root is not None and high - low <= bound:
            start, end = extent(root)
            if start <= low and high <= end:
                self._plan.add(Region(low, high, memory_of(root)[low - start : high - start]))
                return
        self._plan.are_apart = True


def extent(owner: Any) -> Tuple[int, int]:
    """Addresses of the first byte of an array or a storage, and of the one behind its last."""
    if not hasattr(owner, "__array_interface__"):
        return owner.data_ptr(), owner.data_ptr() + owner.nbytes()
    low = high = owner.__array_interface__["data"][0]
    for length, stride in zip(owner.shape, owner.strides):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + owner.itemsize


def memory_of(owner: Any) -> Any:
    """The bytes of a contiguous array or of a storage, as an array over the same memory."""
    if hasattr(owner, "__array_interface__"):
        return owner.ravel(order="K").view("u1")
    import torch

    return torch.tensor([], dtype=torch.uint8).set_(owner).numpy()


def _seen(owner: Any) -> int:
    """Bytes that an owner shows, which are fewer than lie between its addresses where it leaves some out."""
    return int(owner.nbytes if hasattr(owner, "__array_interface__") else owner.nbytes())


def _share(one: Any, other: Any) -> bool:
    """Whether two owners whose addresses overlap have a byte in common: columns of a table do not."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (hasattr(one, "__array_interface__") and hasattr(other, "__array_interface__")):
        return True
    try:
        return bool(numpy.shares_memory(one, other, max_work=1000))
    except Exception:  # it is too hard to say; the class of that moved between versions of numpy
        return True
