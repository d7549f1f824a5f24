"""Private interfaces of other libraries that training uses, although they may change without notice.

Each function says what it uses, the version in which it was seen, and what to do when it is gone.
tests/training/test_compat.py checks that all of it exists in the installed versions.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from peft import PeftConfig
    from peft.tuners.tuners_utils import BaseTuner


def linear_kernel() -> Callable[..., Tensor] | None:
    """oneDNN's linear layer, `torch.ops.mkldnn._linear_pointwise` (PyTorch 2.13); None where there is none.

    torch.compile generates calls of it, so it is unlikely to go. Without it fast/linear.py calls PyTorch's own.
    """
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def register_attention(name: str, attention: Callable[..., Any]) -> None:
    """Make `attention` available as `attn_implementation=name`, with the masks of transformers' "sdpa".

    `AttentionInterface` is public. `transformers.masking_utils.sdpa_mask` (5.23) is not exported; when it is gone, take
    "sdpa" from `AttentionMaskInterface`.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)


def sdpa_attention(*args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    """transformers' attention, `transformers.integrations.sdpa_attention.sdpa_attention_forward` (5.23).

    Not exported; when it is gone, take "sdpa" from `AttentionInterface`.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward(*args, **kwargs)  # type: ignore[return-value]


def reset_accelerator_state() -> None:
    """Let the next Accelerator choose its own precision: accelerate (1.15) keeps the first one's for the process.

    `AcceleratorState._reset_state` is what accelerate's own tests use. When it is gone, only the first precision of a
    process counts: train adapters of other precisions in processes of their own.
    """
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()


def initialise_tuner_layer(layer: Any) -> None:
    """Give a BaseTunerLayer (PEFT 0.21.2) its own state, which PEFT reads and sets: it has defaults in the class only.

    When one of the attributes is renamed, rename it here.
    """
    layer._disable_adapters = False
    layer._active_adapter = []
    layer.merged_adapters = []


def register_peft_type(peft_type: str, config: "type[PeftConfig]", model: "type[BaseTuner]") -> None:
    """Make a tuner known to PEFT (0.21.2) under its own `peft_type`.

    `peft.utils.register_peft_method` takes only names from PEFT's enum `PeftType`, so the mappings of `peft.mapping`
    are written directly; a string works as a type from 0.21 on. When the mappings are gone, see whether that function
    takes strings by then.
    """
    from peft import mapping

    key: Any = peft_type  # annotated as the enum
    mapping.PEFT_TYPE_TO_CONFIG_MAPPING[key] = config
    mapping.PEFT_TYPE_TO_TUNER_MAPPING[key] = model
    mapping.PEFT_TYPE_TO_PREFIX_MAPPING[key] = model.prefix


def set_active_adapters(model: Any, names: list[str]) -> None:
    """Activate several adapters of a PeftModel in this order, on top of each other.

    `PeftModel.set_adapter` (0.21.2) takes one name; the tuner's method, `model.base_model.set_adapter`, takes a list.
    """
    model.base_model.set_adapter(names)
