"""What sovlab's objects are called and marked with in a cluster."""

from __future__ import annotations

import zlib

PREFIX = "sovlab.dev"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "sovlab"
JOB = f"{PREFIX}/job"
"""Label: the job's id."""
SPEC = f"{PREFIX}/spec"
"""Annotation: the request as JSON, without what may be secret (environment, arguments)."""
SUBMITTED = f"{PREFIX}/submitted"
"""Annotation: when, in seconds since the epoch."""
NONCE = f"{PREFIX}/nonce"
"""Annotation: what marks the frames in the job's log."""
READY = f"{PREFIX}/ready"
"""Annotation: all that the job needs is there; without it the submit did not come to its end."""
CANCELLED = f"{PREFIX}/cancelled"
"""Annotation: somebody cancelled the job."""
DELIVERY = f"{PREFIX}/delivery"
"""Annotation: how the payload gets there: ``secret``, ``stream`` or ``store``."""
HELD = f"{PREFIX}/held"
"""Annotation: the job is held back, outside of its queue, until this start, in seconds since the epoch."""
HELD_QUEUE = f"{PREFIX}/held-queue"
"""Annotation: the queue that it gets then."""
DEADLINE = f"{PREFIX}/finish-by"
"""Annotation: when it is to have ended, in seconds since the epoch."""
OWNER = f"{PREFIX}/owner"
"""Label of all objects of a job: a digest of the name that the cluster has for who submitted it."""
OWNER_NAME = f"{PREFIX}/owner-name"
"""Annotation: that name itself."""
SIGNATURE = f"{PREFIX}/signature"
"""Annotation: of the request, by a key that only its user has."""
NO_QUEUE = "sovlab-held"
"""A queue that does not exist, for jobs that are held back where the cluster would put them into one."""

SELECTOR = f"{MANAGED_BY}={MANAGER},{JOB}"
"""Selects what belongs to sovlab's jobs. Other tools may use the same labels: see `is_ours`."""
CONTAINER, TRAINER = "job", "node"
"""What the container of a job is called, and that of a TrainJob, which is its runtime's."""
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
"""Annotation of pods: which of its containers matters. Others than sovlab set it, too."""

JOB_NAME = "batch.kubernetes.io/job-name"
INDEX = "batch.kubernetes.io/job-completion-index"
JOBSET_NAME = "jobset.sigs.k8s.io/jobset-name"
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"
JOB_UID = "kueue.x-k8s.io/job-uid"


def port(job_id: str) -> int:
    """Where the ranks of a job meet: the same for each try, and seldom that of another job.

    Below the ports that systems give out by themselves, because pods may share their node's network.
    """
    return 20000 + zlib.crc32(job_id.encode()) % 10000
