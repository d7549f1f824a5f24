"""AdamW's groups, and its state on the way through a checkpoint."""

import torch
from lrl_adapt.training.optimizer import (
    AVERAGES,
    STATE_NAMES,
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
)
from torch import nn


def trained_once(model: nn.Module) -> tuple[dict[str, nn.Parameter], torch.optim.AdamW]:
    """A layer after a step in which its bias had no gradient."""
    optimizer = make_optimizer(model.parameters(), 0.1, 0.1)
    model.weight.grad = torch.ones_like(model.weight)
    optimizer.step()
    return dict(model.named_parameters()), optimizer


def test_only_matrices_decay() -> None:
    groups = make_optimizer(nn.Linear(3, 3).parameters(), 0.1, 0.1).param_groups
    assert [(group["weight_decay"], group["params"][0].dim()) for group in groups] == [(0.1, 2), (0.0, 1)]


def test_a_restored_state_makes_the_same_next_step() -> None:
    torch.manual_seed(0)
    model, restored = nn.Linear(3, 2), nn.Linear(3, 2)
    parameters, optimizer = trained_once(model)
    tensors = {name: value.clone() for name, value in optimizer_tensors(optimizer, parameters).items()}
    assert set(tensors) == {f"{kind}.weight" for kind in STATE_NAMES}
    assert sum(tensor.shape == model.weight.shape for tensor in tensors.values()) == AVERAGES
    restored.load_state_dict(model.state_dict())
    again = make_optimizer(restored.parameters(), 0.1, 0.1)
    load_optimizer_tensors(again, dict(restored.named_parameters()), tensors | {"weights.weight": torch.zeros(1)})
    for layer, its_optimizer in ((model, optimizer), (restored, again)):
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, 0.5)
        its_optimizer.step()
    assert torch.equal(model.weight, restored.weight)
    assert torch.equal(model.bias, restored.bias)
