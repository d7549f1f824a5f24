"""Adapters trained together are those of their own runs."""

import itertools
import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from lrl_adapt import pipeline
from lrl_adapt.pipeline.outcome import PlanFailedError
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.schema import Adapter, Recipe
from lrl_adapt.training import loop, together
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import Step
from lrl_adapt.training.loop import GradientRequest, Stopped
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.precision import make_accelerator
from lrl_adapt.training.together import compute_gradients
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.artifacts import read_manifest
from lrl_adapt.workspace.progress import Quiet
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForMaskedLM

from ..cli.small import SMALL, TEXT, invoke
from ..said import Said
from .models import FAMILIES, shake, tiny

LANGUAGES = ("swh_Latn", "mlt_Latn", "hau_Latn")
RECIPE = """
language: swh_Latn
base: {model: base}
corpus: {files: "{language}.txt"}
training: {max_steps: 12, batch_tokens: 300, max_length: 24, eval_steps: 4, logging_steps: 1, save_steps: 5,
  precision: fp32, learning_rate: 0.001}
"""
VARIED = {
    "swh_Latn": (),
    "mlt_Latn": ("training.max_steps=7", "training.seed=1"),
    "hau_Latn": ("training.device_batch_tokens=100", "training.learning_rate=0.01"),
}
"""Changes of each language's recipe: one ends earlier, one cuts its steps into several forwards."""


def make_base(family: str, folder: Path) -> None:
    """A base with random weights and dropout, and its tokenizer."""
    tokenizer = train_tokenizer([text(language) for language in LANGUAGES], 400)
    sizes = FAMILIES[family] | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def text(language: str) -> str:
    words = random.Random(language)
    vocabulary = ["".join(words.choices("aeiou" + language, k=words.randint(2, 9))) for _ in range(60)]
    return "\n".join(" ".join(words.choices(vocabulary, k=words.randint(3, 12))) for _ in range(120))


