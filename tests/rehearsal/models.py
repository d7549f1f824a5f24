"""Tiny models of random weights, with the files and the vocabularies that the table of facts states."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from .facts import Facts
from .vocabularies import write_bpe, write_sentencepiece, write_unigram, write_wordpiece

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TOKENIZERS = {
    "mbert": write_wordpiece,
    "xlmr": write_unigram,
    "afroxlmr": write_unigram,
    "glot500": write_sentencepiece,
    "mmbert": write_bpe,
    "mdeberta": write_sentencepiece,
}
DEBERTA_V3 = {
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}


def write_model(folder: Path, name: str, about: Facts) -> None:
    """Configuration, weights and tokenizer of the table's model `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = TOKENIZERS[name](folder / about["tokenizer"], about)
    disable_progress_bar()
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(about["family"], **_settings(name, about, pieces)))
    model.save_pretrained(folder)  # config.json and model.safetensors
    if about["weights"].endswith(".safetensors"):
        (folder / "model.safetensors").replace(folder / about["weights"])
    else:
        (folder / "model.safetensors").unlink()
        torch.save(_weights(model, name), folder / about["weights"])


def _settings(name: str, about: Facts, pieces: int) -> dict[str, Any]:
    places = about["unread"]["places"]
    ids = {"pad_token_id": places["pad"]}
    if name == "mmbert":
        ids |= {"cls_token_id": places["cls"], "sep_token_id": places["sep"]}
    if name not in ("mbert", "mdeberta"):
        ids |= {"bos_token_id": places["cls"], "eos_token_id": places["sep"]}
    own = DEBERTA_V3 if name == "mdeberta" else {}
    return {**SIZES, "vocab_size": pieces, "max_position_embeddings": about["positions"], **ids, **own}


def _weights(model: PreTrainedModel, name: str) -> dict[str, torch.Tensor]:
    """What a checkpoint file holds: DeBERTa-v3's has the head under names that transformers does not look for."""
    weights = {key: value.clone() for key, value in model.state_dict().items() if key != "decoder.weight"}
    if name != "mdeberta":
        return weights
    heads = {key: key.replace("cls.predictions.", "lm_predictions.lm_head.") for key in weights}
    return {heads[key]: value for key, value in weights.items()}
