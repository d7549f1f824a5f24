"""Adapters in few bits: each matrix as codes of the best quantiser for a normal distribution.

Jie, Wang and Deng 2023, "Revisiting the Parameter Efficiency of Adapters from the Perspective of Precision
Redundancy" (https://arxiv.org/abs/2307.16867): the weights of an adapter are close to normal, so after subtracting
their mean and dividing by their standard deviation one code book serves all matrices. They train with the quantiser in
the loop; here a trained adapter is quantised, with the Lloyd-Max code book of N(0, 1). Biases and LayerNorms stay in 32
bits.
"""

import json
import math
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...workspace.errors import UserError

QUANTISED = "adapter_quantised.safetensors"
BITS = (8, 4, 1)
ROUNDS = 500


@cache
def code_book(bits: int) -> Tensor:
    """The 2^bits values (ascending, double) that minimise the squared error on N(0, 1) (Lloyd 1982, Max 1960)."""
    count = 2**bits
    normal = torch.distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
    # the optimum for many levels has the density's cube root, a normal of variance 3
    values = normal.icdf((torch.arange(count).double() + 0.5) / count) * math.sqrt(3)
    for _ in range(ROUNDS):
        edges = torch.cat(
            [torch.tensor([-40.0]).double(), (values[1:] + values[:-1]) / 2, torch.tensor([40.0]).double()]
        )
        density, below = normal.log_prob(edges).exp(), normal.cdf(edges)
        share = below.diff().clamp(min=1e-300)
        # the mean of a cell; where the far tail rounds away, the cell keeps its value
        means = -density.diff() / share
        values = torch.where((means > edges[:-1]) & (means < edges[1:]), means, values)
    return values


def quantise(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Codes of a matrix, packed 8 / bits to a byte (uint8, one dimension), and its mean and standard deviation (2,)."""
    flat = weight.detach().double().flatten()
    scale = torch.stack([flat.mean(), flat.std(correction=0).clamp(min=1e-30)])
    values = code_book(bits)
    codes = torch.bucketize((flat - scale[0]) / scale[1], (values[1:] + values[:-1]) / 2).to(torch.uint8)
    per_byte = 8 // bits
    codes = torch.nn.functional.pad(codes, (0, -len(codes) % per_byte)).view(-1, per_byte)
    packed = sum(codes[:, place] << (bits * place) for place in range(per_byte))
    assert isinstance(packed, Tensor)
    return packed.to(torch.uint8), scale.float()


def dequantise(packed: Tensor, scale: Tensor, bits: int, shape: list[int]) -> Tensor:
    """The matrix (fp32) that `quantise` stored."""
    if packed.dtype != torch.uint8 or len(packed) != -(-math.prod(shape) * bits // 8):
        raise ValueError(f"{len(packed)} bytes for {shape} in {bits} bits")
    places = [(packed >> (bits * place)) & (2**bits - 1) for place in range(8 // bits)]
    codes = torch.stack(places, dim=1).flatten()[: math.prod(shape)]
    values = code_book(bits)[codes.long()] * scale[1].double() + scale[0].double()
    return values.view(shape).float()


def write_quantised(weights: dict[str, Tensor], bits: int, file: Path) -> float:
    """Write an adapter's weights in `bits`; gives the relative error, |w - w'| / |w| over all weights together."""
    stored: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    wrong = whole = 0.0
    for name, weight in weights.items():
        if weight.dim() < 2:
            stored[name] = weight.float().contiguous()
        else:
            stored[f"{name}:codes"], stored[f"{name}:scale"] = quantise(weight, bits)
            shapes[name] = list(weight.shape)
            again = dequantise(stored[f"{name}:codes"], stored[f"{name}:scale"], bits, shapes[name])
            wrong += float((again - weight.float()).double().pow(2).sum())
        whole += float(weight.double().pow(2).sum())
    save_file(stored, file, metadata={"bits": str(bits), "shapes": json.dumps(shapes)})
    return math.sqrt(wrong / whole) if whole else 0.0


def read_quantised(file: Path) -> dict[str, Tensor]:
    """The weights (fp32) of a quantised adapter. Raises UserError for a file that is none."""
    try:
        with safe_open(str(file), framework="pt") as stored:
            about = stored.metadata()
            bits, shapes = int(about["bits"]), json.loads(about["shapes"])
            if bits not in BITS:
                raise UserError(f"{file}: {bits} bits; known: {', '.join(map(str, BITS))}")
            names = set(stored.keys())
            weights = {name: stored.get_tensor(name) for name in names if ":" not in name}
            if {name for name in names if ":" in name} != {
                f"{n}:{part}" for n in shapes for part in ("codes", "scale")
            }:
                raise ValueError("codes and shapes disagree")
            for name, shape in shapes.items():
                codes, scale = (stored.get_tensor(f"{name}:{part}") for part in ("codes", "scale"))
                weights[name] = dequantise(codes, scale, bits, shape)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, SafetensorError) as error:
        raise UserError(f"{file} is no quantised adapter: {error}") from error
    return weights
