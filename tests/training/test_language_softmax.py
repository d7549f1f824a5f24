"""The loss over the language's pieces alone: that of the whole model's logits at these pieces."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lrl_adapt.recipes.schema import Adapter, Recipe
from lrl_adapt.recipes.training import Training
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.vocabulary.layers import split_vocabulary, unfreeze_trained_rows
from pydantic import ValidationError

from ..cli.small import TEXT, invoke
from ..eval.made import make_base
from .models import FAMILIES, batch, shake, tiny

PIECES = np.array([3, 5, 8, 11, 40, 41, 60, 96])
SIZE, NEW = 97, 4


def labels_among(pieces: list[int]) -> torch.Tensor:
    labels = torch.full((3, 9), IGNORE_INDEX)
    labels[:2, 1:8:2] = torch.tensor(pieces)[torch.arange(8) % len(pieces)].view(2, 4)
    return labels


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_the_sliced_logits(family: str, kind: str) -> None:
    adapted: Any = language_adapter(tiny(family), Adapter(type=kind, reduction_factor=4)).eval()
    shake(adapted)
    trainable = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    inputs, labels = batch(), labels_among([5, 8, 60, 96])
    places = labels != IGNORE_INDEX
    sliced = adapted(**inputs).logits[places][:, PIECES]
    targets = torch.tensor([PIECES.tolist().index(number) for number in labels[places].tolist()])
    want = torch.nn.functional.cross_entropy(sliced, targets, reduction="sum")
    want_gradients = torch.autograd.grad(want, trainable, allow_unused=True, materialize_grads=True)
    whole = torch.nn.functional.cross_entropy(adapted(**inputs).logits[places], labels[places], reduction="sum")

    model = MaskedLM(adapted)
    assert model.restrict_loss(torch.from_numpy(PIECES)) == len(PIECES)
    model.training = True  # without dropout in the modules
    loss = model(**inputs, labels=labels)
    gradients = torch.autograd.grad(loss, trainable, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(loss, want, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(gradients, want_gradients, atol=1e-5, rtol=1e-5)
    assert loss < whole
    model.training = False
    torch.testing.assert_close(model(**inputs, labels=labels), whole, atol=1e-5, rtol=1e-5)


def test_new_pieces_are_always_among_them() -> None:
    base: Any = tiny("bert")
    split_vocabulary(base, SIZE, torch.randn(NEW, 32, generator=torch.Generator().manual_seed(2)), trained=True)
    adapted: Any = language_adapter(base, Adapter(reduction_factor=4)).eval()
    unfreeze_trained_rows(adapted)
    labels = labels_among([5, SIZE, SIZE + 3, 96])
    places = labels != IGNORE_INDEX
    kept = [*PIECES.tolist(), *range(SIZE, SIZE + NEW)]
    sliced = adapted(**batch()).logits[places][:, kept]
    want = torch.nn.functional.cross_entropy(
        sliced, torch.tensor([kept.index(number) for number in labels[places].tolist()]), reduction="sum"
    )
    trained_rows = base.get_output_embeddings().new.weight
    (want_gradient,) = torch.autograd.grad(want, trained_rows)
    model = MaskedLM(adapted)
    assert model.restrict_loss(torch.tensor([*PIECES, SIZE + 1])) == len(kept)
    model.training = True
    loss = model(**batch(), labels=labels)
    torch.testing.assert_close(loss, want, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(loss, trained_rows)[0], want_gradient, atol=1e-5, rtol=1e-5)


def test_a_trained_decoder_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"training\.softmax: adapter\.type full trains the decoder"):
        Recipe.model_validate(
            {"language": "swh", "corpus": {"files": ["a.txt"]}, "adapter": {"type": "full"}}
            | {"base": {"model": "owner/base"}, "training": {"softmax": "language"}}
        )
    model = MaskedLM(tiny("bert"))
    with pytest.raises(ValueError, match="frozen"):
        model.restrict_loss(torch.from_numpy(PIECES))
    assert "softmax" not in Training().settings()
    assert Training(softmax="language").settings()["softmax"] == "language"


def test_training_records_the_number_of_pieces(folder: Path) -> None:
    base = make_base(folder / "made")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"language: swh\nbase: {base.folder}\ncorpus: {{files: text.txt}}\neval: {{mlm: {{max_length: 32}}}}\n"
        "training: {max_steps: 2, batch_tokens: 256, max_length: 32, eval_steps: 2, softmax: language}\n",
        encoding="utf-8",
    )
    for step in ("prepare", "train"):
        done = invoke(step, "recipe.yaml")
        assert done.exit_code == 0, done.output
    (manifest,) = folder.glob("runs/adapters/*/*/manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    vocabulary = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert 5 < facts["softmax_pieces"] < vocabulary
    assert f"training loss over {facts['softmax_pieces']} of {vocabulary} pieces" in done.output
    assert f"- training loss: over {facts['softmax_pieces']} pieces" in (manifest.parent / "README.md").read_text()
