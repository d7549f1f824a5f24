"""The optimizer (AdamW) and its state as named tensors for checkpoints.

Another optimizer is a change of this file: `make_optimizer`, the names of its state, and how many tensors of a
parameter's size that state holds. Raise `ADAPTER_CACHE_VERSION` in artifacts.py with it.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

# AdamW's state for each parameter: the step count and the running averages of the gradient and of its square.
STATE_NAMES = ("step", "exp_avg", "exp_avg_sq")
AVERAGES = 2  # of these, the tensors of the parameter's size: what the optimizer adds to memory


def make_optimizer(parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101) with its fused kernel.

    Weight decay applies to matrices only, as in BERT (Devlin et al. 2019): not to biases and LayerNorms.
    """
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], learning_rate, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's state, named `exp_avg.NAME` and so on after the parameters; not copied."""
    return {
        f"{kind}.{name}": value
        for name, parameter in parameters.items()
        for kind, value in optimizer.state[parameter].items()
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Restore the state that `optimizer_tensors` gave; `tensors` may hold others too.

    A parameter without state, such as one that never had a gradient, is left without.
    """
    names = {id(parameter): name for name, parameter in parameters.items()}
    # PyTorch's state_dict numbers parameters in the order of the groups.
    ordered = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    state = {
        number: {kind: tensors[f"{kind}.{name}"] for kind in STATE_NAMES if f"{kind}.{name}" in tensors}
        for number, name in enumerate(ordered)
        if any(f"{kind}.{name}" in tensors for kind in STATE_NAMES)
    }
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
