"""The models of controls, which are compared with trained adapters: see `recipes.control`."""

from typing import Any

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from ..families import family_of
from .bottleneck import BottleneckConfig
from .files import LANGUAGE

INIT_STD = 0.02  # that of the bottlenecks whose standard initialisation is random


def randomise_identity(model: Any) -> None:
    """Draw the weights of a new adapter that the standard initialisation sets so that it changes nothing.

    seq_bn, seq_bn_inv and double_seq_bn are random from the start: N(0, 0.02). LoRA's B, the up-projection of par_bn
    and (IA)³'s vectors are not, so they are drawn here from N(0, 0.02), around 1 for (IA)³: an untrained control is
    meant to change hidden states at random, and not to be the base once more.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            is_zero_projection = name.endswith(".up.weight") and not parameter.any()
            if ".lora_B." in name or is_zero_projection:
                nn.init.normal_(parameter, std=INIT_STD)
            elif ".ia3_l." in name:
                nn.init.normal_(parameter, mean=1.0, std=INIT_STD)


def head_alone(base: PreTrainedModel) -> PeftModel:
    """`base` frozen, but for the dense layer and LayerNorm of the LM head; saved and loaded like any adapter.

    It is a bottleneck adapter that leaves out all blocks.
    """
    heads = list(family_of(base.config.model_type).head_modules)
    blocks = list(range(base.config.num_hidden_layers))
    config = BottleneckConfig(leave_out=blocks, modules_to_save=heads)
    return get_peft_model(base, config, adapter_name=LANGUAGE)  # type: ignore[return-value]
