"""Linear layers by oneDNN against PyTorch's own."""

import pytest
import torch
from lrl_adapt.training.fast import linear as ours
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is right on every processor that has it, though it pays on few."""
    if ours.KERNEL is None:
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(ours, "IS_FASTER", True)


def spy(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    kernel = ours._product
    monkeypatch.setattr(ours, "_product", lambda *given: calls.append(1) or kernel(*given))
    return calls


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 8), (1, 1, 8), (8,)])
def test_values_and_gradients_are_pytorchs(shape: tuple[int, ...], bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    calls = spy(monkeypatch)
    theirs = nn.Linear(8, 6, bias=bias)
    given = torch.randn(shape)
    result = []
    for function in (ours.linear, nn.functional.linear):
        leaf = given.clone().requires_grad_()
        output = function(leaf, theirs.weight, theirs.bias)
        slope = torch.linspace(-1, 1, output.numel()).reshape(output.shape[::-1])
        output.backward(slope.permute(*range(slope.dim())[::-1]))  # not contiguous
        result.append([output.detach(), leaf.grad, *(p.grad.clone() for p in theirs.parameters())])
        theirs.zero_grad()
    assert len(calls) == 3
    torch.testing.assert_close(*result)


def test_a_gradient_that_is_one_number_for_all() -> None:
    given, layer = torch.randn(5, 8, requires_grad=True), nn.Linear(8, 6)
    ours.linear(given, layer.weight, layer.bias).backward(torch.ones(1, 1).expand(5, 6))
    torch.testing.assert_close(given.grad, layer.weight.sum(0).expand(5, 8))


def test_a_bias_with_gaps_is_read_right_and_sizes_that_do_not_fit_are_told_by_pytorch() -> None:
    given, weight, bias = torch.randn(5, 8), torch.randn(6, 8), torch.randn(12)[::2]
    torch.testing.assert_close(ours.linear(given, weight, bias), given @ weight.T + bias)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        ours.linear(torch.randn(5, 7), weight)


def test_frozen_weights_get_no_gradient_and_cost_no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spy(monkeypatch)
    frozen = nn.Linear(4, 4).requires_grad_(False)
    given = torch.randn(3, 4, requires_grad=True)
    ours.linear(given, frozen.weight, frozen.bias).sum().backward()
    assert len(calls) == 2
    assert frozen.weight.grad is None
    torch.testing.assert_close(given.grad, frozen.weight.sum(0).expand(3, 4))


def test_other_precisions_autocast_and_nothing_at_all_are_pytorchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spy(monkeypatch)
    weight = torch.randn(6, 8)
    assert ours.linear(torch.randn(0, 8), weight).shape == (0, 6)
    assert ours.linear(torch.randn(3, 8).double(), weight.double()).dtype == torch.double
    with torch.autocast("cpu", torch.bfloat16):
        assert ours.linear(torch.randn(3, 8), weight).dtype == torch.bfloat16
    monkeypatch.setattr(ours, "IS_FASTER", False)
    ours.linear(torch.randn(3, 8), weight)
    assert not calls


def test_its_work_is_counted() -> None:
    given, layer = torch.randn(5, 8, requires_grad=True), nn.Linear(8, 6)
    counts = []
    for function in (ours.linear, nn.functional.linear):
        with FlopCounterMode(display=False) as counter:
            function(given, layer.weight, layer.bias).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
