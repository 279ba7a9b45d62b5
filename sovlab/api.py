"""``import sovlab``: functions submitted as jobs, and jobs found again."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from sovlab.client import Call, Submitted, default, name_of
from sovlab.client.job import Job
from sovlab.errors import SpecError
from sovlab.options.job import NAMES, from_keywords

if TYPE_CHECKING:
    from sovlab.client.sweeping import AtOnce, Sweep

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
    _check_function(function, "submit")
    if isinstance(function, RemoteFunction):
        return function.with_options(**options).submit(*args, **keywords)
    _check_arguments(function, args, keywords)
    return _report(default().submit(Call(function, args, keywords), from_keywords(options)))


def _check_function(function: object, name: str) -> None:
    if not callable(function):
        raise SpecError(
            f"{name}() was given {type(function).__name__} {function!r:.60}, not a function.",
            "Pass the function itself, then its arguments.",
        )


def _check_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    try:
        inspect.signature(function).bind(*args, **keywords)
    except ValueError:
        pass  # builtins without a signature: the call itself will tell
    except TypeError as error:
        raise SpecError(f"The arguments do not fit {name_of(function)}(): {error}.") from None


def _report(submitted: Submitted) -> Job:
    for message in submitted.messages:
        warnings.warn(message, stacklevel=3)
    return submitted.job


def sweep(
    function: Callable[..., Any],
    parameters: Mapping[str, Iterable[Any]] | None = None,
    /,
    *args: Any,
    over: Mapping[str, Iterable[Any]] | None = None,
    repeats: int = 1,
    at_once: AtOnce = "auto",
    **keywords: Any,
) -> Sweep:
    """Run a function as a job at each combination of values, and return their handle.

    ``sovlab.sweep(train, {"lr": [0.1, 0.01]}, over={"cpu": [1, 2]}, epochs=3, gpus=1)`` runs
    ``train(lr=0.1, epochs=3)`` and so on; keywords and further arguments are as for `submit`, and the same at
    each point. All points are checked and packed first: if one is wrong, nothing is submitted.

    On this machine jobs that run at the same time share processors, memory and cooling: the joules of
    processors are then shared out by CPU time, and run times include waiting for each other. So one runs at a
    time there unless ``at_once`` says otherwise, and this process submits the next as one ends: call `wait`
    of what is returned before it ends. A target on a cluster gets all at once, and its queue does the rest.

    Args:
        function: what runs.
        parameters: values by the name of a keyword of the function.
        args: further arguments of the function.
        over: values by the name of an option of `submit`, e.g. ``backend``; None leaves the option unsaid.
        repeats: how often each point is run; whole rounds, one after the other.
        at_once: how many jobs are under way at a time; ``None`` is all of them; ``"auto"`` as said above.
        keywords: options of the submit, and keywords of the function.

    Raises:
        UsageError: as `submit`, of any point; nothing is submitted.
    """
    from sovlab.client.sweeping import coded
    from sovlab.options.sweep import grid

    _check_function(function, "sweep")
    options = {k: keywords.pop(k) for k in list(keywords) if k in NAMES - {"send", "outputs"}}
    if isinstance(function, RemoteFunction):
        options = {**function.options, **options}
        function = function.function
    for name in {*(over or {})} & {"send", "outputs"}:
        raise SpecError(f"A function has no {name} to sweep over.", "What it returns comes back.")
    points = grid(parameters or {}, over, repeats)
    for name in (*points[0].parameters, *points[0].options):
        if name in keywords or name in options:
            raise SpecError(f"{name} is swept, and given as a keyword as well.", "Say it once.")
    _check_arguments(function, args, {**keywords, **points[0].parameters})
    planned = coded(points, lambda chosen: Call(function, args, {**keywords, **chosen}))
    made = default().sweep(planned, from_keywords(options), at_once=at_once)
    for message in made.messages:
        warnings.warn(message, stacklevel=2)
    return made


def job(name: str, target: str | None = None) -> Job:
    """Your newest job called ``name``, or the one with that id, whichever process submitted it."""
    return default().job(name, target)


def jobs(target: str | None = None, *, all_users: bool = False) -> list[Job]:
    """Your jobs of a target, newest first.

    Args:
        target: its name; None is the one in use.
        all_users: others' jobs, too.
    """
    from sovlab.client.others import shown

    client = default()
    return [client.handle(record) for record in shown(client.jobs(target), all_users=all_users)]


class RemoteFunction(Generic[P, R]):
    """A function with the options that its jobs are submitted with: see `remote`.

    Calling it runs it here, as ever; `submit` runs it as a job.
    """

    def __init__(self, function: Callable[P, R], options: Mapping[str, Any]) -> None:
        from_keywords(options)  # what is wrong is said at the decorator, not at the first submit
        functools.update_wrapper(self, function)
        self._function = function
        self._options = dict(options)

    @property
    def function(self) -> Callable[P, R]:
        """The plain function."""
        return self._function

    @property
    def options(self) -> dict[str, Any]:
        """What its jobs are submitted with."""
        return dict(self._options)

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
