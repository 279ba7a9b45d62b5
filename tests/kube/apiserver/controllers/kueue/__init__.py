"""Kueue: Jobs with a queue stay suspended until their ClusterQueue has quota for them."""

from __future__ import annotations

from .controller import Kueue

__all__ = ["Kueue"]
