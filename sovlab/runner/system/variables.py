"""Environment variables that are heeded once, and by whom: the rule by which a job gets a fresh interpreter.

===========  ====================================  ==========================================================
read         by                                    a job for which it differs
===========  ====================================  ==========================================================
`AT_START`   Python, the loader, the C library     runs in an interpreter that is started for it
`AT_IMPORT`  torch, numpy, what they rest on       the same where one of them is loaded already
any other    whoever wants to know, at any time    is forked, and sees it in ``os.environ``
===========  ====================================  ==========================================================

What ``--env`` says is compared with what the interpreter was started with, on this machine and in pods. A
parent on this machine that forks jobs has these variables from the submitter of its first job; submitters for
whom one differs get another parent.
"""

from __future__ import annotations

import sys
from typing import List, Mapping

_START = """
PYTHON LC_ LANG TZ LD_ DYLD_ MALLOC_ GLIBC_ GCONV_PATH LOCPATH HOME __PYVENV_LAUNCHER__
ASAN_ LSAN_ TSAN_ UBSAN_ OPENSSL_
"""
_IMPORT = """
OMP_ MKL_ KMP_ GOMP_ OPENBLAS_ GOTO_ BLIS_ NVPL_ VECLIB_ DNNL_ ONEDNN_ TBB_ ATEN_ NUMEXPR_ NPY_ NUMPY_
TORCH PYTORCH_ FX_ KINETO_ TRITON_ COMPILE_STROBELIGHT_ CUDA_ CUDNN_ CUBLAS_ NVIDIA_ NCCL_ GLOO_
HIP_ HSA_ ROCR_ ROCM_ ROCBLAS_ MIOPEN_ AMD_ ZE_ SYCL_ ONEAPI_ IGC_ CCL_ HABANA_ PT_ MIMALLOC_
"""
AT_START = tuple(_START.split())
"""Beginnings of the names that are read when a process is executed; ``HOME`` for the user's packages."""
AT_IMPORT = tuple(_IMPORT.split())
"""Beginnings of the names that torch, numpy and the libraries below them read when they are loaded."""
_LIBRARIES = ("torch", "numpy")


def heeded_once(name: str) -> bool:
    """Whether a variable is read when an interpreter is started or a library loaded, and then no more."""
    return name.startswith((*AT_START, *AT_IMPORT))


def unheeded(wanted: Mapping[str, str], started_with: Mapping[str, str]) -> List[str]:
    """The names in ``wanted`` that this process would not heed, because it has started without them.

    Args:
        wanted: what a job's environment is to have.
        started_with: the environment in which this interpreter, and what it has loaded, came up.
    """
    loaded = any(name in sys.modules for name in _LIBRARIES)
    return [
        name
        for name, value in wanted.items()
        if started_with.get(name) != value
        and (name.startswith(AT_START) or (loaded and name.startswith(AT_IMPORT)))
    ]
