"""The lines of metrics.jsonl, the live table and the loss curve."""

import json
import math
from pathlib import Path

from lrl_adapt.training.metrics_logger import MetricsLogger
from lrl_adapt.training.plot_loss import plot_loss, read_losses
from lrl_adapt.workspace.progress import Quiet


def test_metrics_of_steps_that_are_made_again_are_written_once(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for start in (0, 20):
        logger = MetricsLogger(max_steps=40, logging_steps=10, file=file)
        logger.start(start)
        for step in range(start + 1, 35):
            logger.log_step(step, loss=1.0, learning_rate=0.1, tokens=5, skipped_steps=0)
        with file.open("a") as opened:
            opened.write('{"step": 40, "lo')  # killed while writing
    lines = [json.loads(line) for line in file.read_text().splitlines()[:-1]]
    assert [line["step"] for line in lines] == [10, 20, 30]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot_loss(file, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_window_of_steps_left_out_has_no_loss(tmp_path: Path) -> None:
    logger = MetricsLogger(max_steps=4, logging_steps=2, file=tmp_path / "metrics.jsonl")
    logger.start(0)
    for step, loss in enumerate([1.0, math.nan, math.nan, math.nan], 1):
        logger.log_step(step, loss=loss, learning_rate=0.1, tokens=5, skipped_steps=0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("loss") for line in lines] == [1.0, None]


def test_memory_that_is_not_measured_is_not_shown(tmp_path: Path) -> None:
    shown = []

    class Table(Quiet):
        def status(self, facts) -> None:
            shown.append(dict(facts))

    for memory in (None, lambda: 2_500_000_000):
        logger = MetricsLogger(max_steps=1, file=tmp_path / "metrics.jsonl", peak_memory=memory, progress=Table())
        logger.start(0)
        logger.log_step(1, loss=1.0, learning_rate=0.1, tokens=5, skipped_steps=0)
        assert ("memory_mb" in (tmp_path / "metrics.jsonl").read_text()) == (memory is not None)
    assert [facts.get("memory") for facts in shown] == [None, "2.5 GB"]


def test_losses_are_read_without_lines_cut_off_and_losses_that_are_null(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    lines = [
        '{"step": 0, "validation_loss": null}',
        '{"step": 1, "loss": 2.5}',
        '{"step": 1, "validation_loss": 2.0}',
        "[1]",
        '{"step": 2, "lo',
    ]
    file.write_text("\n".join(lines))
    assert read_losses(file) == ([(1, 2.5)], [(1, 2.0)])
    assert read_losses(tmp_path / "none.jsonl") == ([], [])
