"""Attention over packed rows, forward and backward: milliseconds of our groups and of what PyTorch offers on a GPU.

    python benchmarks/attention.py
    python benchmarks/attention.py --text documents --sequences 32

One layer of the size of mBERT and XLM-R base (12 heads of 64), bf16, on a GPU if there is one. The sequences have the
lengths of Maltese lines (as `train.py --made-up`), or are --longest tokens long. The contenders:

- groups: training/fast/packing.py, which pads sequences of like length to the longest of their group;
- one group: the same with all sequences padded to the longest;
- varlen: `torch.nn.attention.varlen.varlen_attn` (PyTorch 2.10), flash attention without padding. CUDA only, and
  without dropout, which the published models have in their attention (0.1);
- flash op: `torch.ops.aten._flash_attention_forward`, which it calls, with dropout. The operator is private;
- flash-attn: that package's `flash_attn_varlen_func`, with dropout, if it is installed.

`error` is the largest difference from attention in fp64 without dropout, as a share of its largest value. A contender
that cannot run is named with its reason.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from lrl_adapt.training.fast.packing import Group, Packing, packed_attention
from measure import device_name, finished_time, in_turn, parser_of, with_json, write_json
from torch import Tensor, nn
from train import made_up_sequences

HEADS, SIZE = 12, 64
SCALE = SIZE**-0.5
Attention = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""Of query, key and value, (tokens, heads, size) each, with a probability of dropout -> (tokens, heads, size)."""


class Row:
    """Sequences side by side, and the ways to attend within each of them."""

    def __init__(self, lengths: list[int], device: str) -> None:
        self.lengths, self.longest = lengths, max(lengths)
        self.packing = Packing.from_lengths(lengths).to(torch.device(device))
        self.whole = Packing((Group.from_lengths(np.array(lengths)),)).to(torch.device(device))
        # where each sequence begins, and the end of the last
        self.starts = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32, device=device)

    def contenders(self) -> dict[str, Attention]:
        return {
            "groups": self.groups,
            "one group": self.one_group,
            "varlen": self.varlen,
            "flash op": self.flash_op,
            "flash-attn": self.flash_attn,
        }

    def groups(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        return _packed(query, key, value, dropout, self.packing)

    def one_group(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        return _packed(query, key, value, dropout, self.whole)

    def varlen(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        if dropout:
            raise NotImplementedError("it has no dropout")
        _require_gpu(query)
        longest = self.longest
        return varlen_attn(query, key, value, self.starts, self.starts, longest, longest, scale=SCALE)  # type: ignore[return-value]

    def flash_op(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        _require_gpu(query)
        starts, longest = self.starts, self.longest
        return torch.ops.aten._flash_attention_forward(
            query, key, value, starts, starts, longest, longest, dropout, False, False, scale=SCALE
        )[0]

    def flash_attn(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        from flash_attn import flash_attn_varlen_func  # pyright: ignore[reportMissingImports] - optional

        starts, longest = self.starts, self.longest
        return flash_attn_varlen_func(
            query, key, value, starts, starts, longest, longest, dropout_p=dropout, softmax_scale=SCALE
        )


def main() -> None:
    parser = with_json(parser_of(__doc__, rounds=10, sequences=128, longest=512, threads=1))
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = device_name()
    sequences = made_up_sequences(arguments.sequences, arguments.longest, documents=arguments.text == "documents")
    row = Row(sorted(map(len, sequences)), device)
    tokens = sum(row.lengths)
    print(f"{device}, {tokens} tokens, {1 - tokens / (row.longest * len(row.lengths)):.0%} padding if padded, ", end="")
    print(f"{len(row.packing.groups)} groups\n")
    inputs = [torch.randn(tokens, HEADS, SIZE, device=device, dtype=torch.bfloat16) for _ in range(3)]
    query, key, value = (each.double() for each in inputs)
    expected = attention_of_each(query, key, value, row.lengths)
    measurements: list[dict[str, Any]] = []
    print("| dropout | attention | ms, median (range) | groups / its time | error |\n|---|---|---|---|---|")
    for dropout in (0.0, 0.1):
        measurements += measure(row, inputs, dropout, expected, arguments.rounds)
    write_json(arguments.json, {"tokens": tokens, "groups": len(row.packing.groups), "attention": measurements})


def attention_of_each(query: Tensor, key: Tensor, value: Tensor, lengths: list[int]) -> Tensor:
    """Attention by its definition, one sequence after the other."""
    outputs = []
    for q, k, v in zip(*(tensor.split(lengths) for tensor in (query, key, value)), strict=True):
        weights = torch.einsum("qhs,khs->hqk", q, k).mul(SCALE).softmax(-1)
        outputs.append(torch.einsum("hqk,khs->qhs", weights, v))
    return torch.cat(outputs)


def measure(row: Row, inputs: list[Tensor], dropout: float, expected: Tensor, rounds: int) -> list[dict[str, Any]]:
    """Time all contenders that can run with this dropout, and print and return a row for each."""
    rows: list[dict[str, Any]] = []
    able: dict[str, Callable[[int], object]] = {}
    errors = {}
    for name, attend in row.contenders().items():
        try:
            forward_and_backward(attend, inputs, dropout, 0)
        except (NotImplementedError, ImportError, RuntimeError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            print(f"| {dropout} | {name} | cannot run: {reason} |")
            rows.append({"attention": name, "dropout": dropout, "cannot_run": reason})
            continue
        query, key, value = inputs
        difference = (attend(query, key, value, 0.0) - expected).abs().max() / expected.abs().max()
        errors[name] = float(difference)
        able[name] = partial(forward_and_backward, attend, inputs, dropout)
    times = in_turn(able, rounds, clock=finished_time)
    ours = statistics.median(times["groups"])
    for name, seconds in times.items():
        milliseconds = [1000 * each for each in seconds]
        middle = statistics.median(milliseconds)
        spread = f"{min(milliseconds):.3g} to {max(milliseconds):.3g}"
        print(f"| {dropout} | {name} | {middle:.3g} ({spread}) | {1000 * ours / middle:.2f} | {errors[name]:.1e} |")
        rows.append({"attention": name, "dropout": dropout, "ms": milliseconds, "error": errors[name]})
    return rows


def forward_and_backward(attend: Attention, inputs: list[Tensor], dropout: float, _: int) -> None:
    query, key, value = (tensor.detach().requires_grad_() for tensor in inputs)
    output = attend(query, key, value, dropout)
    output.backward(torch.ones_like(output))


def _packed(query: Tensor, key: Tensor, value: Tensor, dropout: float, packing: Packing) -> Tensor:
    query, key, value = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
    output, _ = packed_attention(
        nn.Identity(), query, key, value, None, dropout=dropout, scaling=SCALE, packing=packing
    )
    return output[0]


def _require_gpu(tensor: Tensor) -> None:
    if tensor.device.type != "cuda":
        raise NotImplementedError("it needs a GPU")


if __name__ == "__main__":
    main()
