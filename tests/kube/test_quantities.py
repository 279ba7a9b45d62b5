from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.kube.quantities import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2", 2),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5),
        ("500m", 0.5),
        ("250u", 0.00025),
        ("100n", 1e-7),
        ("-1", -1),
        ("+3", 3),
        ("1k", 1000),
        ("1Ki", 1024),
        ("64Mi", 64 * 2**20),
        ("24581692Ki", 24581692 * 1024),
        ("1.5Gi", 1.5 * 2**30),
        ("2G", 2e9),
        ("1Ti", 2**40),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12E6", 12e6),
        ("1e-3", 0.001),
        ("1E", 1e18),  # exa, not the begin of an exponent
        ("1.5e2", 150),
        (" 5 ", 5),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", " ", "m", "1K", "1KI", "1mi", "1 Gi", "1.2.3", ".", "1Gi2", "0x10", "1,5", "٣", "nan", "inf"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid quantity"):
        parse(text)


@given(st.integers(0, 2**60), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi", "m", "u"]))
def test_every_amount_is_a_number(count: int, unit: str) -> None:
    found = parse(f"{count}{unit}")
    assert math.isfinite(found)
    assert found >= 0
    assert (found == 0) == (count == 0)
