"""This project's own layers in the place of PyTorch's, where they are the faster ones."""

from torch import nn

from .dropout import Dropout
from .linear import Linear

_OURS: dict[type, type] = {nn.Dropout: Dropout, nn.Linear: Linear}


def quicken(model: nn.Module) -> None:
    """Change the class of every plain nn.Dropout and nn.Linear in `model`; parameters and hooks stay."""
    for module in model.modules():
        if type(module) in _OURS:
            module.__class__ = _OURS[type(module)]
