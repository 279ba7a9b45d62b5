"""512 MiB to a running container and back, through ``exec``: the way for a target without a store.

sovlab: what brings a payload and fetches results, with the checks that it is there and whole. Against:
``kubectl exec -i … cat >file`` and ``kubectl exec … cat file``. All use the same container in turns, and on
this side a file system in memory where there is one. Bytes are random; dirty pages are written out before.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.cluster import Cluster
from benchmarks.measuring import CaseFailed, Hold, Report, Series, ratio, take_turns
from benchmarks.surroundings import Surroundings

SIZE, QUICK = 512 << 20, 64 << 20
_THERE = "/sovlab/work/payload.pack"


def run(surroundings: Surroundings) -> list[Report]:
    cluster, size = surroundings.cluster, QUICK if surroundings.quick else SIZE
    original, back = ((surroundings.memory or surroundings.scratch) / name for name in ("sent", "fetched"))
    with original.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    state = surroundings.scratch / "kube-copy"
    with cluster.namespace() as namespace, cluster.sovlab(namespace, state=state) as sovlab:
        pod = str(sovlab.call("stay")["pod"])
        kubectl = _Kubectl(cluster, namespace, pod)

        def fresh() -> None:
            sovlab.call("remove", pod=pod, path=_THERE)
            back.unlink(missing_ok=True)
            os.sync()

        def returned() -> None:
            back.unlink(missing_ok=True)
            os.sync()

        to = take_turns(
            {
                "kubectl exec -i": lambda: kubectl.send(original),
                "sovlab": lambda: sovlab.seconds("bring", pod=pod, path=str(original)),
            },
            surroundings.repeats(7),
            before=fresh,
        )
        sovlab.call("remove", pod=pod, path=_THERE)
        sovlab.call("bring", pod=pod, path=str(original))
        fro = take_turns(
            {
                "kubectl exec": lambda: kubectl.fetch(back),
                "sovlab": lambda: _same(
                    sovlab.seconds("fetch", pod=pod, source=_THERE, target=str(back)), back, original
                ),
            },
            surroundings.repeats(7),
            before=returned,
        )
        sovlab.call("leave")
    what, where = f"{size >> 20} MiB", f"on {cluster.name}"
    return [
        _report(f"{what} to a pod, {where}", size, to, cluster),
        _report(f"{what} from a pod, {where}", size, fro, cluster),
    ]


def _report(title: str, size: int, taken: dict[str, Series], cluster: Cluster) -> Report:
    reference, sovlab = taken.values()
    slower = ratio(sovlab, reference)
    speeds = [
        Series(s.name, "B/s", [size / seconds for seconds in s.samples], s.note) for s in taken.values()
    ]
    hold = Hold(f"speed, sovlab / {reference.name}", 1 / slower if slower else None, 0.7, at_most=False)
    return Report(title, speeds, reference.name, [hold], [cluster.told])


def _same(seconds: float, one: Path, other: Path) -> float:
    assert subprocess.run(["cmp", "--silent", one, other], check=False).returncode == 0, "what came differs"
    return seconds


class _Kubectl:
    """kubectl's way into a container."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str) -> None:
        told = cluster.kubectl
        self._words = [*told, f"--namespace={namespace}", "exec", "--quiet", pod] if told else []

    def send(self, file: Path) -> float:
        with file.open("rb") as given:
            return self._run("-i", "--", "sh", "-c", f"cat >{_THERE}", stdin=given.fileno())

    def fetch(self, file: Path) -> float:
        with file.open("wb") as taken:
            return self._run("--", "cat", _THERE, stdout=taken.fileno())

    def _run(self, *words: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> float:
        if not self._words:
            raise CaseFailed("not installed")
        begun = time.perf_counter()
        ended = subprocess.run(
            [*self._words, *words], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
        if ended.returncode != 0:
            raise CaseFailed(f"failed: {ended.stderr.strip()[-200:]}")
        return time.perf_counter() - begun
