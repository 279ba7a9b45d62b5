"""Backends: what hardware jobs run on, one module per vendor, as data; detection without torch.

A package adds its own by an entry point of the group ``sovlab.backends`` that holds a `Provider`; its
name is the backend's.
"""

from sovlab.backends.choice import AUTO, choose
from sovlab.backends.detections import detections
from sovlab.backends.machine import Machine
from sovlab.backends.provider import Provider
from sovlab.backends.registry import broken, detect, get, known

__all__ = ["AUTO", "Machine", "Provider", "broken", "choose", "detect", "detections", "get", "known"]
