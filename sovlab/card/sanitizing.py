"""HTML that a job displayed, reduced to what may stand on a card: no script, no style sheet, no address.

What is allowed is written anew from the parsed tokens; everything else is left out or becomes text.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TAGS = _set(
    "a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure"
    " h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre progress q s samp small span strong sub summary"
    " sup table tbody td tfoot th thead time tr u ul var wbr"
)
_VOID = frozenset(("br", "col", "hr", "img", "wbr"))
_SILENCED = _set(
    "iframe math noembed noframes noscript object plaintext script style svg template textarea title xmp"
)
"""Elements whose content is left out with them."""
_ATTRIBUTES = _set("align alt colspan datetime dir height max open rowspan scope span title value width")
_STYLES = _set(
    "background-color border-collapse color font-family font-size font-style font-weight margin max-width"
    " padding text-align text-decoration vertical-align white-space width"
)
_STYLE_VALUE = re.compile(r"[\w\s.,%#-]+|(?:rgb|rgba|hsl)\([\d\s.,%]+\)|var\(--[\w-]+\)")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_LINK = re.compile(r"https?://", re.IGNORECASE)


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.clean: list[str] = []
        self.open: list[str] = []
        self.silenced: list[str] = []
        self.scripted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripted = True
        if self.silenced or tag in _SILENCED:
            self.silenced.append(tag)
        elif tag in _TAGS:
            attributes = "".join(f' {name}="{escape(value)}"' for name, value in _attributes(tag, attrs))
            self.clean.append(f"<{tag}{attributes}>")
            if tag not in _VOID:
                self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.silenced:
            if tag in self.silenced:
                del self.silenced[self.silenced.index(tag) :]
        elif tag in self.open:
            # Elements left open inside this one end with it.
            while self.open:
                last = self.open.pop()
                self.clean.append(f"</{last}>")
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        if not self.silenced:
            self.clean.append(escape(data))


def _attributes(tag: str, attrs: list[tuple[str, str | None]]) -> list[tuple[str, str]]:
    allowed = []
    for name, raw in attrs:
        value = raw or ""
        if name == "style":
            value = _style(value)
            if value:
                allowed.append((name, value))
        elif name in _ATTRIBUTES or ((tag, name) == ("img", "src") and _PICTURE.fullmatch(value)):
            allowed.append((name, value))
        elif (tag, name) == ("a", "href") and _LINK.match(value):
            allowed += [(name, value), ("rel", "noopener noreferrer")]
    return allowed


def _style(text: str) -> str:
    allowed = []
    for declaration in text.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name.lower() in _STYLES and _STYLE_VALUE.fullmatch(value):
            allowed.append(f"{name}:{value}")
    return ";".join(allowed)


def sanitize(html: str) -> tuple[str, bool]:
    """``html`` reduced to what is allowed, well-formed; and whether it had a script, which is gone."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    closing = "".join(f"</{tag}>" for tag in reversed(cleaner.open))
    return "".join(cleaner.clean) + closing, cleaner.scripted
