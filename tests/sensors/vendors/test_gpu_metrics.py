"""The decoder of gpu_metrics against tables that a C compiler's rules lay out."""

from __future__ import annotations

import ctypes
import random
import struct

import pytest

from sovlab.sensors.probes.gpu_metrics import Metrics, MetricsFile, causes, decode
from tests.sensors.vendors.amd_trees import (
    ALL,
    COUNTING,
    RESIDENCIES,
    V1_1,
    V1_2,
    V1_3,
    V1_4,
    V1_5,
    V1_6_EARLY,
    V1_7,
    V1_8,
    filled,
    heat,
)


@pytest.mark.parametrize(("kind", "revision", "size"), ALL)
def test_each_layout_has_the_size_that_the_driver_reports(kind, revision, size):
    assert ctypes.sizeof(kind) == size


@pytest.mark.parametrize(("kind", "revision", "size"), ALL)
def test_power_energy_and_temperatures_are_found_in_each_layout(kind, revision, size):
    metrics = decode(filled(kind, revision, **heat(kind)))
    assert metrics.version == f"1.{revision}"
    assert (metrics.power, metrics.hotspot, metrics.memory) == (305.0, 71.0, 63.0)
    assert metrics.energy == (3 << 40) / 65536
    assert metrics.refused == ""


def test_an_energy_unit_is_the_65536th_of_a_joule():
    # 15.259 µJ; libraries round it to 15.3 and are 0.27 % off.
    metrics = decode(filled(V1_5, 5, energy_accumulator=65_536_000))
    assert metrics.energy == 1000.0


@pytest.mark.parametrize(("kind", "revision", "size"), ALL)
def test_a_field_of_ones_is_absent(kind, revision, size):
    assert decode(filled(kind, revision)) == Metrics(version=f"1.{revision}")


@pytest.mark.parametrize(("kind", "revision", "size"), ALL)
def test_zero_is_no_power_no_energy_and_no_temperature(kind, revision, size):
    # RDNA 3 counts no energy and leaves 0; an MI250's second GPU has 0 for both.
    metrics = decode(filled(kind, revision, **dict.fromkeys(heat(kind), 0)))
    assert (metrics.power, metrics.energy, metrics.hotspot, metrics.memory) == (None, None, None, None)


@pytest.mark.parametrize(("kind", "revision", "size"), COUNTING)
def test_residencies_are_found_in_each_layout_that_has_them(kind, revision, size):
    counts = {"prochot_residency_acc": 1, "socket_thm_residency_acc": 20, "vr_thm_residency_acc": 300}
    metrics = decode(
        filled(
            kind,
            revision,
            accumulation_counter=55_257_356,
            ppt_residency_acc=749_905,
            hbm_thm_residency_acc=4000,
            **counts,
        )
    )
    assert metrics.slowed == {"power": (749_905.0, 55_257_356.0), "heat": (4321.0, 55_257_356.0)}
    assert metrics.throttlers is None


def test_the_share_of_a_time_comes_from_two_readings_of_an_mi300x():
    first, second = (
        decode(filled(V1_7, 7, accumulation_counter=counter, ppt_residency_acc=ppt)).slowed["power"]
        for counter, ppt in ((55_257_356, 749_905), (55_262_364, 754_247))
    )
    assert (second[0] - first[0]) / (second[1] - first[1]) == pytest.approx(0.867, abs=5e-4)


@pytest.mark.parametrize(
    "stuck",
    ["prochot_residency_acc", "ppt_residency_acc", "socket_thm_residency_acc", "vr_thm_residency_acc"],
)
def test_firmware_that_counts_each_tick_as_throttled_is_not_believed(stuck):
    counts = dict.fromkeys([name for name, _ in RESIDENCIES], 0)
    assert decode(filled(V1_8, 8, **{**counts, "accumulation_counter": 700})).slowed != {}
    assert decode(filled(V1_8, 8, **{**counts, "accumulation_counter": 700, stuck: 700})).slowed == {}


def test_a_count_above_the_counter_is_told_since_32_bits_wrap():
    metrics = decode(filled(V1_8, 8, accumulation_counter=5000, ppt_residency_acc=3_000_000_000))
    assert metrics.slowed == {"power": (3_000_000_000.0, 5000.0)}


@pytest.mark.parametrize("ppt", [0, 5])
def test_a_counter_at_0_tells_nothing(ppt):
    assert decode(filled(V1_7, 7, accumulation_counter=0, ppt_residency_acc=ppt)).slowed == {}


@pytest.mark.parametrize("bit", [0, 36, 47, 63])
def test_throttlers_of_1_3_are_the_bits_that_all_chips_share(bit):
    # throttle_status has each chip's own bits and stands elsewhere
    metrics = decode(filled(V1_3, 3, throttle_status=0xABCD, indep_throttle_status=1 << bit))
    assert metrics.throttlers == 1 << bit


