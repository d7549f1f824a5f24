"""What only a GPU can show. LRL_ADAPT_GPU_TESTS=cpu runs them on the CPU, where they test themselves alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lrl_adapt.eval.pseudo_likelihood import score_sentences
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training import launch
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import MaskedSteps, Sampler, to_device
from lrl_adapt.training.checkpoint import Checkpoints
from lrl_adapt.training.device_batch_tokens import find_device_tokens
from lrl_adapt.training.energy import training_meter
from lrl_adapt.training.loop import LoopSettings, fit, training_loop
from lrl_adapt.training.masking import IGNORE_INDEX, Masking
from lrl_adapt.training.metrics_logger import MetricsLogger
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.precision import make_accelerator
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.errors import UserError
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM

from .models import shake, tiny
from .processes import prepare, same, words
from .test_mlm import masked_rows, padded

ON_CPU = os.environ.get("LRL_ADAPT_GPU_TESTS") == "cpu"
HAS_CUDA = torch.cuda.is_available()
DEVICE = torch.device("cpu" if ON_CPU else "cuda")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not HAS_CUDA and not ON_CPU, reason="needs a GPU with CUDA")]
needs_cuda = pytest.mark.skipif(not HAS_CUDA or ON_CPU, reason="needs a GPU with CUDA")
SENTENCES = ["Paka wanalala.", "Mbwa anabweka usiku kucha karibu na nyumba yetu ya zamani.", "Ndege huruka juu."]


class Repeated:
    """A data set of random sequences."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = np.array(lengths)

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        return [np.random.default_rng(number).integers(5, 97, self.lengths[number]) for number in numbers]


def seq_bn(base: Any) -> Any:
    return language_adapter(base, Adapter(type="seq_bn", reduction_factor=4))


def feed_of(model: MaskedLM, lengths: list[int], batch_tokens: int) -> MaskedSteps:
    sampler = Sampler(Repeated(lengths), batch_tokens, None, 0)
    return MaskedSteps([sampler], Masking(4, np.arange(5), 97, 0.15), model.layout, batch_tokens)


def settings(steps: int) -> LoopSettings:
    return LoopSettings(
        max_steps=steps,
        learning_rate=1e-3,
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        eval_steps=100,
        logging_steps=1,
        lr_scheduler_type="constant_with_warmup",
    )


def distance(values: list[Tensor], others: list[Tensor]) -> float:
    """Norm of the difference as a share of the norm of `others`."""
    one, other = (nn.utils.parameters_to_vector([each.float() for each in several]) for several in (values, others))
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert"])
def test_gradients_are_as_exact_as_those_of_the_plain_forward(family: str) -> None:
    ids, labels = masked_rows()
    adapted = seq_bn(tiny(family)).eval()
    shake(adapted)
    adapted.to(DEVICE)
    trained = [p for p in adapted.parameters() if p.requires_grad]

    def gradients(loss: Tensor) -> list[Tensor]:
        return [*torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True)]

    full = to_device(padded(ids, labels), DEVICE)
    exact = gradients(adapted(**full).loss)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        rounded = gradients(adapted(**full).loss)
    model, labelled = MaskedLM(adapted), (full["labels"] != IGNORE_INDEX).sum()
    packed = to_device(model.layout.batch(ids, labels), DEVICE)
    assert distance(gradients(model(**packed) / labelled), exact) < 1e-3
    with torch.autocast(DEVICE.type, torch.bfloat16):
        fast = gradients(model(**packed) / labelled)
    assert 0 < distance(fast, exact) < 1.5 * distance(rounded, exact) < 0.15


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_ends_with_the_weights_of_one_that_was_not_interrupted(precision: str, tmp_path: Path) -> None:
    def train(steps: int, folder: Path) -> list[Tensor]:
        accelerator, _ = make_accelerator(precision)
        assert accelerator.device.type == DEVICE.type
        model = MaskedLM(seq_bn(tiny("bert"))).to(accelerator.device)
        feed = feed_of(model, [5, 9, 12, 17, 33] * 40, 256)
        checkpoints = Checkpoints(folder, save_steps=4, save_total_limit=1)
        logger = MetricsLogger(steps)
        fit(training_loop(model, feed, settings(steps), lambda: 0.0, accelerator, logger, checkpoints=checkpoints))
        return [p.detach().clone() for p in model.parameters() if p.requires_grad]

    start = train(0, tmp_path / "start")
    straight = train(12, tmp_path / "straight")
    train(6, tmp_path / "resumed")  # whose checkpoint is of step 4
    resumed = train(12, tmp_path / "resumed")
    changes = [[after - before for before, after in zip(start, end, strict=True)] for end in (resumed, straight)]
    # Attention's gradient is summed up in any order on a GPU, so that the last bits vary.
    assert distance(*changes) <= (0.0 if ON_CPU else 0.02)


