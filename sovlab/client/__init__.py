"""`Client`, the one composition root, `Job`, the live handle, and what may be submitted.

Faces import nothing below this floor, so what they hand to the client is had from here.
"""

from typing import TYPE_CHECKING, Any

from sovlab.client.client import Client, Submitted, default

if TYPE_CHECKING:
    from sovlab.payload.code import Call as Call
    from sovlab.payload.code import Cell as Cell
    from sovlab.payload.code import Module as Module
    from sovlab.payload.code import Script as Script
    from sovlab.payload.code import name_of as name_of

_CODE = ("Call", "Cell", "Module", "Script", "name_of")

__all__ = ["Call", "Cell", "Client", "Module", "Script", "Submitted", "default", "name_of"]


def __getattr__(name: str) -> Any:
    # Listing and waiting need nothing of what packs code.
    if name not in _CODE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sovlab.payload import code

    return getattr(code, name)
