"""The anchor against padded batches through transformers, and the drift against its definition."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lrl_adapt import pipeline
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training import language_adapter as training
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.anchor import Anchored, Drift, mean_distance, warn_of_drift
from lrl_adapt.training.batches import Layout, MaskedSteps, Sampler
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.precision import make_accelerator
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.progress import QUIET
from safetensors.torch import load_file
from torch import Tensor, nn

from ..cli.small import SMALL, TEXT
from .models import shake, tiny
from .test_mlm import masked_rows, masking, padded

WEIGHT = 3.0


class Rows:
    """Sequences of token ids with these lengths."""

    def __init__(self, sizes: list[int]) -> None:
        self.lengths = np.array(sizes)

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        return [np.arange(5, 5 + self.lengths[number]) for number in numbers]


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def adapted(family: str, kind: str):
    model = language_adapter(tiny(family), Adapter(type=kind, reduction_factor=4)).eval()
    if kind != "full":  # of a whole model, the anchor is the model as it is when training starts
        shake(model)
    return model


def pooled(model, given: dict[str, Tensor]) -> Tensor:
    inputs = {name: given[name] for name in ("input_ids", "attention_mask")}
    hidden = model(**inputs, output_hidden_states=True).hidden_states[-1]
    mask = given["attention_mask"].unsqueeze(-1)
    return (hidden * mask).sum(1) / mask.sum(1)


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "lora", "full"])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "deberta-v2"])
def test_loss_and_gradients_equal_a_plain_computation(family: str, kind: str) -> None:
    ids, labels = masked_rows()
    given = padded(ids, labels)
    model = adapted(family, kind)
    anchored = Anchored(MaskedLM(model), WEIGHT)
    if kind == "full":
        shake(model)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    distances = 1 - torch.cosine_similarity(pooled(model, given), pooled(tiny(family), given).detach())
    standard = model(**given).loss + WEIGHT * distances.mean()
    expected = torch.autograd.grad(standard, trainable, allow_unused=True, materialize_grads=True)
    labelled = (given["labels"] != IGNORE_INDEX).sum()
    without_dropout(anchored.train())
    packed = anchored.masked_lm.layout.batch(ids, labels)
    weight = labelled / len(ids)
    loss = anchored(**packed, sequence_weight=weight) / labelled
    gradients = torch.autograd.grad(loss, trainable, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(loss, standard, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, expected, atol=1e-5, rtol=1e-5)


def test_the_penalty_of_a_step_does_not_depend_on_how_it_is_cut() -> None:
    model = adapted("bert", "seq_bn")
    anchored = Anchored(MaskedLM(model), WEIGHT)
    without_dropout(anchored.train())
    sampler = Sampler(Rows([9, 4, 6, 9, 2]), 400, None, 0)  # type: ignore[arg-type]
    losses = []
    for device_tokens in (400, 12):
        feed = MaskedSteps([sampler], masking(0.5), Layout(0, True), device_tokens, anchored=True)
        sampler.epoch = sampler.batch_number = 0
        step = next(feed.steps())
        total = torch.stack([anchored(**batch) for batch in step.batches]).sum()
        losses.append((len(step.batches), float(total / step.labelled_tokens)))
    (one, whole), (several, cut) = losses
    assert one == 1 < several
    assert whole == pytest.approx(cut, rel=1e-5)


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "lora", "ia3"])
def test_looking_at_the_base_leaves_the_model_as_it_was(kind: str) -> None:
    model = adapted("bert", kind)
    anchored = Anchored(MaskedLM(model), WEIGHT).train()
    before = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    anchored(**anchored.masked_lm.layout.batch(*masked_rows())).backward()
    assert before == {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert all(module.training for module in anchored.modules())
    anchored.eval()
    batch = anchored.masked_lm.layout.batch(*masked_rows())
    assert torch.equal(anchored(**batch), anchored.masked_lm(**batch))  # validation is without the penalty


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "lora", "full"])
def test_drift_is_the_mean_distance_from_the_base(kind: str) -> None:
    ids, labels = masked_rows()
    model = language_adapter(tiny("bert"), Adapter(type=kind, reduction_factor=4))
    masked_lm = MaskedLM(model)
    drift = Drift(masked_lm, [masked_lm.layout.batch(ids, labels)], make_accelerator("fp32")[0])
    base = pooled(tiny("bert"), padded(ids, labels)).detach()
    if kind in ("lora", "full"):
        assert drift.facts()["drift"] == pytest.approx(0, abs=1e-6)
    shake(model)
    moved = pooled(model, padded(ids, labels)).detach()
    facts = drift.facts()
    assert facts["drift"] == pytest.approx(float((1 - torch.cosine_similarity(moved, base)).mean()), abs=1e-5)
    pairs = [1 - torch.cosine_similarity(base[i], base[j], dim=0) for i in range(5) for j in range(5) if i != j]
    assert facts["base_sentence_distance"] == pytest.approx(float(torch.stack(pairs).mean()), abs=1e-5)
    assert mean_distance(base[:1]) == 0


def test_a_large_drift_is_warned_of() -> None:
    assert warn_of_drift({"drift": 0.04, "base_sentence_distance": 0.2}) == ""
    warning = warn_of_drift({"drift": 0.15, "base_sentence_distance": 0.2})
    assert "by 0.150" in warning
    assert "0.200 apart" in warning


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def trained(workspace: str, *overrides: str) -> Artifact:
    recipe = load_recipe("recipe.yaml", overrides)
    pipeline.prepare(recipe, workspace=workspace, progress=QUIET)
    return pipeline.train(recipe, workspace=workspace, progress=QUIET)


def test_measuring_the_drift_changes_nothing_in_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unmeasured:
        def __init__(self, *_: object) -> None: ...

        def facts(self) -> dict[str, float]:
            return {"drift": 0.0, "base_sentence_distance": 1.0}

    measured = trained("measured")
    monkeypatch.setattr(training, "Drift", Unmeasured)
    unmeasured = trained("unmeasured")
    assert measured.key == unmeasured.key
    weights = [load_file(artifact.folder / "adapter_model.safetensors") for artifact in (measured, unmeasured)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("kind", ["seq_bn", "full"])
def test_a_strong_anchor_keeps_sentences_near_the_base(folder: Path, kind: str) -> None:
    changes = (f"adapter.type={kind}", "training.learning_rate=0.05", "training.max_steps=10")
    free = trained("runs", *changes)
    held = trained("runs", *changes, "training.anchor=100")
    assert "anchor" not in free.section["training"]
    assert held.section["training"]["anchor"] == 100
    drifts = [artifact.manifest()["facts"]["drift"] for artifact in (free, held)]
    assert 0 < drifts[1] < 0.5 * drifts[0]
    last = json.loads((free.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["drift"] == drifts[0]
    assert f"- drift: {drifts[0]:.4f}" in (free.folder / "README.md").read_text(encoding="utf-8")


def test_lengths_of_packed_sequences() -> None:
    layout = Layout(0, True)
    for sizes in ([3, 3], [2, 3, 40, 5]):
        rows = [np.full(size, number) for number, size in enumerate(sizes)]
        packing = layout.batch(rows, rows)["packing"]
        lengths = torch.cat([group.lengths(torch.device("cpu")) for group in packing.groups])
        assert lengths.tolist() == sizes
