"""What is refused before a notebook runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovlab.errors import SpecError
from sovlab.payload.secrets import suspicious


def refuse_secrets(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that look like secrets: papermill writes them into the notebook, for all to read.

    Args:
        parameters: values by name.

    Raises:
        SpecError: one looks like a secret; its value is in no message.
    """
    for name, value in parameters.items():
        found = suspicious(str(name), value)
        if found:
            variable = str(name).upper()
            raise SpecError(
                f"Parameter {found}, and would be written into the notebook.",
                f'Hand it over with sovlab run --env {variable}="${variable}", and read '
                f"os.environ[{variable!r}] in the notebook.",
            )
