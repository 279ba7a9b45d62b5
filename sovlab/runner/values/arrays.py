"""Arrays in a pickle: those that share memory share it again, as torch's tensors do.

numpy's own pickles hold a copy of what each array shows, so that writing through a view would no longer
change the array that it is a view of.
"""

from __future__ import annotations

import bisect
import sys
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from sovlab.runner.values.absent import Absent

_SMALL = 1 << 16
"""Bytes of an array that is sent whole where only a part of it is seen."""
_MUCH = 1.5
"""How many times a view's size the array behind it may have to be sent in its place."""


class ArrayReducer:
    """Reduces views of numpy arrays for one pickler; does nothing while numpy is not imported.

    Args:
        whole: ids of arrays that are sent whole wherever a view of them is; more come.
        begin_anew: called when an array comes after a view of it, which has been written as a copy. It
            raises, or does nothing where it is too late.
    """

    def __init__(self, whole: Set[int], begin_anew: Callable[[], None]) -> None:
        self._whole = whole
        self._begin_anew = begin_anew
        self._starts: List[int] = []
        self._written: List[Tuple[int, Any]] = []
        self._copied: Dict[int, Any] = {}

    def reduce(self, value: Any) -> Optional[Tuple[Any, ...]]:
        """A reduce tuple if ``value`` is a view of an array that is written too, else None."""
        numpy = sys.modules.get("numpy")
        if numpy is None or type(value) is not getattr(numpy, "ndarray", None):
            return None
        if value.dtype.hasobject or not value.nbytes:
            return None
        low, high = _extent(value)
        base = self._found(value, low, high)
        if base is None:
            root = _root(value, type(value))
            near = root.nbytes <= max(_SMALL, _MUCH * value.nbytes) or id(root) in self._whole
            if root is not value and near:
                base = root
                self._note(root)
        if base is not None:
            offset = value.__array_interface__["data"][0] - _extent(base)[0]
            return view_of, (base, offset, value.shape, value.strides, value.dtype, value.flags.writeable)
        if root is not value:
            self._copied[id(root)] = root
        elif id(value) in self._copied:
            self._whole.add(id(value))
            self._begin_anew()
        if value.flags.forc:
            self._note(value)
        return None

    def _found(self, value: Any, low: int, high: int) -> Any:
        """An array that has been written and has all the memory of ``value``."""
        at = bisect.bisect_right(self._starts, low)
        for end, array in reversed(self._written[max(0, at - 4) : at]):
            if high <= end and array is not value:
                return array
        return None

    def _note(self, array: Any) -> None:
        low, high = _extent(array)
        at = bisect.bisect_left(self._starts, low)
        if self._written[at : at + 1] and self._written[at][1] is array:
            return
        self._starts.insert(at, low)
        self._written.insert(at, (high, array))


def view_of(base: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool) -> Any:
    """A view of the memory of ``base`` that begins ``offset`` bytes behind its first."""
    if isinstance(base, Absent):
        return base  # numpy is not here
    import numpy

    memory = base.ravel(order="K").view("u1")
    view = numpy.ndarray(shape, dtype, memory, offset, strides)
    if not writeable:
        view.flags.writeable = False
    return view


def _extent(array: Any) -> Tuple[int, int]:
    """Addresses of an array's first byte, and of the one behind its last."""
    low = high = array.__array_interface__["data"][0]
    for length, stride in zip(array.shape, array.strides):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def _root(array: Any, kind: type) -> Any:
    """The array to which the memory belongs, if all of it can be sent; else ``array`` itself."""
    root = array
    while type(root.base) is kind:
        root = root.base
    return root if root.flags.forc and not root.dtype.hasobject else array
