"""ModernBERT: packed against padded batches in training, and pseudo-perplexity's narrow last block against a whole one.

    LRL_DATA=~/data python benchmarks/modernbert.py --threads 1

Training: a seq_bn adapter, batches of 16 Maltese lines, loss and gradients without the optimiser. Pseudo-perplexity:
the logits at one position of each of 16 copies of a sentence. Random weights; one in three blocks attends to the whole
sequence, the others to a window of 128. Contenders take turns in one process, after a round that does not count. Times
are of the processor (sums over threads), so that other programs on the machine disturb them little.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import Layout
from lrl_adapt.training.masking import Masking, random_for
from lrl_adapt.training.mlm import MaskedLM
from measure import in_turn, parser_of
from train import describe, maltese_sequences
from transformers import ModernBertConfig, ModernBertForMaskedLM

VOCABULARY = 119_547  # mBERT's, as in the other benchmarks
CLS, SEP, MASK = 101, 102, 103
SEQUENCES, COPIES = 16, 16


def main() -> None:
    parser = parser_of(__doc__, blocks=22, width=768, rounds=5, threads=os.cpu_count() or 1)
    parser.add_argument("--longest", type=int, default=512, help="maximum length of a sequence, in tokens")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sequences = maltese_sequences((arguments.rounds + 1) * SEQUENCES, arguments.longest, documents=False)
    batches = [sequences[start : start + SEQUENCES] for start in range(0, len(sequences), SEQUENCES)]
    describe([[len(row) for row in batch] for batch in batches])
    model = MaskedLM(language_adapter(modernbert(arguments.blocks, arguments.width), Adapter(type="seq_bn")))
    compare(
        "training, CPU seconds a batch",
        {"packed": training(model, batches, packed=True), "padded": training(model, batches, packed=False)},
    )
    sentences = [np.array(sorted(batch, key=len)[len(batch) // 2]) for batch in batches]
    compare(
        f"{COPIES} copies of a sentence, CPU seconds",
        {"narrow": scoring(model, sentences, narrow=True), "whole": scoring(model, sentences, narrow=False)},
    )


def modernbert(blocks: int, width: int) -> Any:
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=width * 3 // 2,
        num_hidden_layers=blocks,
        num_attention_heads=width // 64,
        pad_token_id=0,
        bos_token_id=CLS,
        cls_token_id=CLS,
        eos_token_id=SEP,
        sep_token_id=SEP,
    )
    return ModernBertForMaskedLM(config).eval()


def training(model: MaskedLM, batches: list[list[list[int]]], *, packed: bool) -> list[Callable[[], None]]:
    """A step on each batch."""
    layout = Layout(0, packed)
    masking = Masking(MASK, np.array([0, CLS, SEP]), VOCABULARY, 0.15)

    def step(batch: dict[str, Any]) -> None:
        model.zero_grad()
        model(**batch).backward()

    steps = []
    for number, batch in enumerate(batches):
        rows = [masking.apply(np.array(row), random_for(number, n)) for n, row in enumerate(sorted(batch, key=len))]
        steps.append(partial(step, layout.batch([ids for ids, _ in rows], [labels for _, labels in rows])))
    return steps


def scoring(model: MaskedLM, sentences: list[np.ndarray], *, narrow: bool) -> list[Callable[[], None]]:
    """Logits at one position of each copy of a sentence; at a second one of the first copy, too, no block is narrow."""

    @torch.no_grad()
    def score(ids: torch.Tensor, asked: torch.Tensor) -> None:
        model.logits(ids, torch.ones_like(ids), asked)

    calls = []
    for sentence in sentences:
        ids = torch.from_numpy(sentence).expand(COPIES, -1)
        asked = torch.zeros_like(ids, dtype=torch.bool)
        asked[:, 1] = True
        asked[0, 2] = not narrow
        calls.append(partial(score, ids, asked))
    return calls


def compare(title: str, contenders: dict[str, list[Callable[[], None]]]) -> None:
    rounds = len(next(iter(contenders.values()))) - 1
    calls = {name: lambda number, steps=steps: steps[number]() for name, steps in contenders.items()}
    seconds = in_turn(calls, rounds, clock=time.process_time)
    first, second = seconds.values()
    ratios = [other / ours for ours, other in zip(first, second, strict=True)]
    medians = ", ".join(f"{name} {statistics.median(times):.2f}" for name, times in seconds.items())
    print(
        f"{title}: {medians}; {' / '.join(reversed(seconds))}: "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
