"""``import sovlab``: functions submitted as jobs, and jobs found again."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from sovlab.client import Call, Submitted, default, name_of
from sovlab.client.job import Job
from sovlab.errors import SpecError
from sovlab.options.job import NAMES, from_keywords

P = ParamSpec("P")
R = TypeVar("R")


def submit(function: Callable[..., Any], *args: Any, **keywords: Any) -> Job:
    """Run ``function(*args)`` as a job and return its handle at once.

    Keywords that are options (``backend``, ``nodes``, ``procs``, ``gpus``, ``cpu``, ``memory``, ``env``,
    ``timeout``, ``name``, ``target``, ``queue``, ``priority``, ``files``) are taken by sovlab, all others are
    passed to the function; where a function has a parameter of such a name, bind it with `functools.partial`.

    Raises:
        UsageError: an option is wrong, the arguments do not fit the function, or something cannot travel.
    """
    options = {k: keywords.pop(k) for k in list(keywords) if k in NAMES - {"send", "outputs"}}
    if not callable(function):
        raise SpecError(
            f"submit() was given {type(function).__name__} {function!r:.60}, not a function.",
            "Pass the function itself, then its arguments.",
        )
    if isinstance(function, RemoteFunction):
        return function.with_options(**options).submit(*args, **keywords)
    try:
        inspect.signature(function).bind(*args, **keywords)
    except ValueError:
        pass  # builtins without a signature: the call itself will tell
    except TypeError as error:
        raise SpecError(f"The arguments do not fit {name_of(function)}(): {error}.") from None
    return _report(default().submit(Call(function, args, keywords), from_keywords(options)))


def _report(submitted: Submitted) -> Job:
    for message in submitted.messages:
        warnings.warn(message, stacklevel=3)
    return submitted.job


def job(name: str, target: str | None = None) -> Job:
    """The newest job called ``name``, or the one with that id, whichever process submitted it."""
    return default().job(name, target)


def jobs(target: str | None = None) -> list[Job]:
    """All jobs of a target, newest first."""
    client = default()
    return [client.handle(record) for record in client.jobs(target)]


class RemoteFunction(Generic[P, R]):
    """A function with the options that its jobs are submitted with: see `remote`.

    Calling it runs it here, as ever; `submit` runs it as a job.
    """

    def __init__(self, function: Callable[P, R], options: Mapping[str, Any]) -> None:
        from_keywords(options)  # what is wrong is said at the decorator, not at the first submit
        functools.update_wrapper(self, function)
        self._function = function
        self._options = dict(options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here, as ever."""
        return self._function(*args, **kwargs)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Run it as a job with these arguments and return the handle at once."""
        return submit(
            functools.partial(self._function, **kwargs),
            *args,
            **{"name": name_of(self._function), **self._options},
        )

    def with_options(self, **options: Any) -> RemoteFunction[P, R]:
        """The same function with other options."""
        return RemoteFunction(self._function, {**self._options, **options})


def remote(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Decorate a function so that ``function.submit(*args)`` runs it as a job.

    Use it bare or with options: ``@sovlab.remote(backend="cuda", gpus=1)``. Inside a job the decorated
    function is the plain one.
    """
    if function is not None:
        return RemoteFunction(function, options)
    return lambda f: RemoteFunction(f, options)
