"""The compiled kernels are the formulas, and no row depends on another."""

import ctypes
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_nlp.test_model.test_forward.by_formula import plain, rows

from nlp.model.forward import kernels as module
from nlp.model.forward.attention import attend_by_length, attend_on_cpu
from nlp.model.forward.encoders import Norm
from nlp.model.forward.int8 import Rounding
from nlp.model.forward.kernels import VERSION, Kernels, is_kernel_compatible, kernels

lengths_drawn = st.lists(st.integers(1, 40) | st.sampled_from([7, 8, 9, 15, 16, 17, 33, 130]), min_size=1, max_size=9)
shapes = st.sampled_from([(1, 32), (2, 32), (3, 64), (2, 96)])  # heads, and channels of one


@pytest.fixture(scope="module")
def compiled() -> Kernels:
    found = kernels()
    if found is None:
        pytest.skip("the kernels were not compiled, or this processor has no AVX-512")
    return found


@pytest.fixture
def without(monkeypatch):
    """As on a machine that had no compiler."""
    for place in ("attention", "encoders", "int8"):
        monkeypatch.setattr(f"nlp.model.forward.{place}.kernels", lambda: None)


def drawn(*shape, seed, times=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * times


@given(lengths_drawn, shapes, st.sampled_from([0.01, 1.0, 3.0]), st.integers(0, 99))
def test_attention_is_its_formula_and_zero_behind_the_last_text(compiled, lengths, shape, times, seed):
    heads, width = shape
    qkv = drawn(sum(lengths) + 5, 3 * heads * width, seed=seed, times=times)
    found = compiled.attend(qkv, rows(lengths), heads)
    expected = plain(qkv[: sum(lengths)], lengths, heads)
    torch.testing.assert_close(found[: sum(lengths)].double(), expected, atol=3e-5 * times, rtol=0)
    assert not found[sum(lengths) :].any()


@given(lengths_drawn, shapes, st.integers(0, 99))
def test_no_bit_of_a_text_depends_on_the_others(compiled, lengths, shape, seed):
    heads, width = shape
    qkv, start = drawn(sum(lengths), 3 * heads * width, seed=seed), 0
    together = compiled.attend(qkv, rows(lengths), heads)
    for length in lengths:
        own = qkv[start : start + length].clone()
        assert torch.equal(compiled.attend(own, rows([length]), heads), together[start : start + length])
        start += length


def test_scores_as_far_apart_as_can_be_leave_one_key_and_no_nan(compiled):
    qkv = torch.zeros(3, 96)
    qkv[:, 0] = 1e4
    qkv[:, 32] = torch.tensor([-1e4, 0.0, 1e4])
    qkv[:, 64:] = torch.arange(3.0)[:, None]
    assert torch.equal(compiled.attend(qkv, rows([3]), 1), torch.full((3, 32), 2.0))


@given(st.integers(1, 20), st.sampled_from([64, 128, 384]), st.floats(-50, 50), st.integers(0, 99))
def test_layer_normalisation_is_that_of_pytorch(compiled, tokens, width, middle, seed):
    vectors = drawn(tokens, width, seed=seed) + middle
    weight, bias = drawn(width, seed=seed + 1), drawn(width, seed=seed + 2)
    expected = torch.nn.functional.layer_norm(vectors.double(), (width,), weight.double(), bias.double(), 1e-12)
    alone = compiled.normalise_(vectors[-1:].clone(), weight, bias, 1e-12)
    found = compiled.normalise_(vectors.clone(), weight, bias, 1e-12)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)
    assert torch.equal(found[-1:], alone)


@given(st.integers(1, 9), st.sampled_from([16, 48, 384]), st.integers(0, 99))
def test_quantizing_is_that_of_pytorch(compiled, tokens, width, seed):
    values, scale = drawn(tokens, width, seed=seed, times=2.0), drawn(width, seed=seed + 1, times=100.0)
    shift = drawn(width, seed=seed + 2) + 128.5
    exact = values.double() * scale.double() + shift.double()
    sure = (exact - exact.round()).abs() > 1e-3  # elsewhere the last bit may choose
    expected = exact.clamp(0, 255).to(torch.int16).to(torch.uint8)
    assert torch.equal(compiled.quantize(values, scale, shift)[sure], expected[sure])


def test_what_lies_outside_becomes_the_end_and_what_is_no_number_zero(compiled):
    values = torch.tensor(
        [[-float("inf"), -3.0, 0.0, 254.9, 255.0, 256.0, 1e30, float("inf"), float("nan")] + [1.0] * 7]
    )
    found = compiled.quantize(values, torch.ones(16), torch.zeros(16))
    assert found[0].tolist() == [0, 0, 0, 254, 255, 255, 255, 255, 0] + [1] * 7


def test_vectors_that_are_not_contiguous_rows_of_float32_are_left_to_pytorch():
    vectors = torch.zeros(4, 64)
    assert is_kernel_compatible(vectors, 64)
    assert not is_kernel_compatible(vectors, 48)
    assert not is_kernel_compatible(vectors.double(), 64)
    assert not is_kernel_compatible(vectors.T, 4)
    assert not is_kernel_compatible(torch.zeros(4, 64, device="meta"), 64)


@pytest.mark.usefixtures("without")
def test_without_kernels_pytorch_does_the_same(compiled):
    qkv, lengths = drawn(30, 192, seed=1), [17, 13]
    assert torch.equal(attend_on_cpu(qkv, rows(lengths), 2), attend_by_length(qkv, rows(lengths), 2))
    torch.testing.assert_close(
        attend_on_cpu(qkv, rows(lengths), 2), compiled.attend(qkv, rows(lengths), 2), atol=1e-5, rtol=0
    )
    norm, values = Norm(drawn(64, seed=2), drawn(64, seed=3), 1e-12), drawn(5, 64, seed=4)
    torch.testing.assert_close(
        norm(values), compiled.normalise_(values.clone(), norm.weight, norm.bias, 1e-12), atol=1e-5, rtol=0
    )
    rounding = Rounding(torch.full((64,), 40.0), torch.full((64,), 128.5))
    assert (rounding(values).int() - compiled.quantize(values, rounding.scale, rounding.shift).int()).abs().max() <= 1


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("version", "said"), [(VERSION + 1, "install newsfolio again"), (module.NONE, "")])
def test_a_file_of_another_version_is_left_alone_and_said_so(monkeypatch, caplog, version, said):
    monkeypatch.setattr(ctypes, "CDLL", lambda _path: SimpleNamespace(version=lambda: version))
    assert module.load_compiled() is None
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_where_nothing_was_compiled_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert module.load_compiled() is None