@pytest.mark.parametrize(("kind", "revision"), [(V1_1, 1), (V1_2, 2), (V1_4, 4), (V1_5, 5), (V1_6_EARLY, 6)])
@pytest.mark.parametrize("status", [0, 0xFFFF])
def test_throttle_status_is_never_read_as_not_throttled(kind, revision, status):
    # From 1.4 on the driver writes 0 there whatever happens; before, the bits mean other things on each chip.
    assert decode(filled(kind, revision, throttle_status=status)).throttlers is None


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((), set()),
        *(((bit,), {"power"}) for bit in (0, 3, 4, 5, 7, 16, 19, 22, 23)),
        *(((bit,), {"heat"}) for bit in (32, 33, 34, 35, 37, 38, 41, 43, 44, 45, 46, 47)),
        *(((bit,), set()) for bit in (8, 15, 24, 31, 48, 56, 57)),
        ((0, 34), {"power", "heat"}),
    ],
)
@pytest.mark.parametrize("hot", [False, True])
def test_bits_are_causes(bits, expected, hot):
    assert causes(sum(1 << bit for bit in bits), hot) == expected


def test_the_hot_spots_bit_counts_only_near_its_limit():
    # W7900 at idle shows it for ever; an R9700 also at 225 W and 75 °C, with the bit of its power limit.
    assert causes(1 << 36, hotspot_is_hot=False) == set()
    assert causes(1 << 36 | 1, hotspot_is_hot=False) == {"power"}
    assert causes(1 << 36, hotspot_is_hot=True) == {"heat"}


# 1.9, which describes itself

FORMATS = {
    "u8": (0, "B"),
    "u16": (2, "H"),
    "s16": (3, "h"),
    "u32": (4, "I"),
    "u64": (6, "Q"),
    "s64": (7, "q"),
}
HOTSPOT, MEMORY, POWER, ENERGY, COUNTER, PROCHOT, PPT, SOCKET, VR, HBM = 0, 1, 3, 7, 9, 10, 11, 12, 13, 14
NONE, DEGREES, WATTS = 0, 2, 3


def attribute(number, unit, kind, *values):
    code, letter = FORMATS[kind]
    encoding = unit << 24 | code << 20 | number << 10 | len(values)
    return struct.pack(f"<Q{len(values)}{letter}", encoding, *values)


def described(*attributes, count=None):
    body = b"".join(attributes)
    return struct.pack("<HBBi", 8 + len(body), 1, 9, len(attributes) if count is None else count) + body


# in the order of smu_v13_0_6_ppt.h, with others between, some of them arrays
MI300X = (
    attribute(HOTSPOT, DEGREES, "u16", 71),
    attribute(MEMORY, DEGREES, "u16", 63),
    attribute(2, DEGREES, "u16", 50),
    attribute(POWER, WATTS, "u16", 701),
    attribute(4, 10, "u16", 99),
    attribute(6, 8, "u64", 5300),
    attribute(ENERGY, NONE, "u64", 3 << 40),
    attribute(8, 4, "u64", 123_456_789),
    attribute(COUNTER, NONE, "u64", 5_000_000_000),
    attribute(PROCHOT, NONE, "u64", 1),
    attribute(PPT, NONE, "u64", 4_342_000_000),
    attribute(SOCKET, NONE, "u64", 20),
    attribute(VR, NONE, "u64", 300),
    attribute(HBM, NONE, "u64", 4000),
    attribute(29, 9, "u64", *range(8)),
    attribute(41, 10, "u16", *range(40)),
)


def test_1_9_describes_itself():
    metrics = decode(described(*MI300X))
    assert (metrics.version, metrics.power, metrics.hotspot, metrics.memory) == ("1.9", 701.0, 71.0, 63.0)
    assert metrics.energy == (3 << 40) / 65536
    assert metrics.slowed == {"power": (4_342_000_000.0, 5_000_000_000.0), "heat": (4321.0, 5_000_000_000.0)}


def test_1_9_is_read_in_any_order_and_width():
    # The first kernels with it counted in 32 bits.
    metrics = decode(
        described(
            attribute(41, 10, "u16", *range(39)),
            attribute(PPT, NONE, "u32", 7),
            attribute(POWER, WATTS, "u32", 1200),
            attribute(COUNTER, NONE, "u32", 9),
            attribute(HOTSPOT, DEGREES, "s16", 80),
            attribute(200, NONE, "u8", 1, 2, 3),
            attribute(MEMORY, DEGREES, "u8", 60),
        )
    )
    assert (metrics.power, metrics.hotspot, metrics.memory) == (1200.0, 80.0, 60.0)
    assert metrics.slowed == {"power": (7.0, 9.0)}


