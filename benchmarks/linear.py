"""A linear layer of a frozen base, forward and backward in fp32: GFLOP/s of ours and of PyTorch's.

    python benchmarks/linear.py

Where ours is not faster (training/fast/linear.py decides) PyTorch's is used, and the ratio is 1.
"""

import os
import statistics
from collections.abc import Callable
from functools import partial

import torch
from lrl_adapt.training.fast import linear
from measure import in_turn, parser_of
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
    arguments = parser_of(__doc__, rounds=11, threads=os.cpu_count() or 1).parse_args()
    torch.set_num_threads(arguments.threads)
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{arguments.threads} threads, {capability}, oneDNN is faster: {linear.IS_FASTER}\n")
    print("| tokens x in x out | ours, GFLOP/s | PyTorch's, GFLOP/s | ours / its speed |")
    print("|---|---|---|---|")
    for tokens, inner, outer in SHAPES:
        layer = nn.Linear(inner, outer).requires_grad_(False)
        hidden = torch.randn(tokens, inner, requires_grad=True)
        functions = {"ours": linear.linear, "theirs": nn.functional.linear}
        contenders = {name: partial(forward_and_backward, each, hidden, layer) for name, each in functions.items()}
        seconds = in_turn(contenders, arguments.rounds).values()
        ours, theirs = (4 * tokens * inner * outer / statistics.median(times) / 1e9 for times in seconds)
        print(f"| {tokens} x {inner} x {outer} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.1f} |")


def forward_and_backward(function: Callable[..., Tensor], hidden: Tensor, layer: nn.Linear, _: int) -> None:
    output = function(hidden, layer.weight, layer.bias)
    output.backward(output.detach())


if __name__ == "__main__":
    main()
