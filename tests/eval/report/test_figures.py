import re
import xml.etree.ElementTree as ET
from pathlib import Path

from lrl_adapt.eval.report.comparison import Cell, Row
from lrl_adapt.eval.report.figures import (
    MOST_POINTS,
    Curve,
    curve_panel,
    gains_panel,
    pretraining_panel,
    read_curve,
    score_panel,
)

from .made_results import add_adapter

ROW = Row(
    "swh_Latn",
    "xlm-r",
    "mlm",
    "pseudo_perplexity",
    {"base": Cell(812.3, (731.1, 893.5), 60, 0, None), "<b>$x$": Cell(401.9, None, 60, 0, None)},
)
CURVES = [Curve("a", [(1, 2.0), (2, 1.5)], [(2, 1.6)])]


def test_curve_skips_what_it_cannot_read(tmp_path: Path) -> None:
    curve = read_curve("a", add_adapter(tmp_path, "x-1a"))
    assert curve == Curve("a", [(10, 5.1), (200, 4.7)], [(200, 4.9)])
    assert read_curve("a", tmp_path / "nowhere") == Curve("a", [], [])


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    lines = [f'{{"step": {step}, "loss": 1.5}}\n' for step in range(1, 5001)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    points = read_curve("a", tmp_path).training
    assert len(points) <= MOST_POINTS
    assert points[-1] == (5000, 1.5)


def test_figures_are_labelled_svg_without_fixed_ink() -> None:
    panels = [
        score_panel(ROW, ["base", "<b>$x$", "lora/text"]),
        gains_panel([ROW, ROW], ["base", "<b>$x$", "lora/text"]),
        curve_panel("one", "<b>", CURVES),
        curve_panel("many", "<b>", CURVES * 2),
        pretraining_panel("mlm", "pseudo_perplexity", {"a": [(0.0, 1.0), (2.5, 0.3)]}, "sizes"),
        pretraining_panel("mlm", "pseudo_perplexity", {"a": [(0.0, 1.0)]}, "unseen"),
    ]
    for panel in panels:
        figure = panel.svg()
        root = ET.fromstring(figure)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root[0].text == panel.label
        assert "currentColor" in figure
        assert "<b>" not in figure
        assert figure == panel.svg()
    assert "$x$" in panels[0].svg()
    assert "no score" in panels[0].svg()


def test_the_same_ids_never_occur_in_two_panels() -> None:
    one, two = (curve_panel(name, name, CURVES).svg() for name in ("one", "two"))
    ids = [set(re.findall(r'\bid="([^"]+)"', figure)) for figure in (one, two)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_a_panel_is_saved_as_svg_and_png(tmp_path: Path) -> None:
    score_panel(ROW, ["base"]).save(tmp_path)
    assert (tmp_path / "scores-xlm-r-mlm.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "scores-xlm-r-mlm.svg").getroot().tag.endswith("svg")
