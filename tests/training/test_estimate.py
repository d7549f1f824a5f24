"""What `train --dry-run` estimates, for as many processes as training will have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.training import language_adapter, launch
from typer.testing import CliRunner

from .processes import prepare, words


@pytest.fixture
def dry_run(base: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs `train --dry-run` on prepared data and returns its estimate."""
    prepare(base, tmp_path)

    def estimate() -> dict[str, Any]:
        line = [*words(base, tmp_path, "train", "training.batch_tokens=2048"), "--dry-run", "--cpu", "--json"]
        result = CliRunner().invoke(app, line)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["training"]

    return estimate


@pytest.mark.slow
def test_the_estimate_is_for_all_processes(
    dry_run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each step one process's share is run, so the time is not that of a single process."""
    shares = []

    def record(model: Any, feed: Any, *more: Any) -> Any:
        step = next(feed.steps())
        shares.append(sum(batch["input_ids"].numel() for batch in step.batches) / step.tokens)
        return training_loop(model, feed, *more)

    training_loop = language_adapter.training_loop
    monkeypatch.setattr(language_adapter, "training_loop", record)
    one = dry_run()
    monkeypatch.setattr(launch, "processes", lambda gpus: 4)
    four = dry_run()
    assert (one["processes"], four["processes"]) == (1, 4)
    assert (one["devices"], four["devices"]) == ("1 x cpu", "4 x cpu")
    assert shares[0] == pytest.approx(1)
    assert shares[1] == pytest.approx(1 / 4, rel=0.15)
    assert one["tokens_to_see"] == four["tokens_to_see"]


def test_more_gpus_than_there_are_is_an_error_of_the_dry_run_too(base: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*words(base, tmp_path), "--dry-run", "--cpu", "--gpus", "64"])
    assert result.exit_code == 2
    assert "--gpus 64: only 0 visible" in result.stderr
