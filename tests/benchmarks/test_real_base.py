"""The wheel's format: a file written here by its description is read back as the model that it holds."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from lrl_adapt.benchmarks.real.compare import BLOCK, MATRICES, differences
from lrl_adapt.benchmarks.real.real_base import parse, write_encoder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

HIDDEN, INNER, LAYERS = 32, 64, 2
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), ("▁b", -2.0), ("c", -3.0)]


def four_bits(rng: np.random.Generator, rows: int, columns: int) -> tuple[bytes, np.ndarray]:
    """A random matrix as bytes, and its values."""
    scales = rng.uniform(0.01, 0.1, (rows * columns // BLOCK, 1)).astype("<f2")
    levels = rng.integers(0, 16, (len(scales), BLOCK)).astype(np.uint8)
    packed = levels[:, : BLOCK // 2] | levels[:, BLOCK // 2 :] << 4
    values = (levels.astype(np.float32) - 8) * scales.astype(np.float32)
    content = b"".join(scale.tobytes() + row.tobytes() for scale, row in zip(scales, packed, strict=True))
    return content, values.reshape(rows, columns)


def tensors(rng: np.random.Generator) -> dict[str, tuple[bytes, np.ndarray]]:
    """All tensors of the file by its names."""

    def vector(*shape: int) -> tuple[bytes, np.ndarray]:
        values = rng.normal(size=shape).astype("<f4")
        return values.tobytes(), values

    made = {"emb.word": four_bits(rng, len(PIECES), HIDDEN), "emb.pos": vector(40, HIDDEN)}
    made |= {"emb.type": vector(2, HIDDEN), "emb.ln.w": vector(HIDDEN), "emb.ln.b": vector(HIDDEN)}
    for layer in range(LAYERS):
        for short in MATRICES:
            rows, columns = {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.get(short, (HIDDEN, HIDDEN))
            made[f"l{layer}.{short}.w"] = four_bits(rng, rows, columns)
            made[f"l{layer}.{short}.b"] = vector(rows)
        made |= {f"l{layer}.{norm}.{part}": vector(HIDDEN) for norm in ("aln", "oln") for part in "wb"}
    return made


def packed_file(made: dict[str, tuple[bytes, np.ndarray]]) -> bytes:
    names = [name.encode() for name, _ in PIECES]
    starts = np.cumsum([0, *map(len, names)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7ifi5i", HIDDEN, LAYERS, 2, INNER, len(PIECES), 40, 2, 1e-12, BLOCK, len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", sum(map(len, names))) + starts.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(names)
    head += struct.pack("<iI", 1, 1) + struct.pack("<IB1I", ord("Ⓐ"), 1, ord("a"))  # one rule of the normaliser
    head += struct.pack("<i", len(made))
    position = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in made)
    directory, body = b"", b""
    for name, (content, values) in made.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, values.size, position + len(body), len(content))
        body += content
    return head + directory + body


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    write_encoder(packed_file(tensors(np.random.default_rng(0))), folder)
    return folder


def test_weights_and_pieces_are_read_back(encoder: Path) -> None:
    weights = load_file(encoder / "model.safetensors")
    made = tensors(np.random.default_rng(0))
    word, query = weights["embeddings.word_embeddings.weight"], weights["encoder.layer.1.attention.self.query.weight"]
    torch.testing.assert_close(word.float(), torch.from_numpy(made["emb.word"][1]), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(query.float(), torch.from_numpy(made["l1.q.w"][1]), atol=1e-3, rtol=1e-3)
    _, report = AutoModelForMaskedLM.from_pretrained(encoder, output_loading_info=True)
    assert all(name.startswith("cls.") for name in report["missing_keys"])
    assert not report["unexpected_keys"]
    pieces = AutoTokenizer.from_pretrained(encoder)
    assert pieces.convert_ids_to_tokens(pieces("Ⓐ bc")["input_ids"]) == ["<s>", "▁a", "▁b", "c", "</s>"]


def test_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="version 1"):
        parse(b"E5S2" + bytes(100))


def test_only_differences_beyond_rounding_are_named(encoder: Path, tmp_path: Path) -> None:
    original, text = tmp_path / "original", tmp_path / "text"
    original.mkdir()
    text.mkdir()
    for file in encoder.iterdir():
        (original / file.name).write_bytes(file.read_bytes())
    with gzip.open(text / "swh_Latn.txt.gz", "wt", encoding="utf-8") as file:
        file.write("a b\nb c a\n")
    weights = load_file(encoder / "model.safetensors")
    rounded = {
        name: weight * (1 + 0.05 * (weight.dim() == 2 and "embeddings" not in name)) for name, weight in weights.items()
    }
    save_file(rounded, original / "model.safetensors", {"format": "pt"})
    assert differences(encoder, str(original), text) == []
    name = "encoder.layer.0.output.dense.weight"
    norm = "encoder.layer.1.output.LayerNorm.weight"
    changed = rounded | {name: -rounded[name], norm: rounded[norm] + 0.01}
    save_file(changed, original / "model.safetensors", {"format": "pt"})
    config = json.loads((original / "config.json").read_text())
    (original / "config.json").write_text(json.dumps(config | {"num_attention_heads": 4}))
    differing = differences(encoder, str(original), text)
    assert [line.split(":")[0] for line in differing] == [
        "config num_attention_heads",
        f"weights {name}",
        f"weights {norm}",
    ]
