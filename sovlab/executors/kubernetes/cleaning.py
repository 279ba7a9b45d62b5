"""Ended jobs of a cluster go, with all that they left: there, in the store, and on this machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

from sovlab.core.cleaned import Cleaned
from sovlab.core.job import JobRecord, JobState
from sovlab.core.spec import JobSpec
from sovlab.errors import ExecutorError
from sovlab.executors.kubernetes.objects.records import Records, job_record
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import Objects, WorkloadKind
from sovlab.executors.kubernetes.ownership import Ownership
from sovlab.executors.kubernetes.transfers.bucket import Bucket
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.kubernetes.transfers.volume import Volume
from sovlab.kube import labels
from sovlab.kube.transport.api import Api
from sovlab.settings.states import sweep_objects

_UNUSED = 3600.0
"""Seconds after which what belongs to no job that is known is deleted by ``clean``, at the soonest."""
_INTERRUPTED = 600.0
"""Seconds after which what an interrupted submit left is deleted by ``clean``."""


class Cleaning:
    """Deletes jobs of a target.

    Args:
        api: as the user whose jobs they are.
        target: its name.
        objects: of the namespace.
        records: of the jobs.
        kept: the target's files on this machine.
        ownership: whose jobs are whose.
        store: what keeps results and payloads; None if the target has none.
    """

    def __init__(
        self,
        api: Api,
        target: str,
        objects: Objects,
        records: Records,
        kept: LocalState,
        ownership: Ownership,
        store: Bucket | Volume | None,
    ) -> None:
        self._api, self._target = api, target
        self._objects, self._records = objects, records
        self._kept, self._ownership = kept, ownership
        self._bucket = store if isinstance(store, Bucket) else None
        self._volume = store if isinstance(store, Volume) else None

    def empty_store(self, ids: Sequence[str], workloads: Sequence[Object]) -> None:
        """Delete what the store keeps of jobs. What cannot be deleted there stays, and hinders nothing.

        Args:
            ids: of the jobs; the cluster may have no more than that of them.
            workloads: some of theirs, or others: a volume is reached by a pod, which one of these owns.
        """
        owners = {obj["metadata"]["name"]: self._ownership.folder_of(obj) for obj in workloads}
        with contextlib.suppress(ExecutorError):
            if self._bucket is not None:
                mine = self._ownership.folder
                for job_id in ids:
                    self._bucket.forget(job_id, owners.get(job_id, mine))
            elif self._volume is not None and ids and workloads:
                spec = job_record(workloads[0], [], self._target).spec
                self._volume.forget(ids, workloads[0], spec.backend if spec is not None else "cpu")

    def delete(self, kind: WorkloadKind, job_id: str) -> None:
        """Delete a workload, and what is known of it here."""
        self._api.delete(f"{kind.path}/{job_id}")
        self._objects.forget(job_id)
        self._records.forget(job_id)
        self._kept.forget(job_id)

    def carry_out(
        self, known: Sequence[JobRecord], older_than: float, *, dry_run: bool, files: bool, all_users: bool
    ) -> Cleaned:
        """Delete ended jobs, and what the cluster has deleted of them by itself; see `Executor.clean`.

        Args:
            known: the records of all jobs.
            older_than: seconds since their end.
            dry_run: delete nothing.
            files: delete those too that hold files which they wrote.
            all_users: delete others' jobs, too.
        """
        now = time.time()
        may_go = [
            record for record in known if (record.own or all_users) and self._may_go(record, now, older_than)
        ]
        kept = {} if files else {record.id: record.status.files for record in may_go if record.status.files}
        removed = [record.id for record in may_go if record.id not in kept]
        # What is here, and in the store, of jobs that the cluster has long deleted by itself.
        stay = {record.id: record.spec for record in known if record.id not in removed}
        # A job may be on its way there, or have come and gone, since they were listed.
        before = now - max(older_than, _UNUSED)
        orphans = self._kept.left_behind({record.id for record in known}, before)
        size = sum(map(self._kept.size, (*removed, *orphans)))
        size += self._sweep_bucket(stay, before, dry_run=dry_run)
        if not dry_run:
            there = [found for job_id in removed if (found := self._objects.workload(job_id)) is not None]
            gone = [job_id for job_id in orphans if self._kept.is_own(job_id)]
            by = [obj for _, obj in there]
            if gone and not by:
                own = next((record.id for record in known if record.own and record.id in stay), "")
                by = [found[1]] if (found := self._objects.workload(own)) is not None else []
            self.empty_store([*(obj["metadata"]["name"] for _, obj in there), *gone], by)
            for kind, obj in there:
                self.delete(kind, obj["metadata"]["name"])
            for job_id in (*removed, *orphans):
                self._kept.forget(job_id)
            size += sweep_objects(self._kept.root.parent.parent, now - _UNUSED)
        removed += orphans
        return Cleaned(jobs=tuple(removed), bytes=size, kept=kept)

    def _sweep_bucket(self, stay: Mapping[str, JobSpec | None], before: float, *, dry_run: bool) -> int:
        """Delete what this user's jobs left in the bucket and no job keeps; how many bytes that is."""
        payloads = {spec.payload for spec in stay.values() if spec is not None}
        damaged = None in stay.values()  # what it was sent is not known
        with contextlib.suppress(ExecutorError):
            if self._bucket is not None:
                return self._bucket.sweep(
                    self._ownership.folder, stay, None if damaged else payloads, before, dry_run=dry_run
                )
        return 0

    def _may_go(self, record: JobRecord, now: float, older_than: float) -> bool:
        found = record.status
        if not (found.state.ended or found.state is JobState.UNKNOWN):
            return self._is_left_behind(record, now)
        return (found.ended or found.submitted or 0.0) <= now - older_than

    def _is_left_behind(self, record: JobRecord, now: float) -> bool:
        obj = self._objects.known(record.id)
        if obj is None or labels.READY in obj["metadata"]["annotations"]:
            return False
        return now - (record.status.submitted or now) > _INTERRUPTED
