"""A job on this machine is as random as a ``python`` that was started, and as reproducible with a seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sovlab.core.job import JobState
from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.payload.results import Results
from sovlab.payload.scripts import Script

from .conftest import Harness, local_harness

torch = pytest.importorskip("torch")

UNSEEDED = """
import sys
warm = "torch" in sys.modules
import logging, multiprocessing, os, random, secrets, tempfile, uuid
import numpy, torch
from torch.utils.data import DataLoader, TensorDataset

def worker_draws(number):
    drawn.put((torch.rand(1).item(), random.random(), float(numpy.random.rand())))

drawn = multiprocessing.get_context("fork").SimpleQueue()
data = TensorDataset(torch.arange(64))
order = [int(x) for (batch,) in DataLoader(data, shuffle=True, batch_size=16) for x in batch]
list(DataLoader(data, num_workers=1, worker_init_fn=worker_draws, multiprocessing_context="fork"))
deck = list(range(52))
random.shuffle(deck)
answer = {
    "layer": torch.nn.Linear(1, 1).weight.item(),
    "initial seed": torch.initial_seed(),
    "permutation": torch.randperm(64).tolist(),
    "split": [list(s.indices) for s in torch.utils.data.random_split(range(64), [32, 32])],
    "dropout": torch.nn.functional.dropout(torch.ones(64)).tolist(),
    "loader": order,
    "worker": drawn.get(),
    "random": random.random(),
    "gauss": random.gauss(0, 1),
    "deck": deck,
    "numpy": float(numpy.random.rand()),
    "numpy shuffle": numpy.random.permutation(64).tolist(),
    "numpy seeds": str(numpy.random.get_bit_generator()._seed_seq),
    "numpy new": float(numpy.random.default_rng().random()),
    "uuid1": str(uuid.uuid1()),
    "uuid4": str(uuid.uuid4()),
    "name": tempfile.mktemp(),
    "secret": secrets.token_hex(8),
    "key": bytes(multiprocessing.current_process().authkey).hex(),
}
"""
SEEDED = """
import sys
warm = "torch" in sys.modules
import random
import numpy, torch
torch.manual_seed(0)
random.seed(0)
numpy.random.seed(0)
answer = {
    "initial seed": torch.initial_seed(),
    "tensor": torch.randn(3).tolist(),
    "layer": torch.nn.Linear(3, 2).weight.tolist(),
    "loader": [int(x) for b in torch.utils.data.DataLoader(list(range(20)), shuffle=True) for x in b],
    "random": [random.random(), random.gauss(0, 1), random.sample(range(99), 3)],
    "numpy": numpy.random.randn(3).tolist(),
    "generator": torch.rand(2, generator=torch.Generator()).tolist(),
}
"""
HASHES = """
import sys
warm = "torch" in sys.modules
answer = {"hash": hash("sovlab"), "order": list({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"})}
"""


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    for made in local_harness():
        until_forked(made)
        yield made


def until_forked(harness: Harness) -> None:
    """Wait until jobs are forked from a process that has loaded torch."""
    end = time.monotonic() + 240
    while not value(harness, harness.submit(SEEDED, outputs=("warm",)), "warm"):
        assert time.monotonic() < end, "no job was ever forked from a process with torch"


def value(harness: Harness, job_id: str, name: str = "answer") -> Any:
    record = harness.executor.wait(job_id, 120)
    assert record.status.state is JobState.SUCCEEDED, harness.log(job_id).decode()
    return Results(harness.executor.results(job_id), main={}).value(name)


def plainly(source: str) -> Any:
    """What a ``python`` that was just started computes."""
    program = textwrap.dedent(source) + "\nimport json\nprint(json.dumps(answer))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def as_json(answer: Any) -> Any:
    return json.loads(json.dumps(answer))


def test_what_is_not_seeded_differs_between_forked_jobs_and_from_fresh_ones(harness):
    together = [harness.submit(UNSEEDED, outputs=("answer", "warm")) for _ in range(2)]
    answers = [value(harness, job_id) for job_id in together]
    answers.append(value(harness, harness.submit(UNSEEDED, outputs=("answer", "warm"))))
    assert value(harness, together[0], "warm")
    answers.append(plainly(UNSEEDED))
    for name in answers[0]:
        assert len({str(answer[name]) for answer in answers}) == len(answers), name


def test_with_a_seed_a_forked_job_computes_what_a_fresh_python_does(harness):
    job_id = harness.submit(SEEDED, outputs=("answer", "warm"))
    assert value(harness, job_id, "warm")
    assert as_json(value(harness, job_id)) == plainly(SEEDED)


def test_a_forked_script_is_as_random(harness, tmp_path):
    (tmp_path / "draw.py").write_text(
        "import sys\nprint('torch' in sys.modules)\nimport torch, numpy, random\n"
        "print(torch.rand(1).item(), torch.randperm(9).tolist(), numpy.random.rand(), random.random())\n"
    )
    logs = set()
    for _ in range(3):
        code = Script(tmp_path / "draw.py", ())
        packed = code.pack(harness.objects)
        spec = JobSpec(name="draw", kind=PayloadKind.SCRIPT, payload=packed.digest, labels=packed.labels)
        job_id = new_job_id("draw")
        harness.executor.submit(job_id, spec, packed.path, dict(os.environ))
        harness.executor.wait(job_id, 120)
        warm, drawn = harness.log(job_id).decode().splitlines()
        assert warm == "True"
        logs.add(drawn)
    assert len(logs) == 3


def test_ranks_that_seed_nothing_draw_their_own(harness):
    source = "import torch, random\nprint('drawn', torch.rand(1).item(), random.random())"
    job_id = harness.submit(source, procs=2)
    assert harness.executor.wait(job_id, 240).status.state is JobState.SUCCEEDED
    drawn = [line for line in harness.log(job_id).splitlines() if line.startswith(b"drawn")]
    assert len(set(drawn)) == 2


def test_jobs_that_look_at_hashes_see_their_own(harness):
    answers = [value(harness, harness.submit(HASHES, outputs=("answer",))) for _ in range(4)]
    answers.append(plainly(HASHES))
    assert len({answer["hash"] for answer in answers}) == len(answers)
    assert len({str(answer["order"]) for answer in answers}) == len(answers)


def test_jobs_that_look_at_hashes_are_forked_too(harness):
    """Each from a process of its own, so seldom one right after the other."""
    source, end = HASHES + "import torch", time.monotonic() + 240
    seen, warm = [], False
    while not warm:
        job_id = harness.submit(source, outputs=("answer", "warm"))
        seen.append(value(harness, job_id)["hash"])
        warm = value(harness, job_id, "warm")
        assert time.monotonic() < end, "none was ever forked"
    assert len(set(seen)) == len(seen)
    assert value(harness, harness.submit(SEEDED, outputs=("warm",)), "warm")


@pytest.mark.parametrize(
    ("value", "looks"),
    [
        ({"a", "b"}, True),
        ([{"deep": {1, 2}}], True),
        (lambda name: hash(name), True),
        (["a", "b"], False),
        ({"x": 1.0}, False),
        (set(), False),
    ],
    ids=["set", "set within", "lambda", "list", "dict", "empty"],
)
def test_values_that_show_hashes_are_told_by_their_pickle(tmp_path: Path, value: Any, looks: bool) -> None:
    from sovlab.executors.local.foresight import Foresight
    from sovlab.payload.code import Cell
    from sovlab.runner.values.pack import Pack

    packed = Cell("print(value)", {"value": value}, label="In[1]").pack(tmp_path)
    assert Foresight(Pack(packed.path)).looks_at_hashes() is looks


@pytest.mark.parametrize(
    ("source", "looks"),
    [
        ("x = hash('a')", True),
        ("for name in set(names): pass", True),
        ("kinds = {'a', 'b'}", True),
        ("kinds = {k for k in names}", True),
        ("from collections import defaultdict\nd = defaultdict(set)", True),
        ("print(id(model))", True),
        ("optimizer.zero_grad(set_to_none=True)\nax.set(title='x')", False),
        ("import hashlib\nhashlib.sha256(b'').hexdigest()", False),
        ("d = {'a': 1, 'b': 2}\nvalid(x)\nmodel.id()", False),
    ],
)
def test_code_that_looks_at_hashes_is_told_by_its_text(tmp_path: Path, source: str, looks: bool) -> None:
    from sovlab.executors.local.foresight import Foresight
    from sovlab.payload.code import Cell
    from sovlab.runner.values.pack import Pack

    names = dict.fromkeys(("names", "model", "optimizer", "ax", "valid", "x"))
    packed = Cell(source, names, label="In[1]").pack(tmp_path)
    assert Foresight(Pack(packed.path)).looks_at_hashes() is looks
