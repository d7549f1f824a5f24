"""Tiny random encoders of each family, the same for the same seed."""

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

SIZES = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
FAMILIES = {
    "bert": (BertConfig, BertForMaskedLM),
    "roberta": (RobertaConfig, RobertaForMaskedLM),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaForMaskedLM),
}


def tiny(family: str, seed: int = 0):
    config, model = FAMILIES[family]
    torch.manual_seed(seed)
    return model(config(**SIZES, initializer_range=0.2)).eval()


def shake(model, seed: int = 1) -> None:
    """Move every trainable weight, so that nothing is the identity by chance of its initialisation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)


def batch(rows: int = 3, length: int = 9) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, SIZES["vocab_size"], (rows, length), generator=torch.Generator().manual_seed(3))
    mask = torch.ones_like(ids)
    mask[-1, length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask}
