"""What NVML answers: a number, or the code that says why there is none; and the choice among ways to ask.

Codes are those of nvmlReturn_t in the NVML API Reference Guide. A driver older than a call lacks the symbol:
that is the same to a caller as a GPU that does not support it.
"""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from sovlab.sensors.sensor import Unavailable

UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION = 1, 2, 3, 4
FUNCTION_NOT_FOUND, GPU_IS_LOST, OPERATING_SYSTEM = 13, 15, 17
NO_DATA, VERSION_MISMATCH, DEPRECATED, UNKNOWN = 21, 25, 26, 999
IMPLAUSIBLE = -1
"""No code of NVML's: the call succeeded, and what it gave is no measurement."""

_CLAUSES: Dict[int, str] = {
    IMPLAUSIBLE: "what the driver gives is no measurement",
    UNINITIALIZED: "NVML is shut down",
    INVALID_ARGUMENT: "not known to this driver",
    NOT_SUPPORTED: "not supported by this GPU",
    NO_PERMISSION: "not permitted to this process",
    9: "the driver is not loaded",
    FUNCTION_NOT_FOUND: "not known to this driver",
    GPU_IS_LOST: "the GPU has fallen off the bus",
    16: "the GPU needs a reset",
    OPERATING_SYSTEM: "the GPU is blocked by the container or its cgroup",
    18: "driver and library are of different versions",
    NO_DATA: "the driver has no value at the moment",
    VERSION_MISMATCH: "not known to this driver",
    DEPRECATED: "no longer supported by this driver",
    27: "the GPU is not ready",
    UNKNOWN: "the driver fails with an unknown error",
}
# With these a call is refused for as long as the process lives.
_LASTING = {INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, OPERATING_SYSTEM}
_LASTING |= {VERSION_MISMATCH, DEPRECATED}
_MOST_TELLING = (NO_PERMISSION, OPERATING_SYSTEM, IMPLAUSIBLE, NOT_SUPPORTED)


class Answer(NamedTuple):
    """What a call gave.

    Attributes:
        value: the number; None if there is none.
        code: 0, or why there is none: NVML's return code, or `IMPLAUSIBLE`.
    """

    value: Optional[float]
    code: int = 0


Source = Callable[[], Answer]
Method = Tuple[str, Source]
"""A way to learn a quantity, and what it is called for people."""


def clause(code: int) -> str:
    """What a return code says, for people."""
    return _CLAUSES.get(code, f"NVML error {code}")


def reason(codes: Sequence[int]) -> str:
    """The most telling of the codes with which several ways to the same were refused, for people."""
    return clause(next((c for c in _MOST_TELLING if c in codes), codes[0] if codes else NOT_SUPPORTED))


def checked(source: Source, check: Callable[[float], Optional[float]] = float, per: int = 1) -> Source:
    """A source in another unit, of which there are ``per`` in one, and without what ``check`` refuses."""

    def asked() -> Answer:
        answer = source()
        if answer.value is None:
            return answer
        value = check(answer.value / per)
        return Answer(None, IMPLAUSIBLE) if value is None else Answer(value)

    return asked


class Questions:
    """The quantities that one GPU is asked for.

    Args:
        name: of the GPU, for people.
        missing: where the reason is kept for each quantity that the GPU does not tell.
    """

    def __init__(self, name: str, missing: Dict[str, str]) -> None:
        self._name, self._missing = name or "A GPU", missing
        self._sources: Dict[str, Source] = {}

    def choose(self, quantity: str, methods: Sequence[Method]) -> str:
        """Ask in the first way that answers; else in the first that is not refused for good.

        Returns:
            What that way is called; empty if there is none.

        Raises:
            Unavailable: the GPU is gone.
        """
        codes: List[int] = []
        later: Optional[Method] = None
        for method, source in methods:
            answer = self._heard(source)
            if answer.value is not None:
                self._missing.pop(quantity, None)
                self._sources[quantity] = source
                return method
            codes.append(answer.code)
            if later is None and answer.code not in _LASTING:
                later = method, source
        self._missing[quantity] = reason(codes)
        if later is None:
            return ""
        self._sources[quantity] = later[1]
        return later[0]

    def ask(self, quantity: str) -> Optional[float]:
        """The quantity now; None if the GPU does not tell it.

        Raises:
            Unavailable: the GPU is gone.
        """
        source = self._sources.get(quantity)
        if source is None:
            return None
        answer = self._heard(source)
        if answer.value is None:
            self._missing[quantity] = clause(answer.code)
        else:
            self._missing.pop(quantity, None)
        return answer.value

    def __contains__(self, quantity: object) -> bool:
        return quantity in self._sources

    def _heard(self, source: Source) -> Answer:
        answer = source()
        if answer.code in (GPU_IS_LOST, UNINITIALIZED):
            raise Unavailable(f"{self._name} cannot be read: {clause(answer.code)}.")
        return answer
