"""Training a seq_bn adapter: tokens/s and peak memory, compared with AdapterHub and with PEFT's LoRA in HF's Trainer.

    python -m venv peer && peer/bin/pip install torch==2.13.0 && peer/bin/pip install adapters==1.3.0
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python
    LRL_DATA=~/data python benchmarks/train.py --peer peer/bin/python --shape xlmr --text documents --rounds 2

All get the same batches of 16 sequences (Maltese; a line each, or for documents lines joined and cut at 512 tokens)
with the same masks, and models of the size of mBERT or XLM-R base with random weights. Each stays loaded in a process
of its own and they run in turn, --steps optimiser steps a round, after one round that does not count. Padding is not
counted in tokens. On a CPU the peak memory is that of the process, Python and libraries included; on a GPU that of its
allocations. Without --peer AdapterHub is left out.
"""

import gzip
import json
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

from measure import data_folder, parser_of

PEERS = Path(__file__).parent / "peers"
SEQUENCES = 16


@dataclass
class Worker:
    """A contender in a process of its own, which trains for a round when asked to."""

    name: str
    command: list[str]
    speeds: list[float] = field(default_factory=list)
    """Tokens a second without padding, one value a round."""
    memory: float = 0.0
    """Peak in MB, of the process or of the GPU."""

    def start(self) -> None:
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self.read_answer()

    def read_answer(self) -> dict[str, Any]:
        """The process's next line of JSON. Raises CalledProcessError when it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self.process.wait(), self.command)
        return json.loads(line)

    def round(self, *, counts: bool) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        answer = self.read_answer()
        if counts:
            self.speeds.append(answer["tokens"] / answer["seconds"])
        self.memory = answer["peak_mb"]

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def main() -> None:
    parser = parser_of(__doc__, rounds=3, steps=8, threads=os.cpu_count() or 1)
    parser.add_argument("--peer", help="python of an environment with adapters==1.3.0")
    parser.add_argument("--shape", choices=["mbert", "xlmr"], default="mbert")
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    parser.add_argument("--longest", type=int, default=512, help="maximum length of a sequence, in tokens")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--one-by-one", action="store_true", help="for memory that does not hold all contenders")
    arguments = parser.parse_args()
    data_folder()
    print("GPU" if has_gpu() else "no GPU: on the CPU alone")
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder, "batches.json")
        count = arguments.steps * (arguments.rounds + 1)
        describe(write_batches(batches, count, arguments.longest, documents=arguments.text == "documents"))
        workers = [
            Worker(f"{name} {precision}", [python, str(PEERS / f"{file}.py"), str(batches), arguments.shape, precision,
                                           str(arguments.steps), str(arguments.threads)])
            for name, python, file in contenders(arguments.peer)
            for precision in arguments.precisions
        ]  # fmt: skip
        for group in [[worker] for worker in workers] if arguments.one_by_one else [workers]:
            for worker in group:
                worker.start()
            for number in range(arguments.rounds + 1):
                for worker in group:
                    worker.round(counts=number > 0)
            for worker in group:
                worker.stop()
    table(workers)


def contenders(peer: str | None) -> list[tuple[str, str, str]]:
    """Name, Python executable and file in peers/ of each contender."""
    ours = ("lrl-adapt seq_bn", sys.executable, "ours")
    trainer = ("PEFT LoRA, HF Trainer", sys.executable, "trainer")
    return [ours, *([("AdapterHub seq_bn", peer, "adapterhub")] if peer else []), trainer]


def write_batches(path: Path, count: int, longest: int, *, documents: bool) -> list[list[int]]:
    """Write batches of token ids (mBERT's vocabulary), 16 sequences each, in random order; the sequences' lengths."""
    from tokenizers import BertWordPieceTokenizer

    data = data_folder()
    tokenizer = BertWordPieceTokenizer(str(data / "tokenizers/mbert/vocab.txt"), lowercase=False, strip_accents=False)
    lines = gzip.decompress((data / "text/mlt_Latn.txt.gz").read_bytes()).decode().splitlines()
    rng = random.Random(0)
    if documents:
        ids = list(chain.from_iterable(tokenizer.encode(line, add_special_tokens=False).ids for line in lines))
        cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        size = longest - 2
        sequences = [[cls, *ids[start : start + size], sep] for start in range(0, len(ids), size)]
        rng.shuffle(sequences)
    else:
        rng.shuffle(lines)
        sequences = [tokenizer.encode(line).ids[:longest] for line in lines[: count * SEQUENCES]]
    batches = [sequences[number * SEQUENCES : (number + 1) * SEQUENCES] for number in range(count)]
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
