"""Training a seq_bn adapter: tokens/s and peak memory, compared with AdapterHub and with PEFT's LoRA in HF's Trainer.

    python -m venv peer && peer/bin/pip install torch==2.13.0 && peer/bin/pip install adapters==1.3.0
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python --shape xlmr --text documents --rounds 2

All get the same batches of --sequences sequences (Maltese; a line each, or for documents lines joined and cut at 512
tokens) with the same masks, and models of the size of mBERT or XLM-R base with random weights. Each stays loaded in a
process of its own and they run in turn, --steps optimiser steps a round, after one round that does not count. Padding
is not counted in tokens. MFU: model FLOPs utilisation, the FLOPs that lrl-adapt needs for these tokens, done at a
contender's speed, as a share of what a large matrix product reaches here. On a CPU the peak memory is that of the
process, Python and libraries included; on a GPU that of its allocations. Without --peer AdapterHub is left out. With
--made-up no data is needed: random ids, and lengths distributed as those of the Maltese lines are.
"""

import argparse
import gzip
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from measure import data_folder, device_name, parser_of, with_json, write_json

PEERS = Path(__file__).parent / "peers"
# Mean and standard deviation of the logarithm of a Maltese line's length in mBERT's tokens (4,000 lines).
LOG_LENGTH = (3.71, 0.63)
MADE_UP_IDS = range(200, 2000)  # beyond mBERT's special tokens, within every shape's vocabulary


@dataclass
class Worker:
    """A contender in a process of its own, which trains for a round when asked to."""

    name: str
    precision: str
    command: list[str]
    speeds: list[float] = field(default_factory=list)
    """Tokens a second without padding, one value a round."""
    memory: float = 0.0
    """Peak in MB, of the process or of the GPU."""
    facts: dict[str, float] = field(default_factory=dict)
    """What it reports of itself when it is ready."""

    failure: str = ""
    """The last line of its errors, if it has died."""

    def start(self) -> None:
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the process lives
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment
        )

    def wait_until_ready(self) -> None:
        self.facts = self.read_answer()

    def read_answer(self) -> dict[str, float]:
        """The process's next line of JSON; empty when it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        self.failure = next((line for line in reversed(lines) if line.strip()), f"ended with exit code {code}")
        return {}

    def round(self, *, counts: bool) -> None:
        if self.failure:
            return
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        answer = self.read_answer()
        if counts and answer:
            self.speeds.append(answer["tokens"] / answer["seconds"])
        self.memory = answer.get("peak_mb", 0.0)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def main() -> None:
    parser = with_json(parser_of(__doc__, rounds=3, steps=8, sequences=16, longest=512, threads=os.cpu_count() or 1))
    parser.add_argument("--peer", help="python of an environment with adapters==1.3.0")
    parser.add_argument("--shape", choices=["mbert", "xlmr", "tiny"], default="mbert")
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    parser.add_argument("--made-up", action="store_true", help="made-up text, which needs no $LRL_DATA")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--one-by-one", action="store_true", help="for memory that does not hold all contenders")
    arguments = parser.parse_args()
    print("GPU" if device_name() == "cuda" else "no GPU: on the CPU alone")
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder, "batches.json")
        sequences = make_sequences(arguments)
        size = arguments.sequences
        rows = [sequences[start : start + size] for start in range(0, len(sequences), size)]
        batches.write_text(json.dumps(rows))
        text = describe([[len(row) for row in batch] for batch in rows])
        workers = [
            Worker(f"{name} {precision}", precision, [python, str(PEERS / f"{file}.py"), str(batches), arguments.shape,
                                                      precision, str(arguments.steps), str(arguments.threads)])
            for name, python, file in contenders(arguments.peer)
            for precision in arguments.precisions
        ]  # fmt: skip
        for group in [[worker] for worker in workers] if arguments.one_by_one else [workers]:
            for worker in group:
                worker.start()
            for worker in group:
                worker.wait_until_ready()
            for number in range(arguments.rounds + 1):
                for worker in group:
                    worker.round(counts=number > 0)
            for worker in group:
                worker.stop()
    write_json(arguments.json, {**text, "contenders": table(workers)})


def contenders(peer: str | None) -> list[tuple[str, str, str]]:
    """Name, Python executable and file in peers/ of each contender."""
    ours = ("lrl-adapt seq_bn", sys.executable, "ours")
    trainer = ("PEFT LoRA, HF Trainer", sys.executable, "trainer")
    return [ours, *([("AdapterHub seq_bn", peer, "adapterhub")] if peer else []), trainer]


def make_sequences(arguments: argparse.Namespace) -> list[list[int]]:
    """Token ids of the sequences of all batches, in random order."""
    count = arguments.steps * (arguments.rounds + 1) * arguments.sequences
    documents, longest = arguments.text == "documents", arguments.longest
    if arguments.made_up:
        return made_up_sequences(count, longest, documents=documents)
    return maltese_sequences(count, longest, documents=documents)


def made_up_sequences(count: int, longest: int, *, documents: bool) -> list[list[int]]:
    rng = random.Random(0)
    lengths = [longest if documents else round(math.exp(rng.gauss(*LOG_LENGTH))) for _ in range(count)]
    return [rng.choices(MADE_UP_IDS, k=min(max(3, length), longest)) for length in lengths]


def maltese_sequences(count: int, longest: int, *, documents: bool) -> list[list[int]]:
    """Ids of mBERT's vocabulary, with special tokens."""
    from tokenizers import BertWordPieceTokenizer

    data = data_folder()
    tokenizer = BertWordPieceTokenizer(str(data / "tokenizers/mbert/vocab.txt"), lowercase=False, strip_accents=False)
    lines = gzip.decompress((data / "text/mlt_Latn.txt.gz").read_bytes()).decode().splitlines()
    rng = random.Random(0)
    if not documents:
        rng.shuffle(lines)
        return [tokenizer.encode(line).ids[:longest] for line in lines[:count]]
    ids = list(chain.from_iterable(tokenizer.encode(line, add_special_tokens=False).ids for line in lines))
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    size = longest - 2
    sequences = [[cls, *ids[start : start + size], sep] for start in range(0, len(ids), size)]
    rng.shuffle(sequences)
    return sequences[:count]


