"""The LM head's last layer and its cross-entropy, forward and backward: milliseconds of ours and of PyTorch's.

    python benchmarks/loss.py

300 masked tokens, the number that 15% of 2,048 tokens gives, at the widths and vocabularies of mBERT, XLM-R and
multilingual-e5-small, with the layer frozen, as adapters have it, and trained, as full fine-tuning has it.
"""

import os
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from lrl_adapt.training.fast.fused_cross_entropy import linear_cross_entropy
from measure import in_turn, parser_of
from torch import Tensor, nn

SHAPES = [("mBERT", 768, 119_547), ("XLM-R", 768, 250_002), ("multilingual-e5-small", 384, 250_037)]
TOKENS = 300


def main() -> None:
    arguments = parser_of(__doc__, rounds=5, threads=os.cpu_count() or 1).parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, {torch.backends.cpu.get_cpu_capability()}\n")
    print("| shape | precision | layer | ours, ms | PyTorch's, ms | ours / its speed |")
    print("|---|---|---|---|---|---|")
    for (name, width, classes), dtype, trained in product(SHAPES, (torch.float32, torch.bfloat16), (False, True)):
        layer = nn.Linear(width, classes).to(dtype).requires_grad_(trained)
        hidden = torch.randn(TOKENS, width, dtype=dtype, requires_grad=True)
        targets = torch.randint(0, classes, (TOKENS,))
        step = partial(forward_and_backward, hidden=hidden, layer=layer, targets=targets)
        contenders = {"ours": partial(step, fused), "PyTorch's": partial(step, plain)}
        times = in_turn(contenders, arguments.rounds, reset=partial(forget_gradients, hidden, layer)).values()
        ours, theirs = (1000 * statistics.median(seconds) for seconds in times)
        state = "trained" if trained else "frozen"
        precision = str(dtype).removeprefix("torch.")
        print(f"| {name} | {precision} | {state} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.1f} |")


def fused(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    return linear_cross_entropy(hidden, [layer], targets)


def plain(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    """The same in plain PyTorch, with the loss in fp32 as under autocast."""
    return nn.functional.cross_entropy(layer(hidden).float(), targets, reduction="sum")


def forward_and_backward(loss: Callable[..., Tensor], _: int, **inputs: Any) -> None:
    loss(**inputs).backward()


def forget_gradients(hidden: Tensor, layer: nn.Linear) -> None:
    hidden.grad = None
    layer.zero_grad()


if __name__ == "__main__":
    main()
