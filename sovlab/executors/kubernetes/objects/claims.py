"""`Claim`: whose a job is."""

from __future__ import annotations

from typing import NamedTuple


class Claim(NamedTuple):
    """Whose a job is.

    Attributes:
        owner: the name that its workload says; empty if it says none.
        own: whether that, the signature or this state directory says that it is this user's.
        trusted: whether it is for certain, or the user trusts it.
    """

    owner: str = ""
    own: bool = True
    trusted: bool = True


OWN = Claim()
"""Of a place where all jobs are one user's."""
