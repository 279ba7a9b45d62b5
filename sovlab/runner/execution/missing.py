"""What stands in a process that a job started anew for a name that it could not be given."""

from __future__ import annotations

from typing import Any, Dict

_USES = (
    "call getitem setitem len iter next enter exit add sub mul truediv matmul bool contains float int index"
)


class _MissingType(type):
    why = ""

    def __call__(cls, *_: Any, **__: Any) -> Any:
        raise RuntimeError(cls.why)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(cls.why)


def missing(name: str, why: str) -> Any:
    """A class that raises when it, or an object of it, is used.

    A class, so that a pickle may make an object of it: the code that uses that gets the error.

    Args:
        name: of the function, class or value.
        why: a reason.
    """
    reason = f"{name} is not in a process that the job has started anew: {why.rstrip('.')}."

    def attribute(self: Any, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise RuntimeError(reason)

    body: Dict[str, Any] = {f"__{use}__": _refuse for use in _USES.split()}
    body.update(why=reason, __getattr__=attribute, __setstate__=_ignore)
    return _MissingType(name, (), body)


def _refuse(self: Any, *_: Any, **__: Any) -> Any:
    raise RuntimeError(type(self).why)


def _ignore(self: Any, state: Any) -> None:
    """Take the state of a pickle."""
