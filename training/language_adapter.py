"""Training a language adapter: prepared text in, adapter artifact out."""

import json
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from ..recipes.placeholders import public_settings
from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact, Draft, Prepared
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from .adapters.files import save_adapter
from .anchor import Drift, warn_of_drift
from .artifacts import adapter_artifact, fused_artifacts, fused_recipes
from .checkpoint import Checkpoints
from .energy import energy_facts, training_meter
from .launch import joined
from .loop import TrainingLoop, TrainingResult, fit, mean_loss, training_loop
from .memory import peak_memory
from .metrics_logger import MB, MetricsLogger
from .model_card import trained_card
from .optimizer import AVERAGES
from .plot_loss import plot_loss
from .precision import autocast_dtype, make_accelerator, matmul_peak
from .setup import Ready, set_up
from .signals import StopRequest
from .transliterate import save_tokenizer, save_transliteration
from .vocabulary.files import save_new_pieces

PROBE_STEPS = 6
KEPT_PER_WEIGHT = 2 + AVERAGES  # checkpoints hold weights, the best weights and the optimizer's averages


@dataclass(frozen=True)
class TrainingGroup:
    """What adapters that are trained together share."""

    count: int
    """How many there are at the start."""
    stop: StopRequest


def train_adapter(
    recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET, *, resume: bool = True
) -> Artifact:
    """Train the recipe's language adapter unless it exists; for a fusion, the two it fuses first.

    The artifact holds `adapter_config.json`, `adapter_model.safetensors` (for `full` a whole model and its tokenizer),
    the last step's adapter in `last/`, `README.md` (the model card), `metrics.jsonl`, `loss.png` and the manifest. An
    interrupted run is resumed, unless `resume` is false. Raises UserError when there is nothing to train on, and
    Stopped when a signal came.
    """
    return fit(training_of(recipe, workspace, prepared, progress, resume=resume))


def training_of(
    recipe: Recipe,
    workspace: Path,
    prepared: Prepared,
    progress: Progress = QUIET,
    *,
    resume: bool = True,
    group: TrainingGroup | None = None,
) -> TrainingLoop[Artifact]:
    """The training of `train_adapter`, whose gradients the caller computes; in a group if one is given."""
    artifact = adapter_artifact(recipe, workspace, prepared)
    if artifact.exists and not joined():
        return artifact
    for part in fused_recipes(recipe).values():
        train_adapter(part, workspace, prepared, progress, resume=resume)
    accelerator, reason = _accelerator(recipe, workspace)
    if all(broadcast_object_list([artifact.exists])):  # the main process decides
        return artifact
    progress.say(reason)
    run = _Training(recipe, workspace, prepared, artifact, accelerator, reason, progress, group)
    # other processes, or the other adapters, would wait for the one that waits for the lock
    alone = accelerator.num_processes == 1 and group is None
    with artifact.draft(progress, wait=alone) if accelerator.is_main_process else nullcontext() as draft:
        if draft is not None and not resume:
            shutil.rmtree(artifact.resume_dir, ignore_errors=True)
        # somebody else may have made it while this process waited for the lock
        if all(broadcast_object_list([draft is not None])):
            yield from run.train(draft)
    accelerator.wait_for_everyone()
    return artifact


def estimate(
    recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET, *, processes: int = 1
) -> dict[str, Any]:
    """What training in `processes` processes would take, from a few steps: time, memory, sizes. Keeps only tokens.

    One process runs its share of each step, and the others are taken to be as fast; the time they need to exchange
    gradients is not in the estimate. For a fusion, the parts must have been trained.
    """
    artifact = adapter_artifact(recipe, workspace, prepared)
    accelerator, reason = make_accelerator(recipe.training.precision)
    processes = max(processes, accelerator.num_processes)  # more than one where torchrun started them
    return _Training(recipe, workspace, prepared, artifact, accelerator, reason, progress).probe(processes)


