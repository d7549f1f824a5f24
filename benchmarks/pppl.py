"""Pseudo-perplexity: sentences/s by length, compared with the reference computation, and whether both agree.

    LRL_DATA=~/data python benchmarks/pppl.py
    LRL_DATA=~/data python benchmarks/pppl.py --shape xlmr
    LRL_DATA=~/data python benchmarks/pppl.py --shape base-mini --language mlt_Latn --left-to-right
    python benchmarks/pppl.py --made-up

The reference is the definition, computed as for arXiv 2502.10140: a forward pass for each token with that token masked,
and logits for every position. With --left-to-right, both variants of pseudo-perplexity (eval.mlm.within_word_l2r) are
compared with the standard one alone. Sentences of SIB-200 with the model's tokenizer; base-mini, or models of the size
of mBERT or XLM-R base with random weights, fp32. Both score the same sentences in turn, a third of them (by length) at
a time, --rounds times after one round that does not count. --made-up takes the sentences of the quickstart, and
base-mini's tokenizer, instead of real ones.
"""

import copy
import csv
import gzip
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from measure import data_folder, device_name, parser_of, with_json, write_json
from peers.common import model_of
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertTokenizer, XLMRobertaTokenizer

QUICKSTART = Path(__file__).parents[1] / "recipes/quickstart"
BASE_MINI = QUICKSTART / "base/base-mini"
MADE_UP = QUICKSTART / "data/swh_Latn/sentences.txt"