def test_two_processes_on_one_gpu_train_as_one_does(base: Path, tmp_path: Path) -> None:
    """Through gloo, since NCCL wants a GPU for each process."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import torch.distributed\n"
        "from lrl_adapt.cli.app import main\n"
        "torch.distributed.init_process_group('gloo')\n"
        "main()\n"
    )
    one, two = (tmp_path / name for name in ("one", "two"))
    for workspace, program in (
        (one, ["-m", launch.MODULE]),
        (two, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]),
    ):
        prepare(base, workspace)
        arguments = words(base, workspace, "train", "training.device_batch_tokens=4096")
        subprocess.run([sys.executable, *program, *arguments], check=True, timeout=300)
    same(one, two)


def test_pseudo_perplexity_is_that_of_the_cpu() -> None:
    tokenizer = train_tokenizer(SENTENCES, 80)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    torch.manual_seed(0)
    model = MaskedLM(BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), initializer_range=0.2, **sizes)))
    options: dict[str, Any] = {"max_length": 128, "batch_tokens": 200}
    expected = score_sentences(model, tokenizer, SENTENCES, **options)
    scores = score_sentences(model.to(DEVICE), tokenizer, SENTENCES, **options)
    for score, other in zip(scores, expected, strict=True):
        assert (score.nll, score.nll_l2r) == pytest.approx((other.nll, other.nll_l2r), rel=1e-4)


@pytest.fixture
def two_gigabytes() -> Iterator[int]:
    """Lets this process have about 2 GB of the GPU's memory; gives the number of bytes."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    memory = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2e9 / memory, 0)
    yield 2_000_000_000
    torch.cuda.set_per_process_memory_fraction(1.0, 0)
    torch.cuda.empty_cache()


@needs_cuda
def test_the_number_of_tokens_that_fit_is_found_and_can_be_trained_with(two_gigabytes: int) -> None:
    accelerator, _ = make_accelerator("bf16")
    config = BertConfig(vocab_size=97, hidden_size=256, num_hidden_layers=4, num_attention_heads=4)
    model = MaskedLM(seq_bn(BertForMaskedLM(config))).to(accelerator.device)
    feed = feed_of(model, [500] * 1200, 500_000)
    allocated = torch.cuda.memory_allocated()
    tokens = find_device_tokens(model, feed, accelerator)
    assert 500 <= tokens < 500_000  # 500,000 would need some 30 GB
    assert torch.cuda.memory_allocated() - allocated < two_gigabytes / 10  # what cuBLAS keeps to work with
    assert all(p.grad is None for p in model.parameters())
    feed.device_tokens = tokens
    result = fit(training_loop(model, feed, settings(2), lambda: 0.0, accelerator, MetricsLogger(2)))
    assert result.steps == 2
    assert result.skipped_steps == 0
    assert two_gigabytes / 4 < torch.cuda.max_memory_reserved() < two_gigabytes * 1.01


@needs_cuda
def test_a_sequence_that_does_not_fit_is_reported(two_gigabytes: int) -> None:
    accelerator, _ = make_accelerator("fp32")
    config = BertConfig(vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64, max_position_embeddings=400_000)  # fmt: skip
    model = MaskedLM(seq_bn(BertForMaskedLM(config))).to(accelerator.device)
    with pytest.raises(UserError, match=r"not even one sequence of 400000 tokens fits into the memory of cuda"):
        find_device_tokens(model, feed_of(model, [400_000], 400_000), accelerator)


@needs_cuda
def test_the_gpus_energy_is_counted() -> None:
    pytest.importorskip("pynvml")
    accelerator, _ = make_accelerator("bf16")
    meter, source = training_meter(accelerator)
    matrix = torch.rand(4096, 4096, device=accelerator.device)
    started = time.monotonic()
    with meter:
        while time.monotonic() - started < 1:
            matrix = (matrix @ matrix).clamp(0, 1)
            torch.cuda.synchronize()
    assert source == "nvml"
    if meter.joules is not None:  # some GPUs, and slices of a GPU, have no counter
        assert 0 < meter.joules < 2000 * (time.monotonic() - started)  # watts; no GPU takes that much
