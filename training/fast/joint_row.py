"""One packed row with the sequences of several runs, so that a base is run once for all of them.

The idea is LoRAFusion's (Zhu et al. 2025, https://arxiv.org/abs/2510.00206): adapters that are trained on one frozen
base share its forward and backward passes. Each run has a part of the row. Frozen layers see the whole row; trained
ones use each run's own weights for its part, and dropout each run's own random numbers, so that every part comes out as
in a row by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .packing import Packing


class RandomStream(AbstractContextManager[None]):
    """Random numbers of a seed. Inside `with`, PyTorch draws the next ones, on the CPU and on `device`."""

    def __init__(self, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            number = torch.cuda.current_device() if device.index is None else device.index
            self._generators.append(torch.cuda.default_generators[number])
        self.__exit__()

    def __enter__(self) -> None:
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.set_state(state)

    def __exit__(self, *_: object) -> None:
        self._states = [generator.get_state() for generator in self._generators]


@dataclass
class JointRow(AbstractContextManager[None]):
    """A row of several runs; inside `with`, layers find it by `current_row`."""

    lengths: list[int]
    """Tokens of each run."""
    packings: "Sequence[Packing]"
    streams: Sequence[RandomStream]
    counterparts: Mapping[nn.Module, Sequence[nn.Linear]]
    """For each trained layer of the model that is run, those of all runs in its place."""
    _tokens: list[Token["JointRow | None"]] = field(default_factory=list)

    def __enter__(self) -> None:
        self._tokens.append(_CURRENT.set(self))

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._tokens.pop())

    def each(self, functions: Sequence[Callable[..., Tensor]], *tensors: Tensor, dim: int = 1) -> Tensor:
        """Call each run's function with its part of the tensors along `dim`; the results side by side.

        A function sees a row by itself, and draws the random numbers of its run.
        """
        parts = [tensor.split(self.lengths, dim) for tensor in tensors]
        results = []
        token = _CURRENT.set(None)
        try:
            for function, stream, *arguments in zip(functions, self.streams, *parts, strict=True):
                with stream:
                    results.append(function(*arguments))
        finally:
            _CURRENT.reset(token)
        return torch.cat(results, dim)

    def linear(self, layer: nn.Module, hidden: Tensor) -> Tensor:
        """The output of the layer that each run has in the place of this one: (1, tokens, in) -> (1, tokens, out).

        One product after the other: stacking the weights for one batched product took more operations with 4 and with 8
        runs, as parts must be padded, and the gradients of the stack divided.
        """
        return self.each(self.counterparts[layer], hidden)


_CURRENT: ContextVar[JointRow | None] = ContextVar("joint row", default=None)


def current_row() -> JointRow | None:
    """The row that is being computed; None outside joint training."""
    return _CURRENT.get()


def each_run(function: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    """`function` of the tensor; in a joint row of each run's part, with its random numbers."""
    row = current_row()
    return function(tensor) if row is None else row.each([function] * len(row.lengths), tensor)
