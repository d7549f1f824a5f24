"""Checkpoints of every family: whole ones load, and what is missing or does not fit is an error in one line."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter, load_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.families import FAMILIES, family_of
from lrl_adapt.workspace.errors import UserError
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM

from .models import FAMILIES as TINY
from .models import batch, tiny

FAMILY_NAMES = pytest.mark.parametrize("family", sorted(FAMILIES))
MODEL = "model.safetensors"


def saved(family: str, folder: Path) -> dict[str, torch.Tensor]:
    """Write a tiny model of a family into `folder`; gives the weights of its file."""
    tiny(family).save_pretrained(folder)
    return load_file(folder / MODEL)


def rewrite(weights: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(weights, folder / MODEL, metadata={"format": "pt"})


def in_head(key: str, family: str) -> bool:
    return any(key.startswith(f"{name}.") for name in family_of(family).head)


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        load_masked_lm(str(folder), None, "base.model")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"base.model {folder}: ")
    return message


@FAMILY_NAMES
def test_a_whole_checkpoint_loads_with_its_weights(family: str, tmp_path: Path) -> None:
    saved(family, tmp_path)
    loaded, expected = load_masked_lm(str(tmp_path), None, "base.model"), tiny(family)
    torch.testing.assert_close(loaded.eval()(**batch()).logits, expected(**batch()).logits)


@FAMILY_NAMES
def test_a_whole_pickled_checkpoint_loads(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = load_masked_lm(str(tmp_path), None, "base.model")
    torch.testing.assert_close(loaded.eval()(**batch()).logits, model(**batch()).logits)


@FAMILY_NAMES
def test_an_encoder_without_lm_head_is_refused(family: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    rewrite({key: value for key, value in weights.items() if not in_head(key, family)}, tmp_path)
    message = refusal(tmp_path)
    assert "no complete masked-LM head" in message
    assert "choose a base that has one, such as FacebookAI/xlm-roberta-base" in message
    assert sum(in_head(name, family) for name in message.split("(")[1].split(")")[0].split(", ")) == 3


@FAMILY_NAMES
def test_a_model_saved_as_an_encoder_is_refused(family: str, tmp_path: Path) -> None:
    tiny(family).base_model.save_pretrained(tmp_path)  # as sentence encoders are published
    assert "no complete masked-LM head" in refusal(tmp_path)


@FAMILY_NAMES
def test_a_single_missing_weight_of_the_head_is_refused(family: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    missing = max(key for key in weights if in_head(key, family))
    rewrite({key: value for key, value in weights.items() if key != missing}, tmp_path)
    assert f"head, 1 weight ({missing}) missing" in refusal(tmp_path)


@FAMILY_NAMES
def test_half_an_encoder_is_refused(family: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    kept = {key: value for key, value in weights.items() if in_head(key, family) or "layer.1." not in key}
    kept = {key: value for key, value in kept.items() if "layers.1." not in key}
    rewrite(kept, tmp_path)
    message = refusal(tmp_path)
    assert f"incomplete, {len(weights) - len(kept)} weights" in message
    assert "of the encoder missing: download or save it again, or choose another base" in message


@FAMILY_NAMES
def test_other_shapes_than_in_the_configuration_are_refused(family: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    embeddings = next(key for key in weights if "word_embeddings" in key or "tok_embeddings" in key)
    rewrite({**weights, embeddings: weights[embeddings][:-7].contiguous()}, tmp_path)
    rows, width = weights[embeddings].shape
    message = refusal(tmp_path)
    assert f"{embeddings} has shape ({rows - 7}, {width}), expected ({rows}, {width})" in message
    assert message.endswith("download or save both again")


@pytest.mark.parametrize(
    ("family", "bias"),
    [
        ("bert", "cls.predictions"),
        ("roberta", "lm_head"),
        ("xlm-roberta", "lm_head"),
        ("deberta-v2", "cls.predictions"),
    ],
)
def test_the_decoders_bias_may_have_either_of_its_names(family: str, bias: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    weights[f"{bias}.decoder.bias"] = weights.pop(f"{bias}.bias")
    rewrite(weights, tmp_path)
    loaded = load_masked_lm(str(tmp_path), None, "base.model")
    torch.testing.assert_close(loaded.eval()(**batch()).logits, tiny(family)(**batch()).logits)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "distilbert", "electra"])
def test_buffers_and_other_heads_in_old_checkpoints_do_no_harm(family: str, tmp_path: Path) -> None:
    weights = saved(family, tmp_path)
    prefix = next(key for key in weights if "embeddings" in key).split(".")[0]
    extra = {
        f"{prefix}.embeddings.position_ids": torch.arange(512).unsqueeze(0),
        f"{prefix}.pooler.dense.weight": torch.zeros(32, 32),
        "cls.seq_relationship.weight": torch.zeros(2, 32),
    }
    rewrite({**weights, **extra}, tmp_path)
    loaded = load_masked_lm(str(tmp_path), None, "base.model")
    torch.testing.assert_close(loaded.eval()(**batch()).logits, tiny(family)(**batch()).logits)


def test_microsofts_deberta_checkpoints_are_refused_for_the_names_of_their_head(tmp_path: Path) -> None:
    weights = saved("deberta-v2", tmp_path)
    kept = {key: value for key, value in weights.items() if not in_head(key, "deberta-v2")}
    theirs = {  # deberta-v3 holds mask_predictions too, the head of its replaced-token detection
        "lm_predictions.lm_head.dense.weight": torch.zeros(32, 32),
        "lm_predictions.lm_head.dense.bias": torch.zeros(32),
        "lm_predictions.lm_head.LayerNorm.weight": torch.ones(32),
        "lm_predictions.lm_head.LayerNorm.bias": torch.zeros(32),
        "lm_predictions.lm_head.bias": torch.zeros(97),
        "mask_predictions.dense.weight": torch.zeros(32, 32),
    }
    rewrite({**kept, **theirs}, tmp_path)
    assert "no complete masked-LM head" in refusal(tmp_path)
    config = AutoConfig.for_model("deberta-v2", **TINY["deberta-v2"], legacy=False)
    AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)  # whose head our code does not find
    with pytest.raises(UserError, match="this deberta-v2 has no cls"):
        load_masked_lm(str(tmp_path), None, "base.model")


@pytest.mark.parametrize("size", [0, 10, 3000])
@pytest.mark.parametrize("name", [MODEL, "pytorch_model.bin"])
def test_damaged_files_are_refused(name: str, size: int, tmp_path: Path) -> None:
    model = tiny("bert")
    model.config.save_pretrained(tmp_path)
    if name == MODEL:
        model.save_pretrained(tmp_path)
    else:
        torch.save(model.state_dict(), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:size])
    message = refusal(tmp_path)
    assert "cannot read its weights" in message
    assert message.endswith("download or save them again")


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    tiny("bert").config.save_pretrained(tmp_path)
    torch.save({"weights": Touch()}, tmp_path / "pytorch_model.bin")
    assert "cannot read its weights" in refusal(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_full_model_that_lacks_weights_is_refused_too(tmp_path: Path) -> None:
    save_adapter(language_adapter(tiny("bert", seed=1), Adapter(type="full")), tmp_path)
    loaded = load_adapter(tiny("bert"), tmp_path)
    torch.testing.assert_close(loaded.eval()(**batch()).logits, tiny("bert", seed=1)(**batch()).logits)
    weights = load_file(tmp_path / MODEL)
    rewrite({key: value for key, value in weights.items() if not in_head(key, "bert")}, tmp_path)
    with pytest.raises(UserError, match="no complete masked-LM head"):
        load_adapter(tiny("bert"), tmp_path)
