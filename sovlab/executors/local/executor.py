"""`LocalExecutor`: jobs as processes of this machine that outlive whoever submitted them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sovlab import backends
from sovlab.core.backend import Detection
from sovlab.core.capacity import Capacity
from sovlab.core.job import JobRecord, JobsSeen, JobState, JobStatus
from sovlab.core.names import is_job_id
from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import DamagedRecord
from sovlab.errors import ExecutorError, SpecError, UsageError, WaitTimeout
from sovlab.executors.local.agent_client import AgentClient
from sovlab.executors.local.command import Command, stamp
from sovlab.executors.local.configuration import Configuration, budget_of, configuration
from sovlab.executors.local.foresight import Foresight, wanted
from sovlab.executors.local.queue import Budget, demand, lacking, too_large
from sovlab.executors.local.store import JobDirectory, JobStore
from sovlab.executors.ordering import order_for
from sovlab.payload.shipping import runner_zip
from sovlab.runner.system import inherited, processes
from sovlab.runner.system.launchers import without_launchers
from sovlab.runner.values.pack import Pack
from sovlab.settings.states import sweep_objects

if TYPE_CHECKING:
    from sovlab.core.cleaned import Cleaned
    from sovlab.core.energy.history import PowerHistory
    from sovlab.core.event import Cursor, Event
    from sovlab.core.plan import Manifests, Past
_LOOK = 1.0
"""Seconds after which a waiting reader looks for itself: a supervisor that vanished changes no file."""
_LOOK_STOP = 0.1
_LEAST = 0.1
"""Seconds between two lists at least, however much the jobs print."""


class LocalExecutor:
    """The local target, complete: queue, processes, logs, results.

    Args:
        state: the user's state directory.
        target: name of the target.
        cores: what jobs may use together; None is all that this process may use.
        memory: bytes that they may ask for together; None is what the machine has.
        idle: seconds after which an agent with nothing to do goes.
        python: the interpreter that runs jobs; None is the one that submits them.
    """

    shares_files = True
    defers = True
    has_queues = False

    def __init__(
        self,
        state: Path,
        *,
        target: str = "local",
        cores: float | None = None,
        memory: int | None = None,
        idle: float = 900.0,
        python: str | None = None,
    ) -> None:
        self.target = target
        self._python = shutil.which(python) or python if python is not None else sys.executable
        self._store = JobStore(state)
        self._cores, self._memory, self._idle = cores, memory, idle
        self._ended: dict[str, JobRecord] = {}
        self._agent = AgentClient(state, self._configuration)

    @functools.cached_property
    def _detections(self) -> Mapping[str, Detection]:
        return {d.backend: d for d in backends.detections(self._store.state / "hardware")}

    @functools.cached_property
    def _budget(self) -> Budget:
        return budget_of(self._detections, self._cores, self._memory)

    def _configuration(self, socket: Path) -> Configuration:
        return configuration(self._store.state, socket, self._budget, self._idle)

    def check(self, spec: JobSpec) -> None:
        """See `Executor.check`."""
        for flag, word in (("--queue", spec.queue), ("--priority", spec.priority)):
            if word:
                raise SpecError(
                    f"{flag} is {word!r}, and target {self.target} is this machine, which has none.",
                    "Leave it out, or name a target on a cluster with --target.",
                )
        problem = too_large(demand(spec, self._budget), self._budget)
        if problem:
            raise SpecError(
                f"Job {spec.name} asks for {problem} on target {self.target}.",
                "Ask for less, or raise the limit under [local] in the settings.",
            )

    def image(self, spec: JobSpec) -> str:
        """See `Executor.image`: jobs run in none."""
        return ""

    def submit(self, job_id: str, spec: JobSpec, payload: Path, environ: Mapping[str, str]) -> None:
        """See `Executor.submit`."""
        self.check(spec)
        runner = runner_zip(self._store.state / "runner")
        submitted = time.time()

        def fill(directory: Path) -> None:
            place = self._store.jobs / job_id
            with contextlib.suppress(OSError):
                os.link(payload, directory / "payload.pack")
            if not (directory / "payload.pack").exists():
                shutil.copyfile(payload, directory / "payload.pack")
            order_for(
                job_id,
                spec,
                backends.get(spec.backend),
                nonce=secrets.token_hex(8),
                payload=str(place / "payload.pack"),
                results=str(place / "results.pack"),
                exit=str(place / "exit.json"),
                workdir=str(Path.cwd()),
                run=str(place / "run.json"),
                cancel=str(place / "cancel"),
                checkpoint=str(place / "checkpoint"),
                inherited=inherited.of_this_process(),
            ).write(str(directory / "order.json"))
            foresight = Foresight(Pack(directory / "payload.pack"))
            command = Command(
                python=self._python,
                runner=str(runner),
                stamp=stamp(sys.path),
                wants=wanted(spec, foresight),
                alone=foresight.looks_at_hashes(),
            )
            (directory / "command.json").write_bytes(msgspec.json.encode(command))
            earlier = self._store.jobs / spec.resume / "checkpoint"
            if spec.resume and is_job_id(spec.resume) and earlier.is_dir():
                shutil.copytree(earlier, directory / "checkpoint")
            (directory / "log").touch(0o600)
            descriptor = os.open(directory / "environ.json", os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                # The backend's now, so that whatever starts the job has come up with them.
                json.dump({**without_launchers(environ), **backends.get(spec.backend).env}, file)
            (directory / "spec.json").write_bytes(
                msgspec.json.encode({"version": 1, "submitted": submitted, "spec": spec})
            )

        if not (self._store.jobs / job_id).exists():
            # One that is held back comes after those that arrive before its start.
            arrival = spec.due(submitted) or submitted
            entry = self._store.queue / f"{int(arrival * 1e9):020d}.{job_id}"
            # The entry comes first: one without a job is left aside, a job without one would wait for ever.
            entry.touch(mode=0o600)
            accepted = False
            try:
                accepted = self._store.accept(job_id, fill)
            finally:
                if not accepted:  # it failed, or another process was first and has an entry of its own
                    entry.unlink(missing_ok=True)
        self._agent.wake()

    def manifests(self, job_id: str, spec: JobSpec, payload: Path, *, check: bool = False) -> Manifests:
        """See `Executor.manifests`; jobs here are processes."""
        from sovlab.core.plan import Manifests

        if check:
            raise SpecError(
                f"Target {self.target} is this machine: there is no server to ask.", "Use --dry-run."
            )
        return Manifests()

    def manifest_for_everybody(self, job_id: str) -> None:
        """See `Executor.manifest_for_everybody`: there is none."""
        return

    def manifests_of(self, job_id: str) -> Manifests:
        """See `Executor.manifests_of`."""
        self._store.job(job_id)
        raise UsageError(
            f"Job {job_id} is a process of this machine and has no manifests.",
            "Jobs on a cluster have them: name their target with --target.",
        )

    def happenings(self, job_id: str) -> Past:
        """See `Executor.happenings`: a process of this machine has nothing beside its record."""
        from sovlab.core.plan import Past

        self._store.job(job_id)
        return Past()

    def record(self, job_id: str) -> JobRecord:
        """See `Executor.record`."""
        return self._placed(self._store.job(job_id).record(self.target), self._waiting())

    def request(self, job_id: str) -> tuple[JobSpec, Path]:
        """See `Executor.request`."""
        job = self._store.job(job_id)
        try:
            return job.accepted().spec, job / "payload.pack"
        except (OSError, DamagedRecord) as error:
            raise UsageError(
                f"The record of job {job_id} is damaged, so it cannot run again.", "Submit its code again."
            ) from error

    def records(self) -> list[JobRecord]:
        """See `Executor.records`."""
        waiting = self._waiting()
        found, ended = [], {}
        for name in self._store.names():
            # What has ended never changes: it is read once.
            record = self._ended.get(name)
            if record is None:
                if not is_job_id(name):
                    continue
                record = self._placed(JobDirectory(self._store.jobs, name).record(self.target), waiting)
            if record.status.state.ended:
                ended[name] = record
            found.append(record)
        self._ended = ended
        self._look_after(found)
        return sorted(found, key=lambda r: (r.status.submitted or 0.0, r.id), reverse=True)

    def _look_after(self, found: Iterable[JobRecord]) -> None:
        """Have an agent where jobs are held back: that of their submit may have gone, as with the machine."""
        before = (JobState.PENDING, JobState.QUEUED)
        if any(
            record.spec is not None and record.spec.deferral is not None
            for record in found
            if record.status.state in before
        ):
            with contextlib.suppress(ExecutorError):  # a list is a list
                self._agent.wake()

    def changes(self, stop: threading.Event) -> Iterator[JobsSeen]:
        """See `Executor.changes`."""
        from sovlab.executors.watching import Watch

        last: list[JobRecord] | None = None
        with Watch(self._store.jobs) as watch:
            while not stop.is_set():
                active = [job.path for job in self._store.active()]
                watch.beside(active)
                records = self.records()
                if records != last:
                    last = records
                    yield JobsSeen(records=records)
                # What is deleted, or vanishes, changes no file that is watched.
                watch.wait(_LOOK)
                stop.wait(_LEAST)

    def own_records(self, most: int) -> list[JobRecord]:
        """See `Executor.own_records`: those whose directories have changed last."""
        found = []
        for name in self._store.newest(most):
            record = self._ended.get(name) or JobDirectory(self._store.jobs, name).record(self.target)
            if record.status.state.ended:
                self._ended[name] = record
            found.append(record)
        return found

    def _waiting(self) -> list[str]:
        return [job.id for job in self._store.active()]

    def _placed(self, record: JobRecord, waiting: list[str]) -> JobRecord:
        if record.status.state is not JobState.QUEUED:
            return record
        ahead = 0
        for job_id in waiting:
            if job_id == record.id:
                break
            ahead += not (self._store.jobs / job_id / "run.json").exists()
        budget, message = self._budget, "waiting"
        if ahead:
            message = f"waiting: {ahead} ahead of you"
        elif record.spec is not None:
            message = f"waiting for {lacking(demand(record.spec, budget), budget)}"
        return replace(record, status=replace(record.status, ahead=ahead, message=message))

    def events(
        self, job_id: str, *, follow: bool = True, offset: Cursor = 0, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """See `Executor.events`."""
        from sovlab.core.event import StatusChanged
        from sovlab.executors.local.logs import LogFile
        from sovlab.executors.watching import Watch

        job = self._store.job(job_id)
        log = LogFile(job, int(offset))
        last: JobStatus | None = None
        with Watch(job.path) as watch:
            while True:
                # The state before the log: an ended job's log is complete, so nothing of it is missed.
                status = self.record(job_id).status
                over = status.state.ended or status.state is JobState.UNKNOWN
                if not over and (last is None or _shown(status) != _shown(last)):
                    yield StatusChanged(status=status)
                last = status
                yield from log.more()
                if over:
                    yield from log.rest()
                    yield StatusChanged(status=status)
                    return
                if not follow or (stop is not None and stop.is_set()):
                    return
                changed = watch.wait(_LOOK if stop is None else _LOOK_STOP)
                self._keep_going(status, changed)

    def power_history(self, job_id: str) -> PowerHistory:
        """See `Executor.power_history`."""
        from sovlab.executors.local.logs import power_history

        return power_history(self._store.job(job_id))

    def wait(self, job_id: str, timeout: float | None = None) -> JobRecord:
        """See `Executor.wait`."""
        from sovlab.executors.watching import Watch

        deadline = None if timeout is None else time.monotonic() + timeout
        job = self._store.job(job_id)
        with Watch(job.path) as watch:
            while True:
                record = self.record(job_id)
                if record.status.state.ended or record.status.state is JobState.UNKNOWN:
                    return record
                left = _LOOK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise WaitTimeout(f"Job {record.name} has not ended after {timeout:g} s.", "It goes on.")
                changed = watch.wait(min(left, _LOOK))
                self._keep_going(record.status, changed)

    def _keep_going(self, status: JobStatus, changed: bool) -> None:
        """Start the agent again if it has died while a job waits for it."""
        if not changed and status.state in (JobState.QUEUED, JobState.PENDING):
            self._agent.wake()

    def cancel(self, job_id: str) -> None:
        """See `Executor.cancel`."""
        job = self._store.job(job_id)
        if (job / "exit.json").exists():
            return
        (job / "cancel").touch()
        running = None
        with contextlib.suppress(DamagedRecord):
            running = job.running()
        if running is not None and running.alive:
            processes.kill([running.pid], signal.SIGTERM)
        else:
            self._agent.wake()

    def results(self, job_id: str) -> Path | None:
        """See `Executor.results`."""
        path = self._store.job(job_id) / "results.pack"
        return path if path.exists() else None

    def delete(self, job_id: str) -> None:
        """See `Executor.delete`."""
        job = self._store.job(job_id)
        state = job.record(self.target).status.state
        if not state.ended and state is not JobState.UNKNOWN:
            raise UsageError(f"Job {job_id} has not ended ({state}).", "Cancel it first.")
        self._remove(job)

    def _remove(self, job: JobDirectory) -> int:
        size = sum(p.stat().st_size for p in job.path.rglob("*") if p.is_file())
        shutil.rmtree(job.path, ignore_errors=True)
        return size

    def trust(self, job_id: str) -> None:
        """See `Executor.trust`: all jobs of this state are one user's."""

    def clean(
        self, *, older_than: float, dry_run: bool = False, files: bool = False, all_users: bool = False
    ) -> Cleaned:
        """See `Executor.clean`; there are no other users' jobs."""
        from sovlab.core.cleaned import Cleaned

        before, removed, size = time.time() - older_than, [], 0
        kept: dict[str, tuple[str, ...]] = {}
        for job in list(self._store.all()):
            status: JobStatus = job.record(self.target).status
            when = status.ended or status.submitted or 0.0
            if not (status.state.ended or status.state is JobState.UNKNOWN) or when > before:
                continue
            wrote = () if files else job.written()
            if wrote:
                kept[job.id] = wrote
                continue
            removed.append(job.id)
            size += (
                sum(p.stat().st_size for p in job.path.rglob("*") if p.is_file())
                if dry_run
                else self._remove(job)
            )
        if not dry_run:
            sweep_objects(self._store.state, time.time() - 3600)
        return Cleaned(jobs=tuple(removed), bytes=size, kept=kept)

    def capacity(self) -> list[Capacity]:
        """See `Executor.capacity`."""
        active = [job.record(self.target) for job in self._store.active()]
        running = [r for r in active if r.status.state is JobState.RUNNING and r.spec]
        queued = [r for r in active if r.status.state is JobState.QUEUED and r.spec]
        answers = []
        for name, detection in self._detections.items():
            mine = [r.spec for r in running if r.spec and r.spec.backend == name]
            if name == "cpu":
                total = self._budget.cores
                used = sum(demand(r.spec, self._budget).cores for r in running if r.spec)
            else:
                total, used = (
                    float(len(detection.devices)),
                    float(sum(s.resources.gpus * s.nodes for s in mine)),
                )
            answers.append(
                Capacity(
                    detection=detection,
                    total=total,
                    free=max(total - used, 0),
                    queued=sum(1 for r in queued if r.spec and r.spec.backend == name),
                    source="this machine",
                    seen=time.time(),
                )
            )
        return answers

    def stop_agent(self) -> None:
        """Let the agent end; running jobs go on."""
        self._agent.stop()


def _shown(status: JobStatus) -> tuple[object, ...]:
    """What of a status is worth an event; progress has events of its own."""
    return status.state, status.reason, status.message, status.ahead
