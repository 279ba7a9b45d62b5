"""Tensors in a pickle: their memory travels beside it, uncopied, and comes back on a device that is here.

torch's own ``__reduce_ex__`` is kept for everything but storages, which it would copy through
``torch.save``. A storage is one buffer, so tensors that share one (views, tied weights) share it again.
"""

from __future__ import annotations

import ctypes
import pickle
import sys
import warnings
from typing import Any, Dict, Optional, Tuple

from sovlab.runner.values.absent import Absent


class StorageReducer:
    """Reduces torch storages for one pickler; does nothing while torch is not imported.

    Args:
        memory: a `sovlab.runner.values.memory.Memory`: what the pickler has written.
    """

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self._canonical: Dict[int, Any] = {}
        self._torch: Any = None

    def reduce(self, value: Any) -> Optional[Tuple[Any, ...]]:
        """A reduce tuple if ``value`` is a storage, else None."""
        torch = self._torch
        if torch is None:
            torch = self._torch = _complete_torch()
            if torch is None:
                return None
        kind = type(value)
        if kind is torch.UntypedStorage:
            canonical = self._canonical.setdefault(value._cdata, value)
            if canonical is not value:
                return _same, (canonical,)
            return self._reduce_storage(value)
        if kind is torch.storage.TypedStorage:
            # A new wrapper is made for every tensor, so what is shared is the storage below it.
            untyped = value._untyped_storage
            canonical = self._canonical.setdefault(untyped._cdata, untyped)
            return typed_storage, (canonical, value.dtype)
        if issubclass(kind, torch.Tensor):
            return _reduce_gradient(value)
        return None

    def _reduce_storage(self, storage: Any) -> Tuple[Any, ...]:
        device = str(storage.device)
        if device == "meta":
            return meta_storage, (storage.nbytes(),)
        on_cpu = storage if storage.device.type == "cpu" else storage.cpu()
        size = on_cpu.nbytes()
        if size == 0:
            return rebuild_storage, (b"", device)
        if on_cpu is storage:
            from sovlab.runner.values.memory import Region, extent

            low, high = extent(storage)
            owner = self._memory.holder(low, high, storage)
            if owner is not None:
                return storage_over, (owner, low - extent(owner)[0], size)
            self._memory.write(Region(low, high, storage))
        memory = (ctypes.c_char * size).from_address(on_cpu.data_ptr())
        memory.owner = on_cpu  # type: ignore[attr-defined,unused-ignore]  # keeps the memory as long as the buffer
        return rebuild_storage, (pickle.PickleBuffer(memory), device)


def _reduce_gradient(tensor: Any) -> Optional[Tuple[Any, ...]]:
    """The library's own reduce tuple with the gradient beside it; None if there is none to keep."""
    # Of others than these asking for it warns.
    gradient = tensor.grad if tensor.is_leaf or tensor.retains_grad else None
    if gradient is None:
        return None
    make, arguments, *rest = tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if rest:
        return None
    return make, arguments, gradient, None, None, set_gradient


def set_gradient(tensor: Any, gradient: Any) -> None:
    """``tensor.grad = gradient``, if it may have one here."""
    tensor.grad = gradient


def _complete_torch() -> Any:
    """The torch module if it has been imported to the end, else None."""
    torch = sys.modules.get("torch")
    return (
        torch
        if torch is not None and hasattr(torch, "UntypedStorage") and hasattr(torch, "storage")
        else None
    )


def _same(value: Any) -> Any:
    return value


def typed_storage(storage: Any, dtype: Any) -> Any:
    """The typed view of ``storage`` that torch's rebuild functions take."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def meta_storage(size: int) -> Any:
    """A storage of ``size`` bytes without memory."""
    import torch

    return torch.UntypedStorage(size, device="meta")


def rebuild_storage(buffer: Any, device: str) -> Any:
    """A storage over ``buffer``, not copied; on ``device`` if this process has it, else on the CPU.

    Args:
        buffer: writable memory, in bytes.
        device: where it was, e.g. ``cuda:1``.
    """
    import torch

    if len(buffer) == 0:
        return torch.UntypedStorage(0, device=here(device))
    with memoryview(buffer) as view:
        flat = torch.frombuffer(bytearray(view) if view.readonly else buffer, dtype=torch.uint8)
    target = here(device)
    return (flat if target == "cpu" else flat.to(target)).untyped_storage()


def storage_over(owner: Any, offset: int, size: int) -> Any:
    """A storage over ``size`` bytes of an array or a storage, ``offset`` bytes behind its first."""
    if isinstance(owner, Absent):
        return owner  # its library is not here
    import torch

    from sovlab.runner.values.memory import memory_of

    memory = memory_of(owner)[offset : offset + size]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is for reading, which it was here
        return torch.from_numpy(memory).untyped_storage()


def rebuild_tensor(data: Any, dtype: Any, device: str, requires_grad: bool) -> Any:
    """What torch pickles for devices without storages, on a device that this process has.

    Args:
        data: the values, as a CPU tensor or (older torch) a numpy array.
        dtype: element type on the device.
        device: where it was.
        requires_grad: as it was.
    """
    import torch

    values = data if isinstance(data, torch.Tensor) else torch.from_numpy(data)
    tensor = values.to(dtype=dtype, device=here(device))
    tensor.requires_grad = requires_grad
    return tensor


def rebuild_tensor_v3(storage: Any, *arguments: Any) -> Any:
    """The function of torch of that name, which takes only typed storages though it is given an untyped one.

    Args:
        storage: untyped.
        arguments: those after the storage, as torch pickles them.
    """
    import torch

    return torch._utils._rebuild_tensor_v3(typed_storage(storage, torch.uint8), *arguments)


def here(device: str) -> str:
    """``device`` if this process can put a tensor on it, else ``cpu``."""
    kind, _, index = device.partition(":")
    if kind in ("cpu", "meta"):
        return kind
    import torch

    module = getattr(torch, kind, None)
    try:
        if module is None or not module.is_available():
            return "cpu"
        if index and int(index) >= module.device_count():
            return kind
    except (AttributeError, RuntimeError):
        return "cpu"
    return device


RELOCATED = {
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): rebuild_tensor_v3,
}
"""Functions that a pickle of torch names, and what stands in for them here."""
