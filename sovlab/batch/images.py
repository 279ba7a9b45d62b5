"""What runs have told of the images that they ran in: which cannot run a notebook is known before it waits.

The first run in an image finds out itself, at its begin. What it found is kept, so that the next that cannot
run there is told so at once and not after a queue. An image that is named by its digest stays what it was; of
another a later one may have taken the name, so of that people are only told.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sovlab.core.job import JobRecord
from sovlab.core.untrusted import clean
from sovlab.runner.protocol.kernel_choice import KernelMissing, choose, without

_MOST, _LONGEST = 100, 100


class Unfit(Exception):
    """An image cannot run a notebook.

    Attributes:
        kernel: whether it lacks the kernel only.
    """

    def __init__(self, message: str, *, kernel: bool) -> None:
        super().__init__(message)
        self.kernel = kernel


def keep(state: Path, record: JobRecord, named: str, place: Mapping[str, Any]) -> None:
    """Keep what a run told of where it ran.

    Args:
        state: directory of this user's state.
        record: of its job; nothing is kept if that ran in no image.
        named: its image as the settings name it: an index of several architectures has another digest.
        place: ``kernels``, by name their languages, and ``lacking``; by whoever wrote the job.
    """
    kernels, lacking = place.get("kernels"), place.get("lacking")
    image = record.status.image
    if not image or not isinstance(kernels, dict) or not isinstance(lacking, list):
        return
    said = {
        "job": record.id,
        "kernels": {
            clean(str(name), _LONGEST): clean(str(language), _LONGEST)
            for name, language in list(kernels.items())[:_MOST]
        },
        "lacking": [clean(str(each), _LONGEST) for each in lacking[:_MOST]],
    }
    folder = state / "images"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # By its digest, and by what the settings call it.
    for path in {_path(state, record.target, each) for each in (image, named) if each}:
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(said), encoding="utf-8")
        temporary.replace(path)


def check(
    state: Path, target: str, image: str, kernel: str, language: str, say: Callable[[str], None]
) -> None:
    """Tell whether an image is known to be unable to run a notebook.

    Args:
        state: directory of this user's state.
        target: name of the target.
        image: as its settings name it; empty if it has none.
        kernel: name.
        language: of the notebook; empty if it does not say.
        say: told of an image whose name may be another's by now.

    Raises:
        Unfit: it is, by its digest.
    """
    known = _known(_path(state, target, image)) if image else None
    if known is None:
        return
    error = _unfit(known, kernel, language)
    if error is None:
        return
    if "@" in image:
        raise error
    say(
        f"Job {known['job']} ran in image {image}. {error} If the image has not been built anew since, "
        "this run ends as soon as it begins."
    )


def _unfit(known: Mapping[str, Any], kernel: str, language: str) -> Unfit | None:
    lacking = without(known["lacking"])
    if lacking:
        return Unfit(lacking, kernel=False)
    try:
        choose(kernel, language, known["kernels"])
    except KernelMissing as error:
        return Unfit(str(error), kernel=True)
    return None


def _path(state: Path, target: str, image: str) -> Path:
    """Of an image, however its digest is told beside its name."""
    name, _, digest = image.partition("@")
    plain = name.rpartition(":")[0] if digest and ":" in name.rpartition("/")[2] else name
    whole = f"{target}\n{f'{plain}@{digest}' if digest else name}"
    return state / "images" / f"{hashlib.sha256(whole.encode()).hexdigest()[:32]}.json"


def _known(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
        whole = isinstance(found["job"], str) and isinstance(found["lacking"], list)
        return found if whole and isinstance(found["kernels"], dict) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
