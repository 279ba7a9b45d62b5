"""Makes the data of these tests: what an older sovlab leaves on disks, in stores and in clusters.

    .venv/bin/python tests/compat/make_data.py CHECKOUT

CHECKOUT is a directory with the older commit (``git worktree add CHECKOUT daf2775``). What its code leaves
goes to ``data-<commit>`` beside this file, which is made anew. It uses the names that the code had at
daf2775; another commit may need others.

The older code runs in this interpreter, with the checkout first on its path, in a directory and under a host
name that say nothing of the machine (by ``unshare``, so on Linux only). What still names the machine is
replaced, and it is an error if something of it is left.

=========================  ========================================================================
``runner.pyz``             the small runner, as it is sent to clusters
``modules.json``           the modules of the runner, by their names
``state/``                 a state directory of the local target: ended jobs, and one in the queue
``states.pack``            a payload that only a notebook can load
``positions.json``         by job: offsets that its events had, and the log that comes after each
``cluster/*.json``         what was sent to a cluster for one job: each request's method, path and body
``clusters/``              what the state directory keeps of a cluster's jobs
``cluster-cursors.json``   offsets that events of a cluster's job had
``agents.json``            what agents are started with; those of clusters, for several targets
``config.toml``            the settings of a user, with targets
=========================  ========================================================================

In the requests the runner of a Secret is left out, being that of ``runner.pyz``, and the order is written
beside the Secret as what it says.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cells

WORK = Path("/var/tmp/lab")
"""Where it is made: paths in the data begin with it."""
PYTHON, HOST, RUNNER = "/usr/bin/python3", "lab", "runner.pyz"
GO = {"GO": str(WORK / "go")}
"""The file that jobs wait for."""


def main(checkout: Path) -> None:
    asked = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    data = Path(__file__).resolve().parent / f"data-{commit}"
    apart = [
        "unshare",
        "--user",
        "--map-root-user",
        "--uts",
        "sh",
        "-c",
        f'hostname {HOST} && exec "$@"',
        "-",
    ]
    environ = {"PATH": os.environ["PATH"], "HOME": str(WORK), "LANG": "C.UTF-8", "PYTHONPATH": str(checkout)}
    named = {"REAL_HOME": str(Path.home()), "REAL_HOST": os.uname().nodename, "REAL_USER": getpass.getuser()}
    WORK.mkdir()
    try:
        command = [*apart, sys.executable, str(Path(__file__).resolve()), "--inside", str(checkout)]
        subprocess.run(command, cwd=WORK, env={**environ, **named}, check=True)
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(WORK / "data", data)
    finally:
        shutil.rmtree(WORK)
    print(f"{data}: {sum(path.stat().st_size for path in data.rglob('*') if path.is_file())} bytes")


def inside(checkout: Path) -> None:
    import sovlab
    from sovlab.payload.shipping import small_runner

    assert Path(sovlab.__file__).parent == checkout / "sovlab", sovlab.__file__
    data = WORK / "data"
    data.mkdir()
    (data / RUNNER).write_bytes(small_runner())
    names = (path.stem for path in (checkout / "sovlab/runner").glob("*.py") if path.stem[0] != "_")
    write(data / "modules.json", sorted(f"sovlab.runner.{name}" for name in names))
    local = local_jobs(WORK / "state", data)
    write(data / "agents.json", {"local": local, "kubernetes": cluster_jobs(WORK / "cluster-state", data)})
    settings(data / "config.toml")
    neutral(data, checkout)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def notebook() -> dict[str, Any]:
    """The variables of a notebook whose cells have been run."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    quiet = Config()
    quiet.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=quiet)
    for source in cells.NOTEBOOK:
        shell.run_cell(source.lstrip("\n"), store_history=True).raise_error()
    return shell.user_ns


def request(job_id: str, packed: Any, **changes: Any) -> Any:
    from sovlab.core.spec import JobSpec

    name = job_id.rpartition("-")[0]
    values = {
        "kind": "cell",
        "payload": packed.digest,
        "labels": packed.labels,
        "origin": "In[5]",
        "grace": 5.0,
    }
    return JobSpec(**{"name": name, **values, **changes})


