"""Values through a pack and back: real tensors, arrays, frames and estimators."""

import collections
import copy
import functools
import io
import logging
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.runner.values import tensors
from sovlab.runner.values.pack import Pack, PackWriter
from sovlab.runner.values.pickling import PickleOptions, Sent, Unpicklable, describe, dump, dumps, load
from sovlab.runner.values.unpickling import loads


@pytest.fixture
def packed(tmp_path):
    """Dump values into a pack file."""

    def pack(values, options=None, meta=None):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pack"
        with open(path, "wb") as file, PackWriter(file) as writer:
            sent = dump(values, writer, options=options or PickleOptions())
            writer.finish(meta or {})
        return Pack(path), sent

    return pack


@pytest.fixture
def round_trip(packed):
    def go(values):
        pack, sent = packed(values)
        assert [s.error for s in sent] == [""] * len(sent)
        loaded, errors = load(pack, list(values), main={})
        assert not errors
        return loaded

    return go


def strided():
    return torch.arange(40000, dtype=torch.float32).reshape(200, 200)


class Tagged(torch.Tensor):
    pass


TENSORS = {
    "contiguous": strided,
    "transposed": lambda: strided().T,
    "slice": lambda: strided()[::3, 5:],
    "expanded": lambda: torch.ones(3, 1).expand(3, 5000),
    "empty": lambda: torch.empty(0, 4),
    "scalar": lambda: torch.tensor(3.5),
    "bfloat16": lambda: strided().bfloat16(),
    "bool": lambda: strided() > 5,
    "uint16": lambda: torch.arange(5000, dtype=torch.int32).to(torch.uint16),
    "complex": lambda: torch.complex(strided(), strided()),
    "conjugate": lambda: torch.complex(strided(), strided()).conj(),
    "negative": lambda: torch.complex(strided(), strided()).conj().imag,
    "grad": lambda: strided().requires_grad_(),
    "sparse": lambda: torch.eye(50).to_sparse(),
    "csr": lambda: torch.eye(50).to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(strided(), 0.5, 3, torch.quint8),
    "channels": lambda: torch.quantize_per_channel(
        torch.ones(4, 4), torch.ones(4), torch.zeros(4), 0, torch.qint8
    ),
    "parameter": lambda: torch.nn.Parameter(strided(), requires_grad=False),
    "subclass": lambda: strided().as_subclass(Tagged),
}


@pytest.mark.filterwarnings("ignore:.*(quant|Sparse CSR|TypedStorage is deprecated).*")
@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_come_back_equal(round_trip, kind):
    tensor = TENSORS[kind]()
    back = round_trip({"t": tensor})["t"]
    assert type(back) is type(tensor)
    assert (back.dtype, back.shape, back.layout, back.requires_grad) == (
        tensor.dtype,
        tensor.shape,
        tensor.layout,
        tensor.requires_grad,
    )
    if tensor.layout is torch.strided:
        assert back.stride() == tensor.stride()
        assert back.is_conj() == tensor.is_conj()
    if tensor.is_quantized:
        assert torch.equal(back.int_repr(), tensor.int_repr())
    else:
        assert torch.equal(back.detach().to_dense(), tensor.detach().to_dense())


def test_meta_tensors_stay_meta(round_trip):
    back = round_trip(
        {"t": torch.empty(10**6, 10**6, device="meta"), "s": torch.empty(8, device="meta").untyped_storage()}
    )
    assert back["t"].device.type == "meta"
    assert back["t"].shape == (10**6, 10**6)
    assert back["s"].nbytes() == 32


def test_names_share_what_they_shared(round_trip):
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
    model[1].weight = model[0].weight
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(64)).sum().backward()
    optimizer.step()
    base = strided()
    back = round_trip(
        {"base": base, "row": base[3], "model": model, "optimizer": optimizer, "state": model.state_dict()}
    )
    assert back["model"][0].weight is back["model"][1].weight
    assert back["optimizer"].param_groups[0]["params"][0] is back["model"][0].weight
    back["base"][3, 0] = -7
    assert back["row"][0] == -7
    with torch.no_grad():
        back["model"][0].weight.zero_()
    assert back["state"]["0.weight"].sum() == 0


