"""What the contenders of train.py share: batches, masks, model sizes, answers to train.py. No code of lrl-adapt."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

SHAPES: dict[str, dict[str, Any]] = {  # what differs from the base size that transformers' configurations have
    "mbert": {"vocab_size": 119547},
    "xlmr": {
        "vocab_size": 250002,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
    "tiny": {
        "vocab_size": 2000,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
    },
}
MODEL_TYPES = {"mbert": "bert", "xlmr": "xlm-roberta", "tiny": "bert"}
LEARNING_RATE, MASK_FRACTION = 1e-4, 0.15
Rows = list[tuple[np.ndarray, np.ndarray]]


class Arguments(NamedTuple):
    """The command line."""

    batches: list[Rows]
    """Ids and labels of each sequence of each batch."""
    shape: str
    precision: str
    steps: int
    device: str


def read_arguments() -> Arguments:
    """Read the command line, and set the number of threads."""
    file, shape, precision, steps, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rng = np.random.default_rng(0)
    batches = [[masked(np.array(row), rng) for row in batch] for batch in json.loads(Path(file).read_text())]
    return Arguments(batches, shape, precision, int(steps), device)


def masked(ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ids with 15% (of all but the first and the last) replaced by 103, mBERT's [MASK], and labels."""
    chosen = rng.random(len(ids)) < MASK_FRACTION
    chosen[[0, -1]] = False
    return np.where(chosen, 103, ids), np.where(chosen, ids, -100)


def model_of(shape: str) -> Any:
    """A masked language model with random weights, the same for all."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    torch.manual_seed(0)
    return AutoModelForMaskedLM.from_config(AutoConfig.for_model(MODEL_TYPES[shape], **SHAPES[shape]))


def padded(rows: Rows, pad: int) -> dict[str, torch.Tensor]:
    """What a data collator makes of a batch."""
    longest = max(len(ids) for ids, _ in rows)
    batch = {name: torch.full((len(rows), longest), value) for name, value in (("input_ids", pad), ("labels", -100))}
    batch["attention_mask"] = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, (ids, labels) in enumerate(rows):
        batch["input_ids"][number, : len(ids)] = torch.from_numpy(ids)
        batch["labels"][number, : len(ids)] = torch.from_numpy(labels)
        batch["attention_mask"][number, : len(ids)] = 1
    return batch


def serve(settings: Arguments, run: Callable[[list[Rows]], None], **facts: float) -> None:
    """Say with these facts that it is ready, then answer each line on stdin with the measurements of one round."""
    answer, sys.stdout = sys.stdout, sys.stderr  # libraries print too
    print(json.dumps(facts), file=answer, flush=True)
    for number, _ in enumerate(sys.stdin):
        batches = settings.batches[number * settings.steps : (number + 1) * settings.steps]
        started = time.perf_counter()
        run(batches)
        if settings.device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        tokens = sum(len(ids) for rows in batches for ids, _ in rows)
        print(
            json.dumps({"tokens": tokens, "seconds": seconds, "peak_mb": peak_mb(settings.device)}),
            file=answer,
            flush=True,
        )


def peak_mb(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
