"""Defaults are in the schema, and a field that is new changes no artifact's key until it is set."""

import json

from lrl_adapt.recipes.evaluation import PseudoPerplexity
from lrl_adapt.recipes.loading import BUNDLED
from lrl_adapt.recipes.training import CPU_DEVICE_TOKENS, TaskTraining, Training


def test_the_batch_of_pseudo_perplexity_is_by_device_unless_it_is_set() -> None:
    settings = PseudoPerplexity()
    assert (settings.batch_tokens_on("cpu"), settings.batch_tokens_on("cuda")) == (2048, 8192)
    assert PseudoPerplexity(batch_tokens=77).batch_tokens_on("cuda") == 77


def test_descriptions_say_the_defaults_that_depend_on_the_device() -> None:
    definitions = json.loads((BUNDLED / "recipe.schema.json").read_text(encoding="utf-8"))["$defs"]
    described = definitions["PseudoPerplexity"]["properties"]["batch_tokens"]["description"]
    assert "2,048 on a CPU, 8,192 on a GPU" in described
    described = definitions["Training"]["properties"]["device_batch_tokens"]["description"]
    assert f"{CPU_DEVICE_TOKENS:,} on a CPU" in described


def test_newer_fields_enter_the_keys_only_where_they_are_set() -> None:
    assert "validation_batch_tokens" not in Training().settings()
    assert Training(validation_batch_tokens=512).settings()["validation_batch_tokens"] == 512
    before = {"epochs", "learning_rate", "warmup", "weight_decay", "batch_size", "max_length", "reduction_factor"}
    assert set(TaskTraining().settings(tags=False)) == before
    assert set(TaskTraining().settings(tags=True)) == before | {"label_pieces"}
    changed = TaskTraining(dropout=0.3, max_grad_norm=2.0, lr_scheduler_type="constant_with_warmup").settings(
        tags=False
    )
    assert set(changed) == before | {"dropout", "clip_norm", "schedule"}
