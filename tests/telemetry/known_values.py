"""What each query of the catalogue gives on the pages of ``pages``."""

from __future__ import annotations

from prometheus_site import SPAN

from sovlab.telemetry.exporters.query import DEVICES, JOB

_G = "00000000-0000-0000-0000-00000000000a"
_GAUDI = "01P0-HL2080A0-15-TNBS82-04-07-00"
_RAPL = "/sys/class/powercap/intel-rapl"
_KEPLER = f"package/{_RAPL}/intel-rapl:0"
_R = "DCGM_FI_DEV_CLOCKS_EVENT_REASON_"
_S = "nvidia_smi_clocks_event_reasons_counters_"
_V = "gpu_violation_"

# (exporter, of, quantity, first metric, place): value by device; joules are those of `SPAN` seconds.
KNOWN = {
    ("dcgm", JOB, "power", "DCGM_FI_DEV_POWER_USAGE", ""): {"GPU-whole": 400},
    ("dcgm", DEVICES, "power", "DCGM_FI_DEV_POWER_USAGE", ""): {
        "GPU-whole": 400,
        "GPU-sliced": 280,  # once, though four pods have a row of it
        "GPU-mig": 52.746,  # the highest of rows that differ
        "GPU-idle": 10,
    },
    ("dcgm", JOB, "power", "dcgm_power_usage", ""): {"GPU-old": 150},
    ("dcgm", DEVICES, "power", "dcgm_power_usage", ""): {"GPU-old": 150},
    ("dcgm", DEVICES, "limit", "DCGM_FI_DEV_ENFORCED_POWER_LIMIT", ""): {"GPU-whole": 650},
    ("dcgm", DEVICES, "limit", "DCGM_FI_DEV_POWER_MGMT_LIMIT", ""): {"GPU-whole": 700},
    ("nvidia_gpu", DEVICES, "limit", "nvidia_smi_power_limit_watts", ""): {_G: 700},
    ("nvidia_gpu", DEVICES, "limit", "nvidia_smi_enforced_power_limit_watts", ""): {_G: 680},
    ("dcgm", JOB, "energy", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", ""): {"GPU-whole": 400 * SPAN},
    ("dcgm", DEVICES, "energy", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", ""): {
        "GPU-whole": 400 * SPAN,
        "GPU-sliced": 280 * SPAN,
        "GPU-mig": 60 * SPAN,  # and none of GPU-broken, which counts 90 MW
    },
    ("dcgm", JOB, "energy", "dcgm_total_energy_consumption", ""): {"GPU-old": 150 * SPAN},
    ("dcgm", DEVICES, "energy", "dcgm_total_energy_consumption", ""): {"GPU-old": 150 * SPAN},
    ("dcgm", JOB, "energy", "DCGM_FI_DEV_POWER_USAGE", ""): {"GPU-whole": 400 * SPAN},
    ("dcgm", JOB, "energy", "dcgm_power_usage", ""): {"GPU-old": 150 * SPAN},
    ("dcgm", JOB, "temperature", "DCGM_FI_DEV_GPU_TEMP", "chip"): {"GPU-whole": 61},
    ("dcgm", DEVICES, "temperature", "DCGM_FI_DEV_GPU_TEMP", "chip"): {"GPU-whole": 61},
    ("dcgm", JOB, "temperature", "dcgm_gpu_temp", "chip"): {"GPU-old": 55},
    ("dcgm", DEVICES, "temperature", "dcgm_gpu_temp", "chip"): {"GPU-old": 55},
    ("dcgm", JOB, "temperature", "DCGM_FI_DEV_MEMORY_TEMP", "memory"): {"GPU-whole": 71},
    # Not 0 °C of the T4, and not 9223372036854775794.
    ("dcgm", DEVICES, "temperature", "DCGM_FI_DEV_MEMORY_TEMP", "memory"): {"GPU-whole": 71},
    ("dcgm", JOB, "temperature", "dcgm_memory_temp", "memory"): {"GPU-old": 66},
    ("dcgm", DEVICES, "temperature", "dcgm_memory_temp", "memory"): {"GPU-old": 66},
    **{
        ("dcgm", of, "throttled", metric, cause): {"GPU-whole": share}
        for of in (JOB, DEVICES)
        for metric, cause, share in (
            (f"{_R}SW_THERM_SLOWDOWN_NS", "heat", 0.2),  # the greater of software's and hardware's
            ("DCGM_FI_DEV_THERMAL_VIOLATION", "heat", 0.15),
            (f"{_R}SW_POWER_CAP_NS", "power", 0.3),
            ("DCGM_FI_DEV_POWER_VIOLATION", "power", 0.25),
            (f"{_R}HW_POWER_BRAKE_SLOWDOWN_NS", "facility", 0.0),
        )
    },
    ("dcgm", DEVICES, "power", "DCGM_FI_DEV_CPU_POWER_UTIL_CURRENT", ""): {
        "node-1/0": 31.427,
        "node-1/1": 40,
    },
    ("dcgm", DEVICES, "temperature", "DCGM_FI_DEV_CPU_TEMP_CURRENT", ""): {"node-1/0": 39.5},
    ("nvidia_gpu", DEVICES, "power", "nvidia_smi_power_draw_average_watts", ""): {_G: 630.5},
    ("nvidia_gpu", DEVICES, "power", "nvidia_smi_power_draw_watts", ""): {_G: 631.95},
    ("nvidia_gpu", DEVICES, "energy", "nvidia_smi_energy_joules_total", ""): {_G: 600 * SPAN},
    ("nvidia_gpu", DEVICES, "temperature", "nvidia_smi_temperature_gpu", "chip"): {_G: 59},
    ("nvidia_gpu", DEVICES, "temperature", "nvidia_smi_temperature_memory", "memory"): {_G: 54},
    ("nvidia_gpu", DEVICES, "throttled", f"{_S}hw_thermal_slowdown_seconds", "heat"): {_G: 0.4},
    ("nvidia_gpu", DEVICES, "throttled", f"{_S}sw_power_cap_seconds", "power"): {_G: 0.5},
    ("nvidia_gpu", DEVICES, "throttled", f"{_S}hw_power_brake_slowdown_seconds", "facility"): {_G: 0},
    ("amd", JOB, "power", "gpu_package_power", ""): {"S1": 600},
    ("amd", DEVICES, "power", "gpu_package_power", ""): {"S1": 600, "S2": 512},
    ("amd", JOB, "power", "gpu_average_package_power", ""): {"S1": 590},
    ("amd", DEVICES, "power", "gpu_average_package_power", ""): {"S1": 590},
    ("amd", JOB, "power", "gpu_power_usage", ""): {"S1": 580},
    ("amd", DEVICES, "power", "gpu_power_usage", ""): {"S1": 580},
    ("amd", JOB, "energy", "gpu_energy_consumed", ""): {"S1": 600 * SPAN},
    ("amd", DEVICES, "energy", "gpu_energy_consumed", ""): {"S1": 600 * SPAN, "S2": 512 * SPAN},
    ("amd", JOB, "energy", "gpu_package_power", ""): {"S1": 600 * SPAN},
    ("amd", JOB, "energy", "gpu_average_package_power", ""): {"S1": 590 * SPAN},
    ("amd", JOB, "energy", "gpu_power_usage", ""): {"S1": 580 * SPAN},
    ("amd", JOB, "temperature", "gpu_junction_temperature", "chip"): {"S1": 78},
    ("amd", DEVICES, "temperature", "gpu_junction_temperature", "chip"): {"S1": 78, "S2": 80},
    ("amd", JOB, "temperature", "gpu_memory_temperature", "memory"): {"S1": 68},
    ("amd", DEVICES, "temperature", "gpu_memory_temperature", "memory"): {"S1": 68},
    **{
        ("amd", of, "throttled", f"{_V}{each}_residency_accumulated", cause): {"S1": share}
        for of in (JOB, DEVICES)
        for each, cause, share in (
            ("socket_thermal", "heat", 0.1),
            ("hbm_thermal", "heat", 0.2),
            ("vr_thermal", "heat", 0.05),
            ("processor_hot", "heat", 0.0),
            ("ppt", "power", 0.6),
        )
    },
    # The card where it is measured, else the package: never both, and never the memory besides.
    ("xpumd", DEVICES, "power", "hw_power_watts", ""): {
        "node-4/0000:03:00.0": 130,
        "node-4/0000:05:00.0": 29.5,
    },
    ("xpumd", DEVICES, "energy", "hw_energy_joules_total", ""): {
        "node-4/0000:03:00.0": 130 * SPAN,
        "node-4/0000:05:00.0": 29.5 * SPAN,
    },
    ("xpumd", DEVICES, "temperature", "hw_temperature_celsius", "chip"): {"node-4/0000:03:00.0": 36},
    ("xpumd", DEVICES, "temperature", "hw_temperature_celsius", "memory"): {"node-4/0000:03:00.0": 40},
    ("xpumd", DEVICES, "throttled", "hw_frequency_throttle_status", "heat"): {"node-4/0000:03:00.0": 1.0},
    ("xpumd", DEVICES, "throttled", "hw_frequency_throttle_status", "power"): {"node-4/0000:03:00.0": 0.0},
    ("xpum", DEVICES, "power", "xpum_power_watts", ""): {"x0": 210},
    ("xpum", DEVICES, "energy", "xpum_energy_joules_total", ""): {"x0": 210 * SPAN},
    ("xpum", DEVICES, "temperature", "xpum_temperature_celsius", "chip"): {"x0": 44},
    ("xpum", DEVICES, "temperature", "xpum_temperature_celsius", "memory"): {"x0": 46},
    ("habanalabs", JOB, "power", "habanalabs_power_mW", ""): {_GAUDI: 412},
    ("habanalabs", DEVICES, "power", "habanalabs_power_mW", ""): {_GAUDI: 412},
    ("habanalabs", JOB, "energy", "habanalabs_power_mW", ""): {_GAUDI: 412 * SPAN},
    ("habanalabs", JOB, "temperature", "habanalabs_temperature_onchip", "chip"): {_GAUDI: 57},
    ("habanalabs", DEVICES, "temperature", "habanalabs_temperature_onchip", "chip"): {_GAUDI: 57},
    ("habanalabs", JOB, "temperature", "habanalabs_temperature_onboard", "board"): {_GAUDI: 48},
    ("habanalabs", DEVICES, "temperature", "habanalabs_temperature_onboard", "board"): {_GAUDI: 48},
    ("kepler", JOB, "power", "kepler_pod_cpu_watts", ""): {"node-1": 5},
    ("kepler", JOB, "power", "kepler_pod_gpu_watts", ""): {"node-1": 42.5},
    # 104 and not 204: running and terminated are one pod's; and without the zone dram, which overlaps.
    ("kepler", JOB, "energy", "kepler_pod_cpu_joules_total", ""): {"node-1": 104},
    ("kepler", JOB, "energy", "kepler_pod_gpu_joules_total", ""): {"node-1": 250},
    ("kepler", DEVICES, "power", "kepler_node_cpu_watts", ""): {f"node-1/{_KEPLER}": 12},
    ("kepler", DEVICES, "energy", "kepler_node_cpu_joules_total", ""): {f"node-1/{_KEPLER}": 12 * SPAN},
    ("kepler", DEVICES, "power", "kepler_node_gpu_watts", ""): {"GPU-kepler": 150.5},
    ("kepler", DEVICES, "energy", "kepler_node_gpu_joules_total", ""): {"GPU-kepler": 150 * SPAN},
    ("kepler", DEVICES, "power", "kepler_platform_watts", ""): {
        "node-1/System.Embedded.1/PS1": 245,
        "node-1/System.Embedded.1/PS2": 0,
    },
    # Not the package a second time by intel-rapl-mmio, and not psys, which holds all.
    ("node_exporter", DEVICES, "power", "node_rapl_package_joules_total", ""): {
        f"10.0.0.5:9100/0/{_RAPL}:0": 90
    },
    ("node_exporter", DEVICES, "energy", "node_rapl_package_joules_total", ""): {
        f"10.0.0.5:9100/0/{_RAPL}:0": 90 * SPAN
    },
    ("node_exporter", DEVICES, "power", "node_rapl_joules_total", ""): {f"node-11:9100/0/{_RAPL}:0": 80},
    ("node_exporter", DEVICES, "energy", "node_rapl_joules_total", ""): {
        f"node-11:9100/0/{_RAPL}:0": 80 * SPAN
    },
    ("node_exporter", DEVICES, "power", "node_rapl_dram_joules_total", ""): {
        f"10.0.0.5:9100/0/{_RAPL}:0:1": 10
    },
    ("node_exporter", DEVICES, "energy", "node_rapl_dram_joules_total", ""): {
        f"10.0.0.5:9100/0/{_RAPL}:0:1": 10 * SPAN
    },
    ("node_exporter", DEVICES, "power", "node_hwmon_power_average_watt", ""): {
        "10.0.0.5:9100/pci_amd": 512,
        "10.0.0.5:9100/pci_amd2": 300,
    },
    ("node_exporter", DEVICES, "power", "node_hwmon_power_watt", ""): {"10.0.0.5:9100/pci_amd2": 300},
    ("node_exporter", DEVICES, "power", "node_hwmon_energy_joule_total", ""): {"10.0.0.5:9100/pci_xe": 75},
    ("node_exporter", DEVICES, "energy", "node_hwmon_energy_joule_total", ""): {
        "10.0.0.5:9100/pci_xe": 75 * SPAN
    },
    ("node_exporter", DEVICES, "temperature", "node_hwmon_temp_celsius", "chip"): {
        "10.0.0.5:9100/pci_amd": 78
    },
    ("node_exporter", DEVICES, "temperature", "node_hwmon_temp_celsius", "package"): {
        "10.0.0.5:9100/platform_coretemp_0": 55
    },
    ("ipmi", DEVICES, "power", "ipmi_dcmi_power_consumption_current_watts", ""): {"node-1-bmc": 566},
    ("ipmi", DEVICES, "energy", "ipmi_dcmi_power_consumption_current_watts", ""): {"node-1-bmc": 566 * SPAN},
    ("ipmi", DEVICES, "power", "ipmi_power_watts", ""): {"node-1-bmc": 560},
    ("ipmi", DEVICES, "energy", "ipmi_power_watts", ""): {"node-1-bmc": 560 * SPAN},
    ("ipmi", DEVICES, "temperature", "ipmi_temperature_celsius", "inlet"): {"node-1-bmc": 24},
    ("idrac", DEVICES, "power", "idrac_power_control_consumed_watts", ""): {"https://idrac-node-2": 166},
    ("idrac", DEVICES, "energy", "idrac_power_control_consumed_watts", ""): {
        "https://idrac-node-2": 166 * SPAN
    },
    ("idrac", DEVICES, "temperature", "idrac_sensors_temperature", "inlet"): {"https://idrac-node-2": 19},
    ("redfish", DEVICES, "power", "redfish_chassis_power_average_consumed_watts", ""): {
        "10.9.0.3/System.Embedded.1": 412
    },
    ("redfish", DEVICES, "energy", "redfish_chassis_power_average_consumed_watts", ""): {
        "10.9.0.3/System.Embedded.1": 412 * SPAN
    },
    ("redfish", DEVICES, "temperature", "redfish_chassis_temperature_celsius", "inlet"): {"10.9.0.3": 21},
}
# Alternatives with the first metric of others, where only it is there.
ALONE = {
    (f"{_S}hw_thermal_slowdown_seconds",): {_G: 0.1},
    ("node_hwmon_power_average_watt", "node_hwmon_chip_names"): {"10.0.0.5:9100/pci_amd": 512},
}
# Of one metric and place, but of other chips.
CHIPS = {"xe|i915": {"10.0.0.5:9100/pci_xe": 62}}
METERS = {
    "node_hwmon_power_average_watt": {"10.0.0.5:9100": 320},  # not 500: they overlap; and not 4.29 MW
    "node_hwmon_power_watt": {"10.0.0.5:9100": 310},
}
