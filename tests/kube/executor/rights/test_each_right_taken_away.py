"""Each right that is used, taken away in turn: what still works, works; all else ends soon and says why."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sovlab import backends
from sovlab.core.event import StatusChanged
from sovlab.core.finding import Level
from sovlab.core.job import JobState
from sovlab.errors import SovlabError
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.survey.probing import probe
from sovlab.kube.survey.rights import EXEC, NEEDED
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import Rule, edit
from tests.kube.conftest import fake_cluster

WORKS = "works"
LONGEST, MOST = 60.0, 120
"""Seconds and requests of one command, on a loaded machine; without an end there is no number of them."""
RIGHTS = list(dict.fromkeys((*NEEDED, EXEC)))
VERBS = list(dict.fromkeys((right.resource, right.group, verb) for right in RIGHTS for verb in right.verbs))
SLEEP = "import time\nprint('began', flush=True)\ntime.sleep(600)"


def without(resource: str, group: str, verbs: tuple[str, ...]) -> tuple[Rule, ...]:
    """The role ``edit`` without some verbs of a resource."""
    rules: list[Rule] = []
    for rule in edit("research"):
        if group not in rule.groups or resource not in rule.resources:
            rules.append(rule)
            continue
        others = tuple(each for each in rule.resources if each != resource)
        left = tuple(verb for verb in rule.verbs if verb not in verbs)
        rules += [replace(rule, resources=others)]
        rules += [replace(rule, resources=(resource,), verbs=left)] if left else []
    return tuple(rules)


@dataclass
class Asked:
    """What a command came to."""

    outcome: Any
    seconds: float
    requests: int

    @property
    def refusal(self) -> str:
        """What it said; empty if it worked."""
        return str(self.outcome) if isinstance(self.outcome, SovlabError) else ""


class Site:
    """A namespace, and a user of it whose rights change."""

    def __init__(self, cluster: Any, state: Path) -> None:
        self.fake = cluster.fake
        self.cluster = cluster
        self.state = state
        self.grant(edit("research"))
        self.renew("ended", "runs")

    def renew(self, *jobs: str) -> None:
        """Have new jobs in the places of those that are gone."""
        full = self.harness()
        if "ended" in jobs:
            self.ended = full.submit("print('said')\ny = 2", outputs=("y",))
            assert full.executor.wait(self.ended, 60).status.state is JobState.SUCCEEDED
        if "runs" in jobs:
            self.runs = full.submit(SLEEP)
            full.until_printed(self.runs, b"began")

    def grant(self, rules: tuple[Rule, ...]) -> None:
        self.fake.users.add("eve", rules)

    def harness(self) -> Harness:
        """As a process that has just begun."""
        eve = Login(context="eve", kubeconfig=self.fake.kubeconfig_for("eve"))
        profile = self.cluster.profile(hold=5.0)
        executor = KubernetesExecutor("site", eve, profile, self.state, agents=False)
        return Harness(executor, self.state / "objects")

    def ask(self, do: Callable[[], Any]) -> Asked:
        """Do something in a thread; one that does not end in time fails the test."""
        found: list[Any] = []

        def run() -> None:
            try:
                found.append(do())
            except BaseException as error:
                found.append(error)

        begun, before = time.monotonic(), len(self.fake.requests)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(LONGEST)
        assert found, "it did not come to an end"
        if isinstance(found[0], BaseException) and not isinstance(found[0], SovlabError):
            raise found[0]
        return Asked(found[0], time.monotonic() - begun, len(self.fake.requests) - before)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with fake_cluster() as cluster, tempfile.TemporaryDirectory(prefix="sov-") as state:
        made = Site(cluster, Path(state))
        yield made
        made.grant(edit("research"))
        made.harness().executor.cancel(made.runs)
        assert cluster.fake.failures == []


def followed(site: Site) -> Any:
    """What comes of a job that ends within the test, from its submit on."""
    made = site.harness()
    job_id = made.submit("print('said')\ny = 2", outputs=("y",))
    seen, log = [], b""
    for event in made.executor.events(job_id):
        log += getattr(event, "data", b"")
        if isinstance(event, StatusChanged):
            seen.append(event.status)
    return seen[-1].state, log


COMMANDS: dict[str, Callable[[Site], Any]] = {
    "submit": lambda site: site.harness().submit("1"),
    "submit, two nodes": lambda site: site.harness().submit("1", nodes=2),
    "run": followed,
    "jobs": lambda site: [record.id for record in site.harness().executor.records()],
    "job": lambda site: site.harness().executor.record(site.ended).status.state,
    "logs": lambda site: site.harness().log(site.ended),
    "result": lambda site: site.harness().executor.results(site.ended),
    "wait": lambda site: site.harness().executor.wait(site.ended, 20).status.state,
    "request": lambda site: site.harness().executor.request(site.ended),
    "manifests": lambda site: site.harness().executor.manifests_of(site.ended),
    "backends": lambda site: site.harness().executor.capacity(),
    "cancel": lambda site: site.harness().executor.cancel(site.runs),
    "clean": lambda site: site.harness().executor.clean(older_than=0.0, dry_run=True),
    "delete": lambda site: site.harness().executor.delete(site.ended),
}
CONSUMES = {"cancel": "runs", "delete": "ended"}
SUBMITS = {"submit", "submit, two nodes", "run"}
FINDS = {"run", "job", "logs", "result", "wait", "request", "manifests", "cancel", "delete"}
LOST: dict[tuple[str, str], set[str]] = {
    ("jobs", "create"): SUBMITS,
    ("jobs", "patch"): {*SUBMITS, "cancel"},
    ("jobs", "get"): FINDS,
    ("jobs", "list"): {"run", "jobs", "logs", "clean"},
    ("jobs", "delete"): {"delete"},
    ("secrets", "create"): SUBMITS,
    ("secrets", "get"): {"request"},
    ("pods", "list"): {"run", "jobs", "job", "logs", "result", "wait", "cancel", "clean", "delete"},
    ("services", "create"): {"submit, two nodes"},
}
"""What does not work without a verb; all else does."""


def tried(site: Site, command: str, resource: str, group: str, verbs: tuple[str, ...]) -> Asked:
    """What a command comes to without some verbs of a resource."""
    site.grant(without(resource, group, verbs))
    try:
        asked = site.ask(lambda: COMMANDS[command](site))
    finally:
        site.grant(edit("research"))
        if command in CONSUMES:
            site.renew(CONSUMES[command])
    assert asked.requests <= MOST
    if asked.refusal:
        assert resource.partition("/")[0] in asked.refusal
        assert "`sovlab doctor` lists what is needed" in asked.refusal
    return asked


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("resource", "group", "verb"), VERBS)
def test_without_a_verb_a_command_works_or_says_at_once_which_it_lacks(site, resource, group, verb, command):
    asked = tried(site, command, resource, group, (verb,))
    lost = command in LOST.get((resource, verb), ())
    assert bool(asked.refusal) is lost, asked.refusal or "it works"
    if lost:
        assert f'cannot {verb} resource "{resource}"' in asked.refusal
    elif command == "run":
        state, log = asked.outcome
        assert state is JobState.SUCCEEDED
        assert log.strip() == b"said" or ((resource, verb) == ("pods/log", "get") and b"pods/log" in log)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "right", [each for each in RIGHTS if len(each.verbs) > 1], ids=lambda each: each.what
)
def test_without_all_of_a_right_a_command_ends_as_soon(site, right, command):
    tried(site, command, right.resource, right.group, right.verbs)


def test_the_table_says_of_each_right_what_is_lost(site):
    for right in RIGHTS:
        site.grant(without(right.resource, right.group, right.verbs))
        eve = Login(context="eve", kubeconfig=site.fake.kubeconfig_for("eve"))
        known = {name: provider.backend for name, provider in backends.known().items()}
        findings = probe(Api(eve), site.cluster.profile(), known)
        mine = [each for each in findings if each.what == right.what]
        assert mine, right.what
        assert mine[0].level is (Level.MISSING if right.required else Level.DEGRADED), mine[0]
        assert right.loss in f"{mine[0].found} {mine[0].advice}"
    site.grant(edit("research"))
