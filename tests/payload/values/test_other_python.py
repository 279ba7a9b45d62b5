"""A job whose Python is of another minor version."""

from sovlab.payload.results import Results


def test_definitions_go_as_source_to_another_python(notebook, other_python):
    notebook.run(
        """
        import dataclasses, functools, math
        LR = 0.5
        @dataclasses.dataclass
        class Config:
            lr: float = LR
            name: str = "ü"
        class Model:
            def __init__(self, cfg):
                self.cfg, self.weights = cfg, [1.0, 2.0]
            def step(self):
                return [w * self.cfg.lr for w in self.weights]
        @functools.lru_cache
        def area(r):
            return round(math.pi * r, 3)
        model = Model(Config())
        data = b"x" * 100_000
        """
    )
    packed = notebook.pack(
        "model.weights.append(len(data))\nclass New:\n    value = area(1)\n"
        "new = New()\nprint(model.step(), area(2))"
    )
    assert not packed.bytecode
    out, results = notebook.job(packed, ["model", "new"], python=other_python)
    assert out == "[0.5, 1.0, 50000.0] 6.283\n"
    back = Results(results, main=notebook.ns)
    assert type(back.value("model")) is notebook.ns["Model"]
    assert back.value("model").weights == [1.0, 2.0, 100_000]
    assert back.value("new").value == 3.142


def test_bytecode_is_refused_by_another_python_in_one_sentence(notebook, other_python):
    notebook.run("def make(n):\n    return lambda x: x + n\nadd = make(5)\nplain = 7")
    packed = notebook.pack("print(plain)\nif False: add")
    out, _ = notebook.job(packed, python=other_python)
    assert "contains bytecode of Python 3." in out
    assert "but this is Python 3." in out
    assert out.endswith("7\n")
