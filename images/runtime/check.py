"""Is this image fit for jobs? The last step of its build, and a question to a running one.

    podman run --rm --user 1234567:0 IMAGE python3 /usr/share/sovlab/check.py cuda

Run it as the user that jobs will have. It needs no device: what is asked is how torch was built.
"""

import getpass
import importlib
import importlib.util
import os
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MODULES = ("numpy", "cloudpickle", "papermill", "ipykernel", "matplotlib.pyplot", "sklearn", "tqdm")
PLACES = ("HOME", "XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR", "TMPDIR")


def faults(backend: str) -> Iterator[str]:
    """What is wrong, one sentence each."""
    if sys.version_info < (3, 11):  # noqa: UP036  (whatever the base has)
        yield f"Python is {sys.version.split()[0]}; 3.11 or newer is needed."
    if os.getuid() == 0:
        yield "This runs as root; clusters refuse such images."
    try:
        getpass.getuser()
    except (KeyError, OSError) as error:
        yield f"The user has no name ({error}); set USER and LOGNAME."
    places = {name: os.environ.get(name, "") for name in PLACES}
    places |= {"TMPDIR": tempfile.gettempdir(), "the working directory": str(Path.cwd())}
    for name, place in places.items():
        try:
            with tempfile.TemporaryFile(dir=place or "/nowhere"):
                pass
        except OSError as error:
            yield f"{name} ({place or 'not set'}) cannot be written: {error.strerror}."
    if not shutil.which("ps"):
        yield "There is no ps; install procps."
    known = ssl.get_default_verify_paths()
    if not known.cafile and not any(Path(known.capath or "/nowhere").glob("*.0")):
        yield "There are no CA certificates; install ca-certificates."
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a broken build raises
            yield f"import {name}: {type(error).__name__}: {error}"
    yield from _torch(backend)


def _torch(backend: str) -> Iterator[str]:
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"  # a vendor's plug-in may insist on a device
    try:
        import torch
    except Exception as error:
        yield f"import torch: {type(error).__name__}: {error}"
        return
    if float(torch.arange(4.0).sum()) != 6:
        yield "torch cannot add."
    built = {
        "cpu": True,
        "cuda": torch.version.cuda,
        "rocm": torch.version.hip,
        "xpu": getattr(torch.version, "xpu", None),
        "gaudi": importlib.util.find_spec("habana_frameworks"),
    }
    if not built[backend]:
        yield f"torch {torch.__version__} was not built for {backend}."


def main() -> int:
    """Print what is wrong; the exit status says whether anything is."""
    found = list(faults(sys.argv[1] if len(sys.argv) > 1 else "cpu"))
    for line in found or [f"Fit for jobs: Python {sys.version.split()[0]}."]:
        sys.stdout.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
