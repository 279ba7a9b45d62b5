"""Threads that decode into the same new types at the same moment do not end the process."""

import ast
import subprocess
import sys
from pathlib import Path

import sovlab

RACE = """
import enum, sys, threading
import msgspec
from sovlab.codec import convert, decode

sys.setswitchinterval(1e-6)
for turn in range(100):
    kinds = [enum.Enum(f"E{turn}_{n}", {f"a{i}": f"a{i}" for i in range(20)}) for n in range(5)]
    inner = msgspec.defstruct(f"I{turn}", [(f"e{n}", kind) for n, kind in enumerate(kinds)])
    outer = msgspec.defstruct(f"O{turn}", [("inner", inner), ("more", list[inner])])
    one = {f"e{n}": "a3" for n in range(5)}
    value = {"inner": one, "more": [one, one]}
    data = msgspec.json.encode(value)
    barrier, found = threading.Barrier(8), []

    def work(number):
        barrier.wait()
        made = decode(data, outer) if number % 2 else convert(value, outer)
        found.append(made.more[1].e4.value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == ["a3"] * 8, found
print("all")
"""


def test_threads_may_meet_a_type_at_the_same_moment():
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", RACE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "all\n"), done.stderr


def test_nothing_is_decoded_into_types_but_by_it():
    root = Path(sovlab.__file__).parent
    found = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            text = ast.unparse(node.func)
            typed = text == "msgspec.json.decode" and any(keyword.arg == "type" for keyword in node.keywords)
            if typed or text in ("msgspec.convert", "msgspec.json.Decoder"):
                found.append(f"{path.relative_to(root)}: {text}")
    # The transfer agent reads its configuration before it has threads.
    assert sorted(found) == [
        "codec.py: msgspec.convert",
        "codec.py: msgspec.json.Decoder",
        "executors/kubernetes/transfers/transfer_agent.py: msgspec.convert",
    ]
