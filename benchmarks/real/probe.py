"""What a linear classifier reads from a model's sentence vectors: topics of SIB-200, macro-F1.

    python -m lrl_adapt.benchmarks.real.probe MODEL... [--language mlt_Latn ...]

A MODEL is the folder of a base or of an adapter. Features are the mean last hidden state of each text, standardised;
the classifier is scikit-learn's LogisticRegression, its regularisation chosen on the validation texts. A language takes
about a minute, where a task adapter takes ten, so it shows where there is something to gain before anything is
trained. Reads $LRL_DATA/topic and writes CSV to stdout.
"""

import argparse
import csv
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lrl_adapt.training.transliterate import romanise
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from torch import Tensor

REGULARISATION = (0.1, 1.0, 10.0, 100.0, 1000.0)
SPLITS = ("train", "dev", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--language", action="append", help="a folder of sib200/ (default: all)")
    parser.add_argument("--romanise", action="store_true", help="write the texts in Latin letters first (uroman)")
    arguments = parser.parse_args()
    data = Path(os.environ["LRL_DATA"]) / "topic" / "sib200"
    rows = csv.writer(sys.stdout)
    rows.writerow(["model", "language", "validation", "test"])
    for folder in arguments.models:
        model, tokenizer = load(folder)
        for language in arguments.language or sorted(path.name for path in data.iterdir()):
            splits = [read(data / language / f"{split}.tsv") for split in SPLITS]
            reader = romanise(tokenizer, language) if arguments.romanise else tokenizer
            vectors = [mean_vectors(model, reader, texts) for texts, _ in splits]
            scores = probe(vectors, [labels for _, labels in splits])
            rows.writerow([folder.name, language, *(f"{score:.4f}" for score in scores)])
            sys.stdout.flush()


def load(folder: Path) -> tuple[Any, Any]:
    """An encoder, or an adapted one, and its tokenizer."""
    if (folder / "adapter_config.json").exists():
        from lrl_adapt import load_adapter

        return load_adapter(folder)
    from transformers import AutoModel, AutoTokenizer

    # Half precision, as the weights may be saved, is several times slower on CPUs.
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def read(path: Path) -> tuple[list[str], list[str]]:
    """The texts and the topics of a file of SIB-200."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def mean_vectors(model: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """The mean last hidden state of each text's tokens, special ones too: (texts, width)."""
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    vectors: dict[int, np.ndarray] = {}
    for start in range(0, len(texts), 16):
        indices = by_length[start : start + 16]
        batch = [texts[index] for index in indices]
        inputs = tokenizer(batch, padding=True, truncation=True, max_length=128, return_tensors="pt")
        mask = inputs["attention_mask"][..., None]
        with torch.no_grad():
            means = (encode(model, inputs) * mask).sum(1) / mask.sum(1)
        vectors.update(zip(indices, means.numpy(), strict=True))
    return np.stack([vectors[index] for index in range(len(texts))])


def encode(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The last hidden states, without the LM head where there is one: (texts, tokens, width)."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    encoder = getattr(base, base.base_model_prefix, base)
    return encoder(**inputs).last_hidden_state


def probe(vectors: Sequence[np.ndarray], labels: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Macro-F1 on validation and test data; `vectors` and `labels` are of train, validation and test texts."""
    mean, deviation = vectors[0].mean(0), vectors[0].std(0)
    train, validation, test = ((split - mean) / deviation for split in vectors)
    candidates = [LogisticRegression(C=1 / c, max_iter=2000).fit(train, labels[0]) for c in REGULARISATION]

    def macro_f1(classifier: LogisticRegression, features: np.ndarray, gold: Sequence[str]) -> float:
        return float(f1_score(gold, classifier.predict(features), average="macro"))

    best = max(candidates, key=lambda classifier: macro_f1(classifier, validation, labels[1]))
    return macro_f1(best, validation, labels[1]), macro_f1(best, test, labels[2])


if __name__ == "__main__":
    main()
