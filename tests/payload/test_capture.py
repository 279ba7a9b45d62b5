"""What the scoping rules take from a notebook."""

import ast
import builtins
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.errors import CaptureError
from sovlab.payload.capture import read_cell, undefined
from sovlab.runner.source.scopes import names_in


def reads(source):
    return {n for n in names_in(ast.parse(source)).reads if not hasattr(builtins, n)}


def binds(source):
    return set(names_in(ast.parse(source)).binds)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 5\nprint(x)", ""),
        ("print(x)\nx = 5", "x"),
        ("if c:\n    x = 1\nprint(x)", "c x"),
        ("if c:\n    x = 1\nelse:\n    x = 2\nprint(x)", "c"),
        ("if c:\n    raise E\nelse:\n    x = 2\nprint(x)", "c E"),
        ("x += 1", "x"),
        ("x.y = 1", "x"),
        ("x[0] = 1", "x"),
        ("del x", "x"),
        ("x = 1\ndel x\nprint(x)", "x"),
        ("for x in y: pass\nprint(x)", "y x"),
        ("while c: x = 1\nprint(x)", "c x"),
        ("for i in y:\n    if i: break\n    z = i\nprint(z)", "y z"),
        ("try:\n    x = f()\nexcept E:\n    pass\nprint(x)", "f E x"),
        ("try:\n    x = f()\nexcept E:\n    x = 0\nprint(x)", "f E"),
        ("try:\n    f()\nfinally:\n    x = 1\nprint(x)", "f"),
        ("try:\n    f()\nexcept E as e:\n    print(e)\nprint(e)", "f E e"),
        ("with a as b: x = b\nprint(x)", "a"),
        ("with suppress(E):\n    x = f()\nprint(x)", "suppress E f x"),
        ("[i for i in a if i > b]", "a b"),
        ("[x for x in x]", "x"),
        ("{k: v for k, v in d.items()}\nprint(k)", "d k"),
        ("[y := i for i in a]\nprint(y)", "a y"),
        ("if (n := f()): print(n)\nprint(n)", "f"),
        ("a and (n := b)\nprint(n)", "a b n"),
        ("lambda x, *a, y=d, **k: x + y + z", "d z"),
        ("def f(x, y=d, *, z: T = e) -> R:\n    return x + g", "d T e R g"),
        ("@deco(a)\ndef f(): pass", "deco a"),
        ("def f():\n    global g\n    g = 1\nf()", ""),
        ("def f():\n    global g\n    g += 1\nf()", "g"),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    return g", "y"),
        ("def f(): return x\nx = 3\nf()", ""),
        ("def f(): return x\nf()\nx = 3", "x"),
        ("def f(): return g()\ndef g(): return x\nx = 1\nf()", ""),
        ("def f(): return g()\ndef g(): return x\nf()\nx = 1", "x"),
        ("f = lambda: x\nx = 1\nf()", ""),
        ("@d\ndef f(): return x\nx = 1", "d x"),
        ("class A(B, metaclass=M):\n    y = z\n    def m(self): return y, A, w", "B M z y A w"),
        ("class A:\n    x = x", "x"),
        ("class A:\n    x = 1\n    y = x\n    z = [x for _ in y]", "x"),
        ("class A:\n    def m(self): return __class__, super().m(), __p", "_A__p"),
        ("class A:\n    def m(self): return x\nx = 1\nA().m()", ""),
        ("import a.b\na.b.c", ""),
        ("from m import *\nf(x)", "f x"),
        ("f'{a!r:{w}} {b=}'", "a w b"),
        ("x: T = 1", "T"),
        ("x: 'T[U]' = 1", "T U"),
        ("df.query('a > @limit')", "df limit"),
        ("eval('p + q')", "p q"),
        ("async def f():\n    async for x in y: await z\nawait f()", "y z"),
        ("print(*a, **b)", "a b"),
        ("assert c, m", "c m"),
        ("global x\nx = 1\nprint(x)", ""),
    ],
)
def test_names_taken(source, expected):
    assert reads(source) == set(expected.split())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are of Python 3.12")
def test_type_parameters_are_no_names_of_the_notebook():
    assert reads(
        "def f[T: B](x: T) -> T: return y\nclass C[K](G[K]):\n    def m(self) -> K: return K, v"
    ) == set("ByGv")
    assert reads("type A[Q] = dict[Q, W]") == {"W"}


