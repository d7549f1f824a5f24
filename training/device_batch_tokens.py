"""The default of `training.device_batch_tokens`: how many tokens fit into one forward and backward on a device."""

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from ..recipes.training import CPU_DEVICE_TOKENS
from ..workspace.errors import UserError
from .batches import MaskedSteps, to_device
from .optimizer import AVERAGES


def find_device_tokens(model: nn.Module, feed: MaskedSteps, accelerator: Accelerator) -> int:
    """The largest number of tokens for one forward, the same in all processes; the batch of a step stays as it is.

    On a CPU it is CPU_DEVICE_TOKENS; on a GPU it is tried. Raises UserError when the longest sequence does not fit.
    """
    longest = max(int(sampler.data.lengths.max()) for sampler in feed.samplers)
    # One process's share of a step; shares differ by up to one sequence.
    step_share = max(longest, -(-_step_tokens(feed) // feed.processes) + longest)
    if accelerator.device.type != "cuda":
        return max(longest, min(step_share, CPU_DEVICE_TOKENS))
    fitting = _probe(model, feed, accelerator, step_share, longest)
    fitting_everywhere = accelerator.gather(torch.tensor([fitting], device=accelerator.device))
    return int(fitting_everywhere.min())  # type: ignore[union-attr]


def _step_tokens(feed: MaskedSteps) -> int:
    """Upper bound of the tokens in a step's batch."""
    return sum(
        sampler.batch_sequences * int(sampler.data.lengths.max()) if sampler.batch_sequences else sampler.batch_tokens
        for sampler in feed.samplers
    )


def _probe(model: nn.Module, feed: MaskedSteps, accelerator: Accelerator, tokens: int, longest: int) -> int:
    """`tokens`, halved until a forward and backward of copies of the longest sequence fits."""
    sampler = max(feed.samplers, key=lambda candidate: int(candidate.data.lengths.max()))
    sequence = sampler.data.rows(np.array([int(sampler.data.lengths.argmax())]))[0]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model.train()
    while True:
        pairs = [feed.masking.apply(sequence, np.random.default_rng(n)) for n in range(max(1, tokens // longest))]
        batch = to_device(feed.layout.batch(*zip(*pairs, strict=True)), accelerator.device)
        loss = later_state = None
        try:
            # Room for what training adds after the first steps: the optimizer's averages and the best weights.
            later_state = torch.empty((AVERAGES + 1) * trainable, dtype=torch.float32, device=accelerator.device)
            with accelerator.autocast():
                loss = model(**batch)
            loss.backward()
            return tokens
        except torch.OutOfMemoryError as error:
            if tokens <= longest:
                raise UserError(
                    f"not even one sequence of {longest} tokens fits into the memory of {accelerator.device}: lower "
                    "training.max_length or set training.gradient_checkpointing"
                ) from error
            tokens = max(longest, tokens // 2)
        finally:
            model.zero_grad(set_to_none=True)
            del loss, later_state  # before empty_cache, which frees only what nobody refers to
            torch.cuda.empty_cache()
