from pathlib import Path

from lrl_adapt.eval.report.loss_curves import MAX_POINTS, LossCurve, read_loss_curve

from .made_results import add_adapter


def test_curve_skips_what_it_cannot_read(tmp_path: Path) -> None:
    curve = read_loss_curve("a", add_adapter(tmp_path, "x-1a"))
    assert curve == LossCurve("a", [(10, 5.1), (200, 4.7)], [(200, 4.9)])
    assert read_loss_curve("a", tmp_path / "nowhere") == LossCurve("a", [], [])


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    lines = [f'{{"step": {step}, "loss": 1.5}}\n' for step in range(1, 5001)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    points = read_loss_curve("a", tmp_path).training
    assert len(points) <= MAX_POINTS
    assert points[-1] == (5000, 1.5)
