"""Logging of a training run: metrics.jsonl, the live table and experiment trackers."""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..workspace.formatting import format_duration
from ..workspace.progress import QUIET, Progress

MB = 1_000_000


@dataclass
class MetricsLogger:
    """Measures speed, validation and checkpoints not counted, and writes the means of every `logging_steps` steps."""

    max_steps: int = 0
    logging_steps: int = 1
    file: Path | None = None
    """metrics.jsonl; None: nothing is written."""
    track: Callable[[dict[str, float], int], None] | None = None
    """Called with metrics and their step, such as accelerate's `log`; None: no tracker."""
    peak_flops: float = 0.0
    """FLOP/s that all devices reach together in matrix products; 0: not measured, and the MFU is not shown."""
    peak_memory: Callable[[], int] | None = None
    """Gives the peak memory so far in bytes; None: not shown."""
    progress: Progress = QUIET
    label: str = "train"
    needs_flops: bool = False
    """Whether the next step's FLOPs are to be counted and given to `record_flops`."""
    _flops_per_token: float = 0.0
    losses: list[float] = field(default_factory=list)
    """Finite losses of the steps since the last line."""
    _tokens: int = 0
    _steps: int = 0
    _seconds: float = 0.0
    _speeds: list[float] = field(default_factory=list)
    _validation_loss: float | None = None

    def start(self, step: int, losses: Sequence[float] = ()) -> None:
        """Start before the first step, or resume after `step` with the `losses` that were not yet written.

        Lines of later steps, which will be made again, are removed from the file.
        """
        self.losses = list(losses)
        self.needs_flops = self.peak_flops > 0
        self._bar = self.progress.track(range(self.max_steps), f"{self.label}, steps", self.max_steps)
        for _ in range(step + 1):  # a bar shows n when the item after the n-th is taken
            next(self._bar, None)
        if self.file is not None:
            text = self.file.read_text(encoding="utf-8") if self.file.is_file() else ""
            lines = text.split("\n")[:-1]  # without a line that a killed run did not finish
            kept = [f"{line}\n" for line in lines if json.loads(line)["step"] <= step] if step else []
            self.file.write_text("".join(kept), encoding="utf-8")
        self._last_time = time.monotonic()

    def record_flops(self, flops: int, tokens: int) -> None:
        """Take the count of one step as that of all, per token."""
        self._flops_per_token, self.needs_flops = flops / max(1, tokens), False

    def log_step(self, step: int, *, loss: float, learning_rate: float, tokens: int, skipped_steps: int) -> None:
        """Record a step; `tokens` are its own, `skipped_steps` those of the run so far."""
        now = time.monotonic()
        self._seconds += now - self._last_time
        self._last_time = now
        if math.isfinite(loss):
            self.losses.append(loss)
        self._tokens += tokens
        self._steps += 1
        self._latest = step, learning_rate, skipped_steps
        if step % self.logging_steps == 0 or step == self.max_steps:
            self._write(*self._latest)
        next(self._bar, None)

    def log_validation(self, step: int, loss: float) -> None:
        """Record a validation; its time is not counted."""
        self._validation_loss = loss
        self._log({"step": step, "validation_loss": loss if math.isfinite(loss) else None})
        self._last_time = time.monotonic()

    def flush(self) -> None:
        """Write the steps since the last line, as after early stopping."""
        if self._steps:
            self._write(*self._latest)

    def close(self) -> None:
        """End the progress bar."""
        self._bar.close()

    @property
    def tokens_per_second(self) -> float:
        """Of all processes together: the median over the lines written, without the first, which is slower."""
        return statistics.median(self._speeds[1:] or self._speeds)

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation at that speed: the share of the devices' measured peak; None if not measured."""
        measured = self.peak_flops and self._speeds
        return self.tokens_per_second * self._flops_per_token / self.peak_flops if measured else None

    def _write(self, step: int, learning_rate: float, skipped_steps: int) -> None:
        speed = self._tokens / max(self._seconds, 1e-9)
        self._speeds.append(speed)
        entry: dict[str, Any] = {
            "step": step,
            "loss": sum(self.losses) / len(self.losses) if self.losses else None,
            "learning_rate": learning_rate,
            "tokens_per_second": round(speed, 1),
            "peak_share": round(speed * self._flops_per_token / self.peak_flops, 4) if self.peak_flops else None,
            "memory_mb": round(self.peak_memory() / MB) if self.peak_memory else None,
            "skipped": skipped_steps,
        }
        self._log({name: value for name, value in entry.items() if value is not None})
        remaining_seconds = (self.max_steps - step) * self._seconds / max(1, self._steps)
        self._show(entry, remaining_seconds)
        self.losses, self._tokens, self._steps, self._seconds = [], 0, 0, 0.0

    def _log(self, entry: dict[str, Any]) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        if self.track is not None:
            metrics = {name: value for name, value in entry.items() if name != "step" and value is not None}
            self.track(metrics, entry["step"])

    def _show(self, entry: dict[str, Any], remaining_seconds: float) -> None:
        columns = {"loss": "NaN" if entry["loss"] is None else f"{entry['loss']:.3f}"}
        if self._validation_loss is not None:
            columns["validation"] = f"{self._validation_loss:.3f}"
        columns["tokens/s"] = f"{entry['tokens_per_second']:,.0f}"
        if entry["peak_share"] is not None:
            columns["MFU"] = f"{entry['peak_share']:.0%}"
        if entry["memory_mb"] is not None:
            columns["memory"] = f"{entry['memory_mb'] / 1000:.1f} GB"
        columns["remaining"] = format_duration(remaining_seconds)
        if entry["skipped"]:
            columns["skipped"] = str(entry["skipped"])
        self.progress.status(columns)
