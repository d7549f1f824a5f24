"""How many tokens fit into one forward and backward on a device: tried with the longest sequences first."""

import numpy as np
import torch
from accelerate import Accelerator

from ..recipes.training import CPU_DEVICE_TOKENS
from ..workspace.errors import UserError
from .batches import MaskedSteps, to_device
from .mlm import MaskedLM


def find_device_tokens(model: MaskedLM, feed: MaskedSteps, accelerator: Accelerator) -> int:
    """The most tokens that one forward may have, the same in all processes; a step's batch stays what it is.

    Raises UserError when not even the longest sequence fits.
    """
    longest = max(int(sampler.data.lengths.max()) for sampler in feed.samplers)
    wanted = max(longest, -(-_step_tokens(feed) // feed.processes) + longest)
    if accelerator.device.type != "cuda":
        return max(longest, min(wanted, CPU_DEVICE_TOKENS))
    found = _fitting(model, feed, accelerator, wanted, longest)
    everyones = accelerator.gather(torch.tensor([found], device=accelerator.device))
    return int(everyones.min())  # type: ignore[union-attr]


def _step_tokens(feed: MaskedSteps) -> int:
    """Most tokens in a step's batch, lengths rounded up."""
    return sum(
        sampler.batch_sequences * int(sampler.data.lengths.max()) if sampler.batch_sequences else sampler.batch_tokens
        for sampler in feed.samplers
    )


def _fitting(model: MaskedLM, feed: MaskedSteps, accelerator: Accelerator, wanted: int, longest: int) -> int:
    """`wanted`, or half of it, or a quarter ..., whichever goes through first."""
    sampler = max(feed.samplers, key=lambda some: int(some.data.lengths.max()))
    row = sampler.data.rows(np.array([int(sampler.data.lengths.argmax())]))[0]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model.train()
    while True:
        pairs = [feed.masking.apply(row, np.random.default_rng(n)) for n in range(max(1, wanted // longest))]
        batch = to_device(feed.layout.batch(*zip(*pairs, strict=True)), accelerator.device)
        loss = kept = None
        try:
            # the optimiser's two averages and the best weights, which come later
            kept = torch.empty(3 * trained, dtype=torch.float32, device=accelerator.device)
            with accelerator.autocast():
                loss = model(**batch)
            loss.backward()
            return wanted
        except torch.OutOfMemoryError as error:
            if wanted <= longest:
                raise UserError(
                    f"not even one sequence of {longest} tokens fits into the memory of {accelerator.device}: lower "
                    "training.max_length or set training.gradient_checkpointing"
                ) from error
            wanted = max(longest, wanted // 2)
        finally:
            model.zero_grad(set_to_none=True)
            del loss, kept
            torch.cuda.empty_cache()
