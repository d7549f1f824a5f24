"""Sums of gradients over processes, with a stand-in for the processes."""

from types import SimpleNamespace

import pytest
import torch
from lrl_adapt.training import sum_gradients
from torch import Tensor, nn


@pytest.mark.parametrize("bucket_values", [1, 7, 1000])
def test_gradients_and_scalars_are_summed_whatever_the_buckets(
    bucket_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sum_gradients, "BUCKET_VALUES", bucket_values)
    sent = []

    def reduce(values: Tensor, reduction: str) -> Tensor:
        """As if another process had the same values."""
        sent.append(values.numel())
        return values * 2

    parameters = [nn.Parameter(torch.zeros(size)) for size in (3, 4, 5)]
    parameters[0].grad, parameters[1].grad = torch.ones(3), torch.full((4,), 2.0)
    two = SimpleNamespace(num_processes=2, reduce=reduce)
    scalars = sum_gradients.sum_gradients(parameters, torch.tensor([1.5, 0.0]), two)
    assert scalars.tolist() == [3.0, 0.0]
    assert [parameter.grad.unique().tolist() for parameter in parameters] == [[2.0], [4.0], [0.0]]
    assert [parameter.grad.shape for parameter in parameters] == [parameter.shape for parameter in parameters]
    assert sent == {1: [3, 4, 5, 2], 7: [7, 5, 2], 1000: [12, 2]}[bucket_values]


def test_one_process_sends_nothing() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    scalars = torch.tensor([1.5])
    assert sum_gradients.sum_gradients([parameter], scalars, SimpleNamespace(num_processes=1)) is scalars
    assert parameter.grad is None
