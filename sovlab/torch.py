"""`sovlab.torch`: the same cell on any hardware, in one process or in many.

::

    from sovlab.torch import device, init_distributed

    world = init_distributed()
    model = Net().to(device())
    if world.size > 1:
        model = torch.nn.parallel.DistributedDataParallel(model)
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
from typing import Any, NamedTuple

from sovlab.errors import BackendError

_ALIASES = {"rocm": "cuda", "gaudi": "hpu", "nvidia": "cuda", "amd": "cuda"}
_DISTRIBUTED = {"cuda": "nccl", "xpu": "xccl", "hpu": "hccl"}


class World(NamedTuple):
    """Where this process stands among the job's processes.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
        local_rank: of this process on its node.
        device: what it computes on, a ``torch.device``.
        backend: how they talk, as `torch.distributed` names it; empty if there is only one.
    """

    rank: int
    size: int
    local_rank: int
    device: Any
    backend: str


def device() -> Any:
    """The ``torch.device`` of this process: the job's hardware and, with several ranks, this rank's share.

    Outside of a job it is the accelerator that torch finds, or the processor.

    Raises:
        BackendError: the job was given hardware that its torch does not support or does not see.
    """
    import torch

    wanted = os.environ.get("SOVLAB_DEVICE", "")
    kind = _ALIASES.get(wanted, wanted) if wanted else _found(torch)
    if kind in ("cpu", "mps"):
        return torch.device(kind)
    if kind == "hpu":
        return _hpu(torch)
    module = getattr(torch, kind, None)
    if module is None or not hasattr(module, "is_available") or not module.is_available():
        raise BackendError(
            f"The job was given the device {wanted}, but torch {torch.__version__} sees none.",
            "Choose an environment whose torch is built for it, or another --backend.",
        )
    return torch.device(kind, _local_rank() % max(int(module.device_count()), 1))


def init_distributed() -> World:
    """Join the job's other ranks; with only one process it does nothing, so a cell need not ask.

    Called again it changes nothing. The process group is destroyed when the process ends.

    Raises:
        BackendError: as `device`.
    """
    chosen = device()
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size <= 1:
        return World(0, 1, 0, chosen, "")
    import torch
    import torch.distributed as dist

    if not dist.is_available():
        raise BackendError(
            f"torch {torch.__version__} was built without torch.distributed.",
            "Choose an environment whose torch has it, or leave out --nodes and --procs.",
        )
    if not dist.is_initialized():
        backend = _backend(dist, chosen.type)
        if chosen.type in ("cuda", "xpu"):
            getattr(torch, chosen.type).set_device(chosen)
        mixed = chosen.type != "cpu" and backend != "gloo" and chosen.type != "hpu"
        dist.init_process_group(f"cpu:gloo,{chosen.type}:{backend}" if mixed else backend)
        atexit.register(_leave)
    return World(dist.get_rank(), dist.get_world_size(), _local_rank(), chosen, str(dist.get_backend()))


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _found(torch: Any) -> str:
    for kind in ("cuda", "xpu"):
        module = getattr(torch, kind, None)
        if module is not None and module.is_available():
            return kind
    if importlib.util.find_spec("habana_frameworks") is not None:
        return "hpu"
    mps = getattr(torch.backends, "mps", None)
    return "mps" if mps is not None and mps.is_available() else "cpu"


def _hpu(torch: Any) -> Any:
    try:
        # Importing it is what teaches torch the device.
        importlib.import_module("habana_frameworks.torch.core")
    except ImportError as error:
        raise BackendError(
            f"The job was given a Gaudi device, but its library cannot be imported: {error}.",
            "Choose an environment with habana-torch-plugin, or another --backend.",
        ) from error
    return torch.device("hpu")


def _backend(dist: Any, kind: str) -> str:
    """The backend for a kind of device: as the job says if this torch has it, else gloo."""
    if kind == "cpu":
        return "gloo"
    wanted = os.environ.get("SOVLAB_DISTRIBUTED") or _DISTRIBUTED.get(kind, "gloo")
    if wanted == "hccl":
        importlib.import_module("habana_frameworks.torch.distributed.hccl")
        return "hccl"
    known = getattr(dist, f"is_{wanted}_available", None)
    if wanted == "xccl" and (known is None or not known()):
        try:
            importlib.import_module("oneccl_bindings_for_pytorch")
        except ImportError:
            return "gloo"
        return "ccl"
    return wanted if known is None or known() else "gloo"