def main() -> None:
    parser = with_json(parser_of(__doc__, sentences=15, rounds=3, threads=os.cpu_count() or 1))
    parser.add_argument("--shape", choices=["mbert", "xlmr", "base-mini"], default="mbert")
    parser.add_argument("--language", default="swh_Latn")
    parser.add_argument("--left-to-right", action="store_true")
    parser.add_argument("--made-up", action="store_true", help="made-up sentences, which need no $LRL_DATA")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = device_name()
    print(f"on {'the GPU' if device == 'cuda' else 'the CPU: no GPU'}, {arguments.threads} threads")
    if arguments.made_up:
        tokenizer = tokenizer_of("base-mini")
        sentences = sample(MADE_UP.read_text(encoding="utf-8").splitlines(), arguments.sentences)
    else:
        tokenizer = tokenizer_of(arguments.shape)
        sentences = read_sentences(arguments.language, arguments.sentences)
    if arguments.shape == "base-mini":
        model = AutoModelForMaskedLM.from_pretrained(BASE_MINI, dtype=torch.float32).eval().to(device)
    else:
        model = model_of(arguments.shape).eval().to(device)
    plain = copy.deepcopy(model)  # lrl-adapt replaces layers of the model that it scores with
    sentences.sort(key=lambda sentence: len(tokenizer(sentence)["input_ids"]))
    standard = partial(ours, model, tokenizer, within_word_l2r=False)
    contenders: dict[str, Callable[[list[str]], list[float]]] = {"lrl-adapt": standard}
    if arguments.left_to_right:
        contenders["both variants"] = partial(ours, model, tokenizer, within_word_l2r=True)
    else:
        contenders["one mask a forward, all logits"] = lambda part: [
            reference(plain, tokenizer, sentence) for sentence in part
        ]
    thirds = [sentences[len(sentences) * n // 3 : len(sentences) * (n + 1) // 3] for n in range(3)]
    seconds = [{name: [] for name in contenders} for _ in thirds]
    largest_difference = 0.0
    for number in range(arguments.rounds + 1):
        for third, times in zip(thirds, seconds, strict=True):
            scores = []
            for name, run in contenders.items():
                start = time.perf_counter()
                scores.append(run(third))
                if number:
                    times[name].append(time.perf_counter() - start)
            differences = (abs(ours - theirs) / theirs for ours, theirs in zip(*scores, strict=True))
            largest_difference = max(largest_difference, *differences)
    speeds = table(thirds, seconds, tokenizer)
    write_json(arguments.json, {"sentences_per_second": speeds, "largest_difference": largest_difference})
    print(f"\nlargest relative difference of a sentence's -ln p: {largest_difference:.1e}")


def read_sentences(language: str, count: int) -> list[str]:
    """Sentences of SIB-200."""
    with (data_folder() / f"topic/sib200/{language}/test.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return sample([row["text"] for row in rows], count)


def sample(sentences: list[str], count: int) -> list[str]:
    return random.Random(0).sample(sentences, count)


def tokenizer_of(shape: str) -> Any:
    """mBERT's from its vocab.txt; XLM-R's from its list of pieces with their scores, ids as on the hub."""
    if shape == "base-mini":
        return AutoTokenizer.from_pretrained(BASE_MINI)
    folder = data_folder() / "tokenizers"
    if shape == "mbert":
        return BertTokenizer.from_pretrained(str(folder / "mbert"), do_lower_case=False)
    with gzip.open(folder / "xlmr/pos.dict.utf8.gz", "rt", encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    return XLMRobertaTokenizer(vocab=[("<s>", 0.0), *((piece, float(score)) for piece, _, score in lines)])


def ours(model: Any, tokenizer: Any, sentences: list[str], *, within_word_l2r: bool) -> list[float]:
    """-ln p of each sentence, special tokens included."""
    from lrl_adapt.eval.pseudo_likelihood import score_sentences
    from lrl_adapt.recipes.evaluation import PseudoPerplexity
    from lrl_adapt.training.mlm import MaskedLM

    tokens = PseudoPerplexity().batch_tokens_on(model.device.type)
    scores = score_sentences(
        MaskedLM(model), tokenizer, sentences, max_length=512, batch_tokens=tokens, within_word_l2r=within_word_l2r
    )
    return [score.nll + score.special_nll for score in scores]


@torch.no_grad()
def reference(model: Any, tokenizer: Any, sentence: str) -> float:
    """The same for one sentence, with a forward pass for each token."""
    ids = torch.tensor(tokenizer(sentence, truncation=True, max_length=512)["input_ids"], device=model.device)
    total = 0.0
    for position in range(len(ids)):
        masked = ids.clone()
        masked[position] = tokenizer.mask_token_id
        total -= float(model(masked[None]).logits[0, position].log_softmax(-1)[ids[position]])
    return total


def table(thirds: list[list[str]], seconds: list[dict[str, list[float]]], tokenizer: Any) -> dict[str, float]:
    """Print the table; the median speed of each contender over all sentences."""
    names = list(seconds[0])
    print(f"| tokens | {' | '.join(f'{name}, sentences/s' for name in names)} | {' / '.join(names)} |")
    print("|---" * (len(names) + 2) + "|")
    for third, times in zip(thirds, seconds, strict=True):
        print(table_row(third, list(times.values()), tokenizer))
    whole = [[sum(rounds) for rounds in zip(*(times[name] for times in seconds), strict=True)] for name in names]
    sentences = list(chain.from_iterable(thirds))
    print(table_row(sentences, whole, tokenizer))
    return {name: len(sentences) / statistics.median(times) for name, times in zip(names, whole, strict=True)}


def table_row(sentences: list[str], seconds: Sequence[Sequence[float]], tokenizer: Any) -> str:
    """Lengths of the sentences, speed of each contender from its seconds a round, and the ratio of the first two."""
    lengths = [len(tokenizer(sentence)["input_ids"]) for sentence in sentences]
    cells = [f"{min(lengths)} to {max(lengths)}, mean {sum(lengths) / len(lengths):.0f}"]
    for times in seconds:
        median, slowest, fastest = (
            len(sentences) / value for value in (statistics.median(times), max(times), min(times))
        )
        cells.append(f"{median:.2f} ({slowest:.2f} to {fastest:.2f})")
    ours, reference_ = (statistics.median(times) for times in seconds)
    return f"| {' | '.join(cells)} | {reference_ / ours:.1f} |"


if __name__ == "__main__":
    main()
