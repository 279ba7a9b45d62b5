"""The way of a submit: options → a request (draft) → a payload (pack) → a job (accept)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from sovlab.core.names import check_name, new_job_id
from sovlab.core.spec import JobSpec
from sovlab.errors import ExecutorError
from sovlab.options.job import NAMES, Options
from sovlab.settings import Defaults

if TYPE_CHECKING:
    from sovlab.client.conditions.look import Look
    from sovlab.core.backend import Backend
    from sovlab.core.plan import Plan
    from sovlab.executors.executor import Executor
    from sovlab.payload.code import Code
    from sovlab.payload.pack import Packed

_SHARED = [field.name for field in dataclasses.fields(JobSpec) if field.name in NAMES]
"""Options that stand in a request under the same name; None leaves the request's default."""


class Accepted(msgspec.Struct, frozen=True):
    """What an executor has accepted.

    Attributes:
        job_id: the durable id.
        spec: the request, complete.
        messages: what the user should know, e.g. a name withheld because it looks like a secret.
        bound: names that the code binds, whether asked for or not.
    """

    job_id: str
    spec: JobSpec
    messages: tuple[str, ...]
    bound: tuple[str, ...]


def draft(
    code: Code,
    options: Options,
    executor: Executor,
    defaults: Defaults,
    look: Callable[[], Look | None] | None = None,
) -> JobSpec:
    """The request without its payload: what is wrong with it is found here, before anything is packed.

    Args:
        code: what is to run.
        options: where and with what.
        executor: of the target.
        defaults: what a submit gets that does not say.
        look: what looks at heat and power of the target's devices, if that can be; None asks nobody.

    Raises:
        UsageError: an option is wrong, or the target does not have what is asked for.
    """
    resources = options.resources
    backend, why = _chosen(options.backend or defaults.backend, options, executor, look)
    if backend.is_accelerator and not resources.gpus:
        resources = replace(resources, gpus=1)  # or jobs would share a device without knowing it
    said = {name: value for name in _SHARED if (value := getattr(options, name)) is not None}
    spec = JobSpec(
        **{
            "timeout": defaults.timeout,
            "procs": max(resources.gpus, 1),
            **said,
            "name": check_name(options.name) if options.name is not None else code.name,
            "kind": code.kind,
            "payload": "",
            "backend": backend.name,
            "backend_why": why,
            "resources": resources,
            "args": tuple(code.args),
            "grace": defaults.grace,
            "origin": code.origin,
        }
    )
    if spec.power_cap is not None:
        from sovlab.client.power_cap import check_cap

        check_cap(spec.power_cap, backend, here=getattr(executor, "shares_files", False))
    executor.check(spec)
    return spec


def _chosen(
    requested: str, options: Options, executor: Executor, look: Callable[[], Look | None] | None
) -> tuple[Backend, str]:
    """The backend and why; who is asked for a processor, or has no other, needs to know nothing of heat."""
    from sovlab.backends import choose

    through = {"queue": options.queue} if options.queue and getattr(executor, "has_queues", False) else {}
    offers = executor.capacity(**through)
    gpus, nodes = options.resources.gpus, options.nodes or 1
    if (
        look is not None
        and requested != "cpu"
        and any(o.total for o in offers if o.detection.backend != "cpu")
    ):
        found = look()
        if found is not None:
            from sovlab.client.conditions.choosing import choose_by

            return choose_by(found, requested, gpus, offers, nodes=nodes)
    return choose(requested, gpus, offers, nodes=nodes)


class Prepared(msgspec.Struct, frozen=True):
    """A request whose payload is in the store, to be sent now or later.

    Attributes:
        spec: the request, complete.
        payload: the pack.
        environ: the submitter's environment.
        messages: what the user should know, e.g. a name withheld because it looks like a secret.
        bound: names that the code binds, whether asked for or not.
    """

    spec: JobSpec
    payload: Path
    environ: Mapping[str, str]
    messages: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()


