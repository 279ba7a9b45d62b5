"""Recording rules: promtool accepts them, and what they record is what the exporters say."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from prometheus_site import ask, binary

from sovlab.telemetry.detection import RULES_PREFIX
from sovlab.telemetry.rules import recording_rules


def _checked(tmp_path, text):
    path = tmp_path / "rules.yml"
    path.write_text(text)
    done = subprocess.run(
        [binary("promtool"), "check", "rules", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_rules_for_all_exporters(tmp_path):
    text = recording_rules()
    said = _checked(tmp_path, text)
    count = sum(len(group["rules"]) for group in yaml.safe_load(text)["groups"])
    assert f"SUCCESS: {count} rules found" in said
    assert count > 20


@pytest.mark.parametrize("which", ["site", "older", "honored"])
def test_promtool_accepts_rules_for_what_a_site_has(tmp_path, which, request):
    detected = request.getfixturevalue(which).detected
    text = recording_rules(detected)
    assert "SUCCESS" in _checked(tmp_path, text)
    groups = {group["name"] for group in yaml.safe_load(text)["groups"]}
    assert groups == {
        f"sovlab-{found.exporter.name}"
        for found in detected.there()
        if found.names_pods and found.exporter.name != "xpumd"
    }


def test_rules_of_a_site_have_its_labels(honored, older, site):
    assert "exported_pod" in recording_rules(site.detected)
    assert "exported" not in recording_rules(honored.detected)
    assert "unless on (instance, pod) up" in recording_rules(honored.detected)
    assert "amd_gpu_package_power" in recording_rules(older.detected)
    assert f"{RULES_PREFIX}gpu_package_power" in recording_rules(older.detected)


def test_a_copy_is_in_the_namespace_of_the_pod_that_it_is_about(site):
    (copy,) = ask(site.port, 'sovlab:DCGM_FI_DEV_POWER_USAGE{UUID="GPU-whole"}')
    assert copy["metric"]["namespace"] == "team-a"
    assert copy["metric"]["pod"] == "train-7f3k2m-0-abcde"
    assert copy["value"][1] == "400"
    (kepler,) = ask(site.port, 'sovlab:kepler_pod_cpu_watts{zone="package"}')
    assert kepler["metric"]["namespace"] == "team-a"
    assert ask(site.port, 'sovlab:DCGM_FI_DEV_POWER_USAGE{UUID="GPU-idle"}') == []


def test_the_shares_of_each_board_are_one_together(site):
    shares = {
        each["metric"]["UUID"]: each["value"][1]
        for each in ask(site.port, "sum by (UUID) (sovlab:dcgm_share)")
    }
    assert {
        uuid: float(value) for uuid, value in shares.items() if uuid in ("GPU-whole", "GPU-sliced", "GPU-mig")
    } == {
        "GPU-whole": pytest.approx(1),
        "GPU-sliced": pytest.approx(1),
        "GPU-mig": pytest.approx(1),
    }
    (mine,) = ask(site.port, 'sovlab:dcgm_share{namespace="team-a",UUID="GPU-mig"}')
    assert float(mine["value"][1]) == pytest.approx(1 / 3)
