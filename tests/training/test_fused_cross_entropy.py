"""The loss a block of the vocabulary at a time, against PyTorch's in fp64."""

from collections.abc import Callable

import pytest
import torch
from lrl_adapt.training.fast import fused_cross_entropy
from lrl_adapt.training.fast.fused_cross_entropy import linear_cross_entropy
from torch import Tensor, nn

ROWS, WIDTH, CLASSES = 60, 16, 97


def inputs(sureness: float) -> tuple[Tensor, nn.Linear, Tensor]:
    """Hidden states that point to their targets the more, the larger `sureness` is."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(WIDTH, CLASSES)
    nn.init.normal_(layer.weight, generator=generator)
    targets = torch.randint(0, CLASSES, (ROWS,), generator=generator)
    hidden = layer.weight.detach()[targets] * sureness + torch.randn(ROWS, WIDTH, generator=generator)
    return hidden, layer, targets


def loss_and_gradients(loss: Callable[..., Tensor], hidden: Tensor, layer: nn.Linear, targets: Tensor) -> list[Tensor]:
    hidden = hidden.detach().clone().requires_grad_()
    value = loss(hidden, layer, targets)
    trained = [p for p in layer.parameters() if p.requires_grad]
    return [value.detach(), *torch.autograd.grad(value, [hidden, *trained])]


def ours_of(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    return linear_cross_entropy(hidden, [layer], targets)


def plain(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(layer(hidden), targets, reduction="sum")


@pytest.mark.parametrize("sizes", [(7, 10), (7, CLASSES), (ROWS, 1)], ids=["blocks", "whole vocabulary", "one class"])
@pytest.mark.parametrize("trained", ["none", "bias", "weight", "both"])
@pytest.mark.parametrize("sureness", [0.0, 0.5, 3.0])
def test_loss_and_gradients_are_pytorchs(
    sizes: tuple[int, int], trained: str, sureness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_cross_entropy, "_chunk_sizes", lambda *_, **__: sizes)
    hidden, layer, targets = inputs(sureness)
    layer.weight.requires_grad_(trained in ("weight", "both"))
    layer.bias.requires_grad_(trained in ("bias", "both"))
    ours = loss_and_gradients(ours_of, hidden, layer, targets)
    exact = loss_and_gradients(plain, hidden.double(), layer.double(), targets)
    torch.testing.assert_close(ours, [value.float() for value in exact], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sureness", [0.5, 1.0])
def test_bf16_keeps_the_small_losses_and_gradients_of_rows_the_model_is_sure_of(sureness: float) -> None:
    hidden, layer, targets = inputs(sureness)
    hidden, layer = hidden.bfloat16(), layer.bfloat16()
    ours = loss_and_gradients(ours_of, hidden, layer, targets)
    exact = loss_and_gradients(plain, hidden.double(), layer.double(), targets)
    for value, right in zip(ours, exact, strict=True):
        assert (value.double() - right).norm() / right.norm() < 0.02


def test_classes_whose_logits_are_minus_infinity_have_no_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_cross_entropy, "_chunk_sizes", lambda *_, **__: (7, 10))
    hidden, layer, targets = inputs(0.5)
    targets = targets.clamp(min=30)
    with torch.no_grad():
        layer.bias[:25] = -torch.inf
    ours = loss_and_gradients(ours_of, hidden, layer, targets)
    exact = loss_and_gradients(plain, hidden.double(), layer.double(), targets)
    torch.testing.assert_close(ours, [value.float() for value in exact], atol=1e-5, rtol=1e-5)


def test_no_rows_have_no_loss() -> None:
    hidden, layer, targets = inputs(0.5)
    value, *gradients = loss_and_gradients(ours_of, hidden[:0], layer, targets[:0])
    assert value == 0
    assert all(gradient.count_nonzero() == 0 for gradient in gradients)


@pytest.mark.parametrize("sizes", [(7, 10), (ROWS, CLASSES)], ids=["blocks", "whole layers"])
@pytest.mark.parametrize("trained", [(False, True), (True, True), (True, False)])
def test_classes_divided_between_layers_are_those_of_one(
    sizes: tuple[int, int], trained: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_cross_entropy, "_chunk_sizes", lambda *_, **__: sizes)
    hidden, whole, targets = inputs(0.5)
    layers = [nn.Linear(WIDTH, 61), nn.Linear(WIDTH, CLASSES - 61)]
    for layer, rows, requires_grad in zip(layers, (slice(0, 61), slice(61, None)), trained, strict=True):
        layer.weight.data, layer.bias.data = whole.weight.data[rows], whole.bias.data[rows]
        layer.requires_grad_(requires_grad)
    hidden.requires_grad_()
    loss, exact = linear_cross_entropy(hidden, layers, targets), plain(hidden.double(), whole.double(), targets)
    torch.testing.assert_close(loss, exact.float())
    exact_hidden, weight, bias = torch.autograd.grad(exact, [hidden, whole.weight, whole.bias])
    loss.backward()
    torch.testing.assert_close(hidden.grad, exact_hidden, atol=1e-5, rtol=1e-5)
    for layer, rows, requires_grad in zip(layers, (slice(0, 61), slice(61, None)), trained, strict=True):
        if not requires_grad:
            assert layer.weight.grad is None
            continue
        torch.testing.assert_close(layer.weight.grad, weight[rows].float(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.bias.grad, bias[rows].float(), atol=1e-5, rtol=1e-5)
