"""AdapterFusion: attention over the outputs of several frozen adapters.

Pfeiffer et al. 2021, "AdapterFusion: Non-Destructive Task Composition for Transfer Learning"
(https://aclanthology.org/2021.eacl-main.39), as AdapterHub implements it. With x, f as in layer.py and z_i the scaled
output of adapter i (without its residual), per token:

    s_i = (Q x) . (K z_i)         not divided by sqrt(h); dropout on s in training
    a   = f + sum_i softmax(s)_i V z_i

Q and K have biases, V has none and starts as the identity (1e-6 beside the diagonal). In training 0.01 |V - I|² of
every fusion layer is added to the loss.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

DROPOUT = 0.1  # BERT's and XLM-R's attention_probs_dropout_prob, which AdapterHub takes
PENALTY = 0.01  # weight of |V - I|² in AdapterHub
INIT_STD = 0.02  # of BERT's weights, as in AdapterHub
# Experts do not have the adapter's bare name: PEFT leaves weights whose names contain another loaded adapter's name out
# of a saved adapter.
EXPERT_PREFIX = "fused_"


def expert_key(key: str, name: str) -> str:
    """The key of a bottleneck's weight as part of a fusion, where the fused adapter is called `name`."""
    return key.replace(".bottleneck_adapters.", f".bottleneck_adapters.experts.{EXPERT_PREFIX}{name}.")


class Fusion(nn.Module):
    """Query, key and value over the bottlenecks of one block."""

    def __init__(self, experts: Mapping[str, nn.Module], hidden_size: int) -> None:
        super().__init__()
        self.experts = nn.ModuleDict({f"{EXPERT_PREFIX}{name}": expert for name, expert in experts.items()})
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=INIT_STD)
            nn.init.zeros_(linear.bias)
        with torch.no_grad():
            self.value.weight.fill_(1e-6).fill_diagonal_(1.0)

    def train(self, mode: bool = True) -> "Fusion":
        """The fused adapters are frozen and always stay in evaluation mode."""
        super().train(mode)
        self.experts.eval()
        return self

    def forward(self, state: Any) -> Tensor:
        """The a of the formula, (..., seq, hidden)."""
        experts: list[Any] = list(self.experts.values())
        # as in AdapterHub, the query's input is that of the last adapter
        query = self.query(experts[-1].input_from(state).to(self.query.weight.dtype))
        changes = torch.stack([expert.change(state) for expert in experts], dim=-2)
        scores = self.dropout((self.key(changes) @ query.unsqueeze(-1)).squeeze(-1))
        mixed = (scores.softmax(-1).unsqueeze(-2) @ self.value(changes)).squeeze(-2)
        return state.f + mixed.to(state.f.dtype)

    def penalty(self) -> Tensor:
        """0.01 |V - I|², a scalar."""
        value = self.value.weight
        return PENALTY * (value - torch.eye(len(value), device=value.device, dtype=value.dtype)).pow(2).sum()


def fusion_penalty(model: nn.Module) -> Tensor | float:
    """The sum of the penalties of all trainable fusion layers, a scalar; 0.0 where there are none."""
    layers = [module for module in model.modules() if isinstance(module, Fusion)]
    return sum((layer.penalty() for layer in layers if layer.value.weight.requires_grad), start=0.0)
