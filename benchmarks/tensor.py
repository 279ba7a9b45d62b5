"""A tensor of 1 GiB sent to a local job and back.

sovlab: from the submit of a function that changes one element and returns the tensor, to the tensor in
hand; each round other bytes, so that nothing was sent before. A result lies in the page cache and is read
when it is touched, as a copied file is; the time until every byte has been read is reported beside. The
tensor is made outside of the time. Against: `shutil.copyfile` of a file of that size in the page cache,
twice, in the same file system; and submitit with a numpy array of that size. Memory: the most that the
client and the job have had resident, less what each has without a tensor, as a multiple of the tensor.
Dirty pages are written out before each sample.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from benchmarks.measuring import CaseFailed, Hold, Report, Series, ratio, take_turns
from benchmarks.place import Place


def run(place: Place) -> list[Report]:
    size = 64 << 20 if place.quick else 1 << 30
    label = f"{size >> 20} MiB"
    original, copies = place.scratch / "original", [place.scratch / f"copy{i}" for i in (1, 2)]
    answers: list[dict[str, Any]] = []
    with original.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))

    def copy() -> float:
        begun = time.perf_counter()
        for target in copies:
            shutil.copyfile(original, target)
        taken = time.perf_counter() - begun
        for target in copies:
            target.unlink()
        return taken

    with place.driver("submitit_local", peer=True) as submitit:

        def there_and_back() -> float:
            # A process of its own for each sample: the peak of its memory is that of this one tensor.
            with place.driver("sovlab_client") as sovlab:
                sovlab.call("torch_job_memory")
                answers.append(sovlab.call("tensor", size=size, number=len(answers)))
            return float(answers[-1]["seconds"])

        taken = take_turns(
            {
                "2 file copies": copy,
                "sovlab": there_and_back,
                "submitit local": lambda: submitit.seconds("tensor", size=size, number=1),
            },
            place.repeats(5),
            before=os.sync,
        )
    original.unlink()
    kept = answers[1:]
    copied, sent = taken["2 file copies"], taken["sovlab"]
    read = Series("sovlab, and all of it read", samples=[a["read"] for a in kept])
    submitted = Series("sovlab, until submit returns", samples=[a["submit"] for a in kept])
    slower = ratio(sent, copied)
    times = Report(
        f"A tensor of {label} there and back",
        [copied, sent, read, submitted, taken["submitit local"]],
        copied.name,
        [Hold("throughput, sovlab / file copy", 1 / slower if slower else None, 0.5, at_most=False)],
        [f"sovlab moves {2 * size / sent.median / 1e9:.2f} GB/s"] if sent.median else [],
    )
    return [times, _memory(place, label, size, kept)]


def _memory(place: Place, label: str, size: int, answers: list[dict[str, Any]]) -> Report:
    try:
        with place.driver("sovlab_client") as sovlab:
            empty = sovlab.call("torch_job_memory")["job"]
    except CaseFailed as failed:
        return Report(f"Memory for a tensor of {label}", [Series("sovlab", "B", note=str(failed))])
    client = Series("client", "B", [a["client"] for a in answers])
    job = Series("job", "B", [a["job"] - empty for a in answers if a["job"] is not None])
    holds = [
        Hold(f"peak of the {s.name} / tensor", s.median / size if s.median is not None else None, 1.3)
        for s in (client, job)
    ]
    return Report(f"Memory for a tensor of {label}, peak over none", [client, job], "", holds)
