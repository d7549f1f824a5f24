"""Tiny random encoders of each family, the same for the same seed."""

import torch
from transformers import AutoConfig, AutoModelForMaskedLM

SIZES = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SMALL_EMBEDDINGS = {"embedding_size": 20}
DISTILBERT = {"vocab_size": 97, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
RELATIVE = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
EDGES = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
FAMILIES = {
    "bert": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "distilbert": DISTILBERT,
    "electra": SIZES | SMALL_EMBEDDINGS,
    "deberta-v2": SIZES | RELATIVE,
    "modernbert": SIZES | EDGES | {"local_attention": 4},  # the second block's tokens see two on either side
}


def tiny(family: str, seed: int = 0):
    torch.manual_seed(seed)
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, **FAMILIES[family])).eval()
    with torch.no_grad():  # LayerNorms and biases too, which start as ones and zeros
        for parameter in model.parameters():
            parameter.normal_(std=0.2) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


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
