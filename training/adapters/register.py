"""Making our own tuner types known to PEFT."""

from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner


def register(peft_type: str, config: type[PeftConfig], model: type[BaseTuner]) -> None:
    """Enter a tuner into PEFT's mappings under its own `peft_type`.

    `peft.utils.register_peft_method` takes only names from PEFT's own enum, so the mappings are written directly;
    a string type works from PEFT 0.21 on.
    """
    key: Any = peft_type  # a string where PEFT's annotations want its enum
    PEFT_TYPE_TO_CONFIG_MAPPING[key] = config
    PEFT_TYPE_TO_TUNER_MAPPING[key] = model
    PEFT_TYPE_TO_PREFIX_MAPPING[key] = model.prefix
