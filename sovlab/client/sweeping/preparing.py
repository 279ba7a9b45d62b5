"""From the points of a sweep to requests whose payloads are in the store, and their begin."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec

from sovlab.client import submitting
from sovlab.client.sweeping.feeding import Feeder, Lane, Run, Waiting
from sovlab.client.sweeping.sweep import Sweep
from sovlab.errors import SpecError
from sovlab.options.job import Options, from_keywords
from sovlab.views.sweep import run_name

if TYPE_CHECKING:
    from sovlab.client.client import Client
    from sovlab.client.submitting import Prepared
    from sovlab.core.spec import JobSpec
    from sovlab.executors.executor import Executor
    from sovlab.options.sweep import Point
    from sovlab.payload.code import Code

AtOnce: TypeAlias = int | Literal["auto"] | None
"""How many jobs of a sweep are under way at a time; None is all of them.

``auto`` is one at a time on this machine, where jobs that run together share processors, memory and cooling,
so that their times and joules are not those of each alone; and all of them on other targets, which have
queues.
"""
_LOCAL = "local"
"""The executor of targets on this machine."""


class Planned(NamedTuple):
    """What is to run at one point. Points that run the same hold the same ``code``."""

    point: Point
    code: Code


class Draft(NamedTuple):
    """A request without its payload.

    Attributes:
        options: of its submit.
        executor: of its target.
        spec: the request.
    """

    options: Options
    executor: Executor
    spec: JobSpec


def coded(points: Sequence[Point], make: Callable[[Mapping[str, Any]], Code]) -> list[Planned]:
    """The points with what they run; ``make`` is called once for each combination of parameters."""
    codes: dict[int, Code] = {}
    for point in points:
        if id(point.parameters) not in codes:
            codes[id(point.parameters)] = make(point.parameters)
    return [Planned(point, codes[id(point.parameters)]) for point in points]


def draft_all(client: Client, planned: Sequence[Planned], options: Options) -> list[Draft]:
    """The requests of all points; what is wrong with one is found here, before anything is packed.

    Args:
        client: knows the targets.
        planned: of which a target is asked once for each combination of options.
        options: that hold where a point says nothing.

    Raises:
        UsageError: an option of a point is wrong, or a target does not have what it asks for.
    """
    if not planned:
        raise SpecError("A sweep was given no points.", "Name what takes several values.")
    variants: dict[int, Draft] = {}
    several = any(point.repeat > 1 for point, _ in planned)
    found = []
    number = 0
    for point, code in planned:
        number += point.repeat == 1
        variant = variants.get(id(point.options))
        if variant is None:
            chosen = from_keywords(point.options, options)
            if chosen.finish_by is not None:
                raise SpecError(
                    "A sweep has no --finish-by: each of its runs would start at a time of its own.",
                    "Leave it out, or submit one job.",
                )
            executor = client.executor(chosen.target)
            look = partial(client.look, chosen.target)
            spec = submitting.draft(code, chosen, executor, client.settings.defaults, look)
            variant = variants[id(point.options)] = Draft(chosen, executor, spec)
        name = run_name(variant.spec.name, number, point.repeat if several else None)
        spec = replace(variant.spec, name=name, args=tuple(code.args))
        found.append(variant._replace(spec=spec))
    return found


def plan(client: Client, planned: Sequence[Planned], options: Options, *, check: bool) -> list[JobSpec]:
    """The requests that `begin` would submit; with ``check`` each target is asked whether it would accept it.

    Raises:
        UsageError: as `draft_all`.
        ExecutorError: a target would refuse one.
    """
    drafts = draft_all(client, planned, options)
    if check:
        for (_, code), draft in zip(planned, drafts, strict=True):
            client.plan(code, replace(draft.options, name=draft.spec.name), check=True)
    return [draft.spec for draft in drafts]


def begin(
    client: Client,
    planned: Sequence[Planned],
    options: Options,
    store: Path,
    *,
    at_once: AtOnce = "auto",
) -> Sweep:
    """Submit the jobs of a sweep, after all of them are checked and packed.

    What runs later was packed now: the sweep has the variables, files and environment of its begin.

    Args:
        client: submits them.
        planned: what is to run.
        options: that hold where a point says nothing.
        store: the object store, which keeps the payloads.
        at_once: see `AtOnce`.

    Raises:
        UsageError: a point is wrong, or something that it needs cannot travel; nothing is submitted.
        ExecutorError: the target does not accept the first; nothing is submitted.
    """
    if at_once != "auto" and at_once is not None and (type(at_once) is not int or at_once < 1):
        raise SpecError(f"at_once is {at_once!r}.", 'Give a whole number, "auto", or None for all of them.')
    drafts = draft_all(client, planned, options)
    prepared = _packed(planned, drafts, store)
    runs = [Run(point) for point, _ in planned]
    # Whole rounds, one repeat after the other: what drifts, like heat, then falls on all points.
    order = sorted(range(len(runs)), key=lambda number: planned[number].point.repeat)
    waiting = [Waiting(runs[n], prepared[n], drafts[n].executor) for n in order]

    def send(request: Prepared, executor: Executor) -> Any:
        accepted = submitting.send(request, executor)
        return client.accepted(accepted.job_id, accepted.spec, executor)

    title = options.name or planned[0].code.name
    feeder = Feeder(title, _lanes(client, waiting, at_once), send)
    feeder.begin()
    messages = tuple(dict.fromkeys(message for each in prepared for message in each.messages))
    return Sweep(title, runs, client, feeder, messages)


def _packed(planned: Sequence[Planned], drafts: Sequence[Draft], store: Path) -> list[Prepared]:
    """The requests with their payloads; what is the same is packed once."""
    environ = dict(os.environ)
    packed: dict[tuple[object, ...], Prepared] = {}
    found = []
    for (_, code), (options, executor, spec) in zip(planned, drafts, strict=True):
        shared = getattr(executor, "shares_files", False)
        key = id(code), options.send, options.outputs, options.files, shared
        ready = packed.get(key)
        if ready is None:
            ready = packed[key] = submitting.prepare(code, options, executor, spec, store, environ)
        else:
            made = ready.spec
            spec = replace(
                spec,
                payload=made.payload,
                labels=made.labels,
                sources=made.sources,
                script=made.script,
                code=made.code,
            )
            ready = msgspec.structs.replace(ready, spec=spec)
        found.append(ready)
    return found


def _lanes(client: Client, waiting: Sequence[Waiting], at_once: AtOnce) -> list[Lane]:
    if at_once != "auto":
        return [Lane(waiting, at_once)]
    # Several targets may be this machine.
    by_place: dict[str, list[Waiting]] = {}
    for each in waiting:
        target = client.settings.target_named(each.executor.target)
        place = _LOCAL if target.executor == _LOCAL else f"target {target.name}"
        by_place.setdefault(place, []).append(each)
    return [Lane(mine, 1 if place == _LOCAL else None) for place, mine in by_place.items()]
