"""Jobs as processes of this machine."""

from sovlab.executors.local.executor import LocalExecutor

__all__ = ["LocalExecutor"]
