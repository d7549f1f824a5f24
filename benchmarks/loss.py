"""The LM head's last layer and its cross-entropy, forward and backward: milliseconds of ours and of PyTorch's.

    python benchmarks/loss.py

300 masked tokens, the number that 15% of 2,048 tokens gives, at the widths and vocabularies of mBERT, XLM-R and
multilingual-e5-small, with the layer frozen, as adapters have it, and trained, as full fine-tuning has it. On a GPU, if
there is one; there --tokens 2400, the masked tokens of 16,384, are closer to a batch.
"""

import os
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from lrl_adapt.training.fast.fused_cross_entropy import linear_cross_entropy
from measure import device_name, finished_time, in_turn, parser_of, with_json, write_json
from torch import Tensor, nn

SHAPES = [("mBERT", 768, 119_547), ("XLM-R", 768, 250_002), ("multilingual-e5-small", 384, 250_037)]


def main() -> None:
    parser = with_json(parser_of(__doc__, rounds=5, tokens=300, threads=os.cpu_count() or 1))
    parser.add_argument("--shapes", nargs="+", choices=[name for name, *_ in SHAPES], default=[n for n, *_ in SHAPES])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = device_name()
    print(f"{device}, {arguments.threads} threads, {torch.backends.cpu.get_cpu_capability()}\n")
    measurements = []
    shapes = [shape for shape in SHAPES if shape[0] in arguments.shapes]
    print("| shape | precision | layer | ours, ms | PyTorch's, ms | ours / its speed |")
    print("|---|---|---|---|---|---|")
    for (name, width, classes), dtype, trained in product(shapes, (torch.float32, torch.bfloat16), (False, True)):
        layer = nn.Linear(width, classes).to(device, dtype).requires_grad_(trained)
        hidden = torch.randn(arguments.tokens, width, dtype=dtype, device=device, requires_grad=True)
        targets = torch.randint(0, classes, (arguments.tokens,), device=device)
        step = partial(forward_and_backward, hidden=hidden, layer=layer, targets=targets)
        contenders = {"ours": partial(step, fused), "PyTorch's": partial(step, plain)}
        reset = partial(forget_gradients, hidden, layer)
        times = in_turn(contenders, arguments.rounds, clock=finished_time, reset=reset).values()
        ours, theirs = (1000 * statistics.median(seconds) for seconds in times)
        state = "trained" if trained else "frozen"
        precision = str(dtype).removeprefix("torch.")
        print(f"| {name} | {precision} | {state} | {ours:.3g} | {theirs:.3g} | {theirs / ours:.1f} |")
        measurements.append(
            {"shape": name, "precision": precision, "layer": state, "ours_ms": ours, "pytorch_ms": theirs}
        )
    write_json(arguments.json, measurements)


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
