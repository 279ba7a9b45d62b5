"""Notebooks as JSON makes them, in few words."""

from __future__ import annotations

from typing import Any


def notebook(*cells: dict[str, Any], **record: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {"sovlab": record}, "nbformat": 4, "nbformat_minor": 5}


def code(
    *outputs: dict[str, Any], id: str = "a", source: str = "f()", count: int | None = 1, **metadata: Any
):
    return {
        "cell_type": "code",
        "id": id,
        "source": source,
        "execution_count": count,
        "metadata": metadata,
        "outputs": list(outputs),
    }


def stdout(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(**data: Any) -> dict[str, Any]:
    """Data by MIME type, of which ``/`` is written ``_``: ``text_plain``."""
    return {
        "output_type": "display_data",
        "data": {mime.replace("_", "/", 1): value for mime, value in data.items()},
        "metadata": {},
    }


def shown(mime: str, value: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {mime: value}, "metadata": {}}


def error(name: str, value: str = "no") -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": ["line 1", "line 2"]}
