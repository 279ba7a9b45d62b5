"""What a job displayed (MIME bundles), as HTML that may stand on a card."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from sovlab.core.untrusted import finite
from sovlab.views.document import printable

_MAX_TEXT = 100_000
_MOST_PIXELS = 100_000
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_TEXTS = ("text/latex", "text/markdown", "text/plain")
_SCRIPTS = (
    *("application/javascript", "text/javascript"),
    *("application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"),
)
"""What only scripts of the page can show."""


def render_output(bundle: Mapping[str, Any], pre: str) -> tuple[str, bool]:
    """The richest form of ``bundle`` that needs no script, and whether a richer one was left out.

    Args:
        bundle: ``{"data": {MIME type: text or base64}, "metadata": {}}``.
        pre: the style of preformatted text.
    """
    data, metadata = bundle.get("data") or {}, bundle.get("metadata") or {}
    scripted = any(mime in data for mime in _SCRIPTS)
    if "text/html" in data:
        from sovlab.card.sanitizing import sanitize

        html, has_script = sanitize(_joined(data["text/html"]))
        if not has_script:
            return printable(html), False
        scripted = True
    for mime in _PICTURES:
        if mime in data:
            return _picture(mime, _joined(data[mime]), metadata.get(mime)), scripted
    for mime in _TEXTS:
        if mime in data:
            text = _joined(data[mime])
            more = f"\n… {len(text) - _MAX_TEXT:,} more characters" if len(text) > _MAX_TEXT else ""
            shown = escaped(text[:_MAX_TEXT] + more)
            # JupyterLab typesets formulas in HTML, but not inside <pre>.
            return (
                f"<div>{shown}</div>" if mime == "text/latex" else f'<pre style="{pre}">{shown}</pre>'
            ), scripted
    return "", scripted


def escaped(text: str) -> str:
    """Text as HTML."""
    return escape(printable(text))


def _picture(mime: str, text: str, size: object) -> str:
    if mime == "image/svg+xml":  # as a picture, a drawing cannot run its scripts
        text = base64.b64encode(text.encode("utf-8", "replace")).decode()
    code = re.sub(r"[^A-Za-z0-9+/=]", "", text)
    told = size if isinstance(size, Mapping) else {}
    sides = {side: finite(told.get(side), 0, _MOST_PIXELS) for side in ("width", "height")}
    attributes = "".join(f' {side}="{value:.0f}"' for side, value in sides.items() if value is not None)
    source = f"data:{mime};base64,{code}"
    return f'<img alt="Displayed by the job" src="{source}"{attributes} style="display:block;max-width:100%">'


def _joined(content: Any) -> str:
    return "".join(map(str, content)) if isinstance(content, (list, tuple)) else str(content)
