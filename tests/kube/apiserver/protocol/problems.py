"""What is wrong with an object: field errors, worded as Kubernetes does, and raised as one 422."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .errors import ApiError, about
from .kinds import Kind


def shown(value: Any) -> str:
    """A value as in `Invalid value: …`."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Problems:
    """The field errors of one object."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def wrong(self, field: str, why: str) -> None:
        """A struct that may not be; the server does not show those."""
        self._found.append(("FieldValueInvalid", field, f"Invalid value: {why}"))

    def invalid(self, field: str, value: Any, why: str) -> None:
        """A value that may not be."""
        self._found.append(("FieldValueInvalid", field, f"Invalid value: {shown(value)}: {why}"))

    def required(self, field: str, why: str = "") -> None:
        """A value that is missing."""
        self._found.append(("FieldValueRequired", field, "Required value" + (f": {why}" if why else "")))

    def missing(self, field: str, value: Any) -> None:
        """A name that nothing has."""
        self._found.append(("FieldValueNotFound", field, f"Not found: {shown(value)}"))

    def duplicate(self, field: str, value: Any) -> None:
        """A name that two have."""
        self._found.append(("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}"))

    def unsupported(self, field: str, value: Any, known: Iterable[str]) -> None:
        """A word that is none of the known ones."""
        words = ", ".join(shown(word) for word in known)
        text = f"Unsupported value: {shown(value)}: supported values: {words}"
        self._found.append(("FieldValueNotSupported", field, text))

    def forbidden(self, field: str, why: str) -> None:
        """A value where there may be none."""
        self._found.append(("FieldValueForbidden", field, f"Forbidden: {why}"))

    def too_long(self, field: str, limit: int) -> None:
        """More bytes than may be."""
        text = f"Too long: may not be more than {limit} bytes"
        self._found.append(("FieldValueTooLong", field, text))

    def too_many(self, field: str, found: int, limit: int) -> None:
        """More items than may be."""
        text = f"Too many: {found}: must have at most {limit} items"
        self._found.append(("FieldValueTooMany", field, text))

    def raise_for(self, kind: Kind, name: str) -> None:
        """Raises what was found about an object, if anything was."""
        if not self._found:
            return
        # The sentence says each thing once, the causes as often as it was found.
        texts = list(dict.fromkeys(f"{field}: {text}" for _, field, text in self._found))
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        causes = [{"reason": reason, "message": text, "field": field} for reason, field, text in self._found]
        details = about(kind, name)
        details["kind"] = kind.kind
        raise ApiError(
            422,
            "Invalid",
            f'{kind.qualified} "{name}" is invalid: {listed}',
            details={**details, "causes": causes},
        )
