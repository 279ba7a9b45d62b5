"""Rich output: what a cell displays, kept as MIME bundles.

The protocol is IPython's (``_repr_html_``, ``_repr_mimebundle_`` and the others), which does not need
IPython. Where the user's code imports IPython, its ``display`` and its like are these.
"""

from __future__ import annotations

import base64
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

Bundle = Dict[str, Any]

MAX_BUNDLE = 10 << 20
"""Bytes of one representation; a longer one is left out, and a note takes its place."""
MAX_TOTAL = 50 << 20
MAX_COUNT = 1000
_MAX_PLAIN = 100_000
_MATPLOTLIB = "module://sovlab.runner.output.matplotlib_backend"
"""How matplotlib names our backend."""
_REPRESENTATIONS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
    "_repr_pdf_": "application/pdf",
}


class Outputs:
    """What has been displayed, in order."""

    def __init__(self) -> None:
        self._outputs: List[Tuple[Optional[str], Bundle, int]] = []
        self._clear = False
        self._left_out = 0
        self.enabled = True
        """Whether anything is kept: False in ranks other than the first."""
        self.in_job = False
        """False in a notebook, where what a job has returned may call the functions of this module."""

    def bundles(self) -> List[Bundle]:
        """All of them, each ``{"data": {mime: text or base64}, "metadata": {}}``."""
        bundles = [bundle for _, bundle, _ in self._outputs]
        if self._left_out:
            bundles.append(
                _note(
                    f"[{self._left_out} more outputs were left out: a job returns at most "
                    f"{MAX_COUNT} outputs, of {MAX_TOTAL >> 20} MiB in all]"
                )
            )
        return bundles

    def add(self, data: Bundle, metadata: Optional[Bundle] = None, display_id: Optional[str] = None) -> None:
        """Append one, cut to `MAX_BUNDLE`; what is over `MAX_COUNT` or `MAX_TOTAL` is only counted."""
        if not self.enabled:
            return
        if self._clear:
            self._clear = False
            self._outputs.clear()
        bundle, size = _bounded(data, metadata or {})
        if len(self._outputs) >= MAX_COUNT or sum(s for _, _, s in self._outputs) + size > MAX_TOTAL:
            self._left_out += 1
            return
        self._outputs.append((display_id, bundle, size))

    def update(self, data: Bundle, metadata: Optional[Bundle], display_id: str) -> None:
        """Replace what was displayed under ``display_id``."""
        bundle, size = _bounded(data, metadata or {})
        self._outputs = [
            (identifier, bundle, size) if identifier == display_id else (identifier, old, old_size)
            for identifier, old, old_size in self._outputs
        ]

    def clear(self, wait: bool = False) -> None:
        """Forget what was displayed so far; with ``wait``, when the next comes."""
        if wait:
            self._clear = True
        else:
            self._outputs.clear()


outputs = Outputs()


def _bounded(data: Bundle, metadata: Bundle) -> Tuple[Bundle, int]:
    bounded: Bundle = {}
    size = 0
    for mime, value in data.items():
        if isinstance(value, (bytes, bytearray, memoryview)):
            value = base64.b64encode(value).decode("ascii")
        length = len(value) if isinstance(value, str) else len(repr(value))
        if length > MAX_BUNDLE:
            note = f"[{mime} of {length} bytes was left out: at most {MAX_BUNDLE} are returned]"
            bounded["text/plain"] = f"{bounded.get('text/plain', '')}\n{note}".strip()
            continue
        if mime == "text/plain" and "text/plain" in bounded:
            value = f"{value}\n{bounded['text/plain']}"
        bounded[mime] = value
        size += length
    return {"data": bounded, "metadata": metadata}, size


def _note(text: str) -> Bundle:
    return {"data": {"text/plain": text}, "metadata": {}}


def show(value: Any) -> None:
    """What the last expression of a cell does."""
    if value is not None:
        display(value)


class DisplayHandle:
    """What `display` returns if it was given a ``display_id``."""

    def __init__(self, display_id: str) -> None:
        self.display_id = display_id

    def display(self, value: Any, **kwargs: Any) -> None:
        """Display anew, under the same id."""
        display(value, display_id=self.display_id, **kwargs)

    def update(self, value: Any, **kwargs: Any) -> None:
        """Replace what was displayed."""
        display(value, display_id=self.display_id, update=True, **kwargs)


def display(
    *values: Any,
    include: Any = None,
    exclude: Any = None,
    metadata: Optional[Bundle] = None,
    transient: Optional[Bundle] = None,
    display_id: Any = None,
    raw: bool = False,
    clear: bool = False,
    update: bool = False,
    **_: Any,
) -> Optional[DisplayHandle]:
    """As ``IPython.display.display``; what is displayed is sent to the notebook when the job ends."""
    notebooks = _notebooks("display")
    if notebooks is not None:
        return notebooks(  # type: ignore[no-any-return]
            *values,
            include=include,
            exclude=exclude,
            metadata=metadata,
            transient=transient,
            display_id=display_id,
            raw=raw,
            clear=clear,
            **({"update": True} if update else {}),
        )
    if clear:
        outputs.clear(wait=True)
    if display_id is True:
        display_id = f"{len(outputs.bundles())}-{id(values):x}"
    identifier = display_id or (transient or {}).get("display_id")
    for value in values:
        if raw:
            data, own = dict(value), dict[str, Any]()
        else:
            special = getattr(type(value), "_ipython_display_", None)
            if special is not None and _call(value, "_ipython_display_") is not _FAILED:
                continue
            data, own = represent(value)
        data = {k: v for k, v in data.items() if _is_included(k, include, exclude)}
        publish(data, {**own, **(metadata or {})}, transient={"display_id": identifier}, update=update)
    return DisplayHandle(display_id) if display_id else None