def test_match_statements():
    source = (
        "match p:\n    case [a, *b]: pass\n    case {'k': v, **r}: pass\n    case K(z=q) if g: pass\nprint(a)"
    )
    assert reads(source) == set("pKga")
    assert binds(source) == set("abvrq")
    assert reads("match p:\n    case 1: x = 1\n    case _: x = 2\nprint(x)") == {"p"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b, c = 1, 2", "a b c"),
        ("(a, *b), c.d, e[0] = x", "a b"),
        ("for i in x: j = i", "i j"),
        ("with x as (a, b): pass", "a b"),
        ("try: pass\nexcept E as e: pass", ""),
        ("e = 1\ntry: pass\nexcept E as e: pass", "e"),
        ("import a.b, c.d as e\nfrom f import g as h, i", "a e h i"),
        ("def f():\n    global g\n    g = h = 1", "f g"),
        ("[y := i for i in x]", "y"),
        ("class A:\n    b = 1\n    def c(self): pass", "A"),
    ],
)
def test_names_bound(source, expected):
    assert binds(source) == set(expected.split())


def test_line_of_the_first_reading():
    assert names_in(ast.parse("x = 1\n\nprint(x,\n  y)\ny")).reads["y"] == 4


def test_setup_magics_keep_their_line_and_do_nothing():
    cell = read_cell(
        "%matplotlib inline\nif True:\n    %config X.y = 'z'\n%load_ext autoreload\n%autoreload 2\nx = 1\n",
        "Cell",
    )
    lines = cell.data.decode().splitlines()
    assert lines[5] == "x = 1"
    assert all(line.strip().startswith("pass  # %") for line in (lines[0], *lines[2:5]))
    exec(compile(cell.data, "Cell", "exec"), namespace := {})
    assert namespace["x"] == 1


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("x = 1\n!pip install torch", "Line 2", "pip install"),
        ("files = !ls", "Line 1", "!ls"),
        ("%timeit f()", "Line 1", "timeit"),
        ("%%time\nf()", "Line 1", "%%time"),
        ("y = %env HOME", "Line 1", "env"),
        ("f?", "Line 1", "f?"),
        ("?f", "Line 1", "?f"),
    ],
)
def test_other_magics_are_refused_with_their_line(source, line, word):
    with pytest.raises(CaptureError) as caught:
        read_cell(source, "Cell")
    assert line in str(caught.value)
    assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("source", "way_out"),
    [
        ("%%bash\nls", "subprocess.run(['bash', '-c'"),
        ("%%sh\nls", "subprocess.run(["),
        ("%%script perl\n1", "subprocess.run(["),
        ("%%html\n<b>", "display(HTML("),
        ("%%markdown\n# x", "display(HTML("),
        ("%%writefile a.py\nx", "write_text"),
        ("%%time\nx", "Remove the line"),
        ("%%capture out\nx", "Remove the line"),
        ("%%timeit\nx", "timeit.timeit"),
        ("%%cython\ncdef int x", "write it in Python"),
        ("x = !ls", "subprocess.run"),
        ("!pip install torch", "environment"),
        ("%pip install torch", "environment"),
        ("!pip list", "subprocess.run"),
        ("%cd /tmp", "os.chdir"),
        ("%env A=1", "--env NAME=value"),
        ("%run train.py", "%sovsubmit"),
    ],
)
def test_each_magic_is_told_what_works_instead(source, way_out):
    with pytest.raises(CaptureError) as caught:
        read_cell(source, "Cell")
    assert way_out in caught.value.hint
    assert ("Remove the line" in caught.value.hint) is (way_out == "Remove the line")


def test_a_name_that_only_out_has_is_read_nowhere():
    assert undefined(read_cell("x = 1", "Cell", ["nowhere"]), {}) == []
    assert undefined(read_cell("print(nowhere)", "Cell", ["nowhere"]), {}) == [
        "nowhere, read in line 1, is defined neither in the notebook nor in the cell."
    ]


def test_text_that_looks_like_a_magic_is_text():
    source = 'x = """\n%matplotlib\n!ls\n"""\ny = (10\n%3)\n'
    assert read_cell(source, "Cell").data == source.encode()


