"""What a notebook has imported."""

from __future__ import annotations

from collections.abc import Collection


def remember(names: Collection[str]) -> None:
    """Remember what the modules ``names`` hold now, if they are the user's own.

    What differs later was set by the notebook, and travels with a job.
    """
    from sovlab.payload.files import module_state

    module_state.look(names)
