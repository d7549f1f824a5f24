"""Quantising adapters to a few bits, by the optimal quantiser for normally distributed weights.

Jie, Wang and Deng 2023, "Revisiting the Parameter Efficiency of Adapters from the Perspective of Precision
Redundancy" (https://arxiv.org/abs/2307.16867): the weights of an adapter are close to normal, so after subtracting
their mean and dividing by their standard deviation one code book serves all matrices. They train with the quantiser in
the loop; here a trained adapter is quantised, with the Lloyd-Max code book of N(0, 1). A trained LM head has some
weights of 10 standard deviations, which that code book would clip: so it may be stretched. Biases and LayerNorms stay
in fp32.
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
from ..conversion_checks import BITS

QUANTISED = "adapter_quantised.safetensors"
ITERATIONS = 500  # of Lloyd's algorithm
STRETCHES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)  # of the code book, to reach weights far from the mean
TAIL = 40.0  # standard deviations: beyond, the density of N(0, 1) is 0 in double precision


@cache
def code_book(bits: int) -> Tensor:
    """The 2^bits values (ascending, double) that minimise the squared error on N(0, 1) (Lloyd 1982, Max 1960)."""
    count = 2**bits
    normal = torch.distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
    # Start near the optimum: many levels are best spread like the cube root of the density (Panter and Dite 1951), here
    # a normal distribution of variance 3.
    values = normal.icdf((torch.arange(count).double() + 0.5) / count) * math.sqrt(3)
    for _ in range(ITERATIONS):
        ends = torch.tensor([TAIL]).double()
        edges = torch.cat([-ends, (values[1:] + values[:-1]) / 2, ends])
        density, cumulative = normal.log_prob(edges).exp(), normal.cdf(edges)
        probability = cumulative.diff().clamp(min=1e-300)  # no division by 0
        # The mean of N(0, 1) in each cell becomes its value. Far out, where the difference rounds to nonsense, the cell
        # keeps its value.
        means = -density.diff() / probability
        values = torch.where((means > edges[:-1]) & (means < edges[1:]), means, values)
    return values


def quantise(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """A matrix of any shape -> its codes, packed 8 / bits to a byte (uint8, (bytes,)); its mean and scale, (2,).

    The scale is the standard deviation times the one of STRETCHES with the smallest squared error.
    """
    flat = weight.detach().double().flatten()
    mean, deviation = flat.mean(), flat.std(correction=0).clamp(min=1e-30)
    values = code_book(bits)
    edges = (values[1:] + values[:-1]) / 2
    smallest, codes, scale = math.inf, torch.zeros(0), deviation
    for stretch in STRETCHES:
        standard = (flat - mean) / (deviation * stretch)
        candidate = torch.bucketize(standard, edges)
        error = float(((values[candidate] - standard) * stretch).square().sum())
        if not error >= smallest:  # also NaN, which another check reports
            smallest, codes, scale = error, candidate.to(torch.uint8), deviation * stretch
    per_byte = 8 // bits
    codes = torch.nn.functional.pad(codes, (0, -len(codes) % per_byte)).view(-1, per_byte)
    # the first code of a byte has its lowest bits
    packed = torch.stack([codes[:, slot] << (bits * slot) for slot in range(per_byte)]).sum(0)
    return packed.to(torch.uint8), torch.stack([mean, scale]).float()


def dequantise(packed: Tensor, mean_and_scale: Tensor, bits: int, shape: list[int]) -> Tensor:
    """The matrix (fp32, of `shape`) that `quantise` encoded. Raises ValueError if the codes do not fit the shape."""
    if packed.dtype != torch.uint8 or len(packed) != -(-math.prod(shape) * bits // 8):
        raise ValueError(f"{len(packed)} bytes for a matrix of {shape} in {bits} bits")
    slots = [(packed >> (bits * slot)) & (2**bits - 1) for slot in range(8 // bits)]
    codes = torch.stack(slots, dim=1).flatten()[: math.prod(shape)]
    values = code_book(bits)[codes.long()] * mean_and_scale[1].double() + mean_and_scale[0].double()
    return values.view(shape).float()


def write_quantised(weights: dict[str, Tensor], bits: int, file: Path) -> float:
    """Write an adapter's weights in `bits` bits; gives the relative error |w - w'| / |w| over all weights together."""
    stored: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    squared_error = squared_norm = 0.0
    for name, weight in weights.items():
        if weight.dim() < 2:
            stored[name] = weight.float().contiguous()
        else:
            stored[f"{name}:codes"], stored[f"{name}:scale"] = quantise(weight, bits)
            shapes[name] = list(weight.shape)
            restored = dequantise(stored[f"{name}:codes"], stored[f"{name}:scale"], bits, shapes[name])
            squared_error += float((restored - weight.float()).double().pow(2).sum())
        squared_norm += float(weight.double().pow(2).sum())
    save_file(stored, file, metadata={"bits": str(bits), "shapes": json.dumps(shapes)})
    return math.sqrt(squared_error / squared_norm) if squared_norm else 0.0


def read_quantised(file: Path) -> dict[str, Tensor]:
    """The weights (fp32) of a quantised adapter. Raises UserError if the file is not one."""
    try:
        with safe_open(str(file), framework="pt") as stored:
            metadata = stored.metadata()
            bits, shapes = int(metadata["bits"]), json.loads(metadata["shapes"])
            if bits not in BITS:
                raise UserError(f"{file}: {bits} bits are not supported, only {', '.join(map(str, BITS))}")
            names = set(stored.keys())
            weights = {name: stored.get_tensor(name) for name in names if ":" not in name}
            expected = {f"{name}:{part}" for name in shapes for part in ("codes", "scale")}
            if names - weights.keys() != expected:
                raise ValueError("codes and shapes do not match")
            for name, shape in shapes.items():
                codes, scale = (stored.get_tensor(f"{name}:{part}") for part in ("codes", "scale"))
                weights[name] = dequantise(codes, scale, bits, shape)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, SafetensorError) as error:
        raise UserError(f"{file} is not a quantised adapter: {error}") from error
    return weights
