"""Converting configurations between AdapterHub's format and PEFT's."""

from collections.abc import Iterable, Mapping
from typing import Any

from peft import IA3Config, LoraConfig, PeftConfig

from ....workspace.errors import UserError, first_line, shown
from ...families import Family
from ..bottleneck import BottleneckConfig

# Fields of BottleneckConfig and AdapterHub's names of them, where the values are the same.
_SAME_VALUE = {
    "attention": "mh_adapter",
    "feed_forward": "output_adapter",
    "parallel": "is_parallel",
    "norm_before": "original_ln_before",
    "reduction_factor": "reduction_factor",
    "dropout": "dropout",
    "scaling": "scaling",
    "leave_out": "leave_out",
}
# Fields of AdapterHub's that BottleneckConfig lacks, and the values that mean "not used".
_UNSUPPORTED: dict[str, Any] = {
    "ln_before": False,
    "ln_after": False,
    "use_gating": False,
    "phm_layer": False,
    "original_ln_after": True,
    "residual_before_ln": True,
    "adapter_residual_before_ln": False,
    "stochastic_depth": 0.0,
    "cross_adapter": False,
}
_ACTIVATIONS = {"leakyrelu": "leaky_relu"}
_MATRICES = {"q": "query", "k": "key", "v": "value"}
FUSION: dict[str, Any] = {
    "key": True,
    "query": True,
    "value": True,
    "query_before_ln": False,
    "regularization": True,
    "residual_before": False,
    "temperature": False,
    "value_before_softmax": True,
    "value_initialized": True,
    "dropout_prob": None,
}
"""AdapterHub's fusion `dynamic`, the only supported one."""


def bottleneck_from_adapterhub(theirs: Mapping[str, Any], *, invert_before_head: bool) -> BottleneckConfig:
    """The configuration of a bottleneck of AdapterHub's. Raises UserError for parts that are not supported."""
    theirs = {**theirs, **_legacy_coupling(theirs)}
    unsupported = [key for key, unused in _UNSUPPORTED.items() if theirs.get(key, unused) != unused]
    if theirs.get("inv_adapter") not in (None, "nice"):
        unsupported.append("inv_adapter")
    if not isinstance(theirs.get("scaling", 1.0), int | float):
        unsupported.append("scaling")
    if unsupported:
        raise _unsupported(theirs, unsupported)
    ours: dict[str, Any] = {field: theirs[key] for field, key in _SAME_VALUE.items() if key in theirs}
    ours.setdefault("norm_before", False)  # AdapterHub's default, which its presets override
    activation = str(theirs.get("non_linearity", "relu")).lower()
    ours["non_linearity"] = _ACTIVATIONS.get(activation, activation)
    ours["init"] = "mam" if theirs.get("init_weights") == "mam_adapter" else "bert"
    if theirs.get("inv_adapter"):
        factor = theirs.get("inv_adapter_reduction_factor", 2)
        ours |= {"coupling": True, "coupling_reduction_factor": factor, "invert_before_head": invert_before_head}
    try:
        return BottleneckConfig(**ours)
    except ValueError as error:
        raise UserError(f"this adapter is not supported: {first_line(error)}") from error


def _unsupported(theirs: Mapping[str, Any], keys: Iterable[str]) -> UserError:
    settings = ", ".join(f"{key}: {shown(theirs[key])}" for key in keys)
    return UserError(f"this adapter has settings that are not supported: {settings}")


def bottleneck_to_adapterhub(config: BottleneckConfig) -> dict[str, Any]:
    """AdapterHub's configuration of a bottleneck."""
    theirs = {key: getattr(config, field) for field, key in _SAME_VALUE.items()} | _UNSUPPORTED
    names = {ours: name for name, ours in _ACTIVATIONS.items()}
    theirs["non_linearity"] = names.get(config.non_linearity, config.non_linearity)
    theirs["init_weights"] = "mam_adapter" if config.init == "mam" else "bert"
    theirs["scaling"] = float(config.scaling)
    theirs["inv_adapter"] = "nice" if config.coupling else None
    theirs["inv_adapter_reduction_factor"] = config.coupling_reduction_factor if config.coupling else None
    return theirs


def linear_from_adapterhub(theirs: Mapping[str, Any], version: str, family: Family) -> PeftConfig:
    """PEFT's configuration of a LoRA or (IA)³ of AdapterHub's. Raises UserError for parts that PEFT lacks."""
    for key in ("use_gating", "output_lora", "vera_d", "vera_b"):
        if theirs.get(key):
            raise _unsupported(theirs, [key])
    if theirs.get("leave_out"):
        raise UserError("a LoRA or (IA)³ that leaves out blocks cannot be imported")
    names = [_MATRICES[letter] for letter in theirs["attn_matrices"]] if theirs.get("selfattn_lora", True) else []
    targets = [
        family.linears[name] for name in [*names, *(["intermediate"] if theirs.get("intermediate_lora") else [])]
    ]
    if theirs["composition_mode"] not in ("add", "scale"):
        raise UserError(f"composition_mode {shown(theirs['composition_mode'])} is not supported")
    if theirs["composition_mode"] == "scale":
        return IA3Config(target_modules=targets, feedforward_modules=[])
    rank = theirs["r"]
    # Before 1.1.0 `adapters` read alpha but did not use it: such adapters were trained with a scaling of 1.
    alpha = rank if version.startswith(("adapters.0.", "adapters.1.0.")) else theirs["alpha"]
    return LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=theirs.get("dropout", 0.0), target_modules=targets)


def linear_to_adapterhub(config: PeftConfig, family: Family) -> dict[str, Any]:
    """AdapterHub's configuration of a LoRA or (IA)³. Raises UserError for PEFT's variants that AdapterHub lacks."""
    is_ia3 = isinstance(config, IA3Config)
    letters = {family.linears[name]: letter for letter, name in _MATRICES.items()}
    targets = set(getattr(config, "target_modules", None) or ())
    intermediate = family.linears.get("intermediate", "")
    unknown = [target for target in targets if target not in letters and target != intermediate]
    variants = [
        name for name in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern") if getattr(config, name, None)
    ]
    if unknown or variants or (is_ia3 and getattr(config, "feedforward_modules", None)):
        raise UserError(f"AdapterHub does not support: {', '.join([*unknown, *variants]) or 'feedforward_modules'}")
    sizes = {"r": 1, "alpha": 1, "dropout": 0.0}
    if isinstance(config, LoraConfig):
        sizes = {"r": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout}
    return {
        "architecture": "lora",
        "selfattn_lora": bool(targets & letters.keys()),
        "intermediate_lora": intermediate in targets,
        "output_lora": False,
        "leave_out": [],
        **sizes,
        "attn_matrices": sorted(letters[target] for target in targets if target in letters),
        "composition_mode": "scale" if is_ia3 else "add",
        "init_weights": "ia3" if is_ia3 else "lora",
        "use_gating": False,
        "dtype": None,
    }


def _legacy_coupling(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an invertible adapter as version 1 had them, in a nested dictionary; empty if there are none."""
    nested = theirs.get("invertible_adapter")
    if not isinstance(nested, Mapping):
        return {}
    return {"inv_adapter": nested["block_type"], "inv_adapter_reduction_factor": nested["reduction_factor"]}
