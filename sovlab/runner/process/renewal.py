"""What would be the same in all forks of a process, and is its own in each that was started: made anew.

Python and OpenSSL renew their own at a fork: `random`, `os.urandom`, and what rests on that, like `secrets`,
`uuid.uuid4` and the names of `tempfile`. Generators of devices come into being with their device, which no
process that forks jobs may have touched. Two things nobody can renew: the secret of the hashes of text, and
addresses (`id`). Whoever forks jobs must not give two that look at them the same parent.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

_CHOSEN = 64
"""Bits of the largest seed that somebody has chosen; those that the system draws have 128, or 64 in torch."""


class Renewal:
    """The random generators that libraries hold, and all else that must be a job's own."""

    def __init__(self) -> None:
        self._seeded: Dict[int, random.Random] = {}
        self._renewing: List[Callable[[], object]] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While libraries are imported: note the generators that they seed, which must stay as they are."""
        original = random.Random.seed
        seeded = self._seeded

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            original(self, a, version)
            if a is None:
                seeded.pop(id(self), None)
            else:
                seeded[id(self)] = self

        random.Random.seed = seed  # type: ignore[method-assign]
        try:
            yield
        finally:
            random.Random.seed = original  # type: ignore[method-assign]

    def collect(self) -> None:
        """Find the generators in what is loaded: those of modules and their classes."""
        found: Dict[int, Callable[[], object]] = {}
        for name, module in list(sys.modules.items()):
            for value in list(getattr(module, "__dict__", {}).values()):
                candidates = [value]
                if isinstance(value, type) and getattr(value, "__module__", None) == name:
                    candidates = list(vars(value).values())
                for candidate in candidates:
                    renewing = self._renewing_of(candidate)
                    if renewing is not None:
                        found[id(candidate)] = renewing
        self._renewing = list(found.values())

    def renew(self) -> None:
        """In a forked process: make all of it anew, as a process has it that was just started."""
        for renew_one in self._renewing:
            renew_one()
        _renew_numpy()
        _renew_torch()
        _renew_standard_library()

    def _renewing_of(self, value: Any) -> Optional[Callable[[], object]]:
        """What gives a generator a new seed; None if ``value`` is none, or was given its seed."""
        kind = type(value)  # not isinstance(): it asks objects for their __class__, and lazy ones then load
        if issubclass(kind, random.Random):
            unseeded = id(value) not in self._seeded and not issubclass(kind, random.SystemRandom)
            return value.seed if unseeded else None
        root = kind.__module__.partition(".")[0]
        if root == "numpy" and kind.__name__ in ("Generator", "RandomState"):
            return _renewing_of_numpy(value)
        if root == "torch" and kind.__name__ == "Generator":
            # One that nobody has seeded starts from a constant, in a fresh process too.
            drawn = value.device.type == "cpu" and value.initial_seed().bit_length() > _CHOSEN - 11
            return value.seed if drawn else None
        return None


def _renewing_of_numpy(value: Any) -> Optional[Callable[[], object]]:
    generator = getattr(value, "bit_generator", None) or value._bit_generator
    sequence = getattr(generator, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    if not isinstance(entropy, int) or entropy.bit_length() <= _CHOSEN:
        return None

    def renew() -> None:
        generator.state = type(generator)().state

    return renew


def _renew_numpy() -> None:
    """The generator behind ``numpy.random.rand`` and its like, as the import of numpy makes it."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return
    if hasattr(numpy_random, "set_bit_generator"):
        numpy_random.set_bit_generator(numpy_random.MT19937())
    else:
        numpy_random.seed()


def _renew_torch() -> None:
    """The generator of the processor. Not `torch.seed`: it leaves word for devices that are not there yet."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        torch.default_generator.seed()


def _renew_standard_library() -> None:
    modules = sys.modules
    if "uuid" in modules:
        vars(modules["uuid"]).update(_node=None, _last_timestamp=None)
    if "tempfile" in modules:
        # Found by the environment of whoever asked first.
        modules["tempfile"].tempdir = None  # type: ignore[attr-defined]
    if "multiprocessing.process" in modules:
        from multiprocessing import process

        key = process.AuthenticationString(os.urandom(32))  # type: ignore[attr-defined]
        process.current_process()._config["authkey"] = key  # type: ignore[attr-defined]
    if "logging" in modules:
        # From when on `relativeCreated` counts; in nanoseconds since Python 3.13.
        whole = isinstance(getattr(modules["logging"], "_startTime", None), int)
        vars(modules["logging"])["_startTime"] = time.time_ns() if whole else time.time()
