"""Training a seq_bn adapter: tokens/s and peak memory, beside AdapterHub's adapters and PEFT's LoRA under HF's Trainer.

    python -m venv peer && peer/bin/pip install torch==2.13.0 && peer/bin/pip install adapters==1.3.0
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python --shape xlmr --text documents --rounds 2

All get the same batches of 16 lines (Maltese, a line a sequence; or, as documents, lines joined and cut at 512 tokens)
with the same masks, and models of the true mBERT or XLM-R base shape with random weights. Each stays loaded in a
process of its own and they run in turn, --steps optimiser steps a round, after one round that does not count. Tokens
are real ones, padding not counted. Without --peer AdapterHub is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
LINES = 16


@dataclass
class Worker:
    """A contender in a process of its own, which does a round when it is told to."""

    name: str
    command: list[str]
    speeds: list[float] = field(default_factory=list)
    """Real tokens a second, one a round."""
    memory: float = 0.0
    """MB at most: of the process, or of the GPU."""

    def start(self) -> None:
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self.heard()

    def heard(self) -> dict[str, Any]:
        """The next line it says. Raises CalledProcessError when it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self.process.wait(), self.command)
        return json.loads(line)

    def round(self, *, counts: bool) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        said = self.heard()
        if counts:
            self.speeds.append(said["tokens"] / said["seconds"])
        self.memory = said["peak_mb"]

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="python of an environment with adapters==1.3.0")
    parser.add_argument("--shape", choices=["mbert", "xlmr"], default="mbert")
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    parser.add_argument("--longest", type=int, default=512, help="cut sequences there, in tokens")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if "LRL_DATA" not in os.environ:
        sys.exit("set LRL_DATA to the folder that holds text/ and tokenizers/ (benchmarks/real/README.md)")
    print("GPU" if has_gpu() else "no GPU: on the CPU alone")
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder, "batches.json")
        describe(
            write_batches(batches, given.steps * (given.rounds + 1), given.longest, documents=given.text == "documents")
        )
        workers = [
            Worker(f"{name} {precision}", [python, str(PEERS / f"{file}.py"), str(batches), given.shape, precision,
                                           str(given.steps), str(given.threads)])
            for name, python, file in contenders(given.peer)
            for precision in given.precisions
        ]  # fmt: skip
        for worker in workers:
            worker.start()
        for number in range(given.rounds + 1):
            for worker in workers:
                worker.round(counts=number > 0)
        for worker in workers:
            worker.stop()
    table(workers)


def contenders(peer: str | None) -> list[tuple[str, str, str]]:
    """Name, python and file of each."""
    ours = ("lrl-adapt seq_bn", sys.executable, "ours")
    trainer = ("PEFT LoRA, HF Trainer", sys.executable, "trainer")
    return [ours, *([("AdapterHub seq_bn", peer, "adapterhub")] if peer else []), trainer]


def write_batches(path: Path, count: int, longest: int, *, documents: bool) -> list[list[int]]:
    """Lines as ids of mBERT's vocabulary, 16 to a batch, in random order; the lengths of each batch's."""
    import gzip
    import random

    from tokenizers import BertWordPieceTokenizer

    data = Path(os.environ["LRL_DATA"])
    tokenizer = BertWordPieceTokenizer(str(data / "tokenizers/mbert/vocab.txt"), lowercase=False, strip_accents=False)
    lines = gzip.decompress((data / "text/mlt_Latn.txt.gz").read_bytes()).decode().splitlines()
    chance = random.Random(0)
    if documents:
        ids = [id_ for line in lines for id_ in tokenizer.encode(line, add_special_tokens=False).ids]
        first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        size = longest - 2
        sequences = [[first, *ids[n : n + size], last] for n in range(0, len(ids), size)]
        chance.shuffle(sequences)
    else:
        chance.shuffle(lines)
        sequences = [tokenizer.encode(line).ids[:longest] for line in lines[: count * LINES]]
    batches = [sequences[n * LINES : (n + 1) * LINES] for n in range(count)]
    path.write_text(json.dumps(batches))
    return [[len(row) for row in batch] for batch in batches]


def describe(lengths: list[list[int]]) -> None:
    real = sum(map(sum, lengths))
    padded = sum(max(rows) * len(rows) for rows in lengths)
    print(f"{real / len(lengths):.0f} tokens a batch, {1 - real / padded:.0%} padding where batches are padded\n")


def table(workers: list[Worker]) -> None:
    ours = workers[0]
    print("| | tokens/s, median (range) | ours / its speed | peak MB | ours / its memory |\n|---|---|---|---|---|")
    for worker in workers:
        spread = f"{min(worker.speeds):,.0f} to {max(worker.speeds):,.0f}"
        print(
            f"| {worker.name} | {worker.speed:,.0f} ({spread}) | {ours.speed / worker.speed:.2f} "
            f"| {worker.memory:,.0f} | {ours.memory / worker.memory:.2f} |"
        )


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
