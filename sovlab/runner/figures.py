"""A matplotlib backend that sends figures to the notebook: ``plt.show()``, and what is left at the end.

Imported only once the user's code has imported matplotlib.
"""

from __future__ import annotations

import io
import weakref
from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sovlab.runner.display import plain, publish

_shown: weakref.WeakSet[Any] = weakref.WeakSet()


class FigureManager(FigureManagerBase):
    """Shows a figure by sending it."""

    def show(self) -> None:
        """What ``figure.show()`` does."""
        send(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc]
    """Draws as Agg does."""

    manager_class = FigureManager


def new_figure_manager(num: int, *args: Any, **kwargs: Any) -> FigureManager:
    """As matplotlib asks its backends."""
    from matplotlib.figure import Figure

    figure = kwargs.pop("FigureClass", Figure)(*args, **kwargs)
    return new_figure_manager_given_figure(num, figure)


def new_figure_manager_given_figure(num: int, figure: Any) -> FigureManager:
    """As matplotlib asks its backends."""
    return FigureManager(FigureCanvas(figure), num)


def show(*_: Any, **__: Any) -> None:
    """``plt.show()``: send all open figures and close them."""
    for manager in Gcf.get_all_fig_managers():
        send(manager.canvas.figure)
    Gcf.destroy_all()


def flush() -> None:
    """At the end of a cell: send and close what is open and has not been displayed by itself."""
    for manager in Gcf.get_all_fig_managers():
        if manager.canvas.figure not in _shown:
            send(manager.canvas.figure)
    Gcf.destroy_all()


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
