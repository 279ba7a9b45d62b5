"""Code in files: a `Script`, and a `Module` as ``python -m`` runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from sovlab.core.spec import PayloadKind
from sovlab.errors import SpecError
from sovlab.payload import capture
from sovlab.payload.files import modules
from sovlab.payload.files.luggage import Travel
from sovlab.payload.gathering import gather
from sovlab.payload.pack import Packed, write_payload


class Script(msgspec.Struct, frozen=True):
    """A Python file, run as ``python path args…`` would, with the local modules that it imports."""

    path: Path
    args: Sequence[str] = ()

    kind = PayloadKind.SCRIPT

    @property
    def name(self) -> str:
        """The file's, without its suffix."""
        return self.path.stem

    @property
    def origin(self) -> str:
        """The file's name."""
        return self.path.name

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """See `Code.pack`; ``send`` and ``outputs`` are a cell's.

        Raises:
            SpecError: there is no such file, or it cannot be read.
            SyntaxError: the script's own.
        """
        data = _read(self.path)
        script = capture.read_script(data, self.path.name)
        return write_payload(
            gather({}, None, None),
            store,
            kind=self.kind,
            entry={"script": self.path.name},
            segments={"source": data},
            imported=modules.imports_in(script.tree),
            labels={script.key: self.path.name},
            bound=sorted(script.names.binds),
            code=script.key,
            travel=Travel(self.path.resolve().parent, self.path, files=files, shared=shared),
        )


class Module(msgspec.Struct, frozen=True):
    """A module, run as ``python -m module args…`` would, with its package and local modules."""

    module: str
    args: Sequence[str] = ()

    kind = PayloadKind.SCRIPT

    @property
    def name(self) -> str:
        """The last part of the module's."""
        return self.module.removesuffix(".__main__").rpartition(".")[2]

    @property
    def origin(self) -> str:
        """The module."""
        return self.module

    def pack(
        self,
        store: Path,
        *,
        send: Sequence[str] | None = None,
        outputs: Sequence[str] = (),
        files: Sequence[str] = (),
        shared: bool = False,
    ) -> Packed:
        """See `Code.pack`; ``send`` and ``outputs`` are a cell's.

        Raises:
            SpecError: there is no such module here, or it cannot be read.
            SyntaxError: the module's own.
        """
        if not all(part.isidentifier() for part in self.module.split(".")):
            raise SpecError(
                f"-m {self.module} does not name a module.", "Write it as in import: package.module."
            )
        spec = modules.locate(self.module, Path.cwd())
        if spec is None:
            raise SpecError(
                f"There is no module {self.module} to run here; a package needs a __main__.",
                "Name it as python -m does, in the directory above its package.",
            )
        imported, bound = {self.module}, []
        if spec.has_location and spec.origin and modules.is_local(Path(spec.origin)):
            module = capture.read_script(_read(Path(spec.origin)), spec.origin)
            imported |= modules.imports_in(module.tree)
            bound = sorted(module.names.binds)
        return write_payload(
            gather({}, None, None),
            store,
            kind=self.kind,
            entry={"module": self.module},
            imported=imported,
            bound=bound,
            code=self.module if len(self.module) <= 300 else "",
            travel=Travel(files=files, shared=shared),
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"There is no file {path}.", "Give the path of a Python file.") from None
    except OSError as error:
        raise SpecError(
            f"The script {path} cannot be read: {error.strerror}.", "Give the path of a Python file."
        ) from None
