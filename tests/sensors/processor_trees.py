"""Trees of files with processors, as sysfs and procfs show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sovlab.sensors.machine import Machine


def grow(root: Path, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Machine:
    """Make files with their content, and links relative to their own place, as sysfs has them."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    for path, target in (links or {}).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    return Machine(root=root, environ={})


def cpus(*sockets: int, each: int = 2, dies: int = 1, vendor: str = "GenuineIntel", flags: str = "fpu"):
    """/proc/cpuinfo, and the topology of ``each`` CPUs on every die of the sockets."""
    model = {
        "GenuineIntel": "Intel(R) Xeon(R) Platinum 8480+",
        "AuthenticAMD": "AMD EPYC 9654 96-Core Processor",
    }
    files, info, cpu = {}, "", 0
    for socket in sockets:
        for die in range(dies):
            for _ in range(each):
                topology = f"/sys/devices/system/cpu/cpu{cpu}/topology"
                files[f"{topology}/physical_package_id"] = f"{socket}\n"
                files[f"{topology}/die_id"] = f"{die}\n"
                info += (
                    f"processor\t: {cpu}\nvendor_id\t: {vendor}\nmodel name\t: {model[vendor]}\n"
                    f"physical id\t: {socket}\nflags\t\t: {flags}\npower management:\n\n"
                )
                cpu += 1
    return {**files, "/proc/cpuinfo": info}


def one_sentence(message: str) -> bool:
    """Whether it is one sentence, as every reason is."""
    return message.endswith(".") and ". " not in message
