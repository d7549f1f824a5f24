"""Pseudo-perplexity: sentences/s beside the reference way, and that both find the same.

    LRL_DATA=~/data python benchmarks/pppl.py
    LRL_DATA=~/data python benchmarks/pppl.py --shape xlmr

The reference way is that of arXiv 2502.10140 and of the definition: a forward for each token with that token
masked, logits for every token of it. Swahili sentences of SIB-200 in mBERT's pieces, models of the true mBERT or XLM-R
base shape with random weights, fp32. Both score the same sentences in turn, --rounds times after one more.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peers.common import model_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=["mbert", "xlmr"], default="mbert")
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if "LRL_DATA" not in os.environ:
        sys.exit("set LRL_DATA to the folder that holds topic/ and tokenizers/ (benchmarks/real/README.md)")
    torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"on {'the GPU' if device == 'cuda' else 'the CPU: no GPU'}, {given.threads} threads")
    tokenizer, sentences = text(given.sentences)
    model = model_of(given.shape).eval().to(device)
    lengths = [len(tokenizer(sentence)["input_ids"]) for sentence in sentences]
    print(f"{len(sentences)} sentences, {sum(lengths) / len(lengths):.0f} tokens each, special ones among them\n")
    contenders: dict[str, Callable[[], list[float]]] = {
        "lrl-adapt": lambda: ours(model, tokenizer, sentences),
        "one mask a forward, all logits": lambda: [reference(model, tokenizer, sentence) for sentence in sentences],
    }
    found: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(given.rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            found[name] = run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    table(seconds, len(sentences))
    one, other = found.values()
    apart = max(abs(x - y) / y for x, y in zip(one, other, strict=True))
    print(f"\nlargest relative difference of a sentence's -ln p: {apart:.1e}")


def text(count: int) -> tuple[Any, list[str]]:
    """mBERT's tokenizer, and sentences of SIB-200 in Swahili."""
    import csv
    import random

    from transformers import BertTokenizer

    data = Path(os.environ["LRL_DATA"])
    tokenizer = BertTokenizer.from_pretrained(str(data / "tokenizers/mbert"), do_lower_case=False)
    with (data / "topic/sib200/swh_Latn/test.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return tokenizer, random.Random(0).sample([row["text"] for row in rows], count)


def ours(model: Any, tokenizer: Any, sentences: list[str]) -> list[float]:
    """-ln p of each sentence, special tokens too."""
    from lrl_adapt.eval.perplexity import score_sentences
    from lrl_adapt.training.mlm import MaskedLM

    model.set_attn_implementation("sdpa")
    scores = score_sentences(MaskedLM(model), tokenizer, sentences, max_length=512, batch_tokens=2048)
    model.set_attn_implementation("sdpa")  # the reference's
    return [score.nll + score.special_nll for score in scores]


@torch.no_grad()
def reference(model: Any, tokenizer: Any, sentence: str) -> float:
    """The same, one forward a token."""
    ids = torch.tensor(tokenizer(sentence, truncation=True, max_length=512)["input_ids"], device=model.device)
    total = 0.0
    for place in range(len(ids)):
        masked = ids.clone()
        masked[place] = tokenizer.mask_token_id
        total -= float(model(masked[None]).logits[0, place].log_softmax(-1)[ids[place]])
    return total


def table(seconds: dict[str, list[float]], sentences: int) -> None:
    first = statistics.median(next(iter(seconds.values())))
    print("| | sentences/s, median (range) | ours / its speed |\n|---|---|---|")
    for name, some in seconds.items():
        speeds = sorted(sentences / second for second in some)
        middle = statistics.median(some)
        print(f"| {name} | {sentences / middle:.2f} ({speeds[0]:.2f} to {speeds[-1]:.2f}) | {middle / first:.1f} |")


if __name__ == "__main__":
    main()
