"""Variables by which launchers of ranks tell a process which one it is.

Where a kernel or whoever else submits was itself started by one, or an image has them set, they say nothing
of the job: it would wait for ranks that are not its own. A job has those of its own launcher, and what
``--env`` says. How a submitter's terminal writes letters says nothing of the job either: its log is UTF-8.
"""

from __future__ import annotations

from typing import Dict, List, Mapping

_OF_TORCHRUN = """
RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE NODE_RANK GROUP_RANK GROUP_WORLD_SIZE
ROLE_NAME ROLE_RANK ROLE_WORLD_SIZE MASTER_ADDR MASTER_PORT LOCAL_SIZE CROSS_RANK CROSS_SIZE
NNODES NPROC_PER_NODE
"""
_NAMES = frozenset(_OF_TORCHRUN.split())
"""Of torchrun, and of those that follow it: accelerate, DeepSpeed, Kubeflow's operators."""
_OF_OTHERS = """
TORCHELASTIC_ PET_ ACCELERATE_ FSDP_ HOROVOD_
SLURM SRUN_ PBS_ LSB_ JSM_ FLUX_ PALS_ ALPS_
PMI_ PMI2_ PMIX_ OMPI_ ORTE_ PRTE_ PRRTE_ MPI_LOCAL MV2_COMM_WORLD_ MPISPAWN_ HYDI_ I_MPI_HYDRA
AZ_BATCH_ SM_HOSTS SM_CURRENT_HOST JAX_COORDINATOR JAX_PROCESS_ JAX_NUM_PROCESSES
"""
_TERMINALS = ("PYTHONIOENCODING", "PYTHONLEGACYWINDOWSSTDIO")
_PREFIXES = tuple(_OF_OTHERS.split())
"""Of torchrun and accelerate; of batch systems; of MPI and how it is started; of services."""


def of_launchers(environ: Mapping[str, str]) -> List[str]:
    """The names in ``environ`` that are a launcher's."""
    return [name for name in environ if name in _NAMES or name.startswith(_PREFIXES)]


def without_launchers(environ: Mapping[str, str]) -> Dict[str, str]:
    """``environ`` as it was before a launcher came, and without what is true of a terminal only."""
    left_out = {*of_launchers(environ), *_TERMINALS}
    return {name: value for name, value in environ.items() if name not in left_out}
