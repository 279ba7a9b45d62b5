"""What differs from run to run and says nothing: taken out of texts before they are compared.

Patterns of ours take time in proportion to the text, whatever it is: what repeats is bounded or possessive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sovlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sanitizer:
    """One replacement.

    Attributes:
        what: it takes out, in the plural.
        pattern: what is looked for.
        replacement: what is put there, as `re.sub` reads it.
        signs: one of these is in every text in which the pattern finds something; to look costs little.
    """

    what: str
    pattern: re.Pattern[str]
    replacement: str
    signs: tuple[str, ...] = ("",)

    def __call__(self, text: str) -> str:
        """The text with the replacement in it."""
        return self.pattern.sub(self.replacement, text) if any(sign in text for sign in self.signs) else text


def _ours(what: str, pattern: str, replacement: str, *signs: str) -> Sanitizer:
    return Sanitizer(what, re.compile(pattern), replacement, signs)


_UNIT = r"(?:ns|µs|μs|us|ms|s|secs?|seconds?|min|mins|minutes?|h|hours?)"
_RATE = r"[^,\]\n]{0,40}, {0,9}[^,\]\n]{0,40}"
_POSTFIX = r"((?:, [^\]\n]{0,200})?)"

DEFAULTS: tuple[Sanitizer, ...] = (
    # Of a bar what it counted is left, and what a loop said beside it: those are results.
    _ours(
        "progress bars",
        r"(?<!\d)(\d{1,3}%)\|[ #\u2588-\u258f0-9]{0,200}\| {0,9}([^\s\[]{1,40}) "
        rf"\[{_RATE}{_POSTFIX}\]",
        r"\1 \2\3",
        "%|",
    ),
    _ours("progress bars", rf"(?<!\d)(\d{{1,20}}it) \[{_RATE}{_POSTFIX}\]", r"\1\2", "it ["),
    _ours(
        "temporary paths",
        r"(?<![\w/])(?:/private)?/(?:tmp|var/tmp|var/folders)/[^\s\"'<>:,;()\[\]]{1,400}",
        "<temp>",
        "/tmp/",  # noqa: S108 - it is looked for, not written to
        "/var/folders/",
    ),
    _ours(
        "temporary paths",
        r"\b[A-Z]:\\Users\\[^\\\s]{1,60}\\AppData\\Local\\Temp\\[^\s\"'<>:,;]{1,400}",
        "<temp>",
        "\\AppData\\Local\\Temp\\",
    ),
    _ours("names of cells", r"<ipython-input-\d{1,9}-[0-9a-f]{1,32}>", "<cell>", "<ipython-input-"),
    _ours("names of cells", r"ipykernel_\d{1,9}/\d{1,12}\.py", "<cell>", "ipykernel_"),
    _ours("names of cells", r"\b(Cell |Input )In ?\[\d{1,9}\]", r"\1In[n]", "Cell In", "Input In"),
    _ours("addresses", r"\b0x[0-9a-fA-F]{6,16}\b", "0x…", "0x"),
    _ours(
        "times",
        r"(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z\b|[+-]\d\d:?\d\d)?(?!\d)",
        "<time>",
        ":",
    ),
    _ours(
        "durations",
        rf"(?<![\w.])(?:\d{{1,20}}(?:\.\d{{1,20}})?[ \u00a0]?{_UNIT}\b ?)++",
        "<duration> ",
        *"smnuµμh",
    ),
    _ours("durations", r"of \d{1,9} runs?, [\d,]{1,15} loops? each", "of runs, loops each", " each"),
    _ours("ids of styled tables", r"\bT_[0-9a-f]{5}(?=[_\"'\s])", "T_id", "T_"),
)


def sanitized(text: str, sanitizers: Iterable[Sanitizer]) -> str:
    """Text without what says nothing, in the order of the sanitisers."""
    for each in sanitizers:
        text = each(text)
    return text


def taken_out(recorded: str, again: str, sanitizers: Iterable[Sanitizer]) -> list[str]:
    """What the sanitisers took out of two texts, each once, in their order."""
    return list(
        dict.fromkeys(
            each.what for each in sanitizers if any(each.pattern.search(text) for text in (recorded, again))
        )
    )


_PAIR = re.compile(r"^regex:[ \t]?(.*?)\r?\n[ \t]*replace:[ \t]?(.*?)\r?$", re.MULTILINE)


def read_sanitizers(text: str, name: str = "the file") -> tuple[Sanitizer, ...]:
    r"""The sanitisers of a file as nbval's ``--nbval-sanitize-with`` takes it.

    Sections are for people only; in each of them a line ``regex: …`` stands before a line ``replace: …``,
    whose text `re.sub` reads. Of two with the same regex the later replaces the earlier.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        UsageError: a regex or its replacement is none, or there is no pair in it.
    """
    pairs = dict(_PAIR.findall(text))
    if not pairs and text.strip():
        raise UsageError(
            f"There is no sanitiser in {name}.",
            "Each is a line 'regex: …' with a line 'replace: …' below it.",
        )
    made = []
    for regex, replacement in pairs.items():
        try:
            pattern = re.compile(regex)
            pattern.sub(replacement, "")  # says whether the replacement can be read
        except (re.error, IndexError, RecursionError, OverflowError) as error:
            raise UsageError(
                f"A sanitiser in {name} cannot be used: {regex[:80]!r} with {replacement[:80]!r}: {error}."
            ) from error
        made.append(Sanitizer(f"what {name} names", pattern, replacement))
    return tuple(made)
