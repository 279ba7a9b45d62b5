"""The table of hardware: what is known with its source and age, what is not as "—" with the reason."""

from __future__ import annotations

from sovlab.core.backend import Detection, Device
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure, unknown
from sovlab.views.hardware import capacity_table, hardware_document

NOW = 1_000_000.0
FOUND = Detection(backend="cuda", devices=(Device(index=0, model="H100", memory=80 << 30),), why="Seen.")


def cuda(**more):
    return Capacity(**{"detection": FOUND, "total": 8.0, "free": 3.0, "queued": 0, "source": "nodes", **more})


def figure(value, **more):
    return Figure(**{"value": value, "source": "dcgm-exporter", "seen": NOW - 4, **more})


def row(item, condition=None, now=NOW):
    table = capacity_table([item], {"cuda": condition} if condition is not None else None, now)
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_each_number_has_its_source_and_age():
    state = Condition(
        celsius=figure(92.4),
        slowed=figure(2.0, source="dcgm-exporter, the last two minutes"),
        headroom=figure(540.0, why="of 6 of 8 devices"),
    )
    shown = row(cuda(), state)
    assert (shown["Free"], shown["Waiting"]) == ("3 of 8", "0")
    assert (shown["Heat"], shown["Headroom"]) == ("92 °C, slowed", "540 W")
    assert shown["Source"] == (
        "nodes; heat dcgm-exporter, 4 s ago; slowing dcgm-exporter, the last two minutes, 4 s ago; "
        "headroom dcgm-exporter, of 6 of 8 devices, 4 s ago"
    )


def test_what_is_not_known_is_a_dash_with_the_reason():
    shown = row(cuda(free=None, queued=None), unknown("Prometheus did not answer"))
    assert shown["Free"] == "— of 8"
    assert shown["Waiting"] == shown["Heat"] == shown["Headroom"] == "—"
    assert shown["Source"] == "nodes; heat, slowing and headroom not known: Prometheus did not answer"
    assert row(cuda())["Source"] == "nodes", "nobody was asked"


def test_what_a_server_says_stays_on_its_line():
    shown = row(cuda(), unknown("no\x1b[2J\r\n\tway"))
    assert all(text.isprintable() for text in shown.values())


def test_the_document_says_which_one_is_taken_and_why():
    rocm = cuda(detection=Detection(backend="rocm", devices=(), why="None."), queued=None)
    (first, second) = hardware_document(
        [cuda(), rocm],
        {"cuda": Condition(celsius=figure(61.0))},
        auto="cuda",
        why="cuda, because.",
        passed={"rocm": "2 wait"},
    )
    assert (first["auto"], first["why"], second["auto"], second["why"]) == (
        True,
        "cuda, because.",
        False,
        "2 wait",
    )
    assert first["celsius"] == {
        "value": 61.0,
        "unit": "°C",
        "source": "dcgm-exporter",
        "seen": NOW - 4,
        "why": "",
    }
    assert (second["queued"], second["celsius"]["value"], second["headroom"]["value"]) == (None, None, None)