def local_jobs(state: Path, data: Path) -> dict[str, Any]:
    """Run jobs on this machine, and keep what they left; what the agent was started with."""
    import msgspec

    from sovlab.core.event import LogChunk, ProgressChanged
    from sovlab.core.spec import Kind
    from sovlab.executors.local import LocalExecutor
    from sovlab.executors.local.agent_client import AgentClient
    from sovlab.payload.pack import build_call, build_cell

    executor = LocalExecutor(state, cores=4, memory=8 << 30, idle=60)
    namespace, store = notebook(), state / "objects"

    def submit(job_id: str, packed: Any, **changes: Any) -> str:
        environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        executor.submit(job_id, request(job_id, packed, **changes), packed.path, environ)
        return job_id

    def cell(source: str, outputs: tuple[str, ...] = (), store: Path = store) -> Any:
        return build_cell(source.lstrip("\n"), namespace, store=store, label="In[5]", outputs=outputs)

    call = build_call(namespace["scale"], (namespace["base"],), {"by": 2}, store=store)
    ended = [
        submit("digits-aaaaaa", cell(cells.DIGITS, cells.DIGITS_OUT), outputs=cells.DIGITS_OUT),
        submit("closures-bbbbbb", cell(cells.CLOSURES, cells.CLOSURES_OUT), outputs=cells.CLOSURES_OUT),
        submit("fails-cccccc", cell(cells.FAILS)),
        submit("ranks-dddddd", cell(cells.RANKS, ("total",)), procs=2, outputs=("total",)),
        submit("scale-eeeeee", call, kind=Kind.CALL),
    ]
    for job_id in ended:
        status = executor.wait(job_id, 150).status
        assert status.state == ("failed" if job_id.startswith("fails") else "succeeded"), (job_id, status)
    waits = cell(cells.WAITS, ("answer",))
    ended.append(submit("cancelled-ffffff", waits, env=GO, outputs=("answer",)))
    for event in executor.events(ended[-1]):
        if isinstance(event, ProgressChanged):
            executor.cancel(ended[-1])
    assert executor.record(ended[-1]).status.state == "cancelled"

    positions = {}
    for job_id in ended:
        events = [e for e in executor.events(job_id) if isinstance(e, LogChunk | ProgressChanged)]
        logs = [event.data.decode() if isinstance(event, LogChunk) else "" for event in events]
        positions[job_id] = [
            {"offset": e.offset, "rest": "".join(logs[n:])} for n, e in enumerate(events, start=1)
        ]
    write(data / "positions.json", positions)

    executor.stop_agent()
    wait_for(lambda: not any((state / "queue").iterdir()))
    # A kernel that was killed before it could tell the agent.
    AgentClient.wake = lambda self: 0  # type: ignore[method-assign]
    submit("waits-gggggg", waits, env=GO, outputs=("answer",))
    for name in ("jobs", "queue", "objects"):
        shutil.copytree(state / name, data / "state" / name)
    shutil.copyfile(cell(cells.STATES, store=WORK / "objects").path, data / "states.pack")
    return dict(json.loads(msgspec.json.encode(executor._configuration)))


def wait_for(check: Any) -> None:
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def settings(path: Path) -> None:
    """Write the settings of a user, by the commands for that."""
    from sovlab.settings import add_target, use_target

    os.environ["SOVLAB_CONFIG_FILE"] = str(path)
    path.write_text('[defaults]\nbackend = "cpu"\n\n[local]\nkeep_days = 7\n')
    add_target("small", {"context": "site", "image": IMAGES[""]})
    images = {name: image for name, image in IMAGES.items() if name}
    more = {"image": IMAGES[""], "images": images, "kubeconfig": "site.conf", "memory": "2G", "hold": "1h"}
    store = {"store": "s3://jobs/of/mine", "s3_endpoint": "https://s3.site"}
    add_target("large", {"context": "site", "namespace": "research", **more, **store, **SITE})
    add_target("inside", {"in_cluster": True, "image": IMAGES[""], "store": "pvc:store"})
    use_target("large")


IMAGES = {"": "registry.site/sovlab-cpu:1", "cuda": "registry.site/sovlab-cuda:1"}
SITE = {
    "python": "python3.11",
    "queue": "batch",
    "priority": "low",
    "workload": "jobset",
    "training_runtime": "TrainingRuntime/own",
    "resources": {"cuda": "nvidia.com/mig-1g.10gb"},
    "runtime_class": {"cuda": "nvidia"},
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "service_account": "jobs",
    "pull_secrets": ["registry"],
    "user": 1000,
    "fs_group": 2000,
    "cpu": 2.0,
}
"""What a target may say of its cluster besides."""