def describe(lengths: list[list[int]]) -> dict[str, float]:
    """Print, and return, how many tokens a batch has and how much padding where it is padded."""
    real = sum(map(sum, lengths))
    padded = sum(max(rows) * len(rows) for rows in lengths)
    print(f"{real / len(lengths):.0f} tokens a batch, {1 - real / padded:.0%} padding where batches are padded\n")
    return {"tokens_per_batch": real / len(lengths), "padding": 1 - real / padded}


def table(workers: list[Worker]) -> list[dict[str, Any]]:
    """Print the table, and return its rows. Ends the program if lrl-adapt itself has failed."""
    ours = workers[0]
    if ours.failure:
        sys.exit(f"{ours.name}: {ours.failure}")
    print("| | tokens/s, median (range) | ours / its speed | MFU | peak MB | ours / its memory |")
    print("|---|---|---|---|---|---|")
    rows = []
    for worker in workers:
        if worker.failure:
            print(f"| {worker.name} | failed: {worker.failure} |")
            rows.append({"name": worker.name, "failure": worker.failure})
            continue
        same = (each for each in workers if "mfu_per_token" in each.facts and each.precision == worker.precision)
        own = next(same, None)  # ours, unless it failed
        mfu = worker.speed * own.facts["mfu_per_token"] if own else None
        share = "" if mfu is None else f"{mfu:.1%}"
        spread = f"{min(worker.speeds):,.0f} to {max(worker.speeds):,.0f}"
        print(
            f"| {worker.name} | {worker.speed:,.0f} ({spread}) | {ours.speed / worker.speed:.2f} | {share} "
            f"| {worker.memory:,.0f} | {ours.memory / worker.memory:.2f} |"
        )
        rows.append({"name": worker.name, "tokens_per_second": worker.speeds, "mfu": mfu, "peak_mb": worker.memory})
    return rows


if __name__ == "__main__":
    main()
