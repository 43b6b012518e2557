"""Files of tensors: what is read is what was written, and anything else is one sentence."""

import os
import pickle
import string

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property_settings import examples  # type: ignore[import-not-found]

from bunchtrain.errors import RunError
from bunchtrain.methods.tensor_files import read_tensors, write_tensors

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
tensors = st.builds(
    lambda dtype, shape, strided: (
        torch.arange(3 * 2 ** len(shape)).reshape(-1)[: max(1, len(shape))].to(dtype)
        if not strided
        else torch.zeros([2, *shape]).to(dtype).transpose(0, -1)
    ),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=3),
    st.booleans(),
)
plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
keys = st.text(string.ascii_letters + ". ", max_size=5) | st.integers(0, 3)
values = st.recursive(
    plain | tensors,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_read_is_what_was_written(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    write_tensors(path, content)
    assert same(content, read_tensors(path))


CONTENT = {"weight": torch.arange(12.0).reshape(3, 4), "epoch": 3, "rows": [{"loss": 0.5}]}


@pytest.mark.property
@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_changed_or_cut_file_is_one_sentence(tmp_path, suffix, data):
    path = tmp_path / f"any.{suffix}"
    if suffix == "pt":
        torch.save(CONTENT, path)
    else:
        write_tensors(path, CONTENT)
    written = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    if data.draw(st.booleans()):
        written = written[:place]
    else:
        written[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(written)
    try:  # a zip file has bytes without a meaning
        assert suffix == "pt"
        assert same(CONTENT, read_tensors(path))
    except (RunError, AssertionError):
        with pytest.raises(RunError, match=rf"any\.{suffix} is damaged"):
            read_tensors(path)


class Code:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_code_in_a_pickle_is_not_executed(tmp_path, name):
    path, mark = tmp_path / name, tmp_path / "executed"
    path.write_bytes(pickle.dumps(Code(str(mark))))
    with pytest.raises(RunError, match=name):
        read_tensors(path)
    torch.save({"a": Code(str(mark))}, path)
    with pytest.raises(RunError, match=name):
        read_tensors(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"hello\n", b"[1, 2]", b"\0" * 100, b"\xff" * 100])
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_another_file_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"{name} is damaged or not a file of this run"):
        read_tensors(tmp_path / name)


def test_files_of_release_0_1_are_read(tmp_path):
    torch.save(CONTENT, tmp_path / "checkpoint.pt")
    assert same(CONTENT, read_tensors(tmp_path / "checkpoint.pt"))


def test_equal_contents_are_equal_files(tmp_path):
    content = {"b": torch.arange(5), "a": {"é": [1.5, None]}, "c": torch.ones(2, 3)}
    files = [tmp_path / f"{k}.safetensors" for k in range(12)]
    for file in files:
        write_tensors(file, content)
    assert len({file.read_bytes() for file in files}) == 1
    assert same(read_tensors(files[0]), content)