@dataclass(frozen=True)
class _Training:
    """One run."""

    recipe: Recipe
    workspace: Path
    prepared: Prepared
    artifact: Artifact
    accelerator: Accelerator
    reason: str
    """Of the precision."""
    progress: Progress
    group: TrainingGroup | None = None

    def train(self, draft: Draft | None) -> TrainingLoop[None]:
        """Train, and write into `draft`; processes without one only help."""
        settings, accelerator = self.recipe.training, self.accelerator
        ready, resume_dir = self._set_up(), self.artifact.resume_dir
        drift = None
        if draft is not None:
            resume_dir.mkdir(parents=True, exist_ok=True)
            drift = Drift(ready.masked_lm, ready.sentences, accelerator)
        meter, source = training_meter(accelerator)
        with meter:
            outcome = yield from training_loop(
                ready.model,
                ready.feed,
                ready.schedule,
                lambda: mean_loss(ready.model, ready.fixed, accelerator),
                accelerator,
                self._metrics_logger(ready, resume_dir / "metrics.jsonl" if draft is not None else None),
                checkpoints=Checkpoints(
                    resume_dir, settings.save_steps, settings.save_total_limit, writes=draft is not None
                ),
                stop=self.group.stop if self.group else None,
            )
        energy = energy_facts(meter, source, accelerator)
        if self.group:  # what they used together is not known for each
            energy = dict.fromkeys(energy) | {"trained_together": self.group.count}
        for tracker in accelerator.trackers:
            tracker.finish()
        if draft is None or drift is None:
            return
        draft.costs |= energy
        draft.facts |= ready.facts | {
            "precision": self.reason,
            "steps": outcome.steps,
            "best_step": outcome.best_step,
            "validation_loss": outcome.best_loss,
            "skipped_steps": outcome.skipped_steps,
            "tokens_seen": outcome.tokens,
        }
        shutil.copy(resume_dir / "metrics.jsonl", draft.folder)
        plot_loss(draft.folder / "metrics.jsonl", draft.folder / "loss.png")
        self._write(ready, draft, outcome, drift)

    def probe(self, processes: int) -> dict[str, Any]:
        """Run one process's share of a few steps and extrapolate to the whole training in `processes` processes."""
        ready, accelerator = self._set_up(processes), self.accelerator
        not_started = processes // accelerator.num_processes
        validation = ready.fixed[::not_started]  # `mean_loss` shares among the started processes only
        steps, eval_steps = ready.schedule.max_steps, ready.schedule.eval_steps
        looks: list[float] = []

        def look() -> float:
            started = time.monotonic()
            value = mean_loss(ready.model, validation, accelerator)
            looks.append(time.monotonic() - started)
            return value

        metrics_logger = self._metrics_logger(ready, None)
        metrics_logger = replace(
            metrics_logger,
            peak_flops=metrics_logger.peak_flops * not_started,
            max_steps=PROBE_STEPS,
            logging_steps=1,
            track=None,
            label="probe",
        )
        short = replace(
            ready.schedule, max_steps=PROBE_STEPS, eval_steps=PROBE_STEPS, logging_steps=1, early_stopping_patience=None
        )
        fit(training_loop(ready.model, ready.feed, short, look, accelerator, metrics_logger))
        tokens = sum(sampler.tokens_per_batch for sampler in ready.feed.samplers) * steps
        seconds = tokens / metrics_logger.tokens_per_second + min(looks) * (2 + (steps - 1) // eval_steps)
        trainable = ready.facts["trainable_parameters"]
        return ready.facts | {
            "precision": self.reason,
            "processes": processes,
            "steps": steps,
            "tokens_to_see": round(tokens),
            "epochs": round(tokens / ready.facts["training_tokens"], 2),
            "tokens_per_second": round(metrics_logger.tokens_per_second),
            "share_of_matmul_peak": metrics_logger.mfu and round(metrics_logger.mfu, 3),
            "estimated_minutes": round(seconds / 60, 2),
            "estimated_peak_mb": round(peak_memory(accelerator.device) / MB),
            "checkpoint_mb": round(trainable * 4 * KEPT_PER_WEIGHT / MB, 1),
            "adapter_mb": round(trainable * 4 / MB, 1),
        }

    def _set_up(self, processes: int | None = None) -> Ready:
        parts = fused_artifacts(self.recipe, self.workspace, self.prepared)
        return set_up(self.recipe, self.workspace, self.prepared, self.accelerator, parts, self.progress, processes)

    def _metrics_logger(self, ready: Ready, file: Path | None) -> MetricsLogger:
        settings, accelerator = self.recipe.training, self.accelerator
        device, dtype = accelerator.device, autocast_dtype(accelerator)
        return MetricsLogger(
            max_steps=ready.schedule.max_steps,
            logging_steps=settings.logging_steps,
            file=file,
            track=accelerator.log if settings.report_to != "none" else None,
            # the FLOPs of one adapter among several are not counted
            peak_flops=0.0 if self.group else matmul_peak(device, dtype) * accelerator.num_processes,
            peak_memory=lambda: peak_memory(device),
            progress=self.progress,
            label=f"train {self.recipe.run_name}",
        )

    def _write(self, ready: Ready, draft: Draft, outcome: TrainingResult, drift: Drift) -> None:
        """The last step's adapter, then the best one and its card."""
        whole = self.recipe.adapter.type == "full"
        if not whole:  # of a whole model one copy is enough
            (draft.folder / "last").mkdir()
            _save(ready, draft.folder / "last")
        outcome.restore_best()
        self._record_drift(draft, outcome.best_step, drift.facts())
        _save(ready, draft.folder)
        if whole:
            save_tokenizer(ready.tokenizer, draft.folder)
        where = str(ready.tokenizer.name_or_path)
        card = trained_card(self.recipe, draft.facts, self.artifact, where)
        (draft.folder / "README.md").write_text(card, encoding="utf-8")

    def _record_drift(self, draft: Draft, step: int, facts: dict[str, float]) -> None:
        draft.facts |= facts
        with (draft.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **facts}) + "\n")
        if warning := warn_of_drift(facts):
            self.progress.say(warning)


def _save(ready: Ready, folder: Path) -> None:
    """The adapter as it is now, and how it reads text if that is not as its base does."""
    save_adapter(ready.adapted, folder)
    save_new_pieces(ready.adapted, ready.tokenizer, folder)
    save_transliteration(ready.tokenizer, folder)


def _accelerator(recipe: Recipe, workspace: Path) -> tuple[Accelerator, str]:
    """With the tracker that the recipe asks for."""
    tracker = recipe.training.report_to
    if tracker == "none":
        return make_accelerator(recipe.training.precision)
    if find_spec(tracker) is None:
        raise UserError(f"training.report_to: {tracker} is not installed: run `pip install {tracker}`")
    folder = workspace / "trackers"
    accelerator, reason = make_accelerator(recipe.training.precision, log_with=tracker, project_dir=folder)
    accelerator.init_trackers("lrl-adapt", {"recipe": json.dumps(public_settings(recipe))})
    return accelerator, reason
