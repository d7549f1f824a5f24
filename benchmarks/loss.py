"""The LM head's last layer and its cross-entropy, forward and backward: milliseconds of ours and of PyTorch's.

    python benchmarks/loss.py

300 masked tokens, the number that 15% of 2,048 tokens gives, at the widths and vocabularies of mBERT, XLM-R and
multilingual-e5-small, with the layer frozen, as adapters have it, and trained, as full fine-tuning has it.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from lrl_adapt.training.fast.fused_cross_entropy import linear_cross_entropy
from torch import Tensor, nn

SHAPES = [("mBERT", 768, 119_547), ("XLM-R", 768, 250_002), ("multilingual-e5-small", 384, 250_037)]
TOKENS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, {torch.backends.cpu.get_cpu_capability()}\n")
    print("| shape | precision | layer | ours, ms | PyTorch's, ms | ours / its speed |")
    print("|---|---|---|---|---|---|")
    for name, width, classes in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for trained in (False, True):
                layer = nn.Linear(width, classes).to(dtype).requires_grad_(trained)
                hidden = torch.randn(TOKENS, width, dtype=dtype, requires_grad=True)
                targets = torch.randint(0, classes, (TOKENS,))
                times: list[list[float]] = [[], []]
                for number in range(arguments.rounds + 1):  # the first round warms up
                    for loss, seconds in zip((linear_cross_entropy, plain), times, strict=True):
                        took = forward_and_backward(loss, hidden, layer, targets)
                        if number:
                            seconds.append(took)
                ours, theirs = (1000 * statistics.median(seconds) for seconds in times)
                state = "trained" if trained else "frozen"
                precision = str(dtype).removeprefix("torch.")
                print(f"| {name} | {precision} | {state} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.1f} |")


def plain(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    """The same in plain PyTorch, with the loss in fp32 as under autocast."""
    return nn.functional.cross_entropy(layer(hidden).float(), targets, reduction="sum")


def forward_and_backward(loss: Callable[..., Tensor], hidden: Tensor, layer: nn.Linear, targets: Tensor) -> float:
    hidden.grad = None
    layer.zero_grad()
    started = time.perf_counter()
    loss(hidden, layer, targets).backward()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
