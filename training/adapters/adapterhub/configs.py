"""AdapterHub's configurations as PEFT's, and back."""

from collections.abc import Mapping
from typing import Any

from peft import IA3Config, LoraConfig, PeftConfig

from ....workspace.errors import UserError
from ...families import Family
from ..bottleneck import BottleneckConfig

# ours -> theirs, where the value is the same
_SAME = {
    "attention": "mh_adapter",
    "feed_forward": "output_adapter",
    "parallel": "is_parallel",
    "norm_before": "original_ln_before",
    "reduction_factor": "reduction_factor",
    "dropout": "dropout",
    "scaling": "scaling",
    "leave_out": "leave_out",
}
# theirs that our bottlenecks do not have: the value that means "not used"
_ABSENT: dict[str, Any] = {
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
"""AdapterHub's `dynamic` fusion, the only one we have."""


def bottleneck_of(theirs: Mapping[str, Any], *, invert_before_head: bool) -> BottleneckConfig:
    """Our configuration of their bottleneck. Raises UserError for parts that have no counterpart here."""
    theirs = {**theirs, **_legacy_coupling(theirs)}
    foreign = [f"{key}: {theirs[key]}" for key, unused in _ABSENT.items() if theirs.get(key, unused) != unused]
    if theirs.get("inv_adapter") not in (None, "nice"):
        foreign.append(f"inv_adapter: {theirs['inv_adapter']}")
    if not isinstance(theirs.get("scaling", 1.0), int | float):
        foreign.append(f"scaling: {theirs['scaling']}")
    if foreign:
        raise UserError(f"this adapter has parts without a counterpart here: {', '.join(foreign)}")
    chosen: dict[str, Any] = {ours: theirs[key] for ours, key in _SAME.items() if key in theirs}
    chosen.setdefault("norm_before", False)  # AdapterHub's default; its presets say otherwise
    activation = str(theirs.get("non_linearity", "relu")).lower()
    chosen["non_linearity"] = _ACTIVATIONS.get(activation, activation)
    chosen["init"] = "mam" if theirs.get("init_weights") == "mam_adapter" else "bert"
    if theirs.get("inv_adapter"):
        factor = theirs.get("inv_adapter_reduction_factor", 2)
        chosen |= {"coupling": True, "coupling_reduction_factor": factor, "invert_before_head": invert_before_head}
    try:
        return BottleneckConfig(**chosen)
    except ValueError as error:
        raise UserError(f"this adapter cannot be built here: {error}") from error


def bottleneck_to(config: BottleneckConfig) -> dict[str, Any]:
    """Their configuration of our bottleneck."""
    theirs = {key: getattr(config, ours) for ours, key in _SAME.items()} | _ABSENT
    names = {ours: name for name, ours in _ACTIVATIONS.items()}
    theirs["non_linearity"] = names.get(config.non_linearity, config.non_linearity)
    theirs["init_weights"] = "mam_adapter" if config.init == "mam" else "bert"
    theirs["scaling"] = float(config.scaling)
    theirs["inv_adapter"] = "nice" if config.coupling else None
    theirs["inv_adapter_reduction_factor"] = config.coupling_reduction_factor if config.coupling else None
    return theirs


def linear_of(theirs: Mapping[str, Any], version: str, family: Family) -> PeftConfig:
    """PEFT's configuration of their LoRA or (IA)³. Raises UserError for parts that have no counterpart there."""
    for key in ("use_gating", "output_lora", "vera_d", "vera_b"):
        if theirs.get(key):
            raise UserError(f"this adapter has parts without a counterpart here: {key}: {theirs[key]}")
    if theirs.get("leave_out"):
        raise UserError("a LoRA or (IA)³ that leaves out blocks cannot be imported")
    names = [_MATRICES[letter] for letter in theirs["attn_matrices"]] if theirs.get("selfattn_lora", True) else []
    targets = [
        family.linears[name] for name in [*names, *(["intermediate"] if theirs.get("intermediate_lora") else [])]
    ]
    if theirs["composition_mode"] not in ("add", "scale"):
        raise UserError(f"composition_mode {theirs['composition_mode']!r} has no counterpart here")
    if theirs["composition_mode"] == "scale":
        return IA3Config(target_modules=targets, feedforward_modules=[])
    rank = theirs["r"]
    # before adapters 1.1.0 alpha was read but not used: such adapters were trained with a scaling of 1
    alpha = rank if version.startswith(("adapters.0.", "adapters.1.0.")) else theirs["alpha"]
    return LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=theirs.get("dropout", 0.0), target_modules=targets)


def linear_to(config: PeftConfig, family: Family) -> dict[str, Any]:
    """Their configuration of a LoRA or (IA)³. Raises UserError for PEFT's variants that they lack."""
    scale = isinstance(config, IA3Config)
    letters = {family.linears[name]: letter for letter, name in _MATRICES.items()}
    targets = set(getattr(config, "target_modules", None) or ())
    middle = family.linears.get("intermediate", "")
    unknown = [target for target in targets if target not in letters and target != middle]
    variants = [
        name for name in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern") if getattr(config, name, None)
    ]
    if unknown or variants or (scale and getattr(config, "feedforward_modules", None)):
        raise UserError(
            f"AdapterHub has no counterpart of: {', '.join([*unknown, *variants]) or 'feedforward_modules'}"
        )
    sizes = {"r": 1, "alpha": 1, "dropout": 0.0}
    if isinstance(config, LoraConfig):
        sizes = {"r": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout}
    return {
        "architecture": "lora",
        "selfattn_lora": bool(targets & letters.keys()),
        "intermediate_lora": middle in targets,
        "output_lora": False,
        "leave_out": [],
        **sizes,
        "attn_matrices": sorted(letters[target] for target in targets if target in letters),
        "composition_mode": "scale" if scale else "add",
        "init_weights": "ia3" if scale else "lora",
        "use_gating": False,
        "dtype": None,
    }


def _legacy_coupling(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 kept the coupling's settings in a dictionary of their own."""
    nested = theirs.get("invertible_adapter")
    if not isinstance(nested, Mapping):
        return {}
    return {"inv_adapter": nested["block_type"], "inv_adapter_reduction_factor": nested["reduction_factor"]}
