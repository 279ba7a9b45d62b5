"""`Client`, the one composition root, `Job`, the live handle, and what may be submitted.

Faces import nothing below this floor, so what they hand to the client is had from here.
"""

from typing import TYPE_CHECKING, Any

from sovlab.client.client import Client, Submitted, default

if TYPE_CHECKING:
    from sovlab.payload.code import Call as Call
    from sovlab.payload.code import Cell as Cell
    from sovlab.payload.code import name_of as name_of
    from sovlab.payload.notebooks.code import Notebook as Notebook
    from sovlab.payload.scripts import Module as Module
    from sovlab.payload.scripts import Script as Script

_CODE = ("Call", "Cell", "name_of")
_SCRIPTS = ("Module", "Script")
_NOTEBOOKS = ("Notebook",)

__all__ = ["Call", "Cell", "Client", "Module", "Notebook", "Script", "Submitted", "default", "name_of"]


def __getattr__(name: str) -> Any:
    # Listing and waiting need nothing of what packs code.
    if name in _CODE:
        from sovlab.payload import code

        return getattr(code, name)
    if name in _SCRIPTS:
        from sovlab.payload import scripts

        return getattr(scripts, name)
    if name in _NOTEBOOKS:
        from sovlab.payload.notebooks import code as notebooks

        return getattr(notebooks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
