"""A new masked-LM head for encoders that come without one, such as multilingual-e5 or LaBSE."""

import torch
from torch import nn
from transformers import PreTrainedModel

from .families import family_of

SEED = 0  # a base with a new head is the same wherever it is loaded
INIT_STD = 0.02  # BERT's `initializer_range`


def initialise_head(model: PreTrainedModel) -> None:
    """Initialise the LM head in place: its dense layers near the identity, its LayerNorms and biases neutral.

    The decoder stays tied to the input embeddings. Near the identity, the head starts by comparing the encoder's own
    output with the embeddings, which is closer to the goal than a random map: it is trained with the adapter.
    """
    generator = torch.Generator().manual_seed(SEED)
    family = family_of(model.config.model_type)
    decoder = model.get_output_embeddings()
    with torch.no_grad():
        for name in family.head:
            for module in model.get_submodule(name).modules():
                if module is not decoder:
                    _initialise(module, generator)
        if isinstance(bias := getattr(decoder, "bias", None), torch.Tensor):
            bias.zero_()
    model.tie_weights()


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, nn.Linear):
        nn.init.eye_(module.weight)
        module.weight += torch.randn(module.weight.shape, generator=generator) * INIT_STD
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
    if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
        nn.init.zeros_(module.bias)
