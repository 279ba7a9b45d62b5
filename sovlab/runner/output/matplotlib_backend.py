"""A matplotlib backend that sends figures to the notebook: ``plt.show()``, and what is left at the end.

Imported by matplotlib, by its name, once the user's code has imported that.
"""

from __future__ import annotations

from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sovlab.runner.output import figures


class FigureManager(FigureManagerBase):
    """Shows a figure by sending it."""

    def show(self) -> None:
        """What ``figure.show()`` does."""
        figures.send(self.canvas.figure)


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
        figures.send(manager.canvas.figure)
    Gcf.destroy_all()


def flush() -> None:
    """At the end of a cell: send and close what is open and has not been displayed by itself."""
    for manager in Gcf.get_all_fig_managers():
        if not figures.is_shown(manager.canvas.figure):
            figures.send(manager.canvas.figure)
    Gcf.destroy_all()