def cluster_jobs(state: Path, data: Path) -> list[dict[str, Any]]:
    """Submit jobs to a cluster, and keep what was sent to it; what couriers are started with."""
    import msgspec
    from sovlab.executors.kubernetes.courier import Mission
    from sovlab.kube.api import Api

    from sovlab.core.event import LogChunk
    from sovlab.executors.kubernetes import executor as module
    from sovlab.executors.kubernetes import submitting
    from sovlab.payload.pack import build_cell
    from tests.kube.conftest import fake_cluster

    sent: list[dict[str, Any]] = []

    class Recorder(Api):
        """Notes what it sends."""

        def create(self, path: str, obj: Any, **options: Any) -> Any:
            sent.append({"method": "create", "path": path, "body": obj})
            return super().create(path, obj, **options)

        def patch(self, path: str, change: Any, **options: Any) -> Any:
            sent.append({"method": "patch", "path": path, "body": change})
            return super().patch(path, change, **options)

    module.Api = Recorder  # type: ignore[misc]

    def submit(job_id: str, source: str, place: dict[str, str] | None = None, **spec: Any) -> Any:
        executor = cluster.executor(state, **(place or {}))
        outputs, size = spec.get("outputs", ()), 20_000 if "large" in spec.get("outputs", ()) else 0
        packed = build_cell(
            source.lstrip("\n"), {"SIZE": size}, store=state / "objects", label="In[5]", outputs=outputs
        )
        sent.clear()
        executor.submit(job_id, request(job_id, packed, **spec), packed.path, {})
        write(data / "cluster" / f"{job_id}.json", [without_runner(one) for one in sent])
        return executor

    answer, both = ("answer",), ("answer", "large")
    with fake_cluster() as cluster:
        claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        store = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "store"},
            "spec": claim,
        }
        cluster.api.create(cluster.path("persistentvolumeclaims"), store)
        submit("small-aaaaaa", cells.WAITS, env=GO, outputs=answer)
        submit("held-bbbbbb", cells.WAITS, env=GO, outputs=both)
        submit("stored-cccccc", cells.WAITS, {"claim": "store"}, env=GO, outputs=both)
        submit("nodes-dddddd", cells.NODES, nodes=2, outputs=("rank",))
        executor = submit("fails-eeeeee", cells.FAILS)
        cursors = [e.offset for e in executor.events("fails-eeeeee") if isinstance(e, LogChunk)]
        write(data / "cluster-cursors.json", cursors)
        room, submitting._ROOM = submitting._ROOM, 0  # as if the payload were larger than a Secret may be
        submit("streamed-ffffff", cells.WAITS, env=GO, outputs=both)
        submitting._ROOM = room
        others = [{"claim": "store"}, {"images": IMAGES, "bucket": "s3://jobs/of/mine", **SITE}]
        places = [cluster.place(**place) for place in ({}, *others)]
        missions = [Mission("cluster", cluster.login, place, str(state)) for place in places]
        couriers = json.loads(msgspec.json.encode(missions, enc_hook=str))
        for courier in couriers:
            courier["login"]["kubeconfig"] = str(WORK / "kubeconfig")
    with fake_cluster(trainer=True) as cluster:
        submit("jobset-jjjjjj", cells.NODES, {"workload": "jobset"}, nodes=2, outputs=("rank",))
        submit("trainjob-kkkkkk", cells.NODES, {"workload": "trainjob"}, nodes=2, outputs=("rank",))
    with fake_cluster(kueue=True) as cluster:
        cluster.fake.add_queue("batch", {"cpu": "0", "memory": "0"}, namespace=cluster.namespace)
        submit("queued-gggggg", cells.WAITS, {"queue": "batch"}, env=GO, outputs=answer)
        submit("buried-hhhhhh", cells.WAITS, {"queue": "batch"}, env=GO).cancel("buried-hhhhhh")
    (data / "cluster" / "buried-hhhhhh.json").unlink()  # nothing of it is left in the cluster
    kept = shutil.ignore_patterns("*.lock", "*.log")
    shutil.copytree(state / "clusters", data / "clusters", ignore=kept)
    return list(couriers)


def without_runner(request: dict[str, Any]) -> dict[str, Any]:
    """A request without the runner that it sends, and with the order beside it as what it says."""
    held = request["body"].get("data") or {}
    if RUNNER not in held:
        return request
    order = json.loads(base64.b64decode(held["order.json"]))
    rest = {name: value for name, value in held.items() if name not in (RUNNER, "order.json")}
    return {**request, "body": {**request["body"], "data": rest}, "order": order}


def neutral(data: Path, checkout: Path) -> None:
    """Replace what names this machine. Raises AssertionError if something is left."""
    for path in data.rglob("command.json"):
        command = json.loads(path.read_bytes())
        stamp = f"/usr/lib/python3/dist-packages:{command['stamp'].rpartition(':')[2]}"
        path.write_text(json.dumps({**command, "python": PYTHON, "stamp": stamp}))
    for path in data.rglob("run.json"):
        running = json.loads(path.read_bytes())
        path.write_text(json.dumps({**running, "boot": "00000000-0000-0000-0000-000000000000"}))
    named = [
        str(checkout),
        str(Path(__file__).resolve().parents[2]),
        sys.prefix,
        sys.base_prefix,
        "/tmp/sov-",
    ]
    named += [os.environ[name] for name in ("REAL_HOME", "REAL_HOST", "REAL_USER")]
    named += [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
    for path in filter(Path.is_file, data.rglob("*")):
        text = path.read_bytes()
        left = [name for name in named if len(name) > 3 and name.encode() in text]  # not the host name "vm"
        assert not left, f"{path} names this machine: {left}"


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]).resolve())
