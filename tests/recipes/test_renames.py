"""Former names of fields and values: refused with the present one, and kept in the keys of artifacts."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.loading import load_recipe, load_runs
from lrl_adapt.recipes.overrides import environment_overrides
from lrl_adapt.recipes.renames import FORMER_FIELDS, FORMER_VALUES, PRESENT_FIELDS, PRESENT_VALUES, present_names
from lrl_adapt.recipes.schema import Adapter, FromScratch
from lrl_adapt.recipes.training import TaskTraining, Training
from lrl_adapt.workspace.errors import UserError

RENAMED = [
    ("adapter.alpha", "adapter.lora_alpha"),
    ("adapter.rank", "adapter.r"),
    ("base.from_scratch.heads", "base.from_scratch.num_attention_heads"),
    ("base.from_scratch.layers", "base.from_scratch.num_hidden_layers"),
    ("eval.topic.max_train", "eval.topic.max_train_samples"),
    ("eval.training.clip_norm", "eval.training.max_grad_norm"),
    ("eval.training.epochs", "eval.training.num_train_epochs"),
    ("eval.training.schedule", "eval.training.lr_scheduler_type"),
    ("eval.training.warmup", "eval.training.warmup_ratio"),
    ("training.activation_checkpointing", "training.gradient_checkpointing"),
    ("training.checkpoint_every", "training.save_steps"),
    ("training.clip_norm", "training.max_grad_norm"),
    ("training.eval_every", "training.eval_steps"),
    ("training.keep_checkpoints", "training.save_total_limit"),
    ("training.log_every", "training.logging_steps"),
    ("training.mask_probability", "training.mlm_probability"),
    ("training.patience", "training.early_stopping_patience"),
    ("training.schedule", "training.lr_scheduler_type"),
    ("training.tracker", "training.report_to"),
    ("training.whole_words", "training.whole_word_mask"),
]


def error_of(reference: str, overrides: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        load_runs(reference, overrides)
    return str(caught.value)


def test_every_rename_is_tested_and_no_name_has_two_meanings() -> None:
    assert {new.rpartition(".")[2] for _, new in RENAMED} == FORMER_FIELDS.keys()
    assert len(PRESENT_FIELDS) == len(FORMER_FIELDS)
    assert len(PRESENT_VALUES) == len(FORMER_VALUES)


@pytest.mark.parametrize(("former", "present"), RENAMED)
def test_a_former_field_is_refused_with_its_present_name(former: str, present: str) -> None:
    assert error_of("quickstart", [f"{former}=1"]).endswith(f"--set {former}=1: renamed to {present}")


def test_former_names_in_files_grids_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("extends: quickstart\ntraining: {mask_probability: 0.2}\n", encoding="utf-8")
    assert error_of(str(path), []) == (
        f"{path}: 1 error\n  training.mask_probability: renamed to training.mlm_probability"
    )
    path.write_text("extends: quickstart\ngrid: {adapter.rank: [4, 8]}\n", encoding="utf-8")
    assert error_of(str(path), []) == f"{path}: 1 error\n  grid.adapter.rank: renamed to adapter.r"
    path.write_text("extends: quickstart\nby_language: {swh_Latn: {training: {tracker: none}}}\n", encoding="utf-8")
    assert "training.tracker: renamed to training.report_to" in error_of(str(path), [])
    monkeypatch.setenv("LRL_ADAPT_SET", "training.eval_every=5")
    assert error_of("quickstart", [*environment_overrides()]) == (
        "LRL_ADAPT_SET: training.eval_every=5: renamed to training.eval_steps"
    )


def test_a_former_name_in_another_section_is_an_unknown_key() -> None:
    assert "training.epochs=3: unknown key; did you mean eval.training.num_train_epochs?" in error_of(
        "quickstart", ["training.epochs=3"]
    )


def test_a_former_value_is_refused_with_its_present_name() -> None:
    message = error_of("quickstart", ["training.lr_scheduler_type=constant"])
    assert message == "--set training.lr_scheduler_type=constant: 'constant' is now called constant_with_warmup"


def test_the_keys_of_artifacts_hold_the_former_names() -> None:
    """Of the settings that adapters and scores were made with before the renames."""
    training = Training(lr_scheduler_type="constant_with_warmup", mlm_probability=0.2, early_stopping_patience=3)
    settings = training.settings()
    expected = {"schedule": "constant", "mask_probability": 0.2, "patience": 3, "eval_every": 200, "clip_norm": 1.0}
    assert settings.items() >= expected.items()
    assert not settings.keys() & FORMER_FIELDS.keys()
    assert Adapter(type="lora", r=4).settings() == {
        "type": "lora",
        "rank": 4,
        "alpha": 8,
        "dropout": 0.0,
        "train_head": True,
    }
    assert TaskTraining().settings(tags=False).items() >= {"epochs": 20, "warmup": 0.05}.items()
    assert FromScratch().artifact_settings(include={"num_hidden_layers"}) == {"layers": 2}
    task = Task(file="a.csv", max_train_samples=5)
    assert task.artifact_settings(exclude_defaults=True) == {"file": "a.csv", "max_train": 5}


def test_reports_and_resolved_recipes_show_the_present_names() -> None:
    recorded = {"training": {"schedule": "constant", "max_steps": 5}, "max_train": 5, "files": ["constant"]}
    assert present_names(recorded) == {
        "training": {"lr_scheduler_type": "constant_with_warmup", "max_steps": 5},
        "max_train_samples": 5,
        "files": ["constant"],
    }
    shown = load_recipe("quickstart").model_dump(mode="json")
    assert "mlm_probability" in shown["training"]
