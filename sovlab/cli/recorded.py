"""``sovlab show``: what an executed notebook says of its run, to people and to programs."""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.cli import show, streams
from sovlab.errors import SpecError

if TYPE_CHECKING:
    from sovlab.batch.provenance.told import Told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``sovlab show`` takes."""
    parser.add_argument("notebook", help="an executed notebook, e.g. of sovlab run")
    other = parser.add_argument_group("for other programs")
    other.add_argument(
        "--rocrate",
        nargs="?",
        const="",
        metavar="DIR",
        help="make a Process Run Crate of it, with the notebooks (default: NOTEBOOK.crate beside it)",
    )
    other.add_argument(
        "--slsa", action="store_true", help="print it as SLSA provenance, an in-toto statement"
    )
    other.add_argument("--agent", metavar="WHO", help="in the crate: who ran it, an ORCID's URL or a name")
    other.add_argument("--license", metavar="WHICH", help="of the crate: a URL or a text")


def show_record(parsed: argparse.Namespace) -> int:
    """Show it; the exit status is 0 where there is a record, of a run or of results, else 1."""
    from sovlab.batch.provenance import sidecar
    from sovlab.batch.provenance.reading import read_notebook
    from sovlab.batch.recorded import record_of, recorded_table
    from sovlab.batch.results import recorded_values

    notebook = read_notebook(parsed.notebook)
    record, recorded = record_of(notebook), recorded_values(notebook)
    if recorded:
        record = {**record, "recorded": recorded}
    if (parsed.agent or parsed.license) and parsed.rocrate is None:
        raise SpecError("--agent and --license are of a crate.", "Add --rocrate.")
    if parsed.slsa and parsed.rocrate is not None:
        raise SpecError("--slsa and --rocrate are two things.", "Ask for one after the other.")
    if not record and not parsed.json:
        show.note(
            f"{parsed.notebook} has no record of a run: papermill's engine sovlab writes one, as sovlab run."
        )
        return 1
    if parsed.slsa:
        from sovlab.batch.provenance.slsa import statement

        streams.write_utf8(_json(statement(_told(parsed.notebook, notebook))))
    elif parsed.rocrate is not None:
        _write_crate(parsed, _told(parsed.notebook, notebook))
    elif parsed.json:
        show.json_document(record)
    else:
        show.table(recorded_table(notebook, sidecar.read(Path(parsed.notebook), record)))
    return 0 if record else 1


def _told(path: str, notebook: dict[str, Any]) -> Told:
    from sovlab.batch.provenance import sidecar
    from sovlab.batch.provenance.reading import read_notebook
    from sovlab.batch.provenance.told import input_of, told
    from sovlab.batch.recorded import record_of

    here = Path(path)
    beside = sidecar.read(here, record_of(notebook))
    if beside.problem:
        show.note(f"{beside.name} {beside.problem}; it is left out.")
    found = input_of(notebook, here, read_notebook)
    if found is None:
        show.note("The notebook that was run is not there any more, or has other cells now; it is left out.")
    try:
        return told(notebook, here, beside, found)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.", "Try again.") from None


def _write_crate(parsed: argparse.Namespace, run: Told) -> None:
    from sovlab.batch.provenance.crate import METADATA, crate, files_of, is_ours

    here = Path(parsed.notebook)
    folder = Path(parsed.rocrate) if parsed.rocrate else here.with_suffix(".crate")
    path = folder / METADATA
    if path.exists():
        try:
            known = is_ours(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            known = False
        if not known:
            raise SpecError(f"{path} is another crate's.", "Give another directory: --rocrate DIR.")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    made = crate(run, published=today, agent=parsed.agent or "", license_=parsed.license or "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (_, file) in files_of(run).items():
            copy = folder / name
            if not (copy.exists() and copy.samefile(file.path)):
                shutil.copyfile(file.path, copy)
        path.write_text(_json(made), encoding="utf-8", errors="replace")
    except OSError as error:
        raise SpecError(f"{folder} cannot be written: {error.strerror}.", "Give another directory.") from None
    show.note(f"Written: {path}")


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
