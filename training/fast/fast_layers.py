"""Replacing PyTorch's layers in a model by the faster ones of this folder."""

from collections.abc import Container

from torch import nn

from .dropout import Dropout
from .linear import Linear


def use_fast_layers(model: nn.Module, keep: Container[nn.Module | None] = ()) -> None:
    """Replace every nn.Dropout and nn.Linear in `model`, subclasses and modules in `keep` excepted.

    Parameters are shared with the replaced layers, so names and tied weights stay. Hooks on replaced layers are lost:
    name modules that have some in `keep`.
    """
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and layer not in keep:
                setattr(parent, name, Linear(layer))
            elif type(layer) is nn.Dropout:
                setattr(parent, name, Dropout(layer.p).train(layer.training))