@pytest.mark.parametrize(
    "absent",
    [
        attribute(POWER, WATTS, "u16", 0xFFFF),
        attribute(POWER, WATTS, "s16", -1),
        attribute(POWER, WATTS, "u32", 0xFFFF_FFFF),
        attribute(POWER, 7, "u16", 300),  # a unit that is not watts
        attribute(POWER, WATTS, "u16"),  # no value
        attribute(300, WATTS, "u16", 300),
    ],
)
def test_1_9_may_lack_a_value(absent):
    metrics = decode(described(absent, attribute(ENERGY, NONE, "u64", 65536)))
    assert (metrics.power, metrics.energy) == (None, 1.0)


def test_1_9_ends_where_a_type_is_not_known():
    unknown = struct.pack("<QI", 9 << 20 | 300 << 10 | 1, 0)
    metrics = decode(
        described(attribute(ENERGY, NONE, "u64", 65536), unknown, attribute(POWER, WATTS, "u16", 9))
    )
    assert (metrics.power, metrics.energy) == (None, 1.0)


@pytest.mark.parametrize("count", [-1, 0, 1, 3, 2**31 - 1])
def test_1_9_may_count_wrongly(count):
    metrics = decode(
        described(attribute(POWER, WATTS, "u16", 250), attribute(ENERGY, 0, "u64", 65536), count=count)
    )
    assert metrics.power == (250.0 if count > 0 else None)
    assert metrics.energy == (1.0 if count > 1 else None)


# broken files

WHOLE = [filled(kind, revision, **heat(kind)) for kind, revision, _ in ALL] + [described(*MI300X)]


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: f"1.{whole[3]}-{len(whole)}")
def test_a_file_cut_anywhere_tells_less_and_never_raises(whole):
    complete = decode(whole)
    for length in range(min(len(whole), 450)):
        part = decode(whole[:length])
        for name in ("power", "energy", "hotspot", "memory"):
            assert getattr(part, name) in (None, getattr(complete, name))
    assert decode(b"").refused
    assert decode(whole[:3]).refused


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: f"1.{whole[3]}-{len(whole)}")
def test_what_follows_a_table_is_not_read(whole):
    assert decode(whole + b"\x01" * 100) == decode(whole)


def test_a_table_ends_where_its_header_says():
    short = filled(V1_7, 7, **heat(V1_7), accumulation_counter=9, ppt_residency_acc=4, structure_size=32)
    assert (decode(short).energy, decode(short).slowed) == ((3 << 40) / 65536, {})
    longer = described(attribute(ENERGY, NONE, "u64", 65536), count=2) + attribute(POWER, WATTS, "u16", 9)
    assert (decode(longer).energy, decode(longer).power) == (1.0, None)


def test_random_bytes_never_raise():
    chance = random.Random(7)
    for _ in range(3000):
        data = bytearray(chance.randbytes(chance.randrange(0, 400)))
        data[2:4] = bytes([chance.randrange(4), chance.randrange(12)])
        decode(bytes(data))


@pytest.mark.parametrize(
    ("size", "major", "minor"),
    [(80, 1, 0), (97, 1, 1), (120, 1, 2), (328, 1, 5), (400, 1, 6), (0, 1, 3), (64, 1, 10), (100, 4, 0)],
)
def test_layouts_and_sizes_that_are_not_known_are_refused(size, major, minor):
    metrics = decode(struct.pack("<HBB", size, major, minor) + b"\x05" * 400)
    assert metrics == Metrics(
        version=f"{major}.{minor}",
        refused=f"gpu_metrics is in layout {major}.{minor} of {size} bytes, not known here",
    )


@pytest.mark.parametrize(("major", "minor"), [(2, 0), (2, 1), (2, 4), (3, 0)])
def test_layouts_of_processors_with_graphics_are_refused(major, minor):
    metrics = decode(struct.pack("<HBB", 120, major, minor) + b"\x05" * 116)
    assert metrics == Metrics(
        version=f"{major}.{minor}",
        refused=f"gpu_metrics is in layout {major}.{minor}, of processors with graphics",
    )


# the file


def test_a_file_is_read_anew_each_time(tmp_path):
    path = tmp_path / "gpu_metrics"
    path.write_bytes(filled(V1_3, 3, average_socket_power=100))
    file = MetricsFile(path)
    assert (file.there, file.read().power) == (True, 100.0)
    path.write_bytes(filled(V1_3, 3, average_socket_power=200))
    assert file.read().power == 200.0
    file.close()
    assert file.read() == Metrics(refused="gpu_metrics is empty or cut off")


def test_a_table_longer_than_a_page_is_read_whole(tmp_path):
    path = tmp_path / "gpu_metrics"
    path.write_bytes(described(attribute(300, NONE, "u64", *range(600)), attribute(POWER, WATTS, "u16", 900)))
    assert path.stat().st_size > 4096
    assert MetricsFile(path).read().power == 900.0


def test_a_file_that_is_not_there_tells_nothing(tmp_path):
    file = MetricsFile(tmp_path / "gpu_metrics")
    assert not file.there
    assert file.read().energy is None
    file.close()
