"""vocabulary.train: all, which trains the base's own rows for the text beside those of new pieces."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from lrl_adapt import fill_mask
from lrl_adapt.recipes.schema import Adapter, Recipe
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.anchor import Anchored
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.checkpoint import Checkpoint, Checkpoints
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.vocabulary import make
from lrl_adapt.training.vocabulary.layers import append_rows, split_vocabulary, trained_rows, unfreeze_trained_rows
from lrl_adapt.training.vocabulary.make import put_new_pieces
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from ...cli.small import invoke
from ...eval.made import TEXTS, make_base
from ..models import FAMILIES, shake, tiny
from .test_new_rows import NEW, SIZE, ids_with_new_ones, rows
from .test_training import TEXT, TRAINING

BASE_IDS = torch.tensor([5, 8, 50, 96])


def split(family: str) -> Any:
    """A model with new rows and rows of its own that were changed."""
    model: Any = tiny(family)
    width = model.get_input_embeddings().weight.shape[1]
    split_vocabulary(model, SIZE, rows(width), trained=True, base_ids=BASE_IDS)
    shake(model.get_input_embeddings().new)
    shake(model.get_output_embeddings().new)
    return model


def inputs_and_labels() -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    inputs, labels = ids_with_new_ones(), torch.full((3, 9), -100)
    inputs["input_ids"][1, 1:5] = torch.tensor([5, 8, 9, 96])
    labels[0, :6] = torch.tensor([SIZE + 1, 8, SIZE + 3, 50, SIZE, 96])
    labels[1, 2:4] = torch.tensor([11, 5])
    return inputs, labels


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rows_start_as_the_base_s_and_are_used_in_their_place(family: str) -> None:
    whole: Any = tiny(family)
    before: Any = tiny(family)
    width = whole.get_input_embeddings().weight.shape[1]
    fresh: Any = tiny(family)
    split_vocabulary(fresh, SIZE, rows(width), trained=True, base_ids=BASE_IDS)
    inputs, _ = inputs_and_labels()
    inputs["input_ids"] = inputs["input_ids"].clamp(max=SIZE - 1)
    logits = before(**inputs).logits[..., :SIZE]
    torch.testing.assert_close(fresh(**inputs).logits[..., :SIZE], logits, atol=1e-5, rtol=1e-5)

    changed = split(family)
    append_rows(whole, SIZE, trained_rows(changed))
    inputs, _ = inputs_and_labels()
    torch.testing.assert_close(changed(**inputs).logits, whole(**inputs).logits, atol=1e-5, rtol=1e-5)
    frozen = [number for number in range(SIZE) if number not in BASE_IDS]
    for side in ("get_input_embeddings", "get_output_embeddings"):
        now, then = (getattr(model, side)().weight for model in (whole, before))
        assert torch.equal(now[frozen], then[frozen])
        assert not torch.isclose(now[BASE_IDS], then[BASE_IDS]).all(1).any()
    assert torch.equal(changed.get_input_embeddings().old.weight, before.get_input_embeddings().weight[:SIZE])
    assert all(torch.equal(tensor, trained_rows(whole)[name]) for name, tensor in trained_rows(changed).items())


@pytest.mark.parametrize("softmax", ["full", "language"])
@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora"])
def test_loss_and_gradients_are_those_of_one_matrix(kind: str, softmax: str) -> None:
    inputs, labels = inputs_and_labels()
    pieces = torch.tensor([3, 5, 8, 11, 50, 60, 96, SIZE + 1])
    results = []
    for is_split in (True, False):
        base: Any = split("bert")
        if not is_split:
            tensors = trained_rows(base)
            base = tiny("bert")
            append_rows(base, SIZE, tensors)
        embedding, decoder = base.get_input_embeddings(), base.get_output_embeddings()
        torch.manual_seed(1)
        model: Any = language_adapter(base, Adapter(type=kind, reduction_factor=4)).eval()
        shake(model.get_submodule("base_model.model.bert.encoder"))
        if is_split:
            unfreeze_trained_rows(model)
            masked_lm = MaskedLM(model)
            if softmax == "language":
                # 11, 3 and 60 of the frozen rows, and all trained ones
                assert masked_lm.restrict_loss(pieces) == 3 + len(BASE_IDS) + NEW
            masked_lm.training = True  # without dropout in the modules
            loss = masked_lm(**inputs, labels=labels)
            loss.backward()
            results.append([loss.detach(), embedding.new.weight.grad, decoder.new.bias.grad])
            continue
        embedding.weight.requires_grad_(True)
        decoder.bias.requires_grad_(True)
        logits = model(**inputs).logits[labels != -100]
        if softmax == "language":
            left_out = [n for n in range(SIZE) if n not in pieces and n not in BASE_IDS]
            logits[:, left_out] = -torch.inf
        loss = torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="sum")
        loss.backward()
        trained = [*BASE_IDS.tolist(), *range(SIZE, SIZE + NEW)]
        results.append([loss.detach(), embedding.weight.grad[trained], decoder.bias.grad[trained]])
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-5)
    assert results[0][1].abs().amax(1).min() > 0


def test_the_anchor_is_the_base_with_its_own_rows() -> None:
    base: Any = tiny("bert")
    split_vocabulary(base, SIZE, rows(32), trained=True, base_ids=BASE_IDS)
    adapted = language_adapter(base, Adapter(reduction_factor=4))
    unfreeze_trained_rows(adapted)
    inputs, _ = inputs_and_labels()
    anchored = Anchored(MaskedLM(adapted), 1.0)
    embeddings = base.get_input_embeddings()
    encoder_inputs = (inputs["input_ids"], inputs["attention_mask"], None, None)
    want = anchored._anchors(*encoder_inputs)
    shake(embeddings.new)
    trained = embeddings.new.weight.detach().clone()
    assert torch.equal(anchored._anchors(*encoder_inputs), want)
    assert torch.equal(embeddings.new.weight, trained)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"vocabulary": {"train": "all"}}, "set pieces, for example to auto"),
        ({"adapter": {"type": "full"}}, r"all rows are trained anyway with adapter.type full"),
        ({"source": "fusion", "graph": {}}, "the adapters of a fusion would train different rows"),
    ],
)
def test_recipes_whose_base_rows_cannot_be_trained_are_refused(changes: dict[str, Any], problem: str) -> None:
    given = {"language": "bod_Tibt", "base": {"model": "owner/base"}, "corpus": {"files": ["text.txt"]}}
    with pytest.raises(ValidationError, match=problem):
        Recipe.model_validate(given | {"vocabulary": {"pieces": 9, "train": "all"}} | changes)


@pytest.fixture
def recipe_folder(folder: Path) -> Path:
    """A folder with recipe.yaml: Tibetan, with some words that the base reads."""
    base = make_base(folder / "made").folder
    words = " ".join(TEXTS).split()
    swahili = "\n".join(" ".join(random.Random(number).choices(words, k=9)) for number in range(200))
    (folder / "text.txt").write_text(f"{TEXT}\n{swahili}", encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"language: bod_Tibt\nbase: {base}\ncorpus: {{files: text.txt, min_script: 0}}\n"
        "vocabulary: {pieces: 40, train: all}\n"
        f"adapter: {{type: lora, r: 2}}\ntraining: {TRAINING}\n"
        "eval: {tasks: [mlm], mlm: {max_sentences: 4, max_length: 32}}\n",
        encoding="utf-8",
    )
    return folder


def test_only_rows_of_the_text_differ_from_the_base_s(recipe_folder: Path) -> None:
    run = invoke("run", "recipe.yaml")
    assert run.exit_code == 0, run.output
    (manifest,) = recipe_folder.glob("runs/adapters/*/*/manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    saved = load_file(manifest.parent / "vocabulary.safetensors")
    base: Any = load_masked_lm(str(next(recipe_folder.glob("made/bases/*/*"))), None, "base")
    size = base.config.vocab_size
    tokenizer = load_tokenizer(str(manifest.parent), None, "adapter")
    (corpus,) = recipe_folder.glob("runs/data/*/corpus-*/train.parquet")
    texts = pyarrow.parquet.read_table(corpus).column("text").to_pylist()
    used = {number for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for number in ids}
    want = sorted(number for number in used if number < size and number != tokenizer.unk_token_id)
    assert saved["base_ids"].tolist() == want
    assert facts["trained_base_pieces"] == len(want) > 5
    assert len(saved["rows"]) == len(saved["bias"]) == len(want) + facts["new_pieces"]

    exported = invoke("export", str(manifest.parent), "--format", "merged", "--out", "whole")
    assert exported.exit_code == 0, exported.output
    merged: Any = AutoModelForMaskedLM.from_pretrained("whole")
    now, then = (model.get_input_embeddings().weight for model in (merged, base))
    assert (now[:size] != then).any(1).nonzero()[:, 0].tolist() == want
    prediction = fill_mask("Amina [MASK]", adapters=[manifest.parent], top=1)[0].candidates[0].token
    inputs = tokenizer("Amina [MASK]", return_tensors="pt")
    place = inputs["input_ids"] == tokenizer.mask_token_id
    assert prediction == tokenizer.convert_ids_to_tokens(int(merged(**inputs).logits[place].argmax()))


def test_a_resumed_run_gives_the_same_rows(recipe_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoints.save

    def save_and_break(checkpoints: Checkpoints, checkpoint: Checkpoint) -> None:
        save(checkpoints, checkpoint)
        if checkpoint.step == 4:
            raise UserError("broken off")

    files = []
    for workspace in ("straight", "resumed"):
        assert invoke("prepare", "recipe.yaml", "--workspace", workspace).exit_code == 0
        if workspace == "resumed":
            with monkeypatch.context() as patch:
                patch.setattr(Checkpoints, "save", save_and_break)
                assert "broken off" in invoke("train", "recipe.yaml", "--workspace", workspace).output
        trained = invoke("train", "recipe.yaml", "--workspace", workspace)
        assert ("resuming from step 4 of 6" in trained.output) == (workspace == "resumed"), trained.output
        (file,) = recipe_folder.glob(f"{workspace}/adapters/*/*/vocabulary.safetensors")
        files.append(file.read_bytes())
    assert files[0] == files[1]


def test_focus_is_not_run_without_new_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(make_base(tmp_path).folder)
    base, tokenizer = load_masked_lm(folder, None, "base"), load_tokenizer(folder, None, "base")
    recipe = Recipe.model_validate(
        {
            "language": "bod_Tibt",
            "base": {"model": "owner/base"},
            "corpus": {"files": ["text.txt"]},
            "vocabulary": {"pieces": "auto", "train": "all", "initialisation": "focus"},
        }
    )

    class Text:
        def pieces(self) -> np.ndarray:
            return np.array([7, 8, 12])

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(make, "focus_rows", fail)
    facts = put_new_pieces(base, tokenizer, tokenizer, recipe, [Text()])  # type: ignore[list-item]
    assert facts == {"trained_base_pieces": 3}
