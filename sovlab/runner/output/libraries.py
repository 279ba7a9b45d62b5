"""Libraries that draw with the scripts of a notebook's page, made to show what a job can show."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from typing import Any

_WITHOUT_PICTURE = (
    "A plotly figure: {what}. With kaleido where the job runs, its picture stands here; "
    "named in --out, it comes back and is shown interactive."
)


def adapt(module: Any) -> None:
    """After one of these modules was imported."""
    if module.__name__ == "tqdm.notebook":
        _bars_of_text(module)
    elif module.__name__ == "plotly.io._renderers":
        _plotly_figures(module)


def _bars_of_text(module: Any) -> None:
    """Have ``tqdm.notebook`` write its bars as text: widgets need a kernel, and the log moves on the card."""

    class Bar(module.std_tqdm):  # type: ignore[misc]
        """A bar in the log, with the arguments of one that is a widget."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("display", None)
            if isinstance(kwargs.get("ncols"), str):
                del kwargs["ncols"]  # of the page: 100%, 300px
            self.container = self
            super().__init__(*args, **kwargs)

    Bar.__module__, Bar.__name__, Bar.__qualname__ = module.__name__, "tqdm_notebook", "tqdm_notebook"

    def trange(*args: Any, **kwargs: Any) -> Any:
        """As that of tqdm."""
        return Bar(range(*args), **kwargs)

    module.tqdm = module.tqdm_notebook = Bar
    module.trange = module.tnrange = trange


def _plotly_figures(module: Any) -> None:
    """Have plotly's figures displayed as all else is, with a picture where the job can draw one."""
    if os.environ.get("PLOTLY_RENDERER"):
        return
    base: Any = importlib.import_module("plotly.io._base_renderers").ExternalRenderer

    class Renderer(base):  # type: ignore[misc]
        """Needs no IPython, unlike those of MIME types."""

        def render(self, fig_dict: Any) -> None:
            from sovlab.runner.output.display import publish

            plotly = importlib.import_module("plotly.io")
            kinds = sorted({str(trace.get("type", "scatter")) for trace in fig_dict.get("data", ())})
            plain = _WITHOUT_PICTURE.format(what=", ".join(kinds) or "without data")
            bundle = {"application/vnd.plotly.v1+json": json.loads(plotly.to_json(fig_dict, validate=False))}
            picture = _picture(fig_dict)
            if picture is not None:
                bundle["image/png"], plain = picture, f"A plotly figure: {', '.join(kinds)}."
            publish({**bundle, "text/plain": plain})

    module.renderers["sovlab"] = Renderer()
    module.renderers.default = "sovlab"


def _picture(fig_dict: Any) -> Any:
    """A figure as PNG; None where kaleido, or the browser that it needs, is not there."""
    if importlib.util.find_spec("kaleido") is None:
        return None
    try:
        return importlib.import_module("plotly.io").to_image(fig_dict, format="png", validate=False)
    except Exception:
        return None  # it says why in many ways, and the figure is still there
