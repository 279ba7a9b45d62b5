"""Settings that commands of an older sovlab wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from sovlab.executors.kubernetes.target import KubernetesSection
from sovlab.executors.registry import configure_all
from sovlab.settings import load, remove_target, use_target

from .conftest import DATA, SITE


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    shutil.copyfile(DATA / "config.toml", path)
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def test_the_targets_of_a_settings_file_mean_what_they_meant(file: Path) -> None:
    settings = load()
    assert (settings.target, settings.defaults.backend, settings.local.keep_days) == ("large", "cpu", 7)
    targets = configure_all(settings)
    assert set(targets) == {"local", "small", "large", "inside"}
    image = "registry.site/sovlab-cpu:1"
    assert targets["small"].options == KubernetesSection(context="site", image=image)
    assert targets["inside"].options == KubernetesSection(in_cluster=True, image=image, store="pvc:store")
    assert targets["large"].options == KubernetesSection(
        context="site",
        kubeconfig=str(file.parent / "site.conf"),
        namespace="research",
        image=image,
        images={"cuda": "registry.site/sovlab-cuda:1"},
        memory=2 << 30,
        hold=3600.0,
        store="s3://jobs/of/mine",
        s3_endpoint="https://s3.site",
        **SITE,
    )


def test_a_settings_file_can_be_changed_by_commands(file: Path) -> None:
    large = msgspec.structs.asdict(configure_all(load())["large"].options)
    use_target("inside")
    remove_target("small")
    targets = configure_all(load())
    assert load().target == "inside"
    assert set(targets) == {"local", "large", "inside"}
    assert msgspec.structs.asdict(targets["large"].options) == large