Defer: TypeAlias = "Callable[[JobSpec], tuple[JobSpec, str]] | None"
"""Gives a request with a deadline its start, with a sentence for the user; None where it has no deadline."""


def accept(
    code: Code,
    options: Options,
    executor: Executor,
    defaults: Defaults,
    store: Path,
    look: Callable[[], Look | None] | None = None,
    defer: Defer = None,
) -> Accepted:
    """Have an executor accept a job; either it has when this returns, or nothing of it is left behind.

    Args:
        code: what is to run.
        options: where and with what.
        executor: of the target.
        defaults: what a submit gets that does not say.
        store: the object store, which keeps the payload.
        look: as `draft`.
        defer: chooses its start, if that may be later.

    Raises:
        UsageError: as `draft`, or something that the code needs cannot travel.
        ExecutorError: the target does not accept it.
    """
    prepared = prepare(code, options, executor, draft(code, options, executor, defaults, look), store)
    return send(deferred(prepared, defer), executor)


def deferred(prepared: Prepared, defer: Defer) -> Prepared:
    """What was prepared, with its start chosen if it has a deadline."""
    if defer is None:
        return prepared
    spec, said = defer(prepared.spec)
    return msgspec.structs.replace(prepared, spec=spec, messages=(*prepared.messages, said))


def prepare(
    code: Code,
    options: Options,
    executor: Executor,
    spec: JobSpec,
    store: Path,
    environ: Mapping[str, str] | None = None,
) -> Prepared:
    """Pack what a request runs; see `accept`.

    Args:
        code: what is to run.
        options: where and with what.
        executor: of the target.
        spec: what `draft` made of these.
        store: the object store, which keeps the payload.
        environ: of the submitter; None is that of this process now.
    """
    packed, spec = _pack(code, options, executor, spec, store)
    environ = dict(os.environ) if environ is None else environ
    return Prepared(spec, packed.path, environ, tuple(packed.messages), tuple(packed.bound))


def send(prepared: Prepared, executor: Executor) -> Accepted:
    """Have an executor accept what was prepared for it; see `accept`."""
    spec = prepared.spec
    job_id = new_job_id(spec.name)
    try:
        executor.submit(job_id, spec, prepared.payload, prepared.environ)
    except OSError as error:
        raise ExecutorError(
            f"Job {spec.name} could not be submitted to target {executor.target}: {error}."
        ) from error
    return Accepted(job_id, spec, prepared.messages, prepared.bound)


def _pack(
    code: Code, options: Options, executor: Executor, spec: JobSpec, store: Path
) -> tuple[Packed, JobSpec]:
    """The payload in the store, and the request that names it."""
    shared = getattr(executor, "shares_files", False)
    packed = code.pack(store, send=options.send, outputs=options.outputs, files=options.files, shared=shared)
    spec = replace(spec, payload=packed.digest, labels=packed.labels, code=packed.code)
    if shared:
        spec = replace(spec, sources=packed.sources, script=packed.script)
    return packed, spec


def plan(
    code: Code,
    options: Options,
    executor: Executor,
    defaults: Defaults,
    look: Callable[[], Look | None] | None = None,
    defer: Defer = None,
    *,
    check: bool,
) -> Plan:
    """What `accept` would do; nothing is submitted and nothing is left behind.

    With ``check`` the place is asked whether it would accept it.
    """
    import tempfile

    from sovlab.core.plan import Plan

    spec = draft(code, options, executor, defaults, look)
    with tempfile.TemporaryDirectory(prefix="sovlab-plan-") as scratch:
        packed, spec = _pack(code, options, executor, spec, Path(scratch))
        spec, said = defer(spec) if defer is not None else (spec, "")
        manifests = executor.manifests(new_job_id(spec.name), spec, packed.path, check=check)
    return Plan(
        spec=spec,
        target=executor.target,
        payload=packed.size,
        variables=packed.variables,
        files=tuple(packed.files),
        messages=(*packed.messages, *filter(None, [said]), *manifests.notes),
        manifests=manifests.objects,
        checked=check,
    )
