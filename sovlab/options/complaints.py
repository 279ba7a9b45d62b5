"""What argparse complains of, as a sentence with the way out."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable


def advise(parser: argparse.ArgumentParser, complaint: str) -> tuple[str, str]:
    """What ``parser`` complains of, as a sentence, and what to do; empty where only its help is left."""
    text = complaint.removeprefix("argument ").rstrip(".")
    if missing := re.fullmatch(r"the following arguments are required: (.+)", text):
        names = [name for name in missing[1].split(", ") if name != "arguments"]  # which may be none
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing.", ""
    if choice := re.fullmatch(r"(\S+): invalid choice: '(.*)' \(choose from (.+)\)", text):
        known = [name.strip("'") for name in choice[3].split(", ")]
        return f"There is no {choice[1]} {choice[2]!r}.", _near(
            choice[2], known
        ) or f"There are {', '.join(known)}."
    if unknown := re.match(r"unrecognized arguments: (-[^\s=]*)", text):
        script = any(action.dest == "args" for action in parser._actions)
        hint = _near(unknown[1], parser._option_string_actions)
        return f"{text}.", hint or ("Arguments of a script go after --." if script else "")
    text = re.sub(r"invalid int value: (.*)", r"\1 is not a whole number", text)
    text, _, hint = text.partition(". ")
    return f"{text}.", f"{hint}." if hint else ""


def _near(word: str, words: Iterable[str]) -> str:
    bare = {each.lstrip("-"): each for each in words}
    near = difflib.get_close_matches(word.lstrip("-"), bare, 1, 0.7)
    return f"Did you mean {bare[near[0]]}?" if near else ""
