"""The weighted average of the weights of adapters, and task arithmetic with them.

With t_i the weights of the i-th adapter, w_i its factor, and t_0 the weights at which an adapter changes nothing:

    t = t_0 + sum_i w_i (t_i - t_0) = sum_i w_i t_i + (1 - sum_i w_i) t_0

t_0 is 0 for bottlenecks, couplings and LoRA, 1 for the vectors of (IA)³, and the base's own weights for the LM head and
for whole models. It drops out where the factors sum to 1, and `sum_i w_i t_i` is what AdapterHub's `average_adapter`
computes with its default `combine_strategy="linear"` (https://docs.adapterhub.ml/merging_adapters.html), and its
`average_head` for heads.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (https://arxiv.org/abs/2212.04089); Zhang et al. 2023,
"Composing Parameter-Efficient Modules with Arithmetic Operations" (https://arxiv.org/abs/2306.14870).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft import PeftConfig
from torch import Tensor

from ...workspace.errors import UserError

PEFT_PREFIX = "base_model.model."
STARTS_AT_ZERO = (".bottleneck_adapters.", ".bottleneck_couplings.", ".lora_A.", ".lora_B.")
STARTS_AT_ONE = (".ia3_l",)
SUM_TOLERANCE = 1e-9  # factors such as 0.1, 0.2 and 0.7 sum to 1 up to rounding
# Settings that say nothing about the shape or the meaning of the weights; AdapterHub, too, ignores dropout and
# initialisation.
IGNORED_SETTINGS = {
    *("base_model_name_or_path", "revision", "peft_version", "task_type", "inference_mode", "auto_mapping"),
    *("dropout", "lora_dropout", "init", "init_lora_weights", "init_ia3_weights"),
}


def normalised(weights: Sequence[float]) -> list[float]:
    """The weights divided by their sum. Raises UserError if that is 0."""
    total = math.fsum(weights)
    if abs(total) < SUM_TOLERANCE:
        raise UserError("the weights sum to 0, so they cannot be divided by their sum; add --no-normalize")
    return [weight / total for weight in weights]


def sums_to_one(weights: Sequence[float]) -> bool:
    """Whether the weights of the base have no part in a sum with these factors."""
    return abs(math.fsum(weights) - 1) < SUM_TOLERANCE


def average_weights(
    adapters: Sequence[Mapping[str, Tensor]], factors: Sequence[float], base: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The sum of adapters with these factors, by the formula above, computed in fp64.

    Args:
        adapters: The weights of each adapter, with the same names and shapes.
        factors: One for each adapter.
        base: The weights of the base, which are needed only if the factors do not sum to 1.

    Returns:
        Weights with the names, shapes and types of the first adapter's. Tensors of integers are the first adapter's.

    Raises:
        UserError: The factors do not sum to 1, and `base` lacks a weight or is not given.
    """
    rest = 0.0 if sums_to_one(factors) else 1 - math.fsum(factors)
    averaged = {}
    for name, first in adapters[0].items():
        if not first.is_floating_point():
            averaged[name] = first
            continue
        total = torch.zeros(first.shape, dtype=torch.float64)
        for weights, factor in zip(adapters, factors, strict=True):
            total += factor * weights[name].double()
        if rest:
            total += rest * _start(name, base or {})
        averaged[name] = total.to(first.dtype)
    return averaged


def _start(name: str, base: Mapping[str, Tensor]) -> Tensor | float:
    """The weight at which an adapter changes nothing."""
    if any(part in name for part in STARTS_AT_ZERO):
        return 0.0
    if any(part in name for part in STARTS_AT_ONE):
        return 1.0
    own_name = name.removeprefix(PEFT_PREFIX)
    if own_name not in base:
        raise UserError(f"{own_name} is not a weight of the base: use weights that sum to 1")
    return base[own_name].double()


def check_same_settings(configs: Sequence[PeftConfig], names: Sequence[str]) -> None:
    """Raise a UserError that names the first setting in which an adapter differs from the first one."""
    first, *others = (_settings(config) for config in configs)
    for name, settings in zip(names[1:], others, strict=True):
        for key in sorted(first.keys() | settings.keys()):
            if first.get(key) != settings.get(key):
                raise UserError(
                    f"{name} differs from {names[0]} in {key} ({_shown(settings.get(key))}, not "
                    f"{_shown(first.get(key))}): only adapters of one shape can be merged"
                )


def check_same_shapes(adapters: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> None:
    """Raise a UserError that names the first weight that an adapter lacks, or has in another shape."""
    first = adapters[0]
    for name, weights in zip(names[1:], adapters[1:], strict=True):
        for key in sorted(first.keys() ^ weights.keys()):
            having, lacking = (names[0], name) if key in first else (name, names[0])
            raise UserError(
                f"{having} has the weight {key}, which {lacking} lacks: only adapters of one shape can be merged"
            )
        for key, weight in weights.items():
            if weight.shape != first[key].shape:
                raise UserError(
                    f"{name} has {key} in the shape {tuple(weight.shape)}, {names[0]} in {tuple(first[key].shape)}: "
                    "only adapters of one shape can be merged"
                )


def _settings(config: PeftConfig) -> dict[str, Any]:
    """The settings that adapters must share; lists of names without their order."""
    settings = {key: value for key, value in config.to_dict().items() if key not in IGNORED_SETTINGS}
    for key in ("target_modules", "modules_to_save", "feedforward_modules"):
        if isinstance(settings.get(key), list | set | tuple):
            settings[key] = sorted(settings[key])
    return settings


def _shown(value: Any) -> str:
    return "none" if value is None or value == [] else str(value)