@pytest.mark.parametrize(
    ("source", "line"), [("x = (\n", 1), ("x = 1\ny = = 2", 2), ("return 5", 1), ("x\0y", None)]
)
def test_syntax_errors_are_the_users_own(source, line):
    with pytest.raises(SyntaxError) as caught:
        read_cell(source, "Cell In[3]")
    if line:
        assert (caught.value.filename, caught.value.lineno) == ("Cell In[3]", line)


def test_undefined_names_are_mentioned_with_the_nearest():
    (message,) = undefined(
        read_cell("print(datset)\nlater = later_defined\n", "C"), {"dataset": 1, "later_defined": 2}
    )
    assert message.startswith("datset, read in line 1,")
    assert message.endswith("Did you mean dataset?")
    assert undefined(read_cell("from os.path import *\nprint(join)", "C"), {}) == []


# Small programs: whatever they do with all names must go the same with only the names taken.

NAMES = ("a", "b", "c", "d")
name = st.sampled_from(NAMES)
atom = st.one_of(name, st.integers(0, 3).map(str))


def _expression(inner):
    return st.one_of(
        st.tuples(inner, inner).map(lambda t: f"({t[0]} + {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} and {t[1]})"),
        st.tuples(name, inner, inner).map(
            lambda t: f"sum([{t[0]} + {t[1]} for {t[0]} in range({t[2]} % 3)])"
        ),
        st.tuples(name, inner).map(lambda t: f"({t[0]} := {t[1]})"),
        st.tuples(name, inner, inner).map(lambda t: f"(lambda {t[0]}: {t[1]})({t[2]})"),
    )


expression = st.recursive(atom, _expression, max_leaves=6)


def _indent(lines):
    return "\n".join(f"    {line}" for block in lines for line in block.split("\n"))


def _compound(inner):
    body = st.lists(inner, min_size=1, max_size=3).map(_indent)
    return st.one_of(
        st.tuples(expression, body, body).map(lambda t: f"if {t[0]}:\n{t[1]}\nelse:\n{t[2]}"),
        st.tuples(name, expression, body).map(lambda t: f"for {t[0]} in range({t[1]} % 3):\n{t[2]}"),
        st.tuples(body, body).map(
            lambda t: f"try:\n{t[0]}\nexcept (NameError, TypeError, ZeroDivisionError):\n{t[1]}"
        ),
        st.tuples(body, body).map(lambda t: f"try:\n{t[0]}\nfinally:\n{t[1]}"),
        st.tuples(name, name, body, expression).map(
            lambda t: f"def f{t[0]}({t[1]}=0):\n{t[2]}\n    return {t[3]}"
        ),
        st.tuples(name, body, expression).map(
            lambda t: f"def f{t[0]}():\n    global {t[0]}\n{t[1]}\n    return {t[2]}"
        ),
        st.tuples(name, body).map(lambda t: f"class {t[0].upper()}:\n{t[1]}\n    def m(self): return {t[0]}"),
    )


statement = st.recursive(
    st.one_of(
        st.tuples(name, expression).map(lambda t: f"{t[0]} = {t[1]}"),
        st.tuples(name, expression).map(lambda t: f"{t[0]} += {t[1]}"),
        st.tuples(name, expression).map(lambda t: f"{t[0]}: {t[1]}"),
        name.map(lambda n: f"del {n}"),
        expression,
        name.map(lambda n: f"trace.append(f{n}())"),
        name.map(lambda n: f"trace.append({n.upper()}().m())"),
        st.just("raise NameError('own')"),
    ),
    _compound,
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(statement, min_size=1, max_size=6).map("\n".join))
def test_a_program_runs_the_same_with_only_the_names_taken(source):
    try:
        compile(source, "p", "exec", dont_inherit=True)
    except SyntaxError:
        return  # a walrus or global where Python allows none
    taken = names_in(ast.parse(source), returned=NAMES)

    def outcome(notebook):
        namespace = {"trace": [], **notebook}
        try:
            exec(compile(source, "p", "exec", dont_inherit=True), namespace)
            error = ""
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
        return error, namespace["trace"], namespace

    everything = {n: number for number, n in enumerate(NAMES, 1)}
    full_error, full_trace, full = outcome(everything)
    error, trace, part = outcome({n: v for n, v in everything.items() if n in taken.reads})
    assert (error, trace) == (full_error, full_trace)
    for returned in () if error else NAMES:
        if isinstance(full.get(returned), int):
            assert part.get(returned) == full[returned]
    changed = {n for n in NAMES if n in full and full[n] != everything[n]}
    assert changed <= set(taken.binds)
