"""Whose a job is: who submitted it by the cluster's word, and whether that was this user for certain.

Whoever may write in a namespace can write any label there. So the owner that an object names decides what is
listed, and which job a name means; it decides nothing that could run code here. What a job left is loaded
unasked only if it was submitted from this state directory, or if its request has a signature by the user's
own key, which never leaves the user's machines. Jobs of versions that did not mark them yet are taken for the
user's by who has used one: until the key was made.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sovlab.core.untrusted import clean
from sovlab.executors.kubernetes.objects.claims import Claim
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.kube import labels
from sovlab.kube.reading import status
from sovlab.kube.survey.identity import name_of_user
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError

_KEY = 32
_LONGEST = 200


class Ownership:
    """Marks the objects of jobs as this user's, and tells whose others are.

    Args:
        api: of the cluster.
        namespace: of the jobs.
        kept: what this state directory knows of the target's jobs.
        key_file: has the user's own key, and is made when it is first needed.
    """

    def __init__(self, api: Api, namespace: str, kept: LocalState, key_file: Path) -> None:
        self._api, self._namespace, self._kept, self._key_file = api, namespace, kept, key_file
        self._lock = threading.Lock()
        self._name: str | None = None
        self._key: bytes | None = None

    @property
    def name(self) -> str:
        """What the cluster calls this user; empty if it does not say, as before Kubernetes 1.28.

        Raises:
            ClusterError: it does not answer.
        """
        with self._lock:
            if self._name is None:
                self._name = name_of_user(self._api)
            return self._name

    @property
    def folder(self) -> str:
        """Where a store has what is this user's; empty if the cluster does not say who that is.

        Raises:
            ClusterError: it does not answer.
        """
        return self._folder(_label(self.name)[labels.OWNER]) if self.name else ""

    def folder_of(self, obj: Object) -> str:
        """Where a store has what belongs to a workload, be it another's; empty if it names no owner."""
        return self._folder(str((obj["metadata"].get("labels") or {}).get(labels.OWNER) or ""))

    def _folder(self, owner: str) -> str:
        # Namespaces of one store do not know each other's jobs.
        return f"{self._namespace}.{owner}" if re.fullmatch(r"[0-9A-Za-z]{1,63}", owner) else ""

    def marks(self, job_id: str, request: str) -> tuple[dict[str, str], dict[str, str]]:
        """Labels and annotations of a job's workload.

        Args:
            job_id: of the job.
            request: the annotation that has its request.
        """
        name = self.name
        told = {labels.SIGNATURE: self._signature(job_id, request)}
        return (_label(name), {**told, labels.OWNER_NAME: name}) if name else ({}, told)

    def nonce(self, job_id: str) -> str:
        """What marks the frames in a job's log: the same for each try of a submit, and not to be guessed."""
        return self._keyed(f"frames of {job_id}").hexdigest()[:16]

    def of(self, obj: Object) -> Claim:
        """Whose a workload is; damage makes it nobody's."""
        meta = obj["metadata"]
        job_id, told = str(meta["name"]), meta.get("annotations") or {}
        owner = clean(str(told.get(labels.OWNER_NAME) or ""), _LONGEST)
        request = told.get(labels.SPEC) or ""
        if self._kept.is_own(job_id) or self._is_signed(job_id, request, told) or self._is_older(meta):
            return Claim(owner, own=True, trusted=True)
        trusted = self._kept.trusted(job_id) == _digest(request)
        return Claim(owner, own=self._is_named(meta.get("labels") or {}), trusted=trusted)

    def trust(self, obj: Object) -> None:
        """Trust what a job leaves as long as its request is this."""
        meta = obj["metadata"]
        self._kept.put_trust(
            str(meta["name"]), _digest((meta.get("annotations") or {}).get(labels.SPEC) or "")
        )

    def _is_named(self, marked: Mapping[str, str]) -> bool:
        if labels.OWNER not in marked:
            return False
        with contextlib.suppress(ClusterError):  # it is asked again with the next job
            return bool(self.name) and marked[labels.OWNER] == _label(self.name)[labels.OWNER]
        return False

    def _is_older(self, meta: Mapping[str, Any]) -> bool:
        if labels.SIGNATURE in (meta.get("annotations") or {}) or labels.OWNER in (meta.get("labels") or {}):
            return False
        made = status.seconds(meta.get("creationTimestamp"))
        return made is not None and made < self._kept.keys_since()

    def _is_signed(self, job_id: str, request: str, told: Mapping[str, str]) -> bool:
        ours, found = self._signature(job_id, request), told.get(labels.SIGNATURE)
        return isinstance(found, str) and hmac.compare_digest(found.encode(errors="replace"), ours.encode())

    def _signature(self, job_id: str, request: str) -> str:
        return self._keyed(f"{self._namespace}\n{job_id}\n{request}").hexdigest()

    def _keyed(self, text: str) -> hmac.HMAC:
        with self._lock:
            if self._key is None:
                there = self._key_file.exists()
                self._key = _key_in(self._key_file)
                if not there:
                    self._kept.note_keys()
            return hmac.new(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)


def _label(name: str) -> dict[str, str]:
    return {labels.OWNER: hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]}


def _digest(request: str) -> str:
    return hashlib.sha256(request.encode(errors="surrogatepass")).hexdigest()


def _key_in(path: Path) -> bytes:
    """The key of a file; one of two that make it at once wins. If none can be kept it is this process's."""
    with contextlib.suppress(OSError, ValueError):
        found = bytes.fromhex(path.read_text("ascii").strip())
        if len(found) == _KEY:
            return found
    made = secrets.token_bytes(_KEY)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{made.hex()}\n")
        try:
            os.link(temporary, path)
        except FileExistsError:
            with contextlib.suppress(OSError, ValueError):
                found = bytes.fromhex(path.read_text("ascii").strip())
                if len(found) == _KEY:
                    return found
            temporary.replace(path)  # it was damaged
    except OSError:
        return made
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return made
