"""A matplotlib figure as a picture that is displayed."""

from __future__ import annotations

import io
import weakref
from typing import Any

from sovlab.runner.output.display import plain, publish

_shown: weakref.WeakSet[Any] = weakref.WeakSet()


def is_shown(figure: Any) -> bool:
    """Whether a figure has been displayed already."""
    return figure in _shown


def send(figure: Any) -> None:
    """Display one figure."""
    publish({"image/png": png(figure), "text/plain": plain(figure)})


def png(figure: Any) -> bytes:
    """A figure as PNG, cut to what is drawn, as notebooks show it."""
    file = io.BytesIO()
    canvas = figure.canvas
    try:
        figure.savefig(file, format="png", bbox_inches="tight", dpi=figure.dpi)
    finally:
        figure.set_canvas(canvas)
    _shown.add(figure)
    return file.getvalue()
