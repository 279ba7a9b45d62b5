"""`Client`: the one composition root. Magics, CLI, server and engine talk to it and to nothing below."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.client.job import Job
from sovlab.core.capacity import Capacity
from sovlab.core.cleaned import Cleaned
from sovlab.core.job import JobRecord, Reason
from sovlab.core.names import check_name, is_job_id, new_job_id
from sovlab.core.plan import Manifests, Plan
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.errors import ExecutorError, JobNotFound, SpecError
from sovlab.executors.executor import Executor
from sovlab.options.job import Options
from sovlab.settings import (
    Settings,
    Target,
    add_target,
    check_new_target,
    load,
    remove_target,
    use_target,
)

if TYPE_CHECKING:
    from sovlab.client.target_setup import TargetProposal
    from sovlab.core.finding import Finding
    from sovlab.options.target import NewTarget

_ENDED_FROM_OUTSIDE = (Reason.LOST, Reason.KILLED, Reason.TIMEOUT, Reason.CANCELLED)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was accepted, and what the user should know about how.

    Attributes:
        job: the live handle.
        messages: e.g. a name withheld because it looks like a secret.
        bound: names that the code binds, whether asked for or not.
    """

    job: Job
    messages: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()


class Client:
    """Submits jobs to targets and finds them again.

    Args:
        settings: None reads the user's settings files and environment.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings if settings is not None else load()
        self._executors: dict[str, Executor] = {}
        self._lock = threading.Lock()

    def executor(self, target: str | None = None) -> Executor:
        """The executor that serves ``target``; None is the current target of the settings."""
        chosen = self.settings.target_named(target)
        with self._lock:
            if chosen.name not in self._executors:
                self._executors[chosen.name] = self._make(chosen)
            return self._executors[chosen.name]

    def _make(self, target: Target) -> Executor:
        if target.cluster is not None:
            from sovlab.client.connecting import executor_for

            return executor_for(target.name, target.cluster, self.settings.state)
        from sovlab.executors.local import LocalExecutor

        local = self.settings.local
        return LocalExecutor(
            self.settings.state,
            target=target.name,
            cores=local.cores,
            memory=local.memory,
            idle=local.idle_minutes * 60,
            python=local.python,
        )

    def submit_cell(
        self,
        source: str,
        namespace: Mapping[str, Any],
        options: Options,
        *,
        label: str = "",
        directory: Path | None = None,
    ) -> Submitted:
        """Run a cell's source with the variables that it reads from ``namespace``.

        Args:
            source: the cell, byte for byte.
            namespace: the notebook's variables.
            options: where and with what.
            label: what the cell is called in tracebacks, e.g. ``In[7]``.
            directory: where local modules are looked for beside ``sys.path``; None is the working directory.
        """
        from sovlab.payload.pack import build_cell

        return self._submit(
            functools.partial(
                build_cell,
                source,
                namespace,
                label=label,
                send=options.send,
                outputs=options.outputs,
                directory=directory,
            ),
            PayloadKind.CELL,
            options,
            name="cell",
            origin=label,
        )

    def submit_call(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: Options
    ) -> Submitted:
        """Run ``function(*args, **kwargs)``; its return value comes back."""
        from sovlab.payload.pack import build_call

        return self._submit(
            functools.partial(build_call, function, args, kwargs),
            PayloadKind.CALL,
            options,
            name=name_of(function),
            origin=name_of(function),
        )

    def submit_script(self, path: Path, args: Sequence[str], options: Options) -> Submitted:
        """Run a Python file as ``python path args…`` would, with the local modules that it imports."""
        from sovlab.payload.pack import build_script

        return self._submit(
            functools.partial(build_script, path),
            PayloadKind.SCRIPT,
            options,
            name=path.stem,
            origin=path.name,
            args=args,
        )

    def plan_cell(
        self,
        source: str,
        namespace: Mapping[str, Any],
        options: Options,
        *,
        label: str = "",
        directory: Path | None = None,
        check: bool = False,
    ) -> Plan:
        """What `submit_cell` would do; nothing is submitted and nothing is left behind.

        With ``check`` the cluster of the target is asked whether it would accept it.
        """
        from sovlab.payload.pack import build_cell

        return self._plan(
            functools.partial(
                build_cell,
                source,
                namespace,
                label=label,
                send=options.send,
                outputs=options.outputs,
                directory=directory,
            ),
            PayloadKind.CELL,
            options,
            name="cell",
            origin=label,
            check=check,
        )

    def plan_script(self, path: Path, args: Sequence[str], options: Options, *, check: bool = False) -> Plan:
        """What `submit_script` would do; see `plan_cell`."""
        from sovlab.payload.pack import build_script

        return self._plan(
            functools.partial(build_script, path),
            PayloadKind.SCRIPT,
            options,
            name=path.stem,
            origin=path.name,
            args=args,
            check=check,
        )

    def rerun(self, record: JobRecord, resume: bool | None = None) -> Job:
        """Submit the request of ``record`` again, as a new job with the same payload.

        Args:
            record: of the earlier job.
            resume: whether the new job finds what the earlier one saved in its checkpoint directory; None
                is yes if that was ended from outside, and no if it came to its own end.
        """
        executor = self.executor(record.target)
        spec, payload = executor.request(record.id)
        if resume is None:
            resume = record.status.reason in _ENDED_FROM_OUTSIDE
        job_id = new_job_id(spec.name)
        executor.submit(job_id, replace(spec, resume=record.id if resume else ""), payload, dict(os.environ))
        return Job(job_id, executor, self.rerun)

    def job(self, name: str, target: str | None = None) -> Job:
        """The newest job called ``name``, or the one with that id.

        Raises:
            JobNotFound: there is none on the target.
        """
        executor = self.executor(target)
        if is_job_id(name):
            try:
                executor.record(name)
            except JobNotFound:
                pass  # a name may look like an id
            else:
                return Job(name, executor, self.rerun)
        for record in executor.records():
            if record.name == name:
                return Job(record.id, executor, self.rerun)
        raise JobNotFound(
            f"There is no job {name!r} on target {executor.target}.",
            "%sovjobs (in a shell: sovlab jobs) lists them.",
        )

    def jobs(self, target: str | None = None) -> list[JobRecord]:
        """All jobs of a target, newest first."""
        return self.executor(target).records()

    def handle(self, record: JobRecord) -> Job:
        """The live handle of a job that was listed."""
        return Job(record.id, self.executor(record.target), self.rerun)

    def manifests(self, name: str, target: str | None = None) -> Manifests:
        """The objects of a job as its cluster has them; values of Secrets are their sizes.

        Raises:
            UsageError: there is no such job, or it runs on this machine.
        """
        job = self.job(name, target)
        return self.executor(target).manifests_of(job.id)

    def add_target(
        self, name: str, wanted: NewTarget, *, use: bool = False, force: bool = False
    ) -> tuple[Path, TargetProposal]:
        """Look at a cluster and define a target on it in the user's settings.

        Args:
            name: of the target.
            wanted: what is said of it.
            use: make it the current one.
            force: write a target of that name anew.

        Returns:
            The file that was written, and what was found and written.

        Raises:
            UsageError: what is said is wrong, or there is such a target; nothing is written.
            ExecutorError: the cluster does not answer; nothing is written.
        """
        from sovlab.client.target_setup import propose

        check_new_target(name, force=force)
        found = propose(name, wanted, self.settings.state)
        path = add_target(name, found.values, force=force)
        if use:
            use_target(name)
        self._reload(name)
        return path, found

    def use_target(self, name: str) -> None:
        """Make a target the current one, in the user's settings."""
        use_target(self.settings.target_named(name).name)
        self._reload()

    def remove_target(self, name: str) -> Path:
        """Take a target out of the user's settings; the file that was written."""
        path = remove_target(name)
        self._reload(name)
        return path

    def examine(self, target: str | None = None) -> list[Finding]:
        """What the cluster of a target is like for jobs; nothing for a target on this machine.

        Raises:
            ExecutorError: it does not answer.
        """
        chosen = self.settings.target_named(target)
        if chosen.cluster is None:
            return []
        from sovlab.client.target_setup import examine

        return examine(chosen.name, chosen.cluster, self.settings.state)

    def _reload(self, changed: str | None = None) -> None:
        self.settings = load()
        with self._lock:
            self._executors.pop(changed or "", None)

    def capacity(self, target: str | None = None) -> list[Capacity]:
        """What a target has of each backend, and what of it is free."""
        return self.executor(target).capacity()

    def clean(
        self, *, older_than: float | None = None, target: str | None = None, dry_run: bool = False
    ) -> Cleaned:
        """Delete ended jobs with all that they left.

        Args:
            older_than: seconds since their end; None is what the settings say.
            target: None is the current target.
            dry_run: delete nothing, only say what would be.
        """
        age = self.settings.local.keep_days * 86400.0 if older_than is None else older_than
        return self.executor(target).clean(older_than=age, dry_run=dry_run)

    @property
    def _objects(self) -> Path:
        return self.settings.state / "objects"

    def _submit(
        self,
        build: Callable[..., Any],
        kind: PayloadKind,
        options: Options,
        *,
        name: str,
        origin: str,
        args: Sequence[str] = (),
    ) -> Submitted:
        executor = self.executor(options.target)
        draft = self._draft(executor, kind, options, name=name, origin=origin, args=args)
        packed = build(store=self._objects)
        spec = replace(draft, payload=packed.digest, labels=packed.labels)
        job_id = new_job_id(spec.name)
        try:
            executor.submit(job_id, spec, packed.path, dict(os.environ))
        except OSError as error:
            raise ExecutorError(
                f"Job {spec.name} could not be handed to target {executor.target}: {error}."
            ) from error
        return Submitted(Job(job_id, executor, self.rerun), tuple(packed.messages), tuple(packed.bound))

    def _plan(
        self,
        build: Callable[..., Any],
        kind: PayloadKind,
        options: Options,
        *,
        name: str,
        origin: str,
        args: Sequence[str] = (),
        check: bool = False,
    ) -> Plan:
        import tempfile

        executor = self.executor(options.target)
        draft = self._draft(executor, kind, options, name=name, origin=origin, args=args)
        with tempfile.TemporaryDirectory(prefix="sovlab-plan-") as scratch:
            packed = build(store=Path(scratch))
            spec = replace(draft, payload=packed.digest, labels=packed.labels)
            made = executor.manifests(new_job_id(spec.name), spec, packed.path, check=check)
        return Plan(
            spec=spec,
            target=executor.target,
            payload=packed.size,
            variables=packed.variables,
            files=tuple(packed.files),
            messages=(*packed.messages, *made.notes),
            manifests=made.objects,
            checked=check,
        )

    def _draft(
        self,
        executor: Executor,
        kind: PayloadKind,
        options: Options,
        *,
        name: str,
        origin: str,
        args: Sequence[str],
    ) -> JobSpec:
        # Everything that can be wrong with the options is found here, before anything is packed.
        from sovlab.backends import choose

        self._check_queue(options)
        requested = options.backend or self.settings.defaults.backend
        resources = options.resources
        backend, why = choose(requested, resources.gpus, executor.capacity())
        if backend.is_accelerator and not resources.gpus:
            resources = replace(resources, gpus=1)  # or jobs would share a device without knowing it
        return JobSpec(
            name=check_name(options.name) if options.name is not None else name,
            kind=kind,
            payload="",
            backend=backend.name,
            backend_why=why,
            nodes=options.nodes,
            procs=options.procs if options.procs is not None else max(resources.gpus, 1),
            resources=resources,
            outputs=options.outputs,
            args=tuple(args),
            env=options.env,
            queue=options.queue or "",
            priority=options.priority or "",
            timeout=options.timeout if options.timeout is not None else self.settings.defaults.timeout,
            grace=self.settings.defaults.grace,
            origin=origin,
        )

    def _check_queue(self, options: Options) -> None:
        target = self.settings.target_named(options.target)
        for flag, word in (("--queue", options.queue), ("--priority", options.priority)):
            if word and target.cluster is None:
                raise SpecError(
                    f"{flag} is {word!r}, and target {target.name} is this machine, which has none.",
                    "Leave it out, or name a target on a cluster with --target.",
                )


def name_of(function: Callable[..., Any]) -> str:
    """What a job of ``function`` is called when nobody names it."""
    inner = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    name = getattr(inner, "__name__", type(inner).__name__)
    return "call" if name == "<lambda>" else name


@functools.lru_cache(maxsize=1)
def default() -> Client:
    """The client of this process, made from the user's settings at first use."""
    return Client()
