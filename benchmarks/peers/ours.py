"""lrl-adapt: its training loop, `fit`, on the given batches."""

from collections.abc import Iterator

import common
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import Step, to_device
from lrl_adapt.training.loop import LoopSettings, fit, training_loop
from lrl_adapt.training.metrics_logger import MetricsLogger
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.precision import autocast_dtype, make_accelerator, matmul_peak
from lrl_adapt.training.setup import freeze_in
from torch.utils.flop_counter import FlopCounterMode


class BatchFeed:
    """The given batches as a feed, each sorted by length as lrl-adapt sorts its batches."""

    def __init__(self, batches: list[common.Rows], model: MaskedLM) -> None:
        self.batches, self.model = batches, model

    def steps(self, start: object = None) -> Iterator[Step]:
        for rows in [*self.batches, self.batches[-1]]:  # the loop fetches one ahead
            ordered = sorted(rows, key=lambda row: len(row[0]))
            batch = self.model.layout.batch([ids for ids, _ in ordered], [labels for _, labels in ordered])
            masked = int((batch["labels"] != -100).sum())
            yield Step([batch], masked, batch["input_ids"].numel(), {})


def main() -> None:
    settings = common.read_arguments()
    accelerator, _ = make_accelerator(settings.precision)  # type: ignore[arg-type]
    base = common.model_of(settings.shape)
    base_parameters = list(base.parameters())
    adapted = language_adapter(base, Adapter(type="seq_bn"))
    freeze_in(base_parameters, torch.bfloat16 if settings.precision == "bf16" else torch.float32)
    model = MaskedLM(adapted).to(accelerator.device)
    loop_settings = LoopSettings(
        max_steps=settings.steps,
        learning_rate=common.LEARNING_RATE,
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        eval_steps=settings.steps + 1,
        logging_steps=settings.steps,
        lr_scheduler_type="constant_with_warmup",
    )

    def run(batches: list[common.Rows]) -> None:
        logger = MetricsLogger(settings.steps, settings.steps)
        fit(training_loop(model, BatchFeed(batches, model), loop_settings, lambda: 0.0, accelerator, logger))

    def flops_per_token() -> float:
        """Of training on the first batch: forward and backward, no padding, the head at the masked tokens."""
        (batch, *_), _, tokens, _ = next(BatchFeed(settings.batches, model).steps())
        with FlopCounterMode(display=False) as counter, accelerator.autocast():
            model.train()(**to_device(batch, accelerator.device)).backward()
        model.zero_grad(set_to_none=True)
        return counter.get_total_flops() / tokens

    peak = matmul_peak(accelerator.device, autocast_dtype(accelerator))
    common.serve(settings, run, mfu_per_token=flops_per_token() / peak)


if __name__ == "__main__":
    main()
