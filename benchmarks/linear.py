"""A linear layer of a frozen base, forward and backward in fp32: GFLOP/s of ours and of PyTorch's.

    python benchmarks/linear.py

Where ours is not faster (training/fast/linear.py decides) PyTorch's is used, and the ratio is 1.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from lrl_adapt.training.fast import linear
from torch import Tensor, nn

SHAPES = [
    (1, 768, 768),
    (48, 768, 768),
    (400, 768, 3072),
    (2048, 768, 3072),
    (2048, 3072, 768),
    (2048, 256, 1024),
    (300, 768, 119547),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{arguments.threads} threads, {capability}, oneDNN is faster: {linear.IS_FASTER}\n")
    print("| tokens x in x out | ours, GFLOP/s | PyTorch's, GFLOP/s | ours / its speed |")
    print("|---|---|---|---|")
    for tokens, inner, outer in SHAPES:
        layer = nn.Linear(inner, outer).requires_grad_(False)
        hidden = torch.randn(tokens, inner, requires_grad=True)
        contenders = (linear.linear, nn.functional.linear)
        seconds: list[list[float]] = [[], []]
        for number in range(arguments.rounds + 1):
            for function, times in zip(contenders, seconds, strict=True):
                took = forward_and_backward(function, hidden, layer)
                if number:
                    times.append(took)
        ours, theirs = (4 * tokens * inner * outer / statistics.median(times) / 1e9 for times in seconds)
        print(f"| {tokens} x {inner} x {outer} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.1f} |")


def forward_and_backward(function: Callable[..., Tensor], hidden: Tensor, layer: nn.Linear) -> float:
    started = time.perf_counter()
    output = function(hidden, layer.weight, layer.bias)
    output.backward(output.detach())
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
