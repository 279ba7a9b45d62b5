"""Arrays in a pickle: those that share memory share it again, with one another and with tensors.

numpy's own pickles hold a copy of what each array shows, so that writing through a view would no longer
change the array that it is a view of.
"""

from __future__ import annotations

import sys
from typing import Any, Optional, Tuple

from sovlab.runner.values.absent import Absent
from sovlab.runner.values.memory import MUCH, SMALL, Memory, Region, extent, memory_of


class ArrayReducer:
    """Reduces views of numpy arrays for one pickler; does nothing while numpy is not imported.

    Args:
        memory: what the pickler has written.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def reduce(self, value: Any) -> Optional[Tuple[Any, ...]]:
        """A reduce tuple if ``value`` is a view of memory that is written too, else None."""
        numpy = sys.modules.get("numpy")
        if numpy is None or type(value) is not getattr(numpy, "ndarray", None):
            return None
        if value.dtype.hasobject or not value.nbytes:
            return None
        low, high = extent(value)
        owner = self._memory.holder(low, high, value)
        root = _root(value, type(value))
        if owner is None and root is not value and root.nbytes <= max(SMALL, MUCH * value.nbytes):
            owner = root
        if owner is not None:
            offset = value.__array_interface__["data"][0] - extent(owner)[0]
            return view_of, (owner, offset, value.shape, value.strides, value.dtype, value.flags.writeable)
        self._memory.write(Region(low, high, value), root, whole=value.flags.forc)
        return None


def view_of(base: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool) -> Any:
    """A view of the memory of an array or a storage that begins ``offset`` bytes behind its first."""
    if isinstance(base, Absent):
        return base  # its library is not here
    import numpy

    view = numpy.ndarray(shape, dtype, memory_of(base), offset, strides)
    if not writeable:
        view.flags.writeable = False
    return view


def _root(array: Any, kind: type) -> Any:
    """The array to which the memory belongs, if all of it can be sent; else ``array`` itself."""
    root = array
    while type(root.base) is kind:
        root = root.base
    return root if root.flags.forc and not root.dtype.hasobject else array
