# ruff: noqa: E501 - cells, as they are
"""What shares memory here shares it in the job: views of arrays, and what functions have closed over."""

import pytest

from sovlab.payload.results import Results

ARRAYS = "import numpy as np\na = np.arange(6.0)"
LARGE = "import numpy as np\na = np.zeros(1_000_000, dtype='u1')"
FORMS = {
    "a slice": ([ARRAYS, "b = a[1:3]"], "b.__setitem__(0, 9.0) or a.tolist()"),
    "another shape": ([ARRAYS, "b = a.reshape(2, 3)"], "b.__setitem__((1, 0), 9.0) or a.tolist()"),
    "backwards": ([ARRAYS, "b = a[::-1]"], "b.__setitem__(0, 9.0) or a.tolist()"),
    "transposed": ([ARRAYS, "b = a.reshape(2, 3).T"], "b.__setitem__((2, 0), 9.0) or a.tolist()"),
    "another name, and another": ([ARRAYS, "b = z = a[:]"], "b.__setitem__(0, 9.0) or (a.tolist(), b is z)"),
    "two views without the array": ([ARRAYS, "b, c = a[1:4], a[3:]"], "b.__setitem__(2, 9.0) or c.tolist()"),
    "a field": (
        ["import numpy as np\na = np.zeros(2, dtype=[('x', float), ('y', 'i4')])", "b = a['y']"],
        "b.__setitem__(1, 3) or a.tolist()",
    ),
    "dates": (
        ["import numpy as np\na = np.array(['2020-01-01', '2020-01-02'], dtype='M8[D]')", "b = a[1:]"],
        "b.__setitem__(0, a[0]) or str(a)",
    ),
    "a small part of a large one": ([LARGE, "b = a[5:200]"], "b.__setitem__(0, 1) or int(a[5])"),
    "a small part that comes first": ([LARGE, "z, a = a, a[5:200]"], "a.__setitem__(0, 1) or int(z[5])"),
    "in containers": (
        [ARRAYS, "d = {'all': a, 'part': [a[2:]]}"],
        "d['part'][0].fill(7) or d['all'].tolist()",
    ),
    "one that is for reading": (
        [ARRAYS, "b = a[1:]\nb.flags.writeable = False"],
        "a.__setitem__(1, 9.0) or (b.tolist(), b.flags.writeable)",
    ),
    "in an object": (
        [ARRAYS, "class Data:\n    def __init__(self, a):\n        self.a, self.b = a, a[:2]\nd = Data(a)"],
        "d.b.fill(4) or (a.tolist(), d.a is a)",
    ),
    "two small parts of a large one that does not travel": (
        [LARGE, "b, c = a[5:200], a[150:400]"],
        "b.__setitem__(190, 1) or int(c[45])",
    ),
    "windows that overlap": (
        [LARGE, "d = [a[i : i + 100] for i in range(0, 1000, 10)]"],
        "d[50].fill(7) or [int(w.sum()) for w in d]",
    ),
    "parts of which one joins the others": (
        [LARGE, "d = [a[0:100], a[200:300], a[90:210]]"],
        "d[2].fill(7) or [int(w.sum()) for w in d]",
    ),
    "rows of a table": (
        ["import numpy as np\na = np.zeros((1000, 1000))", "b, c = a[3:9], a[5:12]"],
        "b.fill(2) or c.sum()",
    ),
    "an array and its tensor": (
        ["import numpy as np, torch\na = np.zeros(5)", "t = torch.from_numpy(a)"],
        "a.fill(7) or t.tolist()",
    ),
    "a tensor and its array": (
        ["import numpy as np, torch\nz = np.zeros(5)", "a = torch.from_numpy(z)"],
        "a.fill_(7) is a and z.tolist()",
    ),
    "a large array and its tensor": (
        ["import numpy as np, torch\na = np.zeros((500, 100))", "t = torch.from_numpy(a)"],
        "t[3].fill_(7) is t or float(a.sum())",
    ),
    "what a tensor's numpy gives": (
        ["import torch\nt = torch.zeros(500, 100)", "a = t.numpy()"],
        "a.fill(7) or float(t.sum())",
    ),
    "a part of what a tensor's numpy gives": (
        ["import torch\nt = torch.zeros(500, 1000)", "a = t.numpy()[3:5, ::2]"],
        "a.fill(7) or float(t.sum())",
    ),
    "a tensor of a part that comes first": (
        ["import numpy as np, torch\nz = np.zeros(50000)", "a = torch.from_numpy(z[10:20])"],
        "a.fill_(7) is a and float(z.sum())",
    ),
    "tensors of parts that overlap": (
        [LARGE, "import torch\nb, c = torch.from_numpy(a[5:90]), a[80:100]"],
        "b.fill_(7) is b and int(c.sum())",
    ),
    "a tensor in a model": (
        [
            "import numpy as np, torch\nw = np.ones((2, 2), dtype='f4')\nnet = torch.nn.Linear(2, 2, bias=False)\n"
            "net.weight = torch.nn.Parameter(torch.from_numpy(w))"
        ],
        "w.fill(3) or net(torch.ones(1, 2)).tolist()",
    ),
    "two arrays over the same bytes": (
        ["import numpy as np\nm = bytearray(80)\na, b = np.frombuffer(m), np.frombuffer(m, dtype='i8')"],
        "a.fill(1) or int(b.sum())",
    ),
    "a variable of two functions": (
        [
            "def counter():\n    n = 0\n    def more():\n        nonlocal n\n        n += 1\n        return n\n"
            "    def now():\n        return n\n    return more, now\nmore, now = counter()\nmore()"
        ],
        "more(), more(), now()",
    ),
    "functions that call one another": (
        [
            "def make():\n    def even(n):\n        return n == 0 or odd(n - 1)\n"
            "    def odd(n):\n        return n != 0 and even(n - 1)\n    return even, odd\neven, odd = make()"
        ],
        "even(4), odd(4), even.__closure__[0].cell_contents is odd",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_through_the_one_is_seen_through_the_other(form, notebook):
    cells, use = FORMS[form]
    for cell in cells:
        notebook.run(cell)
    packed = notebook.pack(f"print(({use}))")
    out, _ = notebook.job(packed)
    assert out == f"{notebook.run(f'({use})')}\n"


def test_a_small_view_does_not_bring_the_large_array_with_it(notebook):
    notebook.run(f"{LARGE}\nb = a[5:200]")
    assert notebook.pack("print(b.sum())").size < 100_000


@pytest.mark.parametrize("parts", ["a[:, 0], a[:, 1]", "a[:, ::2], a[:, 1::2]", "a[:5], a[5:]"])
def test_parts_that_share_nothing_bring_nothing_with_them(notebook, parts):
    notebook.run(f"import numpy as np\na = np.zeros((100, 30_000), dtype='u1')\nb, c = {parts}")
    size = notebook.ns["b"].nbytes + notebook.ns["c"].nbytes
    packed = notebook.pack("print(b.sum(), c.sum())")
    assert packed.size < size + 100_000
    assert not packed.messages


def test_what_cannot_share_its_memory_in_the_job_is_told(notebook):
    notebook.run("import numpy as np\na = np.zeros((1000, 30_000), dtype='u1')\nb, c = a[:, :2], a[:, 1:3]")
    packed = notebook.pack("print(b.sum(), c.sum())")
    assert packed.size < 100_000
    assert ["in the job each has its own" in message for message in packed.messages] == [True]


def test_of_thousands_of_arrays_those_that_overlap_share_their_memory(notebook):
    notebook.run(f"{LARGE}\nd = [a[i * 40 : i * 40 + 50] for i in range(20_000)]\nd += [x.copy() for x in d]")
    out, _ = notebook.submit("d[0].fill(1)\nprint(int(d[1].sum()), int(d[20_001].sum()))")
    assert out == "10 0\n"


@pytest.mark.parametrize("names", [["a", "t"], ["t", "a"]])
def test_an_array_and_its_tensor_come_back_as_one(notebook, names):
    _, results = notebook.submit("import numpy as np, torch\na = np.zeros(6)\nt = torch.from_numpy(a)", names)
    back = Results(results, main=notebook.ns).values()
    back["t"][1:3].fill_(9)
    assert back["a"].tolist() == [0, 9, 9, 0, 0, 0]


def test_what_comes_back_shares_its_memory(notebook):
    _, results = notebook.submit(
        "import numpy as np\na = np.zeros(6)\nb = a[1:3]\n"
        "def pair():\n    n = 0\n    def more():\n        nonlocal n\n        n += 1\n    return more, lambda: n\n"
        "more, now = pair()",
        ["a", "b", "more", "now"],
    )
    back = Results(results, main=notebook.ns).values()
    back["b"].fill(9)
    assert back["a"].tolist() == [0, 9, 9, 0, 0, 0]
    back["more"]()
    assert back["now"]() == 1
