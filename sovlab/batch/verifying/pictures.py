"""Pictures of two runs: the same bytes, the same pixels, or alike; with Pillow and numpy, where they are."""

from __future__ import annotations

import binascii
import importlib.util
import io
import warnings
from typing import Any

from sovlab.batch.verifying.result import Difference, Verdict
from sovlab.batch.verifying.tolerance import Tolerance

_MOST_PIXELS = 25_000_000
_BLOCK = 8
_C1, _C2 = 0.01**2, 0.03**2
"""The constants of SSIM for values from 0 to 1 (Wang, Bovik, Sheikh, Simoncelli 2004)."""
_NOTHING = 1e-4


def compare_pictures(where: str, recorded: str, again: str, options: Tolerance) -> Difference | None:
    """How two pictures differ; None where they are the same.

    Where they cannot be compared they differ, and it says why: what nobody looked at is never the same.

    Args:
        where: what they are, for whoever reads the difference.
        recorded: the picture of the record, in base64.
        again: that of the second run.
        options: what is alike enough.
    """
    one, other = _decoded(recorded), _decoded(again)
    if recorded == again or (one is not None and one == other):
        return None
    if one is None or other is None:
        return _not_compared(where, "one of them is not base64")
    if not all(importlib.util.find_spec(name) for name in ("PIL", "numpy")):
        return _not_compared(where, "that takes Pillow and numpy, and one of them is not installed")
    pixels, others = _pixels(one), _pixels(other)
    if isinstance(pixels, str) or isinstance(others, str):
        return _not_compared(where, pixels if isinstance(pixels, str) else str(others))
    if pixels.shape != others.shape:
        sizes = [f"{each.shape[1]} × {each.shape[0]}" for each in (pixels, others)]
        return Difference(
            where=where,
            verdict=Verdict.DIFFERS,
            words="the pictures are of different size",
            recorded=f"{sizes[0]} pixels",
            again=f"{sizes[1]} pixels",
        )
    if (pixels == others).all():
        return Difference(where=where, verdict=Verdict.SAME, words="the same pixels, stored differently")
    likeness, rms = _likeness(pixels, others)
    alike = likeness >= options.likeness
    return Difference(
        where=where,
        verdict=Verdict.WITHIN if alike else Verdict.DIFFERS,
        words=f"the pictures are {'alike' if alike else 'not alike'}: likeness {likeness:.4f} of 1 "
        f"(at least {options.likeness:g} is alike), pixels {rms:.2g} apart (RMS, 0 to 1)",
    )


def _not_compared(where: str, why: str) -> Difference:
    return Difference(where=where, verdict=Verdict.DIFFERS, words=f"images not compared: {why}")


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.encode("ascii", "replace")) if text else None
    except ValueError:
        return None


def _pixels(data: bytes) -> Any:
    """An array of height × width × 3 bytes, on white where it is transparent; or text: why there is none."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    return f"one of them has more than {_MOST_PIXELS // 1_000_000} million pixels"
                coloured = picture.convert("RGBA")
    except Exception as error:  # whatever a decoder says of bytes that are no picture
        return f"one of them cannot be read ({type(error).__name__})"
    white = Image.new("RGBA", coloured.size, "white")
    return np.asarray(Image.alpha_composite(white, coloured).convert("RGB"))


def _likeness(one: Any, other: Any) -> tuple[float, float]:
    """The mean SSIM of those blocks in which either picture shows something, and how far pixels are apart."""
    import numpy as np

    likeness, squares = [], 0.0
    for channel in range(3):
        a, b = (_blocks(each[:, :, channel]) for each in (one, other))
        mean_a, mean_b = a.mean(axis=(1, 3)), b.mean(axis=(1, 3))
        var_a, var_b = a.var(axis=(1, 3)), b.var(axis=(1, 3))
        both = (a * b).mean(axis=(1, 3)) - mean_a * mean_b
        ssim = ((2 * mean_a * mean_b + _C1) * (2 * both + _C2)) / (
            (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
        )
        shown = (var_a > _NOTHING) | (var_b > _NOTHING) | (np.abs(mean_a - mean_b) > _NOTHING)
        likeness.append(float(ssim[shown].mean()) if shown.any() else 1.0)
        squares += float(((a - b) ** 2).mean())
    return min(likeness), (squares / 3) ** 0.5


def _blocks(channel: Any) -> Any:
    import numpy as np

    height, width = channel.shape
    padded = np.pad(channel, ((0, -height % _BLOCK), (0, -width % _BLOCK)), mode="edge")
    values = padded.astype(np.float32) / 255
    return values.reshape(padded.shape[0] // _BLOCK, _BLOCK, padded.shape[1] // _BLOCK, _BLOCK)