def test_loaded_memory_is_writable_and_no_two_loads_share_it(packed):
    pack, _ = packed(
        {"t": strided(), "a": np.zeros(10000), "small": np.zeros(3), "f": pd.DataFrame({"x": range(9999)})}
    )
    first, _ = load(pack, ["t", "a", "small", "f"], main={})
    second, _ = load(pack, ["t", "a", "small", "f"], main={})
    again, _ = load(Pack(pack.path), ["t", "a"], main={})
    first["t"].fill_(-1)
    first["a"][:] = -1
    first["small"][:] = -1
    first["f"].loc[:, "x"] = -1
    for other in (second, again):
        assert other["t"].min() == 0
        assert (other["a"] == 0).all()
    assert (second["small"] == 0).all()
    assert second["f"]["x"].iloc[-1] == 9998
    assert pack.digest() == Pack(pack.path).digest()


def test_a_module_keeps_buffers_hooks_and_its_training_mode(round_trip):
    module = torch.nn.BatchNorm1d(3).eval()
    module(torch.ones(2, 3))
    module.register_forward_hook(functools.partial(torch.add))
    back = round_trip({"m": module})["m"]
    assert not back.training
    assert len(back._forward_hooks) == 1
    assert torch.equal(back.running_mean, module.running_mean)


def test_gradients_travel_with_their_tensors_and_parameters(round_trip):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    leaf = torch.ones(3, requires_grad=True)
    middle = leaf * 2
    middle.retain_grad()
    (model(torch.ones(2)).sum() + (middle**2).sum()).backward()
    plain = torch.zeros(2)
    plain.grad = torch.ones(2)
    there = {"optimizer": optimizer, "model": model, "leaf": leaf, "plain": plain, "none": torch.ones(1)}
    back = round_trip(
        round_trip({**there, "shared": [leaf.grad], "bias": model.bias, "middle": middle.detach()})
    )
    assert torch.equal(back["leaf"].grad, leaf.grad)
    assert back["shared"][0] is back["leaf"].grad
    assert torch.equal(back["plain"].grad, plain.grad)
    assert back["none"].grad is None
    for mine, theirs in zip(model.parameters(), back["model"].parameters(), strict=True):
        assert type(theirs) is torch.nn.Parameter
        assert torch.equal(mine.grad, theirs.grad)
    assert back["optimizer"].param_groups[0]["params"][0] is back["model"].weight
    assert back["bias"] is back["model"].bias
    for each in (optimizer, back["optimizer"]):
        each.step()
    assert torch.equal(model.weight, back["model"].weight)


def test_data_sets_and_loaders(round_trip):
    data = torch.utils.data.TensorDataset(strided(), torch.arange(200))
    loader = torch.utils.data.DataLoader(data, batch_size=50)
    back = round_trip({"loader": loader, "data": data})
    assert back["loader"].dataset is back["data"]
    assert sum(len(x) for x, _ in back["loader"]) == 200


def test_arrays_frames_and_estimators(round_trip):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.arange(20000, dtype=float).reshape(-1, 2)
    values = {
        "fortran": np.asfortranarray(x),
        "view": x[::2, ::-1],
        "objects": np.array([{"a": 1}, None, "x"], dtype=object),
        "records": np.array([(1, 2.0, b"x")], dtype=[("i", "i4"), ("f", "f8"), ("s", "S3")]),
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
        "zero": np.empty((0, 3)),
        "frame": pd.DataFrame({"n": x[:, 0], "s": ["ü"] * len(x), "c": pd.Categorical(["a"] * len(x))}),
        "model": make_pipeline(StandardScaler(), LinearRegression()).fit(x, x.sum(1)),
        "od": collections.OrderedDict(a=1),
        "big": 10**400,
    }
    back = round_trip(values)
    for name in ("fortran", "view", "objects", "records", "dates", "zero"):
        assert back[name].dtype == values[name].dtype
        np.testing.assert_array_equal(back[name], values[name])
        assert back[name].flags.writeable
    pd.testing.assert_frame_equal(back["frame"], values["frame"])
    np.testing.assert_allclose(back["model"].predict(x), x.sum(1))
    assert back["big"] == values["big"]


