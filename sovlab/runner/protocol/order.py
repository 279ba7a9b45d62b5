"""`Order`: the one file that tells the runner what to do, the same for every executor."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional

VERSION = 1


class OrderError(Exception):
    """The order cannot be read."""


class Order:
    """What the runner is to do: the keys of the file.

    Args:
        job_id: the durable id.
        name: what people call the job.
        kind: ``cell``, ``call``, ``script`` or ``notebook``.
        nonce: marks the frames in this job's log; 16 hexadecimal digits.
        payload: pack to run.
        results: where the results pack goes.
        exit: where the exit record goes.
        run: where to say which process runs the job; None leaves it out.
        cancel: a file whose presence makes a SIGTERM mean that the job was cancelled.
        checkpoint: directory kept across retries.
        resume: id of the job whose checkpoint this one goes on from; empty for none.
        workdir: working directory of the user's code.
        nodes: machines, or launchers on this one.
        procs: processes on each node.
        node_rank: which node this is.
        rendezvous: ``host:port`` of node 0; None starts all nodes' launchers here.
        backend: name of the hardware backend.
        device: ``torch.device`` type.
        distributed: ``torch.distributed`` backend.
        env: environment added to the runner's own.
        outputs: names whose values are returned.
        args: arguments of a script.
        timeout: seconds the job may run; None for no limit.
        grace: seconds between SIGTERM and SIGKILL.
        memory: bytes that the job's processes may use in all; None for no limit.
        contained: whether the system itself keeps that limit, as containers do.
        labels: what cells are called, by the SHA-256 of their source.
        inherited: what the user's code has from its submitter: umask, nice level, limits; see
            `sovlab.runner.system.inherited`. None leaves what the runner has.
        sources: where the payload's files are on this machine, by their paths in it or those of folders above
            them; empty where the submitter's files are not seen.
        script: a script's path as it was said; empty if there is none.
        origin: where it was submitted from, for people.
        digest: of the payload, by which a store keeps it.
        arrival: seconds that a pod waits for a payload that is sent to it.
        hold: seconds that a pod holds results that nobody has fetched.
        payload_url: where a pod gets the payload; a secret.
        results_url: where a pod puts the results; a secret.
        power_rate: looks at the power of its devices, a second.
        energy_budget: J that the job may take; None for no limit.
        max_temperature: °C that none of its devices may exceed; None for no limit.
        power_cap: W that each of its accelerators is to keep to; None leaves them as they are.
    """

    def __init__(
        self,
        *,
        job_id: str,
        nonce: str,
        payload: str,
        results: str,
        exit: str,  # noqa: A002 - the key in the file
        workdir: str,
        name: str = "",
        kind: str = "cell",
        run: Optional[str] = None,
        cancel: Optional[str] = None,
        checkpoint: str = "",
        resume: str = "",
        nodes: int = 1,
        procs: int = 1,
        node_rank: int = 0,
        rendezvous: Optional[str] = None,
        backend: str = "cpu",
        device: str = "cpu",
        distributed: str = "gloo",
        env: Optional[Dict[str, str]] = None,
        outputs: Optional[List[str]] = None,
        args: Optional[List[str]] = None,
        timeout: Optional[float] = None,
        grace: float = 30.0,
        memory: Optional[int] = None,
        contained: bool = False,
        labels: Optional[Dict[str, str]] = None,
        inherited: Optional[Dict[str, Any]] = None,
        sources: Optional[Dict[str, str]] = None,
        script: str = "",
        origin: str = "",
        digest: str = "",
        arrival: Optional[float] = None,
        hold: float = 0.0,
        payload_url: str = "",
        results_url: str = "",
        power_rate: float = 1.0,
        energy_budget: Optional[float] = None,
        max_temperature: Optional[float] = None,
        power_cap: Optional[float] = None,
    ) -> None:
        self.job_id = job_id
        self.name = name or job_id
        self.kind = kind
        self.nonce = nonce
        self.payload = payload
        self.results = results
        self.exit = exit
        self.run = run
        self.cancel = cancel
        self.checkpoint = checkpoint
        self.resume = resume
        self.workdir = workdir
        self.nodes = nodes
        self.procs = procs
        self.node_rank = node_rank
        self.rendezvous = rendezvous
        self.backend = backend
        self.device = device
        self.distributed = distributed
        self.env = dict(env or {})
        self.outputs = list(outputs or ())
        self.args = list(args or ())
        self.timeout = timeout
        self.grace = grace
        self.memory = memory
        self.contained = contained
        self.labels = dict(labels or {})
        self.inherited = dict(inherited or {})
        self.sources = dict(sources or {})
        self.script = script
        self.origin = origin
        self.digest = digest
        self.arrival = arrival
        self.hold = hold
        self.payload_url = payload_url
        self.results_url = results_url
        self.power_rate = power_rate
        self.energy_budget = energy_budget
        self.max_temperature = max_temperature
        self.power_cap = power_cap

    @property
    def ranks(self) -> int:
        """Processes in all; more than one starts torchrun."""
        return self.nodes * self.procs

    @property
    def machines(self) -> int:
        """Nodes that are machines of their own."""
        return self.nodes if self.rendezvous is not None else 1

    @property
    def limits(self) -> Dict[str, float]:
        """What the job may take, and how hot its devices may be, on each node: J and °C, by option."""
        energy = None if self.energy_budget is None else self.energy_budget / self.machines
        found = {"energy_budget": energy, "max_temperature": self.max_temperature}
        return {name: limit for name, limit in found.items() if limit is not None}

    @property
    def scratch(self) -> str:
        """Directory for what the job needs while it runs: beside the exit record."""
        return os.path.dirname(self.exit)

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return self.cancel is not None and os.path.exists(self.cancel)

    def write(self, path: str) -> None:
        """Write it to ``path``, with mode 0600."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(self.encoded())

    def encoded(self) -> bytes:
        """The content of the file, as `read` takes it."""
        return json.dumps({"version": VERSION, **vars(self)}).encode()

    @classmethod
    def read(cls, path: str) -> Order:
        """The order in a file. Raises `OrderError`."""
        try:
            with open(path, "rb") as file:
                fields: Dict[str, Any] = json.load(file)
            version = fields.pop("version")
            if version != VERSION:
                raise OrderError(
                    f"The order {path} has version {version!r}, but this runner reads {VERSION}."
                )
            return cls(**fields)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise OrderError(f"The order {path} cannot be read: {error}") from error


FIELDS = frozenset(Order.__init__.__code__.co_varnames[1 : 1 + Order.__init__.__code__.co_kwonlyargcount])
"""Names of all that an order says."""
