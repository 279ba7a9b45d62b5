"""Which kernel of an environment runs a notebook: chosen in the job, or before it if the place is known."""

from typing import Mapping, Sequence, Tuple


class KernelMissing(Exception):
    """There is no kernel for the notebook; the message is a sentence for people."""


def choose(wanted: str, language: str, found: Mapping[str, str]) -> Tuple[str, str]:
    """The name of the kernel to start, and a notice if it is not the one that was asked for.

    Args:
        wanted: its name, as the notebook has it.
        language: of the notebook; empty if it does not say.
        found: the kernels that there are, with their languages.

    Raises:
        KernelMissing: there is none of that name, and not just one of that language.
    """
    if wanted in found:
        return wanted, ""
    alike = sorted(name for name, one in found.items() if one == language)
    if language and len(alike) == 1:
        notice = f"There is no kernel {wanted!r} here: {alike[0]!r} runs it, the only one of {language}."
        return alike[0], notice
    there = ", ".join(sorted(found)) or "none"
    raise KernelMissing(
        f"There is no kernel {wanted!r} where the job runs; there: {there}. Name one of these with -k, or "
        "install it there."
    )


def without(lacking: Sequence[str]) -> str:
    """Why an environment that lacks something runs no notebook; a sentence, empty if it lacks nothing."""
    if not lacking:
        return ""
    return (
        f"The job's environment cannot run notebooks: it has no {', '.join(lacking)}. Install "
        f"{' '.join(lacking)} and a kernel (ipykernel) there, or choose another image."
    )
