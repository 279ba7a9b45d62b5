"""`Backend`: what hardware a job runs on, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One kind of hardware and all that must be said differently for it.

    Attributes:
        name: what ``--backend`` takes.
        title: for people, e.g. ``NVIDIA CUDA``.
        device: the ``torch.device`` type a cell gets from ``sovlab.torch.device()``.
        distributed: the ``torch.distributed`` backend of ``sovlab.torch.init_distributed()``.
        visible_devices: environment variable that limits a process to some devices, by index; empty
            where there is none.
        resource: the Kubernetes extended resource that one device is asked for by.
        env: environment a job on this hardware starts with.
        tolerations: of the taints that clusters put on nodes with such devices.
        runtime_class: Kubernetes RuntimeClass that pods need; empty for the node's own.
        beside: further Kubernetes resources that each device needs, by name, in bytes or pieces.
        other_resources: names by which other drivers of the vendor offer the same devices.
        node_labels: labels that tell a node's product and memory, as vendors' operators set them.
    """

    name: str
    title: str
    device: str
    distributed: str
    visible_devices: str = ""
    resource: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] = ()
    runtime_class: str = ""
    beside: Mapping[str, int] = field(default_factory=dict)
    other_resources: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ()

    @property
    def is_accelerator(self) -> bool:
        """Whether jobs hold devices of this backend, rather than only cores and memory."""
        return bool(self.visible_devices or self.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One accelerator that was found, or the processor.

    Attributes:
        index: its index in ``visible_devices``.
        model: product name, empty if the driver does not say.
        memory: bytes on board, None if the driver does not say.
    """

    index: int
    model: str = ""
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a machine has of one backend, and how that is known.

    Attributes:
        backend: the backend's name.
        devices: what was found, in order of index.
        why: one sentence: what was looked at and what it said; also when nothing was found.
    """

    backend: str
    devices: tuple[Device, ...]
    why: str
