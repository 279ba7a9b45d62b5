"""Settings of torch."""

from __future__ import annotations

import contextvars
from typing import Any, Dict, List, Tuple

from sovlab.runner.settings import Setting, attribute
from sovlab.runner.values.tensors import here

_PRINTING = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def _read_device(module: Any) -> Any:
    # Not by get_default_device, which starts a driver to learn the number of the device.
    context = getattr(module._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else str(context.device)


def _write_device(module: Any, name: str) -> None:
    module.set_default_device(here(name))
    if here(name) != name:
        raise ValueError(f"there is no {name} here, so it is the CPU")


def _read_deterministic(module: Any) -> List[bool]:
    return [
        module.are_deterministic_algorithms_enabled(),
        module.is_deterministic_algorithms_warn_only_enabled(),
    ]


def _read_printing(module: Any) -> Dict[str, Any]:
    values = vars(module._tensor_str.PRINT_OPTS)
    return {name: value for name, value in values.items() if value != _PRINTING.get(name)}


def _write_printing(module: Any, values: Dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(module._tensor_str.PRINT_OPTS, name, value)


def _read_autocast(module: Any) -> Dict[str, str]:
    return {
        device: str(module.get_autocast_dtype(device)).rpartition(".")[2]
        for device in ("cpu", "cuda")
        if module.is_autocast_enabled(device)
    }


def _write_autocast(module: Any, values: Dict[str, str]) -> None:
    for device, dtype in values.items():
        module.set_autocast_enabled(device, True)
        module.set_autocast_dtype(device, getattr(module, dtype))


def _read_overrides(module: Any) -> Dict[str, Any]:
    """What has been assigned in a config module of the compiler."""
    from torch.utils import _config_module

    unset = _config_module._UNSET_SENTINEL
    overrides = {name: entry.user_override for name, entry in module._config.items()}
    if type(next(iter(overrides.values()), None)) is contextvars.ContextVar:  # newer versions
        overrides = {name: value.get(unset) for name, value in overrides.items()}
    return {name: value for name, value in overrides.items() if value is not unset}


def _write_overrides(module: Any, values: Dict[str, Any]) -> None:
    for name, value in values.items():
        module._config[name]  # one that this version does not have
        setattr(module, name, value)


def _flag(kind: str) -> Setting:
    return Setting(
        f"torch.backends.cuda.enable_{kind}_sdp",
        lambda m: getattr(m.backends.cuda, f"{kind}_sdp_enabled")(),
        lambda m, value: getattr(m.backends.cuda, f"enable_{kind}_sdp")(value),
        True,
    )


def _backend(path: str, fresh: Any) -> Setting:
    return attribute(f"torch.backends.{path}", f"backends.{path}", fresh)


LIBRARIES: Dict[str, Tuple[Setting, ...]] = {
    "torch": (
        Setting(
            "torch.set_default_dtype",
            lambda m: str(m.get_default_dtype()).rpartition(".")[2],
            lambda m, value: m.set_default_dtype(getattr(m, value)),
            "float32",
        ),
        Setting("torch.set_default_device", _read_device, _write_device, None),
        Setting(
            "torch.use_deterministic_algorithms",
            _read_deterministic,
            lambda m, value: m.use_deterministic_algorithms(value[0], warn_only=value[1]),
            [False, False],
        ),
        attribute(
            "torch.utils.deterministic.fill_uninitialized_memory",
            "utils.deterministic.fill_uninitialized_memory",
            True,
        ),
        Setting(
            "torch.set_grad_enabled",
            lambda m: m.is_grad_enabled(),
            lambda m, value: m.set_grad_enabled(value),
            True,
        ),
        Setting(
            "torch.autograd.set_detect_anomaly",
            lambda m: [m.is_anomaly_enabled(), m.is_anomaly_check_nan_enabled()],
            lambda m, value: m.autograd.set_detect_anomaly(*value),
            [False, True],
        ),
        Setting(
            "torch.set_float32_matmul_precision",
            lambda m: m.get_float32_matmul_precision(),
            lambda m, value: m.set_float32_matmul_precision(value),
            "highest",
        ),
        Setting("torch.set_printoptions", _read_printing, _write_printing, {}),
        Setting(
            "torch.set_warn_always",
            lambda m: m.is_warn_always_enabled(),
            lambda m, value: m.set_warn_always(value),
            False,
        ),
        Setting("torch.autocast", _read_autocast, _write_autocast, {}),
        _backend("cudnn.enabled", True),
        _backend("cudnn.benchmark", False),
        _backend("cudnn.deterministic", False),
        _backend("cudnn.allow_tf32", True),
        _backend("cuda.matmul.allow_tf32", False),
        _backend("cuda.matmul.allow_fp16_reduced_precision_reduction", True),
        _backend("cuda.matmul.allow_bf16_reduced_precision_reduction", True),
        _backend("cuda.matmul.allow_fp16_accumulation", False),
        _backend("fp32_precision", "none"),
        _backend("cudnn.conv.fp32_precision", "tf32"),
        _backend("cudnn.rnn.fp32_precision", "tf32"),
        _backend("mkldnn.enabled", True),
        _backend("mkldnn.deterministic", False),
        *(_flag(kind) for kind in ("flash", "mem_efficient", "math", "cudnn")),
    ),
    "torch._dynamo.config": (Setting("torch._dynamo.config", _read_overrides, _write_overrides, {}),),
    "torch._inductor.config": (Setting("torch._inductor.config", _read_overrides, _write_overrides, {}),),
}
"""Module → its settings, in the order in which they are written."""
