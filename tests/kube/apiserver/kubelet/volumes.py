"""A pod's volumes as directories of this machine."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.kinds import CLAIMS, CONFIGMAPS, SECRETS

from .environment import field_of

# Tokens of service accounts: (namespace, name) → token.
Issue = Callable[[str, str], str]
File = tuple[bytes, int]  # content, mode


class MountError(Exception):
    """A volume that cannot be set up yet; the text is that of the FailedMount event."""


class Volumes:
    """Sets volumes up.

    Args:
        store: where Secrets, ConfigMaps and claims are.
        claims: the directory that holds one for each claim.
        issue: makes tokens of service accounts.
    """

    def __init__(self, store: Store, claims: Path, issue: Issue) -> None:
        self._store = store
        self._claims = claims
        self._issue = issue

    def set_up(self, pod: Object, volume: Object, directory: Path) -> Path:
        """The directory of a volume of a pod, made below `directory`; raises MountError."""
        name = volume["name"]
        if volume.get("persistentVolumeClaim") is not None:
            return self._claim(pod, volume["persistentVolumeClaim"]["claimName"])
        target = directory / name
        if volume.get("emptyDir") is not None:
            if not target.exists():
                target.mkdir(parents=True)
                target.chmod(0o777)
            return target
        try:
            files = self._files(pod, volume)
        except MountError as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None
        _write(target, files)
        return target

    def claim_directory(self, namespace: str, name: str) -> Path:
        """Where the data of a claim is."""
        return self._claims / f"{namespace}_{name}"

    def forget_claim(self, namespace: str, name: str) -> None:
        """Removes the data of a claim."""
        shutil.rmtree(self.claim_directory(namespace, name), ignore_errors=True)

    def _claim(self, pod: Object, name: str) -> Path:
        namespace = pod["metadata"]["namespace"]
        if self._store.get(CLAIMS, namespace, name) is None:
            raise MountError(f'persistentvolumeclaim "{name}" not found')
        target = self.claim_directory(namespace, name)
        if not target.exists():
            target.mkdir(parents=True)
            target.chmod(0o777)
        return target

    def _files(self, pod: Object, volume: Object) -> dict[str, File]:
        if volume.get("secret") is not None:
            source = {**volume["secret"], "name": volume["secret"]["secretName"]}
            return self._keyed(pod, source, source["defaultMode"], secret=True)
        if volume.get("configMap") is not None:
            return self._keyed(pod, volume["configMap"], volume["configMap"]["defaultMode"], secret=False)
        if volume.get("downwardAPI") is not None:
            return _downward(pod, volume["downwardAPI"], volume["downwardAPI"]["defaultMode"])
        if volume.get("projected") is not None:
            mode = volume["projected"]["defaultMode"]
            found: dict[str, File] = {}
            for source in volume["projected"].get("sources") or []:
                found.update(self._projected(pod, source, mode))
            return found
        raise MountError("this node has no plug-in for this kind of volume")

    def _projected(self, pod: Object, source: Object, mode: int) -> dict[str, File]:
        if source.get("secret") is not None:
            return self._keyed(pod, source["secret"], mode, secret=True)
        if source.get("configMap") is not None:
            return self._keyed(pod, source["configMap"], mode, secret=False)
        if source.get("downwardAPI") is not None:
            return _downward(pod, source["downwardAPI"], mode)
        if source.get("serviceAccountToken") is not None:
            token = self._issue(
                pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
            )
            return {source["serviceAccountToken"]["path"]: (token.encode(), mode)}
        raise MountError("this node has no plug-in for this kind of projection")

    def _keyed(self, pod: Object, source: Object, mode: int, *, secret: bool) -> dict[str, File]:
        kind, word, name = (
            (SECRETS, "secret", source["name"]) if secret else (CONFIGMAPS, "configmap", source["name"])
        )
        entry = self._store.get(kind, pod["metadata"]["namespace"], name)
        if entry is None:
            if source.get("optional"):
                return {}
            raise MountError(f'{word} "{name}" not found')
        data = {
            key: base64.b64decode(text or "") for key, text in (entry.obj.get("binaryData") or {}).items()
        }
        for key, text in (entry.obj.get("data") or {}).items():
            data[key] = base64.b64decode(text or "") if secret else text.encode()
        if not source.get("items"):
            return {key: (content, mode) for key, content in data.items()}
        found: dict[str, File] = {}
        for item in source["items"]:
            if item["key"] not in data:
                if source.get("optional"):
                    continue
                what = "secret" if secret else "config"
                raise MountError(f"references non-existent {what} key: {item['key']}")
            own = item.get("mode")
            found[item["path"]] = (data[item["key"]], mode if own is None else own)
        return found


def _downward(pod: Object, source: Object, mode: int) -> dict[str, File]:
    found: dict[str, File] = {}
    for item in source.get("items") or []:
        text = field_of(pod, item["fieldRef"]["fieldPath"]) if item.get("fieldRef") else ""
        own = item.get("mode")
        found[item["path"]] = (text.encode(), mode if own is None else own)
    return found


def _write(target: Path, files: dict[str, File]) -> None:
    """As the kubelet's atomic writer: the names are links through `..data`, so that all change at once."""
    if target.exists():
        return
    target.mkdir(parents=True)
    version = f"..{secrets.token_hex(5)}"
    (target / version).mkdir()
    for path, (content, mode) in files.items():
        file = target / version / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    os.symlink(version, target / "..data")
    for first in dict.fromkeys(path.split("/")[0] for path in files):
        os.symlink(Path("..data", first), target / first)