def test_recursive_values(round_trip):
    loop = []
    loop.append(loop)
    back = round_trip({"loop": loop})["loop"]
    assert back[0] is back


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        (lambda: {"a": [1, {"log": open(os.devnull)}]}, "v['a'][1]['log']", "_io.TextIOWrapper"),  # noqa: SIM115
        (lambda: [threading.Lock()], "v[0]", "_thread.lock"),
        (lambda: (i for i in []), "v", "generator"),
        (lambda: collections.namedtuple("T", "gen")(i for i in []), "v[0]", "generator"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_cannot_be_pickled_is_named_by_its_path(packed, value, path, kind):
    broken = value()
    with pytest.raises(Unpicklable) as caught:
        packed({"fine": 1, "v": broken}, PickleOptions(strict=True))
    assert (caught.value.path, caught.value.kind) == (path, kind)
    del broken


def test_an_attribute_that_cannot_be_pickled_is_named(packed):
    holder = logging.Handler()
    _, sent = packed({"v": holder})
    assert sent[0].error.startswith("v.lock (_thread.RLock)")


def test_a_name_that_cannot_be_pickled_leaves_the_others_whole(packed):
    shared = ["shared"] * 3
    big = strided()
    bad = {"x": shared, "y": big, "z": "s" * 200_000, "w": threading.Lock()}
    pack, sent = packed({"a": shared, "bad": bad, "b": [shared, big], "c": big})
    assert [bool(s.error) for s in sent] == [False, True, False, False]
    back, errors = load(pack, ["a", "bad", "b", "c"], main={})
    assert not errors
    assert set(back) == {"a", "b", "c"}
    assert back["b"][0] is back["a"]
    assert back["b"][1] is back["c"]
    assert torch.equal(back["c"], big)


class Refusing:
    def __getstate__(self):
        return {"x": shared_list}

    def __setstate__(self, state):
        raise ValueError("not today")


shared_list = [1, 2]


def test_a_name_that_cannot_be_loaded_leaves_the_others_whole(packed):
    pack, _ = packed(
        {"a": [strided()], "bad": [Refusing()], "b": {"k": ["v"]}, "shares": shared_list, "c": strided()}
    )
    back, errors = load(pack, ["a", "bad", "b", "shares", "c"], main={})
    assert errors["bad"] == "ValueError: not today"
    assert "shares something with bad" in errors["shares"]
    assert back["b"] == {"k": ["v"]}
    assert torch.equal(back["c"], strided())


def test_a_missing_library_is_named_and_the_rest_loads(packed, tmp_path):
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[1.0]], [1.0])
    pack, _ = packed(
        {"model": {"m": [model]}, "history": [0.1, 0.2], "pair": (1, model), "net": torch.nn.Linear(1, 1)}
    )
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('sklearn', 'numpy', 'torch'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from sovlab.runner.values.pickling import load\nfrom sovlab.runner.values.pack import Pack\n"
        "print(load(Pack(sys.argv[1]), ['model', 'history', 'pair', 'net'], main={}))"
    )
    done = subprocess.run([sys.executable, "-c", code, pack.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    values, errors = eval(done.stdout)
    assert values == {"history": [0.1, 0.2]}
    assert errors["model"] == errors["pair"] == "needs the library sklearn, which is not installed here"
    assert errors["net"] == "needs the library torch, which is not installed here"


class StandIn(torch.nn.Linear):
    """A module whose memory claims to be on an accelerator."""


def test_a_storage_from_an_absent_accelerator_comes_back_on_the_cpu():
    for device in ("cuda:0", "xpu:1", "hpu", "mps"):
        if tensors.here(device) != "cpu":
            pytest.skip(f"this machine has {device}")
        storage = tensors.rebuild_storage(bytearray(b"\0\0\x80?" * 4), device)
        tensor = torch.empty(0).set_(tensors.typed_storage(storage, torch.float32))
        assert tensor.device.type == "cpu"
        assert tensor.tolist() == [1.0] * 4


def test_a_tensor_of_a_device_without_storages_comes_back_on_the_cpu(packed):
    class OnHpu:
        def __reduce__(self):
            return torch._utils._rebuild_device_tensor_from_cpu_tensor, (
                torch.ones(3),
                torch.bfloat16,
                "hpu:0",
                True,
            )

    class OnHpuOlder:
        def __reduce__(self):
            return torch._utils._rebuild_device_tensor_from_numpy, (np.ones(3), torch.float32, "hpu:0", False)

    pack, _ = packed({"t": OnHpu(), "u": OnHpuOlder()})
    back, errors = load(pack, ["t", "u"], main={})
    assert not errors
    assert (back["t"].device.type, back["t"].dtype, back["t"].requires_grad) == ("cpu", torch.bfloat16, True)
    assert back["u"].tolist() == [1.0, 1.0, 1.0]


def test_a_device_index_that_is_not_here_falls_back_within_the_kind(monkeypatch):
    class Fake:
        @staticmethod
        def is_available():
            return True

        @staticmethod
        def device_count():
            return 1

    monkeypatch.setattr(torch, "fakeaccel", Fake, raising=False)
    assert tensors.here("fakeaccel:0") == "fakeaccel:0"
    assert tensors.here("fakeaccel:3") == "fakeaccel"


def test_sizes_are_per_name_and_count_shared_memory_once(packed):
    base = strided()
    _, sent = packed({"base": base, "row": base[0], "text": "x" * 1000})
    assert base.nbytes <= sent[0].size < base.nbytes + 1000
    assert sent[1].size < 1000
    assert 1000 <= sent[2].size < 1100
    assert sent[0] == Sent("base", "torch.Tensor", sent[0].size, "(200, 200) float32", "")


def test_descriptions():
    assert describe([1]) == "1 item"
    assert describe({1: 2, 3: 4}) == "2 items"
    assert describe("abc") == "3 characters"
    assert describe(pd.DataFrame({"a": [1, 2]})) == "(2, 1)"
    assert describe(torch.nn.Linear(3, 2)) == "8 parameters"
    assert describe(object()) == ""


def test_files_in_memory_and_standard_streams_travel(round_trip):
    buffer = io.StringIO("text")
    assert round_trip({"b": buffer})["b"].getvalue() == "text"
    assert round_trip({"o": sys.__stdout__ if sys.stdout is None else [sys.stderr]})["o"][0] is sys.stderr


def test_bytecode_of_another_python_is_refused_in_words(packed, monkeypatch):
    pack, _ = packed({"f": eval("lambda x: x + 1"), "n": 5})
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    back, errors = load(pack, ["f", "n"], main={})
    assert back == {"n": 5}
    assert errors["f"].startswith("contains bytecode of Python 3.")
    assert errors["f"].endswith("this is Python 3.99")


def test_one_pickle_alone():
    error = ValueError("x", {"k": [1]})
    back = loads(dumps(error, PickleOptions()), main={})
    assert type(back) is ValueError
    assert back.args == error.args
    with pytest.raises(pickle.UnpicklingError, match="needs Gone"):
        loads(dumps([Refusing], PickleOptions(refer=lambda v: "Gone" if v is Refusing else None)), main={})


def test_deep_copies_of_loaded_values_work(round_trip):
    back = round_trip({"m": torch.nn.Linear(100, 100)})["m"]
    other = copy.deepcopy(back)
    with torch.no_grad():
        other.weight.zero_()
    assert back.weight.abs().sum() > 0


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=9000)
)
arrays = st.integers(0, 3000).map(lambda n: np.arange(n, dtype=np.int32))
values = st.recursive(
    scalars | arrays | arrays.map(torch.from_numpy),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


def alike(one, other):
    if isinstance(one, (np.ndarray, torch.Tensor)):
        return type(one) is type(other) and one.tolist() == other.tolist()
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), values), st.sets(st.sampled_from("abcdef")))
def test_any_values_come_back_whatever_fails_between_them(tmp_path_factory, given_values, broken):
    sent = {n: [v, threading.Lock()] if n in broken else v for n, v in given_values.items()}
    path = tmp_path_factory.mktemp("pack") / "p"
    with open(path, "wb") as file, PackWriter(file) as writer:
        said = dump(sent, writer, options=PickleOptions())
        writer.finish({})
    assert {s.name for s in said if s.error} == broken & set(sent)
    back, errors = load(Pack(path), list(sent), main={})
    assert not errors
    assert set(back) == set(sent) - broken
    assert all(alike(given_values[n], back[n]) for n in back)
