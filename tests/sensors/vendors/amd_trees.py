"""Machines with AMD GPUs as amdgpu and amdkfd show them, and tables of gpu_metrics as C lays them out.

The structures list what the kernel's kgd_pp_interface.h lists, in its order, and ctypes finds the offsets:
none is shared with the decoder. As in the driver, a table is all ones before it is filled.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

U8, U16, U32, U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
HEADER = [("structure_size", U16), ("format_revision", U8), ("content_revision", U8)]


def fields(kind, *names):
    """Fields of one type, one after the other."""
    return [(name, kind) for name in names]


def table(name, *parts):
    listed = [field for part in parts for field in part]
    return type(name, (ctypes.LittleEndianStructure,), {"_fields_": listed})


# gpu_metrics_v1_1 to v1_3
_OLD = [
    *HEADER,
    *fields(U16, "temperature_edge", "temperature_hotspot", "temperature_mem"),
    *fields(U16, "temperature_vrgfx", "temperature_vrsoc", "temperature_vrmem"),
    *fields(U16, "average_gfx_activity", "average_umc_activity", "average_mm_activity"),
    ("average_socket_power", U16),
    *fields(U64, "energy_accumulator", "system_clock_counter"),
    *fields(U16, *(f"average_{clock}_frequency" for clock in ("gfxclk", "socclk", "uclk", "vclk0"))),
    *fields(U16, *(f"average_{clock}_frequency" for clock in ("dclk0", "vclk1", "dclk1"))),
    *fields(U16, *(f"current_{clock}" for clock in ("gfxclk", "socclk", "uclk", "vclk0"))),
    *fields(U16, *(f"current_{clock}" for clock in ("dclk0", "vclk1", "dclk1"))),
    ("throttle_status", U32),
    *fields(U16, "current_fan_speed", "pcie_link_width", "pcie_link_speed", "padding"),
    *fields(U32, "gfx_activity_acc", "mem_activity_acc"),
    ("temperature_hbm", U16 * 4),
]
V1_1 = table("V1_1", _OLD)
V1_2 = table("V1_2", _OLD, [("firmware_timestamp", U64)])
V1_3 = table(
    "V1_3",
    _OLD,
    [("firmware_timestamp", U64)],
    fields(U16, "voltage_soc", "voltage_gfx", "voltage_mem", "padding1"),
    [("indep_throttle_status", U64)],
)

# gpu_metrics_v1_4 to v1_8, of the MI300 series
_HEAT = [
    *HEADER,
    *fields(U16, "temperature_hotspot", "temperature_mem", "temperature_vrsoc", "curr_socket_power"),
    *fields(U16, "average_gfx_activity", "average_umc_activity"),
]
_ENERGY = fields(U64, "energy_accumulator", "system_clock_counter")
RESIDENCIES = fields(
    U32,
    "accumulation_counter",
    "prochot_residency_acc",
    "ppt_residency_acc",
    "socket_thm_residency_acc",
    "vr_thm_residency_acc",
    "hbm_thm_residency_acc",
)
_LINKS = [
    ("gfxclk_lock_status", U32),
    *fields(U16, "pcie_link_width", "pcie_link_speed", "xgmi_link_width", "xgmi_link_speed"),
    *fields(U32, "gfx_activity_acc", "mem_activity_acc"),
    *fields(U64, "pcie_bandwidth_acc", "pcie_bandwidth_inst", "pcie_l0_to_recov_count_acc"),
    *fields(U64, "pcie_replay_count_acc", "pcie_replay_rover_count_acc"),
]
_NAKS = fields(U32, "pcie_nak_sent_count_acc", "pcie_nak_rcvd_count_acc")
_XGMI = [("xgmi_read_data_acc", U64 * 8), ("xgmi_write_data_acc", U64 * 8)]
_CLOCKS = [
    ("firmware_timestamp", U64),
    ("current_gfxclk", U16 * 8),
    ("current_socclk", U16 * 4),
    ("current_vclk0", U16 * 4),
    ("current_dclk0", U16 * 4),
    ("current_uclk", U16),
    ("last", U16),  # padding, or num_partition
]
_LINK_STATUS = [("xgmi_link_status", U16 * 8), ("padding", U16)]
_THROTTLE = [("throttle_status", U32)]
_VCN, _JPEG = [("vcn_activity", U16 * 4)], [("jpeg_activity", U16 * 32)]


def partition(name, jpeg, accumulators):
    return table(
        name,
        [("gfx_busy_inst", U32 * 8), ("jpeg_busy", U16 * jpeg), ("vcn_busy", U16 * 4)],
        [(f"acc_{number}", U64 * 8) for number in range(accumulators)],
    )


def partitions(kind):
    return [("xcp_stats", kind * 8), ("pcie_lc_perf_other_end_recovery", U32)]


V1_4 = table("V1_4", _HEAT, _VCN, _ENERGY, _THROTTLE, _LINKS, _XGMI, _CLOCKS)
V1_5 = table("V1_5", _HEAT, _VCN, _JPEG, _ENERGY, _THROTTLE, _LINKS, _NAKS, _XGMI, _CLOCKS)
V1_6_EARLY = table(
    "V1_6_EARLY", _HEAT, _VCN, _JPEG, _ENERGY, RESIDENCIES, _THROTTLE, _LINKS, _NAKS, _XGMI, _CLOCKS
)
V1_6_SHORT = table("V1_6_SHORT", _HEAT, _ENERGY, RESIDENCIES, _LINKS, _NAKS, _XGMI, _CLOCKS)
V1_6 = table(
    "V1_6",
    _HEAT,
    _ENERGY,
    RESIDENCIES,
    _LINKS,
    _NAKS,
    _XGMI,
    _CLOCKS,
    partitions(partition("Partition", 32, 1)),
)
_BANDWIDTH = [("mem_max_bandwidth", U64)]
_V1_7 = [*_HEAT, *_BANDWIDTH, *_ENERGY, *RESIDENCIES, *_LINKS, *_NAKS, *_XGMI, *_LINK_STATUS, *_CLOCKS]
V1_7 = table("V1_7", _V1_7, partitions(partition("Partition_1", 32, 2)))
V1_8 = table("V1_8", _V1_7, partitions(partition("Partition_2", 40, 5)))

OLD = ((V1_1, 1, 96), (V1_2, 2, 104), (V1_3, 3, 120))
WITHOUT_COUNTS = ((V1_4, 4, 288), (V1_5, 5, 360))
COUNTING = ((V1_6_EARLY, 6, 384), (V1_6_SHORT, 6, 312), (V1_6, 6, 1664), (V1_7, 7, 2208), (V1_8, 8, 3872))
ALL = OLD + WITHOUT_COUNTS + COUNTING


def filled(kind, revision, **values):
    """A table as the driver makes it: ones, then the header, then what it has."""
    made = kind.from_buffer_copy(b"\xff" * ctypes.sizeof(kind))
    made.structure_size, made.format_revision, made.content_revision = ctypes.sizeof(kind), 1, revision
    for name, value in values.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return bytes(made)


def heat(kind):
    power = "average_socket_power" if hasattr(kind, "average_socket_power") else "curr_socket_power"
    return {"temperature_hotspot": 71, "temperature_mem": 63, power: 305, "energy_accumulator": 3 << 40}


def link(root: Path, path: str, target: str) -> None:
    """A symbolic link as sysfs has them: relative."""
    place, end = root / path.lstrip("/"), root / target.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    end.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(end, place.parent))


def write(root: Path, files: dict[str, str | bytes]) -> None:
    """Files with their content, lines as the kernel ends them."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())


