"""The quick dropout drops the stated share, keeps the mean, has the gradient of its mask, and follows the seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp.training.techniques.fast_dropout import Dropout, quick_dropout


def dropped(p, values, seed=0):
    torch.manual_seed(seed)
    return Dropout(p).train()(values)


@given(st.floats(0.0, 0.99), st.integers(0, 2**31))
def test_the_share_dropped_and_the_value_of_the_others_are_those_stated(p, seed):
    after = dropped(p, torch.ones(40_000), seed)
    assert (after == 0).double().mean().item() == pytest.approx(p, abs=5 * (p * (1 - p) / 40_000) ** 0.5 + 2e-5)
    kept = after[after != 0]
    assert torch.equal(kept, kept[:1].expand_as(kept))
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=2e-3)


def test_the_mean_stays():
    assert dropped(0.3, torch.ones(2_000_000)).double().mean().item() == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 384])
def test_no_value_is_dropped_for_its_neighbours(lag):
    gone = (dropped(0.5, torch.ones(1_000_000)) == 0).double()
    together = (gone[:-lag] * gone[lag:]).mean().item()
    assert together == pytest.approx(0.25, abs=3e-3)


def test_the_gradient_is_that_of_the_values_kept():
    values = torch.randn(7, 5, 3, requires_grad=True)
    after = dropped(0.4, values)
    after.backward(torch.ones_like(after))
    assert torch.allclose(values.grad * values.detach(), after)


def test_one_seed_gives_one_mask_and_two_calls_give_two():
    values = torch.ones(1000)
    assert torch.equal(dropped(0.5, values), dropped(0.5, values))
    torch.manual_seed(0)
    layer = Dropout(0.5).train()
    assert not torch.equal(layer(values), layer(values))


def test_nothing_changes_outside_training_nor_at_zero():
    values = torch.randn(100)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(dropped(0.0, values), values)


def test_at_one_nothing_is_left_and_the_type_stays():
    values = torch.randn(10, dtype=torch.bfloat16)
    assert torch.equal(dropped(1.0, values), torch.zeros(10, dtype=torch.bfloat16))
    assert dropped(0.3, values).dtype == torch.bfloat16


def test_a_model_drops_out_by_it_and_is_given_back_as_it_was():
    inner = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.3))
    model = torch.nn.Sequential(inner, torch.nn.Dropout(0.1)).train()
    before = list(model.modules())
    with quick_dropout(model):
        assert [layer.p for layer in model.modules() if type(layer) is Dropout] == [0.3, 0.1]
        assert all(layer.training for layer in model.modules())
        model.eval()
    assert list(model.modules()) == before
    assert not any(layer.training for layer in model.modules())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_is_that_of_torch():
    values = torch.ones(1000, device="cuda")
    torch.manual_seed(0)
    ours = Dropout(0.5).train()(values)
    torch.manual_seed(0)
    assert torch.equal(ours, torch.nn.Dropout(0.5).train()(values))
