"""Pseudo-perplexity: sentences/s beside the reference way, by length, and that both find the same.

    LRL_DATA=~/data python benchmarks/pppl.py
    LRL_DATA=~/data python benchmarks/pppl.py --shape xlmr

The reference way is that of arXiv 2502.10140 and of the definition: a forward for each token with that token
masked, logits for every token of it. Swahili sentences of SIB-200 in the model's own pieces, models of the true mBERT
or XLM-R base shape with random weights, fp32. Both score the same sentences in turn, a third of them (by length) at a
time, --rounds times after one more.
"""

import argparse
import copy
import gzip
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
    parser.add_argument("--sentences", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if "LRL_DATA" not in os.environ:
        sys.exit("set LRL_DATA to the folder that holds topic/ and tokenizers/ (benchmarks/real/README.md)")
    torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"on {'the GPU' if device == 'cuda' else 'the CPU: no GPU'}, {given.threads} threads")
    tokenizer, sentences = text(given.shape, given.sentences)
    model = model_of(given.shape).eval().to(device)
    plain = copy.deepcopy(model)  # lrl-adapt puts layers of its own into what it scores with
    sentences.sort(key=lambda sentence: len(tokenizer(sentence)["input_ids"]))
    contenders: dict[str, Callable[[list[str]], list[float]]] = {
        "lrl-adapt": lambda some: ours(model, tokenizer, some),
        "one mask a forward, all logits": lambda some: [reference(plain, tokenizer, sentence) for sentence in some],
    }
    thirds = [sentences[len(sentences) * n // 3 : len(sentences) * (n + 1) // 3] for n in range(3)]
    seconds = [{name: [] for name in contenders} for _ in thirds]
    apart = 0.0
    for number in range(given.rounds + 1):
        for some, times in zip(thirds, seconds, strict=True):
            found = []
            for name, run in contenders.items():
                start = time.perf_counter()
                found.append(run(some))
                if number:
                    times[name].append(time.perf_counter() - start)
            apart = max(apart, *(abs(x - y) / y for x, y in zip(*found, strict=True)))
    table(thirds, seconds, tokenizer)
    print(f"\nlargest relative difference of a sentence's -ln p: {apart:.1e}")


def text(shape: str, count: int) -> tuple[Any, list[str]]:
    """The model's tokenizer, and sentences of SIB-200 in Swahili."""
    import csv
    import random

    data = Path(os.environ["LRL_DATA"])
    with (data / "topic/sib200/swh_Latn/test.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return tokenizer_of(shape, data / "tokenizers"), random.Random(0).sample([row["text"] for row in rows], count)


def tokenizer_of(shape: str, folder: Path) -> Any:
    """mBERT's from its vocab.txt; XLM-R's from its list of pieces with their scores, ids as on the hub."""
    from transformers import BertTokenizer, XLMRobertaTokenizer

    if shape == "mbert":
        return BertTokenizer.from_pretrained(str(folder / "mbert"), do_lower_case=False)
    with gzip.open(folder / "xlmr/pos.dict.utf8.gz", "rt", encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    return XLMRobertaTokenizer(vocab=[("<s>", 0.0), *((piece, float(score)) for piece, _, score in lines)])


def ours(model: Any, tokenizer: Any, sentences: list[str]) -> list[float]:
    """-ln p of each sentence, special tokens too."""
    from lrl_adapt.eval.pseudo_likelihood import score_sentences
    from lrl_adapt.training.mlm import MaskedLM

    scores = score_sentences(MaskedLM(model), tokenizer, sentences, max_length=512, batch_tokens=2048)
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


def table(thirds: list[list[str]], seconds: list[dict[str, list[float]]], tokenizer: Any) -> None:
    whole = {name: [sum(times) for times in zip(*(own[name] for own in seconds), strict=True)] for name in seconds[0]}
    print(f"| tokens | {' | '.join(f'{name}, sentences/s' for name in whole)} | ours / its speed |")
    print("|---" * (len(whole) + 2) + "|")
    everything = [sentence for some in thirds for sentence in some]
    for some, times in [*zip(thirds, seconds, strict=True), (everything, whole)]:
        lengths = [len(tokenizer(sentence)["input_ids"]) for sentence in some]
        cells = [f"{min(lengths)} to {max(lengths)}, mean {sum(lengths) / len(lengths):.0f}"]
        for own in times.values():
            speeds = sorted(len(some) / second for second in own)
            cells.append(f"{len(some) / statistics.median(own):.2f} ({speeds[0]:.2f} to {speeds[-1]:.2f})")
        first, other = (statistics.median(own) for own in times.values())
        print(f"| {' | '.join(cells)} | {other / first:.1f} |")


if __name__ == "__main__":
    main()
