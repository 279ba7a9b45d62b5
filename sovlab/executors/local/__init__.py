"""Jobs as processes of this machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sovlab.executors.local.executor import LocalExecutor as LocalExecutor

__all__ = ["LocalExecutor"]


def __getattr__(name: str) -> Any:
    # Settings are read with `target` alone, which must not cost what jobs cost.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sovlab.executors.local.executor import LocalExecutor

    return LocalExecutor
