"""What a name of ``--out`` holds until its value has come back, and what puts the value there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.errors import ExecutorError, PendingResultError, ResultError, SovlabError, WaitTimeout


class Placeholder:
    """Stands for a value that a job will return, and says so whenever it is used as that value.

    Args:
        why: makes the error to raise when it is touched.
    """

    __slots__ = ("_sovlab_why",)

    def __init__(self, why: Callable[[], SovlabError]) -> None:
        object.__setattr__(self, "_sovlab_why", why)

    def __repr__(self) -> str:
        return f"<{self._sovlab_why()}>"

    def __getattr__(self, name: str) -> Any:
        # Inspection (completion, display, pickling) asks for underscored names and takes no for an answer.
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._sovlab_why()

    def __dir__(self) -> list[str]:
        return []

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Encoders of JSON call no method of a value: they ask for its class, to say it is none of theirs.
        if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] in _ENCODERS:
            raise self._sovlab_why()
        return Placeholder

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        todo = [*args, *(kwargs or {}).values()]
        while todo:
            part = todo.pop()
            if type(part) is cls:
                raise part._sovlab_why()
            if isinstance(part, list | tuple):
                todo.extend(part)
        return NotImplemented


def _touch(self: Placeholder, *_: Any, **__: Any) -> NoReturn:
    raise self._sovlab_why()


_ENCODERS = frozenset({"json", "simplejson", "ujson"})
_OPERATORS = """
abs add and bool bytes call complex contains copy deepcopy delattr delitem divmod enter exit float
eq floordiv format ge getitem gt hash iadd iand ifloordiv ilshift imatmul imod imul index int invert ior
ipow irshift isub iter itruediv ixor le len length_hint lshift lt matmul mod mul ne neg next or pos pow radd
rand rdivmod reduce_ex reversed rfloordiv rlshift rmatmul rmod rmul ror round rpow rrshift rshift rsub
rtruediv rxor setattr setitem str sub truediv trunc xor array array_function array_ufunc fspath
aenter aexit aiter anext await ceil floor
"""
for _name in _OPERATORS.split():
    setattr(Placeholder, f"__{_name}__", _touch)


def _pending(job: Job, name: str) -> SovlabError:
    from sovlab.client.pending import pending

    return pending(job, name)


class Binder:
    """Puts returned values into the notebook's variables before the next cell runs.

    Args:
        namespace: the notebook's variables.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._waiting: dict[str, tuple[Job, dict[str, Placeholder]]] = {}

    def expect(self, job: Job, names: Iterable[str]) -> None:
        """Bind placeholders for ``names``, to be replaced when ``job`` has ended."""
        made = {name: Placeholder(lambda name=name: _pending(job, name)) for name in names}  # type: ignore[misc]
        if made:
            self._namespace.update(made)
            self._waiting[job.id] = (job, made)

    def bind_ended(self, *_: object) -> None:
        """Bind what has come back since; fits IPython's ``pre_run_cell`` event. Never raises.

        What cannot be had only now, because the target does not answer, is asked for before the next cell.
        """
        for job_id, (job, made) in list(self._waiting.items()):
            try:
                state = job.state
            except SovlabError:
                continue  # the place does not answer now; the placeholder says so if touched
            if state.ended:
                del self._waiting[job_id]
                left = self._bind(job, made) if state is JobState.SUCCEEDED else {}
                if left:
                    self._waiting[job_id] = (job, left)

    def _bind(self, job: Job, made: dict[str, Placeholder]) -> dict[str, Placeholder]:
        """Bind the values of a job that has ended; those that could not be had now."""
        left = {}
        for name, placeholder in made.items():
            # A name that the user has bound since is theirs.
            if self._namespace.get(name) is not placeholder:
                continue
            try:
                self._namespace[name] = job.result(name)
            except (ExecutorError, PendingResultError, WaitTimeout):
                left[name] = placeholder
                continue
            except SovlabError as error:
                failure = error
            except Exception as error:  # whatever a class's own __setstate__ raises
                failure = ResultError(f"{name!r} could not be loaded: {type(error).__name__}: {error}")
            else:
                continue
            self._namespace[name] = Placeholder(lambda failure=failure: failure)  # type: ignore[misc]
        return left
