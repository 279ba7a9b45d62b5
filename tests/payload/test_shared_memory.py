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
