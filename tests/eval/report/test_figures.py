import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from lrl_adapt.eval.report.figures import gains_panel, pretraining_panel, score_panel
from lrl_adapt.eval.report.loss_curves import LossCurve, loss_panel
from lrl_adapt.eval.report.task_results import SystemResult, TaskResult

ROW = TaskResult(
    "swh_Latn",
    "xlm-r",
    "mlm",
    "pseudo_perplexity",
    {"base": SystemResult(812.3, (731.1, 893.5), 60, 0, None), "<b>$x$": SystemResult(401.9, None, 60, 0, None)},
)
CURVES = [LossCurve("a", [(1, 2.0), (2, 1.5)], [(2, 1.6)])]


@pytest.mark.slow
def test_figures_are_labelled_svg_without_fixed_ink() -> None:
    panels = [
        score_panel(ROW, ["base", "<b>$x$", "lora/text"]),
        gains_panel([ROW, ROW], ["base", "<b>$x$", "lora/text"]),
        loss_panel("one", "<b>", CURVES),
        loss_panel("many", "<b>", CURVES * 2),
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


def test_long_axis_labels_wrap_into_the_figure() -> None:
    row = replace(ROW, metric="pseudo_perplexity_l2r", baseline="seq_bn/text (max_steps 600)")
    row = replace(row, systems=row.systems | {row.baseline: ROW.systems["base"]})
    panels = {
        "left-to-right pseudo-perplexity (lower is better)": score_panel(row, ["base"]),
        "left-to-right pseudo-perplexity below the base's, %": gains_panel(
            [replace(row, baseline="base")], ["base", "x"]
        ),
        "left-to-right pseudo-perplexity below seq_bn/text (max_steps 60…'s, %": gains_panel(
            [row], ["base", row.baseline]
        ),
    }
    for label, panel in panels.items():
        figure = panel.draw()
        figure.canvas.draw()
        assert figure.get_supxlabel().split() == label.split()
        box = next(text for text in figure.texts if text.get_text() == figure.get_supxlabel()).get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height / 2


def test_the_same_ids_never_occur_in_two_panels() -> None:
    one, two = (loss_panel(name, name, CURVES).svg() for name in ("one", "two"))
    ids = [set(re.findall(r'\bid="([^"]+)"', figure)) for figure in (one, two)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_a_panel_is_saved_as_svg_and_png(tmp_path: Path) -> None:
    score_panel(ROW, ["base"]).save(tmp_path)
    assert (tmp_path / "scores-xlm-r-mlm.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "scores-xlm-r-mlm.svg").getroot().tag.endswith("svg")