@pytest.fixture
def folder(folder: Path) -> Path:
    """The current folder, with texts, a recipe and a BERT."""
    for language in LANGUAGES:
        (folder / f"{language}.txt").write_text(text(language), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    make_base("bert", folder / "base")
    return folder


def recipes(*changes: str, varied: Mapping[str, tuple[str, ...]] = VARIED) -> dict[str, Recipe]:
    return {
        language: load_recipe("recipe.yaml", [f"language={language}", *changes, *more])
        for language, more in varied.items()
    }


def train(runs: Mapping[str, Recipe], workspace: str, *, together: int = 1, progress: Said | None = None) -> list[Path]:
    """The folders of the adapters."""
    planned = pipeline.plan(runs, workspace=workspace, parts=("prepare", "train"), together=together)
    outcome = planned.execute(progress or Said())
    outcome.raise_if_failed()
    return [planned.adapter_of(label).folder for label in runs]


def losses(adapter: Path) -> list[tuple[int, float]]:
    entries = [json.loads(line) for line in (adapter / "metrics.jsonl").read_text().splitlines()]
    values = [(entry["step"], entry.get("loss", entry.get("validation_loss"))) for entry in entries]
    return [(step, loss) for step, loss in values if loss is not None]


def assert_same(ones: list[Path], others: list[Path]) -> None:
    for one, other in zip(ones, others, strict=True):
        assert one.name == other.name  # the same key
        steps, values = zip(*losses(one), strict=True)
        other_steps, other_values = zip(*losses(other), strict=True)
        assert steps == other_steps
        assert values == pytest.approx(other_values, abs=1e-5)
        for file in ("adapter_model.safetensors", "last/adapter_model.safetensors"):
            weights, other_weights = load_file(one / file), load_file(other / file)
            assert weights.keys() == other_weights.keys()
            for name, weight in weights.items():
                assert (weight - other_weights[name]).abs().max() <= 1e-5, f"{file}: {name}"
        facts, other_facts = (read_manifest(each)["facts"] for each in (one, other))
        for name in ("steps", "best_step", "tokens_seen", "trainable_parameters", "skipped_steps"):
            assert facts[name] == other_facts[name]


@pytest.mark.parametrize("adapter", ["seq_bn", "seq_bn_inv"])
def test_each_adapter_is_that_of_its_own_run(folder: Path, adapter: str) -> None:
    runs = recipes(f"adapter={{type: {adapter}, reduction_factor: 4, dropout: 0.1}}")
    progress = Said()
    adapters = train(runs, "together", together=3, progress=progress)
    assert not any("one after the other" in line for line in progress.lines)
    assert [read_manifest(each)["trained_together"] for each in adapters] == [3, 3, 3]
    assert_same(adapters, train(runs, "alone"))


def test_one_that_stops_early_leaves_the_others(folder: Path) -> None:
    """Weights that grow without bounds make every validation worse than the one at the start."""
    early = ("training.early_stopping_patience=1", "training.eval_steps=2", "training.learning_rate=100")
    runs = recipes(varied={"swh_Latn": (), "mlt_Latn": early})
    adapters = train(runs, "together", together=2)
    facts = [read_manifest(each)["facts"] for each in adapters]
    assert [each["steps"] for each in facts] == [12, 2]
    assert_same(adapters, train(runs, "alone"))


def test_each_adapter_is_a_line_below_which_the_memory_of_all_stands_once() -> None:
    shown: list[dict[str, str]] = []

    class Screen(Quiet):
        def status(self, facts: Mapping[str, str]) -> None:
            shown.append(dict(facts))

    lines: dict[str, str] = {}
    for label, loss in (("swh", "5.1"), ("mlt", "4.2")):
        progress = together._MemberProgress(label, Screen(), lines)
        progress.status({"loss": loss, "tokens/s": "900", "memory": "2.0 GB", "remaining": "9 s"})
    assert shown[-1] == {"adapters": "swh: loss 5.1, tokens/s 900\nmlt: loss 4.2, tokens/s 900", "memory": "2.0 GB"}


class PowerCutError(BaseException):
    pass


@contextmanager
def at_step(number: int, act: Callable[[], object]) -> Iterator[None]:
    """Before the n-th step that is made together, call `act`."""
    steps = itertools.count(1)

    def compute(requests: Sequence[GradientRequest]) -> list[torch.Tensor]:
        if next(steps) == number:
            act()
        return compute_gradients(requests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "compute_gradients", compute)
        yield


def cut_power() -> None:
    raise PowerCutError


def test_a_stop_and_a_kill_are_resumed_from_each_adapters_own_checkpoint(folder: Path) -> None:
    runs = recipes()
    stopped = pytest.raises(Stopped, match=r"stopped after step 5; run the same command again to resume")
    with at_step(4, lambda: os.kill(os.getpid(), signal.SIGTERM)), stopped:
        train(runs, "runs", together=3)
    # in the ninth step of two, after the third has ended with its seventh
    with at_step(4, cut_power), pytest.raises(PowerCutError):
        train(runs, "runs", together=3)
    progress = Said()
    resumed = train(runs, "runs", together=3, progress=progress)
    resuming = [f"{language}: resuming from step 5 of 12" for language in ("swh_Latn", "hau_Latn")]
    assert [line for line in progress.lines if "resuming" in line] == resuming
    assert f"adapter: already finished, {resumed[1]}" in progress.lines
    assert [read_manifest(each)["trained_together"] for each in resumed] == [2, 3, 2]
    assert_same(resumed, train(runs, "alone"))


def test_one_that_fails_does_not_stop_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_SKIPPED_STEPS", 2)
    runs = recipes("training.max_steps=4", varied=VARIED | {"mlt_Latn": ("training.learning_rate=1e30",)})
    progress = Said()
    with pytest.raises(PlanFailedError, match=r"^1 of 3 runs failed:\n  mlt_Latn: 2 steps were skipped"):
        train(runs, "runs", together=3, progress=progress)
    assert any(line.startswith("mlt_Latn: 2 steps were") for line in progress.lines)
    folders = train({label: run for label, run in runs.items() if label != "mlt_Latn"}, "runs")
    assert [read_manifest(each)["trained_together"] for each in folders] == [3, 3]


def test_a_base_that_takes_padded_batches_trains_them_one_after_the_other(folder: Path) -> None:
    make_base("deberta-v2", folder / "base")
    progress = Said()
    runs = recipes("training.max_steps=2", varied=dict.fromkeys(LANGUAGES[:2], ()))
    folders = train(runs, "runs", together=2, progress=progress)
    line = "not trained together, but one after the other: this base takes padded batches"
    assert progress.lines.count(line) == 1
    assert not any("trained_together" in read_manifest(each) for each in folders)


def test_a_grid_of_seeds_on_the_command_line(folder: Path) -> None:
    """The base with random weights, which the runs of one language share, is made first."""
    grid = "grid: {training.seed: [1, 2]}\neval: {tasks: [mlm], mlm: {max_sentences: 3}}\n"
    (folder / "grid.yaml").write_text(SMALL + grid, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    result = invoke("run", "grid.yaml", "--together", "2")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    (heading,) = [line for line in lines if line.endswith("together") and line.startswith("2/4")]
    assert heading == "2/4 train seq_bn of training.seed=1, training.seed=2, together"
    manifests = [read_manifest(each) for each in (folder / "runs/adapters/swh_Latn").glob("[!.]*")]
    assert [manifest["trained_together"] for manifest in manifests] == [2, 2]


@pytest.mark.parametrize("adapter", ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "deberta-v2"])
def test_gradients_are_those_of_each_run(family: str, adapter: str) -> None:
    """Two runs with different weights and batches, one of them in two forwards, dropout and sparse groups included."""
    settings = Adapter.model_validate({"type": adapter, "reduction_factor": 4, "dropout": 0.1, "sparse_groups": 2})
    accelerator = make_accelerator("fp32")[0]
    requests = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = MaskedLM(language_adapter(tiny(family), settings)).train()
        shake(model, seed)
        run = SimpleNamespace(model=model, dropout_seed=seed, accelerator=accelerator)
        batches = [packed_batch(model, 10 * seed + number) for number in range(seed)]
        requests.append(GradientRequest(cast(loop.Run, run), Step(batches, 30, 0, {})))
    losses = compute_gradients(requests)
    for request, loss in zip(requests, losses, strict=True):
        trained = [parameter for parameter in request.run.model.parameters() if parameter.requires_grad]
        gradients = [parameter.grad for parameter in trained]
        request.run.model.zero_grad(set_to_none=True)
        expected = alone(request)
        assert float(loss) == pytest.approx(float(expected), abs=1e-5)
        for parameter, gradient in zip(trained, gradients, strict=True):
            torch.testing.assert_close(gradient, parameter.grad, atol=1e-6, rtol=1e-4)


def alone(request: GradientRequest) -> torch.Tensor:
    """The loss of the request's step by itself, with plain PyTorch; leaves the gradients in the model."""
    torch.manual_seed(request.run.dropout_seed)
    losses = [request.run.model(**batch) / request.step.labelled_tokens for batch in request.step.batches]
    torch.stack(losses).sum().backward()
    return torch.stack(losses).sum().detach()


def packed_batch(model: MaskedLM, seed: int) -> dict:
    random_numbers = np.random.default_rng(seed)
    ids = [random_numbers.integers(5, 97, length) for length in (4, 5, 9, 3)]
    return model.layout.batch(ids, [np.where(random_numbers.random(len(row)) < 0.4, row, -100) for row in ids])
