"""Dropout and attention against PyTorch's own, and by finite differences."""

import pytest
import torch
from lrl_adapt.training.fast import dropout
from lrl_adapt.training.fast.fast_layers import use_fast_layers
from torch import nn


def test_elements_go_with_the_probability_and_the_rest_grows() -> None:
    torch.manual_seed(0)
    given = torch.ones(1001, 999, requires_grad=True)
    result = dropout.dropout(given, 0.1)
    result.sum().backward()
    assert float((result == 0).float().mean()) == pytest.approx(0.1, abs=0.002)
    torch.testing.assert_close(result[result > 0].unique(), torch.tensor([1 / 0.9]), atol=1e-4, rtol=1e-4)
    assert torch.equal(given.grad, result.detach())
    columns = (result == 0).float().mean(0)  # the four elements of one draw are alike
    assert float(columns[::4].mean()) == pytest.approx(float(columns[3::4].mean()), abs=0.005)
    again = torch.manual_seed(0) and dropout.dropout(given, 0.1)
    assert torch.equal(result, again)


def test_attention_without_dropout_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = torch.randn(3, 5, 2, 7, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.ones(5, 1, 1, 7, dtype=torch.bool)
    mask[1, ..., 3:] = False
    monkeypatch.setattr(dropout, "CHUNK_ELEMENTS", 2 * 7 * 7 * 2)  # several chunks
    ours = dropout._Attention.apply(query, key, value, mask, 0, 0.5, 1)
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.5)
    torch.testing.assert_close(ours, theirs)


def test_the_gradient_of_attention_with_dropout_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "CHUNK_ELEMENTS", 100)
    torch.manual_seed(0)
    given = [torch.randn(3, 2, 5, 4, dtype=torch.double, requires_grad=True) for _ in range(3)]
    mask = torch.ones(3, 1, 1, 5, dtype=torch.bool)
    mask[0, ..., 2:] = False
    assert torch.autograd.gradcheck(lambda *qkv: dropout._Attention.apply(*qkv, mask, 20_000, 0.5, 7), given)


def test_attention_with_dropout_has_the_mean_of_attention_without() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 1, 6, 4)
    exact = dropout.attention(query, key, value, None, 0.0, 0.5)
    many = torch.stack([dropout.attention(query, key, value, None, 0.3, 0.5) for _ in range(4000)])
    torch.testing.assert_close(many.mean(0), exact, atol=0.05, rtol=0.05)
    assert float(many.std(0).min()) > 0.05


def test_only_plain_dropout_is_replaced_and_eval_mode_drops_nothing() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout1d(0.5))
    use_fast_layers(model)
    assert [type(module) for module in model] == [dropout.Dropout, nn.Dropout1d]
    given = torch.ones(4, 8)
    assert torch.equal(model.eval()(given), given)
    assert not torch.equal(model.train()(given), given)
