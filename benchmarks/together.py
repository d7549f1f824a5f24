"""Training steps of several seq_bn adapters on one base: together, and one after the other; speed and memory.

    python benchmarks/together.py
    python benchmarks/together.py --count 16 --sequences 8 --base FacebookAI/xlm-roberta-base   # on a GPU

The steps of both ways take turns in one process, on random tokens with the dropout of the base; on a CPU the
processor's time counts, so that other work on the machine counts little, on a GPU the clock. Memory is the peak of a
process of its own, Python and libraries included, on a GPU that of PyTorch's allocator; of several processes, one for
each adapter, it is that of one, times their number.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import Step
from lrl_adapt.training.loop import GradientRequest
from lrl_adapt.training.memory import peak_memory
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.optimizer import make_optimizer
from lrl_adapt.training.precision import autocast_dtype, make_accelerator
from lrl_adapt.training.setup import freeze_in
from lrl_adapt.training.together import compute_gradients, share_base
from measure import in_turn, parser_of, with_json, write_json
from transformers import AutoModelForMaskedLM

QUICKSTART = Path(__file__).parent.parent / "recipes/quickstart/base/base-mini"
MASKED = 0.15
MEMORY_STEPS = 3


class Training:
    """Adapters that are trained, all with batches of their own."""

    def __init__(self, base: str, count: int, sequences: int, length: int) -> None:
        self.accelerator = make_accelerator("auto")[0]
        self.sequences, self.length = sequences, length
        self.models: list[MaskedLM] = []
        for seed in range(count):
            torch.manual_seed(seed)
            model = AutoModelForMaskedLM.from_pretrained(base).float()
            of_base = list(model.parameters())
            adapted = language_adapter(model, Adapter(type="seq_bn"))
            freeze_in(of_base, autocast_dtype(self.accelerator))
            self.models.append(MaskedLM(adapted).to(self.accelerator.device).train())
            share_base(self.models[0], self.models[-1])
        first: Any = self.models[0].model
        self.vocabulary: int = first.get_base_model().config.vocab_size
        self.trained = [[each for each in model.parameters() if each.requires_grad] for model in self.models]
        self.optimizers = [make_optimizer(trained, 1e-4, 0.0) for trained in self.trained]

    def together(self, number: int) -> None:
        """One step of all."""
        compute_gradients([self._request(adapter, number) for adapter in range(len(self.models))])
        for adapter in range(len(self.models)):
            self._update(adapter)
        self._wait()

    def in_turn(self, number: int) -> None:
        """One step of each."""
        for adapter in range(len(self.models)):
            compute_gradients([self._request(adapter, number)])
            self._update(adapter)
        self._wait()

    def _request(self, adapter: int, number: int) -> GradientRequest:
        rng, model = np.random.default_rng((adapter, number)), self.models[adapter]
        ids = [rng.integers(5, self.vocabulary, self.length) for _ in range(self.sequences)]
        labels = [np.where(rng.random(self.length) < MASKED, row, -100) for row in ids]
        batch = model.layout.batch(ids, labels)
        step = Step([batch], int((batch["labels"] != -100).sum()), batch["labels"].numel(), {})
        run: Any = SimpleNamespace(model=model, dropout_seed=number, accelerator=self.accelerator)
        run.compute_gradients = lambda step: alone(run, step)
        return GradientRequest(run, step)

    def _update(self, adapter: int) -> None:
        torch.nn.utils.clip_grad_norm_(self.trained[adapter], 1.0)
        self.optimizers[adapter].step()
        self.optimizers[adapter].zero_grad(set_to_none=True)

    def _wait(self) -> None:
        if self.accelerator.device.type == "cuda":
            torch.cuda.synchronize()


def alone(run: Any, step: Step) -> torch.Tensor:
    """As `Run.compute_gradients`."""
    torch.manual_seed(run.dropout_seed)
    (batch,) = step.batches
    with run.accelerator.autocast():
        loss = run.model(**{name: value.to(run.accelerator.device) for name, value in batch.items()})
    (loss / step.labelled_tokens).backward()
    return loss.detach()


def main() -> None:
    parser = with_json(parser_of(__doc__, count=4, sequences=16, length=64, rounds=5, threads=1))
    parser.add_argument("--base", default=str(QUICKSTART), help="hub id or folder; default: the quickstart's")
    parser.add_argument(
        "--memory-of", type=int, help="only print the peak memory in MB of this number of adapters together"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = (arguments.sequences, arguments.length)
    if arguments.memory_of:
        training = Training(arguments.base, arguments.memory_of, *sizes)
        for number in range(MEMORY_STEPS):
            training.together(number)
        print(peak_memory(training.accelerator.device) / 1e6)
        return
    alone, together = (memory_of(count) for count in (1, arguments.count))
    training = Training(arguments.base, arguments.count, *sizes)
    on_gpu = training.accelerator.device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    ways = {"one after the other": training.in_turn, "together": training.together}
    times = in_turn(ways, arguments.rounds, clock=clock)
    tokens = arguments.count * arguments.sequences * arguments.length
    ratios = [each / other for each, other in zip(*times.values(), strict=True)]
    print(f"{arguments.count} adapters, {arguments.sequences} sequences of {arguments.length} tokens each a step")
    unit = "tokens/s" if on_gpu else "tokens per second of processor time"
    for name, seconds in times.items():
        print(f"{name}: {tokens / statistics.median(seconds):,.0f} {unit}")
    print(f"together is {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times as fast")
    facts = {"seconds_per_step": times, "tokens_per_step": tokens, "memory_mb": {"together": together, "alone": alone}}
    write_json(arguments.json, facts)
    print(f"memory: one process {together:,.0f} MB; {arguments.count} processes {arguments.count * alone:,.0f} MB")


def memory_of(count: int) -> float:
    command = [sys.executable, __file__, *sys.argv[1:], "--memory-of", str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