def _notebooks(name: str) -> Any:
    """IPython's function of this name in a notebook; None in a job, and where there is no IPython."""
    if outputs.in_job:
        return None
    return getattr(sys.modules.get("IPython.core.display_functions"), name, None)


def _is_included(mime: str, include: Any, exclude: Any) -> bool:
    return (not include or mime in include) and not (exclude and mime in exclude)


def publish(
    data: Bundle,
    metadata: Optional[Bundle] = None,
    source: Any = None,
    *,
    transient: Optional[Bundle] = None,
    update: bool = False,
    **_: Any,
) -> None:
    """As ``IPython.display.publish_display_data``."""
    notebooks = _notebooks("publish_display_data")
    if notebooks is not None:
        notebooks(data, metadata, transient=transient, **({"update": True} if update else {}))
        return
    if not data:
        return
    display_id = (transient or {}).get("display_id")
    if update and display_id:
        outputs.update(data, metadata, display_id)
    else:
        outputs.add(data, metadata, display_id)


def update_display(value: Any, *, display_id: str, **kwargs: Any) -> None:
    """As ``IPython.display.update_display``."""
    display(value, display_id=display_id, update=True, **kwargs)


def clear_output(wait: bool = False) -> None:
    """As ``IPython.display.clear_output``. What was printed stays in the log."""
    notebooks = _notebooks("clear_output")
    if notebooks is not None:
        notebooks(wait)
        return
    outputs.clear(wait)


_FAILED: Any = object()


def represent(value: Any) -> Tuple[Bundle, Bundle]:
    """The MIME types of a value and their metadata; ``text/plain`` always among them."""
    data: Bundle = {}
    metadata: Bundle = {}
    bundle = _call(value, "_repr_mimebundle_", include=None, exclude=None)
    if bundle is not None and bundle is not _FAILED:
        own = bundle[1] if isinstance(bundle, tuple) else {}
        data.update(bundle[0] if isinstance(bundle, tuple) else bundle)
        metadata.update(own or {})
    for method, mime in _REPRESENTATIONS.items():
        if mime in data:
            continue
        representation = _call(value, method)
        if representation is None or representation is _FAILED:
            continue
        if isinstance(representation, tuple):
            representation, metadata[mime] = representation
        data[mime] = representation
    figure = sys.modules.get("matplotlib.figure")
    if figure is not None and isinstance(value, figure.Figure) and "image/png" not in data:
        from sovlab.runner.output import figures

        data["image/png"] = figures.png(value)
    if "text/plain" not in data:
        data["text/plain"] = plain(value)
    return data, metadata


def _call(value: Any, method: str, **kwargs: Any) -> Any:
    """What a method of the protocol answers; None if there is none, `_FAILED` if it raised."""
    # Of a class itself the methods are its instances', and a proxy has any attribute one asks for.
    if isinstance(value, type) or not callable(getattr(type(value), method, None)):
        return None
    try:
        return getattr(value, method)(**kwargs)
    except NotImplementedError:
        return _FAILED
    except Exception as error:
        from sovlab.runner.output.tracebacks import Report

        sys.stderr.write(f"{type(value).__name__}.{method} failed:\n{Report(error).text}")
        return _FAILED


def plain(value: Any) -> str:
    """``repr``, of long collections over several lines, cut where nobody reads on."""
    try:
        text = repr(value)
        if len(text) > 79 and type(value) in (dict, list, tuple, set, frozenset) and len(text) <= _MAX_PLAIN:
            import pprint

            text = pprint.pformat(value, width=79, compact=False, sort_dicts=False)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr() raised {type(error).__name__}>"
    return text if len(text) <= _MAX_PLAIN else f"{text[:_MAX_PLAIN]}… [{len(text)} characters]"


def install(hooks: Dict[str, Callable[[Any], None]]) -> None:
    """Make ``display`` a builtin as IPython does, and be what IPython and matplotlib show things with.

    Args:
        hooks: module name → what to do once it has been imported; added to.
    """
    import builtins

    outputs.in_job = True
    builtins.display = display  # type: ignore[attr-defined]
    hooks["IPython.core.display_functions"] = _into_ipython
    hooks["matplotlib"] = _into_matplotlib
    hooks["tqdm.notebook"] = hooks["plotly.io._renderers"] = _into_libraries
    # Of the notebook's own, which its kernel set; what the job starts beside itself draws without a screen.
    if "inline" in os.environ.get("MPLBACKEND", "inline") or "ipympl" in os.environ["MPLBACKEND"]:
        os.environ["MPLBACKEND"] = "agg"


def _into_ipython(module: Any) -> None:
    module.display = display
    module.publish_display_data = publish
    module.update_display = update_display
    module.clear_output = clear_output
    module.DisplayHandle = DisplayHandle


def _into_matplotlib(module: Any) -> None:
    if os.environ.get("MPLBACKEND", "agg").lower() == "agg":
        module.rcParams["backend"] = _MATPLOTLIB


def _into_libraries(module: Any) -> None:
    from sovlab.runner.output import libraries

    libraries.adapt(module)


def flush_figures() -> None:
    """At the end of a cell: show the figures that pyplot still has open."""
    if "matplotlib.pyplot" in sys.modules and "sovlab.runner.output.matplotlib_backend" in sys.modules:
        from sovlab.runner.output import matplotlib_backend

        matplotlib_backend.flush()
