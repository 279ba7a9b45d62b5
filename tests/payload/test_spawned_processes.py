"""Processes that a cell starts anew get what the cell and the notebook have defined."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from sovlab.options.job import Options
from sovlab.payload.code import Call, Cell

EARLIER = """
import dataclasses, enum, math
SCALE = 3
def plus(x):
    return x + SCALE
@dataclasses.dataclass
class Point:
    x: float
    def twice(self):
        return Point(self.x * 2)
class Colour(enum.Enum):
    RED = 1
"""

CELLS = {
    "pool": """
        import multiprocessing
        started = []
        started.append("once")
        def work(x):
            return plus(x), math.floor(2.5), __name__, len(started)
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            x = pool.map(work, range(3))
        assert started == ["once"]
        """,
    "classes": """
        import multiprocessing
        @dataclasses.dataclass
        class Segment:
            a: Point
            colour: Colour
        def turn(segment):
            assert segment.colour is Colour.RED
            return Segment(segment.a.twice(), segment.colour)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            back = pool.apply(turn, (Segment(Point(2.0), Colour.RED),))
        x = [type(back) is Segment, type(back.a) is Point, back.a.x, back.colour is Colour.RED]
        """,
    "guarded": """
        import multiprocessing as mp
        def work(queue, x):
            queue.put(plus(x))
        if __name__ == "__main__":
            context = mp.get_context("spawn")
            queue = context.Queue()
            process = context.Process(target=work, args=(queue, 4))
            process.start()
            x = [queue.get(), process.join(), process.exitcode]
        """,
    "forkserver": """
        import multiprocessing
        def work(x):
            return plus(x)
        with multiprocessing.get_context("forkserver").Pool(1) as pool:
            x = pool.map(work, [1, 2])
        """,
    "executor": """
        import concurrent.futures, multiprocessing
        table = {i: i * i for i in range(5)}
        def look(i):
            return table[i] + SCALE
        def fail(i):
            raise ValueError(f"on purpose {i}")
        def begin():
            global SCALE
            SCALE = 100
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context, initializer=begin) as executor:
            x = list(executor.map(look, range(5)))
            try:
                executor.submit(fail, 1).result()
            except ValueError as error:
                x.append(str(error))
        """,
    "nested": """
        import multiprocessing
        def inner(x):
            return plus(x)
        def outer(x, queue):
            process = multiprocessing.get_context("spawn").Process(target=further, args=(x, queue))
            process.start()
            process.join()
        def further(x, queue):
            queue.put(inner(x))
        context = multiprocessing.get_context("spawn")
        queue = context.SimpleQueue()
        process = context.Process(target=outer, args=(5, queue))
        process.start()
        process.join()
        x = queue.get()
        """,
    "default": """
        import multiprocessing
        multiprocessing.set_start_method("spawn")
        square = lambda v: v * v
        def work(x):
            return square(x)
        with multiprocessing.Pool(1) as pool:
            x = pool.map(work, [2, 3])
        """,
}
RIGHT = {
    "pool": [(3 + i, 2, "__mp_main__", 1) for i in range(3)],
    "classes": [True, True, 4.0, True],
    "guarded": [7, None, 0],
    "forkserver": [4, 5],
    "executor": [100, 101, 104, 109, 116, "on purpose 1"],
    "nested": 8,
    "default": [4, 9],
}
TORCH = {
    "loader": """
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Squares(Dataset):
            def __len__(self):
                return 6
            def __getitem__(self, i):
                return torch.tensor([plus(i)])
        def join(rows):
            return torch.cat(rows).sum()
        loader = DataLoader(Squares(), 3, num_workers=2, multiprocessing_context="spawn", collate_fn=join)
        x = [int(batch) for batch in loader]
        """,
    "spawn": """
        import torch
        import torch.multiprocessing as mp
        def train(rank, shared, model):
            shared[rank] = model(torch.ones(2)).item() + SCALE + torch.get_default_dtype().itemsize
        class Net(torch.nn.Module):
            def forward(self, x):
                return x.sum()
        torch.set_default_dtype(torch.float64)
        shared = torch.zeros(2).share_memory_()
        mp.spawn(train, args=(shared, Net()), nprocs=2)
        x = shared.tolist()
        """,
    "failing": """
        import torch.multiprocessing as mp
        def train(rank):
            raise ValueError(f"on purpose in {rank}")
        try:
            mp.spawn(train, nprocs=1)
        except mp.ProcessRaisedException as error:
            x = "on purpose in 0" in str(error)
        """,
}
RIGHT |= {"loader": [3 + 4 + 5, 6 + 7 + 8], "spawn": [13.0, 13.0], "failing": True}


def run(client, notebook, source):
    cell = Cell(textwrap.dedent(source), notebook.ns, label="In[9]", directory=notebook.directory)
    job = client.submit(cell, Options(outputs=("x",), timeout=100)).job
    try:
        return job.result()["x"]
    except Exception as error:
        raise AssertionError(job.logs()) from error


@pytest.mark.parametrize("name", CELLS)
def test_what_the_cell_and_the_notebook_define_is_there(client, notebook, name):
    notebook.run(EARLIER)
    assert run(client, notebook, CELLS[name]) == RIGHT[name]


@pytest.mark.parametrize("name", TORCH)
def test_workers_of_torch_have_it_too(client, notebook, name):
    pytest.importorskip("torch")
    notebook.run(EARLIER)
    assert run(client, notebook, TORCH[name]) == RIGHT[name]


def test_a_function_that_is_submitted_may_start_processes(client, notebook):
    notebook.run(EARLIER)
    notebook.run(
        """
        import multiprocessing
        def outer(n):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.map(plus, range(n))
        """
    )
    call = Call(notebook.ns["outer"], (2,), directory=notebook.directory)
    assert client.submit(call, Options(timeout=100)).job.result() == [3, 4]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (  # what cannot be sent
            """
            import multiprocessing, threading
            lock = threading.Lock()
            def work(x):
                with lock:
                    return x
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                try:
                    x = pool.map(work, [1])
                except RuntimeError as error:
                    x = str(error)
            """,
            "lock is not in a process that the job has started anew: ",
        ),
        (  # what came too late
            """
            import multiprocessing
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(len, ((),))
                def work(x):
                    return x
                try:
                    x = pool.map(work, [1])
                except RuntimeError as error:
                    x = str(error)
            """,
            "work is not in a process that the job has started anew: it was not defined yet",
        ),
        (  # what came too late, within the arguments
            """
            import multiprocessing
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(len, ((),))
                import enum
                class Late(enum.Enum):
                    ONE = 1
                try:
                    x = pool.map(len, [[Late.ONE]])
                except RuntimeError as error:
                    x = str(error)
            """,
            "Late is not in a process that the job has started anew: it was not defined yet",
        ),
        (  # what raises when it is defined anew
            """
            import multiprocessing, os
            os.environ["FIRST_PID"] = str(os.getpid())
            def once(function):
                assert os.environ["FIRST_PID"] == str(os.getpid()), "only once"
                return function
            @once
            def work(x):
                return x
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                try:
                    x = pool.map(work, [1])
                except RuntimeError as error:
                    x = str(error)
            """,
            "work is not in a process that the job has started anew: AssertionError: only once",
        ),
    ],
    ids=["unsendable", "late", "late argument", "raising"],
)
def test_what_cannot_be_there_raises_and_nothing_waits_for_ever(client, notebook, source, says):
    assert says in run(client, notebook, source)


def test_nothing_of_it_is_left_beside_the_job(client, notebook):
    notebook.run(EARLIER)
    cell = Cell(textwrap.dedent(CELLS["guarded"]), notebook.ns, directory=notebook.directory)
    job = client.submit(cell, Options(outputs=("x",), timeout=100)).job
    assert job.result()["x"] == RIGHT["guarded"]
    directory = Path(os.environ["SOVLAB_STATE_DIR"], "jobs", job.id)
    assert (directory / "exit.json").exists()
    assert not list(directory.glob("spawned*"))