HWMON = {
    "name": "amdgpu",
    "power1_average": "305000000",
    "power1_label": "PPT",
    "power1_cap": "750000000",
    "power1_cap_min": "0",
    "power1_cap_max": "760000000",
    "power1_cap_default": "750000000",
    "temp2_input": "61000",
    "temp2_label": "junction",
    "temp2_crit": "100000",
    "temp2_crit_hyst": "-273150",
    "temp2_emergency": "105000",
    "temp3_input": "52000",
    "temp3_label": "mem",
    "temp3_crit": "105000",
    "temp3_emergency": "110000",
    "freq1_input": "2100000000",
}
"""An MI300X: it has no edge."""

EDGE = {"temp1_input": "48000", "temp1_label": "edge", "temp1_crit": "90000", "temp1_emergency": "95000"}


def card(
    root: Path, number: int, *, hwmon=HWMON, metrics=None, device="0x74a1", address="", render=True, **files
):
    """The PCI device of a GPU with its render device renderD(128 + number); ``files`` are in its folder."""
    address = address or f"0000:{5 + number:02x}:00.0"
    minor, pci = 128 + number, f"/sys/devices/pci0000:00/{address}"
    write(
        root,
        {
            f"{pci}/device": device,
            f"{pci}/revision": "0x00",
            f"{pci}/power/runtime_status": "active",
            f"{pci}/gpu_busy_percent": "97",
            f"{pci}/drm/renderD{minor}/dev": f"226:{minor}",
            **{f"{pci}/hwmon/hwmon{4 + number}/{name}": value for name, value in hwmon.items()},
            **({f"{pci}/gpu_metrics": metrics} if metrics is not None else {}),
            **{f"{pci}/{name}": value for name, value in files.items() if value is not None},
        },
    )
    link(root, f"{pci}/drm/renderD{minor}/device", pci)
    link(root, f"/sys/class/drm/renderD{minor}", f"{pci}/drm/renderD{minor}")
    link(root, f"/sys/bus/pci/devices/{address}", pci)
    if render:
        write(root, {f"/dev/dri/renderD{minor}": ""})
    return root / pci.lstrip("/")


def part(root: Path, number: int, xcp: int, *, render=True) -> None:
    """A part of a divided card: a platform device, with a render device and without sensors."""
    minor, platform = 128 + number, f"/sys/devices/platform/amdgpu_xcp.{xcp}"
    write(root, {f"{platform}/drm/renderD{minor}/dev": f"226:{minor}"})
    link(root, f"{platform}/drm/renderD{minor}/device", platform)
    link(root, f"/sys/class/drm/renderD{minor}", f"{platform}/drm/renderD{minor}")
    if render:
        write(root, {f"/dev/dri/renderD{minor}": ""})


def node(root: Path, place: int, number: int, *, location: int = 0, domain: int = 0) -> None:
    """A GPU's node in amdkfd's topology, after the one of the processor."""
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    write(
        root,
        {
            "/dev/kfd": "",
            f"{nodes}/0/properties": "cpu_cores_count 96\nsimd_count 0\ndrm_render_minor 0",
            f"{nodes}/{place}/properties": (
                f"cpu_cores_count 0\nsimd_count 1216\ngfx_target_version 90402\nvendor_id 4098\n"
                f"location_id {location}\ndomain {domain}\ndrm_render_minor {128 + number}\n"
                f"unique_id {0xABCDEF0000 + number}"
            ),
        },
    )


def machine_of(root: Path, count: int, **kinds) -> list[Path]:
    """As many cards alike, in the topology in their order."""
    folders = []
    for number in range(count):
        folders.append(card(root, number, **kinds))
        node(root, number + 1, number, location=(5 + number) << 8)
    return folders
