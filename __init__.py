"""Small adapters that teach multilingual language models low-resource languages.

What is listed in `__all__` is the public interface; docs/python.md shows it in use. Each name is imported when it is
first used, so that `import lrl_adapt` loads neither torch nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .eval.inference.fill_mask import MaskPrediction, fill_mask
    from .eval.inference.load_adapter import load_adapter
    from .eval.inference.predict import predict
    from .eval.inference.predictor import Prediction
    from .eval.scores import Score
    from .pipeline import evaluate, plan, prepare, report, run, train
    from .pipeline.export.export import ExportedAdapter, export
    from .pipeline.merge import MergedAdapter, merge
    from .pipeline.outcome import Outcome, PlanFailedError
    from .pipeline.publish.push import PushedAdapter, push
    from .pipeline.steps import Plan
    from .pipeline.sweep_merge import MergeSweep, sweep_merge
    from .recipes.python_api import load_recipe, load_recipes
    from .recipes.schema import Recipe
    from .serving.limits import ServerLimits
    from .serving.server import serve
    from .training.import_adapter import import_adapter
    from .workspace.artifacts import Artifact
    from .workspace.errors import UserError
    from .workspace.progress import QUIET, Progress

__version__ = "0.1.0"

_MODULES = {
    ".eval.inference.fill_mask": ("MaskPrediction", "fill_mask"),
    ".eval.inference.load_adapter": ("load_adapter",),
    ".eval.inference.predict": ("predict",),
    ".eval.inference.predictor": ("Prediction",),
    ".eval.scores": ("Score",),
    ".pipeline": ("evaluate", "plan", "prepare", "report", "run", "train"),
    ".pipeline.export.export": ("ExportedAdapter", "export"),
    ".pipeline.merge": ("MergedAdapter", "merge"),
    ".pipeline.outcome": ("Outcome", "PlanFailedError"),
    ".pipeline.publish.push": ("PushedAdapter", "push"),
    ".pipeline.steps": ("Plan",),
    ".pipeline.sweep_merge": ("MergeSweep", "sweep_merge"),
    ".recipes.python_api": ("load_recipe", "load_recipes"),
    ".recipes.schema": ("Recipe",),
    ".serving.limits": ("ServerLimits",),
    ".serving.server": ("serve",),
    ".training.import_adapter": ("import_adapter",),
    ".workspace.artifacts": ("Artifact",),
    ".workspace.errors": ("UserError",),
    ".workspace.progress": ("QUIET", "Progress"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "QUIET",
    "Artifact",
    "ExportedAdapter",
    "MaskPrediction",
    "MergeSweep",
    "MergedAdapter",
    "Outcome",
    "Plan",
    "PlanFailedError",
    "Prediction",
    "Progress",
    "PushedAdapter",
    "Recipe",
    "Score",
    "ServerLimits",
    "UserError",
    "evaluate",
    "export",
    "fill_mask",
    "import_adapter",
    "load_adapter",
    "load_recipe",
    "load_recipes",
    "merge",
    "plan",
    "predict",
    "prepare",
    "push",
    "report",
    "run",
    "serve",
    "sweep_merge",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "export_adapter":
        raise AttributeError("lrl_adapt.export_adapter is now called lrl_adapt.export")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, imported or not, for completion."""
    return sorted({*globals(), *__all__})
