"""The runner as one file, to be run by whatever Python a job has."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import marshal
import secrets
import sys
import zipfile
from pathlib import Path

from sovlab.errors import SovlabError

_MAIN = "import sys\n\nfrom sovlab.runner.main import main\n\nsys.exit(main())\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def runner_zip(directory: Path) -> Path:
    """The path of the runner's ``.pyz`` in ``directory``, made there if need be.

    It holds the part of sovlab that works inside jobs, and cloudpickle, as source and as bytecode for
    this interpreter; another one compiles the source. Its name is the hash of what is in it.

    Raises:
        SovlabError: it cannot be written.
    """
    sources = _sources()
    status = {name: path.stat() for name, path in sources.items()}
    stamps = tuple((n, str(sources[n]), s.st_mtime_ns, s.st_size) for n, s in status.items())
    name, data = _zipped(stamps)
    path = directory / name
    try:
        if path.exists():
            return path
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = directory / f".{secrets.token_hex(8)}.tmp"
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SovlabError(
            f"The runner cannot be written to {directory}: {error.strerror}.",
            "Check its permissions, or set SOVLAB_STATE_DIR to another directory.",
        ) from error
    return path


@functools.lru_cache(maxsize=1)
def small_runner() -> bytes:
    """The runner for places that are far: compressed, and without bytecode, which is of one Python only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in {**_sources(), "__main__.py": None}.items():
            source = _MAIN.encode() if path is None else path.read_bytes()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), source, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _sources() -> dict[str, Path]:
    import cloudpickle

    ours, pickler = Path(__file__).parents[1], Path(cloudpickle.__file__).parent
    files = [ours / name for name in ("__init__.py", "_version.py", "errors.py", "torch.py")]
    files += [*ours.glob("runner/**/*.py"), *pickler.glob("*.py")]
    found = {
        path.relative_to((ours if path.is_relative_to(ours) else pickler).parent): path for path in files
    }
    return {name.as_posix(): path for name, path in sorted(found.items()) if path.exists()}


@functools.lru_cache(maxsize=4)
def _zipped(stamps: tuple[tuple[str, str, int, int], ...]) -> tuple[str, bytes]:
    sources = {name: Path(path).read_bytes() for name, path, _, _ in stamps}
    sources["__main__.py"] = _MAIN.encode()
    # Bytecode is not the same byte for byte each time, so the name comes from what it is made of.
    digest = hashlib.sha256(f"{sys.implementation.cache_tag}\n".encode() + importlib.util.MAGIC_NUMBER)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, source in sorted(sources.items()):
            digest.update(f"{name}\n{len(source)}\n".encode() + source)
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), source)
            if name != "__main__.py":
                archive.writestr(zipfile.ZipInfo(f"{name}c", _EPOCH), _bytecode(source, name))
    return f"{digest.hexdigest()[:16]}.pyz", buffer.getvalue()


def _bytecode(source: bytes, name: str) -> bytes:
    code = compile(source, name, "exec", dont_inherit=True)
    # PEP 552, unchecked: what it was compiled from lies beside it and cannot change.
    flags = (1).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)
