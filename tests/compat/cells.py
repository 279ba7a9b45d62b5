"""What `make_data` runs: the cells of a notebook, and cells of it that are submitted as jobs."""

NOTEBOOK = (
    """
import dataclasses, functools
import sovlab, sovlab.torch, torch
from sovlab import checkpoint, progress
from sovlab.errors import JobTimeout, SovlabError
FACTOR = 3
SIZE = 20_000
""",
    """
def scale(x, by=FACTOR):
    return x * by * FACTOR

@functools.lru_cache(maxsize=4)
def area(side):
    return side * side * FACTOR

@sovlab.remote(cpu=1)
def half(x):
    return x / 2

@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
    def moved(self, by):
        return Point(self.x + by, self.y + by)
""",
    """
class Reduced:
    # What this torch has no more way to make: older ones had several objects for one storage.
    def __init__(self, name, *arguments):
        self.reduced = name, arguments
    def __reduce__(self):
        from sovlab.runner import tensors
        return getattr(tensors, self.reduced[0]), self.reduced[1]

point = Point(1.0, 2.0)
functions = [scale, Point, Point.moved, area, point.moved]
base = torch.arange(6, dtype=torch.float32)
shared = {"base": base, "view": base[2:5], "row": base.view(2, 3)[1]}
weight = torch.nn.Parameter(torch.ones(2, 3))
tied = [weight, weight]
untyped = base.untyped_storage()
storages = {
    "untyped": untyped,
    "typed": torch.storage.TypedStorage(wrap_storage=untyped, dtype=base.dtype, _internal=True),
    "meta": torch.UntypedStorage(24, device="meta"),
    "same": Reduced("_same", untyped),
    "elsewhere": Reduced("rebuild_storage", bytearray(range(8)), "cuda:0"),
}
empty, meta = torch.empty(0, 3), torch.empty(4, 5, device="meta")
failures = [SovlabError("It did not work.", "Try again."), JobTimeout("It took too long."), KeyError("k")]
speakers = [progress, checkpoint]
states = [sovlab.JobState.SUCCEEDED, sovlab.JobState.FAILED]
""",
    """
def made(by):
    def times(x):
        return x * by * FACTOR
    return times

tools = {
    "times": made(2),
    "cached": functools.lru_cache(maxsize=4)(made(5)),
    "plus": [lambda x: x + FACTOR][0],
}
""",
)

DIGITS = """
import functools, matplotlib.pyplot as plt
from IPython.display import display
print("area", area(2), "scaled", scale(2), "half", half(3))
print([f.__name__ for f in functions], point, [str(f) for f in failures])

@dataclasses.dataclass
class Digit:
    value: int
    def shown(self):
        return emphasised(self)

def emphasised(digit):
    return digit.value * OFFSET

def tell(value):
    progress(value)
    display(value)
    return value

@functools.lru_cache(maxsize=8)
def cube(n):
    return n ** 3 * OFFSET

OFFSET = 7
for step in range(3):
    speakers[0](step + 1, 3, loss=1 / (step + 1))
    print("step", step + 1)
shared["base"][3] = 30.0
print(shared["view"].tolist(), shared["row"].tolist(), tied[0] is tied[1], tied[0] is weight)
print([storages[k].nbytes() for k in ("untyped", "meta", "same")], storages["same"] is storages["untyped"])
print(list(storages["elsewhere"].cpu()), tuple(empty.shape), meta.device, storages["meta"].device)
digits = [Digit(1), Digit(2)]
handle = display("shown", display_id="one")
canvas = type(plt.figure().canvas)
plt.close("all")
returned = {"functions": [emphasised, cube, Digit.shown, display], "point": point.moved(1)}
"""
DIGITS_OUT = (
    *("digits", "tell", "handle", "canvas", "returned", "functions", "speakers", "failures", "area"),
    *("shared", "weight", "tied", "storages", "empty", "meta"),
)

CLOSURES = """
def made_there(by):
    return lambda x: x * by + FACTOR
there = {"times": made_there(2), "cached": functools.lru_cache(maxsize=2)(made_there(3))}
print(tools["times"](2), tools["cached"](2), tools["plus"](2), there["times"](2), there["cached"](2))
"""
CLOSURES_OUT = ("tools", "there")

FAILS = """
class Diverged(ValueError):
    def __init__(self, loss):
        super().__init__(f"the loss is {loss}")
        self.loss = loss
    def __reduce__(self):
        return Diverged, (self.loss,)
print("before")
raise Diverged(1e9)
"""

WAITS = """
import os, random, sovlab, time
place = sovlab.checkpoint.directory
earlier = (place / "step").read_text() if place is not None and (place / "step").exists() else "-"

@sovlab.checkpoint
def save(directory):
    (directory / "step").write_text("7")
    print("saved")

print("began", earlier)
sovlab.progress(1, 2, loss=0.5)
while not os.path.exists(os.environ["GO"]):
    time.sleep(0.02)
sovlab.progress(2, 2, loss=0.25)
print("done")
answer = 42
large = random.Random(7).randbytes(SIZE)
"""

RANKS = """
import sovlab, torch, torch.distributed as dist
sovlab.torch.init_distributed()
x = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(x)
total = x.item()
print("rank", dist.get_rank(), "of", dist.get_world_size())
sovlab.progress(1, 1)
"""

NODES = """
import os
rank = os.environ["RANK"]
print("node", rank, "of", os.environ["WORLD_SIZE"])
"""

STATES = """
print(states, JobTimeout, SovlabError)
"""
