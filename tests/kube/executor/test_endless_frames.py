"""A job whose code prints, without end, what asks us for transfers."""

from __future__ import annotations

import threading

from sovlab.core.decoding import PayloadAwaited, ResultsHeld
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.kubernetes.transfers.pods import PodTransfers
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.errors import NotFound
from tests.kube.proxy import until


class Counting:
    """An API that counts commands in pods, and how many there are at once; the pod has ended."""

    def __init__(self) -> None:
        self.commands, self.at_once, self._now = 0, 0, 0
        self._lock = threading.Lock()

    def exec(self, *words):
        with self._lock:
            self.commands += 1
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        threading.Event().wait(0.001)
        with self._lock:
            self._now -= 1
        raise NotFound("There is no such pod.", status=404)


def pod(name: str) -> dict:
    return {"metadata": {"name": name, "labels": {}}, "spec": {}, "status": {}}


def test_three_hundred_frames_are_a_few_commands_one_at_a_time(tmp_path):
    api = Counting()
    local = LocalState(tmp_path)
    transfers = PodTransfers(api, ClusterProfile(namespace="research", image="i"), local)
    local.payload("digits-aaaaaa").parent.mkdir(parents=True, exist_ok=True)
    local.payload("digits-aaaaaa").write_bytes(b"payload")
    before = threading.active_count()
    for _ in range(300):
        transfers.on_frame("digits-aaaaaa", pod("digits-aaaaaa-x"), PayloadAwaited())
        transfers.on_frame("digits-aaaaaa", pod("digits-aaaaaa-x"), ResultsHeld())
        assert threading.active_count() <= before + 2
        threading.Event().wait(0.002)
    until(lambda: threading.active_count() <= before)
    assert 2 <= api.commands <= 10
    assert api.at_once <= 2
