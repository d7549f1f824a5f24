"""What can be seen of a run: metrics.jsonl, a live table, the trackers, and a picture of the loss at the end."""

import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..workspace.progress import QUIET, Progress

MB = 1_000_000


@dataclass
class Watch:
    """Counts time and tokens, validation and checkpoints left out; writes a line of metrics every `every` steps."""

    steps: int = 0
    every: int = 1
    file: Path | None = None
    """metrics.jsonl, or nothing is written."""
    track: Callable[[dict[str, float], int], None] | None = None
    """Takes numbers and their step: accelerate's trackers."""
    peak: float = 0.0
    """FLOP/s of all devices together; 0: not measured."""
    memory: Callable[[], int] | None = None
    """Most bytes held so far; None: not measured, and not shown."""
    progress: Progress = QUIET
    label: str = "train"
    counts_flops: bool = False
    """Wanted for the next step."""
    _flops_per_token: float = 0.0
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last line."""
    _tokens: int = 0
    _steps: int = 0
    _seconds: float = 0.0
    _speeds: list[float] = field(default_factory=list)
    _validation: float | None = None

    def began(self, step: int, losses: Sequence[float] = ()) -> None:
        """Start, or go on after `step`, with the losses not yet written; what was written of later steps goes."""
        self.losses = list(losses)
        self.counts_flops = self.peak > 0
        self._bar = self.progress.track(range(self.steps), f"{self.label}, steps", self.steps)
        for _ in range(step + 1):
            next(self._bar, None)
        if self.file is not None:
            text = self.file.read_text(encoding="utf-8") if self.file.is_file() else ""
            whole = text.split("\n")[:-1]  # a killed run's last line may have no end
            kept = [f"{line}\n" for line in whole if json.loads(line)["step"] <= step] if step else []
            self.file.write_text("".join(kept), encoding="utf-8")
        self._since = time.monotonic()

    def flops_counted(self, flops: int, tokens: int) -> None:
        """What one step took."""
        self._flops_per_token, self.counts_flops = flops / max(1, tokens), False

    def stepped(self, step: int, loss: float, rate: float, tokens: int, skipped: int) -> None:
        """A step was made."""
        now = time.monotonic()
        self._seconds += now - self._since
        self._since = now
        if math.isfinite(loss):
            self.losses.append(loss)
        self._tokens += tokens
        self._steps += 1
        self._last = step, rate, skipped
        if step % self.every == 0 or step == self.steps:
            self._write(step, rate, skipped)
        next(self._bar, None)

    def validated(self, step: int, value: float) -> None:
        """A validation was made."""
        self._validation = value
        self._put({"step": step, "validation_loss": value if math.isfinite(value) else None})
        self._since = time.monotonic()

    def finish(self) -> None:
        """Write what is left after early stopping."""
        if self._steps:
            self._write(*self._last)

    def close(self) -> None:
        """No step follows."""
        self._bar.close()

    @property
    def typical_speed(self) -> float:
        """Tokens a second, all processes together: the median over what was written, the first left out."""
        return statistics.median(self._speeds[1:] or self._speeds)

    @property
    def peak_share(self) -> float | None:
        """Share of the devices' measured peak (MFU) at that speed; None where it was not measured."""
        return self.typical_speed * self._flops_per_token / self.peak if self.peak and self._speeds else None

    def _write(self, step: int, rate: float, skipped: int) -> None:
        speed = self._tokens / max(self._seconds, 1e-9)
        self._speeds.append(speed)
        entry: dict[str, Any] = {
            "step": step,
            "loss": sum(self.losses) / len(self.losses) if self.losses else None,
            "learning_rate": rate,
            "tokens_per_second": round(speed, 1),
            "peak_share": round(speed * self._flops_per_token / self.peak, 4) if self.peak else None,
            "memory_mb": round(self.memory() / MB) if self.memory else None,
            "skipped": skipped,
        }
        self._put({name: value for name, value in entry.items() if value is not None})
        left = (self.steps - step) * self._seconds / max(1, self._steps)
        self._tell(entry, left)
        self.losses, self._tokens, self._steps, self._seconds = [], 0, 0, 0.0

    def _put(self, entry: dict[str, Any]) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        if self.track is not None:
            self.track({name: x for name, x in entry.items() if name != "step" and x is not None}, entry["step"])

    def _tell(self, entry: dict[str, Any], left: float) -> None:
        facts = {"loss": "no number" if entry["loss"] is None else f"{entry['loss']:.3f}"}
        if self._validation is not None:
            facts["validation"] = f"{self._validation:.3f}"
        facts["tokens/s"] = f"{entry['tokens_per_second']:,.0f}"
        if entry["peak_share"] is not None:
            facts["of peak"] = f"{entry['peak_share']:.0%}"
        if entry["memory_mb"] is not None:
            facts["memory"] = f"{entry['memory_mb'] / 1000:.1f} GB"
        facts["left"] = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        if entry["skipped"]:
            facts["skipped"] = str(entry["skipped"])
        self.progress.status(facts)
