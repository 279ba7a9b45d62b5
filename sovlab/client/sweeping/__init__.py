"""A sweep: one code run as several jobs. All is checked and packed before the first is submitted.

`preparing` makes the requests, `feeding` submits them, `Sweep` is the live handle of all of them.
"""

from __future__ import annotations

from sovlab.client.sweeping.feeding import Run
from sovlab.client.sweeping.preparing import AtOnce, Planned, coded
from sovlab.client.sweeping.sweep import Sweep

__all__ = ["AtOnce", "Planned", "Run", "Sweep", "coded"]
