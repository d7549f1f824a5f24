import csv
import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.eval.figures import Curve, curves_figure, read_curve, scores_figure
from lrl_adapt.eval.report import markdown_table, write_report
from lrl_adapt.eval.scores import Score, summarise, summary, write_scores
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.schema import Recipe

ADAPTER = "seq_bn/text"
LINES = [
    {"step": 10, "loss": 5.1, "learning_rate": 1e-4},
    {"step": 200, "validation_loss": 4.9},
    {"step": 200, "loss": 4.7},
]
RECIPE = Recipe.model_validate(
    {"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": {"files": ["x.txt"]}, "name": "demo"}
)


def mlm(system: str, value: float, **other: Any) -> Score:
    score = Score("mlm", system, "pseudo_perplexity", value, (value * 0.9, value * 1.1), 200, None, "swh_Latn", "xlm-r")
    return replace(score, **other)


def topic(system: str, value: float, seed: int = 1, **other: Any) -> Score:
    score = Score("topic", system, "macro_f1", value, (value - 0.06, value + 0.06), 204, seed, "swh_Latn", "xlm-r")
    return replace(score, **other)


def add_adapter(workspace: Path, name: str, **facts: Any) -> Path:
    folder = workspace / "adapters" / "swh_Latn" / name
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES) + '{"step": 3')
    manifest = {"section": {"adapter": {"type": "seq_bn"}}, "facts": facts, "wall_seconds": 93.2, "created": "2024"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def add_scores(
    workspace: Path, name: str, scores: list[Score], parents: tuple[Path, ...] = (), max_sentences: int = 200
) -> None:
    folder = workspace / "scores" / "swh_Latn" / name
    folder.mkdir(parents=True)
    write_scores(folder / "scores.json", scores)
    section = {"max_sentences": max_sentences, "system": scores[0].system}
    manifest = {"section": section, "parents": [str(parent) for parent in parents], "created": "2024"}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    adapter = add_adapter(tmp_path, "xlm-r-text-seq_bn-1a2b3c4d", trainable_parameters=894528, steps=1000)
    add_scores(tmp_path, "mlm-base", [mlm("base", 812.3), mlm("base", 0.01, metric="unknown_share")])
    add_scores(tmp_path, "mlm-adapter", [mlm(ADAPTER, 401.9)], (adapter,))
    add_scores(tmp_path, "topic-base", [topic("base", 0.612)])
    add_scores(tmp_path, "topic-adapter", [topic(ADAPTER, 0.62), topic(ADAPTER, 0.64, seed=2)], (adapter,))
    return tmp_path


def page(workspace: Path) -> str:
    return write_report(workspace, RECIPE).read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


class Balance(HTMLParser):
    """Collects tags that are opened and not closed, and ids."""

    void = frozenset({"meta", "br", "link", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_without_scores_it_says_what_to_run(tmp_path: Path) -> None:
    add_scores(tmp_path, "other", [mlm("base", 1.0, language="mlt_Latn")])
    with pytest.raises(UserError, match=r"no scores for swh_Latn under .* yet; run: lrl-adapt eval"):
        write_report(tmp_path, RECIPE)
    assert not (tmp_path / "reports").exists()


def test_the_folder_is_written_whole(workspace: Path) -> None:
    path = write_report(workspace, RECIPE)
    assert path == workspace / "reports" / "swh_Latn" / "index.html"
    assert [child.name for child in path.parent.parent.iterdir()] == ["swh_Latn"]
    assert {child.name for child in path.parent.iterdir()} == {"index.html", "scores.csv", "scores.md", "manifest.json"}
    manifest = json.loads((path.parent / "manifest.json").read_text())
    assert manifest["scores"] == [
        f"scores/swh_Latn/{name}" for name in ("mlm-adapter", "mlm-base", "topic-adapter", "topic-base")
    ]
    assert manifest["versions"]["torch"]
    assert manifest["created"]


def test_an_old_report_is_replaced(workspace: Path) -> None:
    old = workspace / "reports" / "swh_Latn" / "old.txt"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    write_report(workspace, RECIPE)
    assert not old.exists()


def test_csv_holds_every_record(workspace: Path) -> None:
    with write_report(workspace, RECIPE).with_name("scores.csv").open(encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    assert len(records) == 6
    assert {record["metric"] for record in records} == {"pseudo_perplexity", "unknown_share", "macro_f1"}
    assert [record["seed"] for record in records if record["task"] == "topic"] == ["1", "2", "1"]


def test_the_page_is_well_formed_and_alone(workspace: Path) -> None:
    html = page(workspace)
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#)', html)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_page_tells_values_intervals_and_changes(workspace: Path) -> None:
    text = text_of(page(workspace))
    assert "Swahili" in text
    assert "demo" in text
    assert "401.9 [361.7, 442.1] −50.5 % better n 200" in text
    assert "63.0 [57.0, 69.0] +1.8 points no clear difference n 204 · 2 seeds · sd 1.4" in text
    assert "trainable parameters 894,528" in text
    assert "wall seconds 93.2" in text
    assert "random weights" not in text


def test_a_random_base_is_noted(tmp_path: Path) -> None:
    add_scores(tmp_path, "a", [mlm("base", 900.0, base="scratch-1a2b")])
    text = text_of(page(tmp_path))
    assert "these figures show that the way works, not what adapters do for a real model." in text
    assert "no adapter to compare it with" in text


def test_what_is_missing_stays_missing(tmp_path: Path) -> None:
    add_scores(tmp_path, "a", [mlm("base", 900.0), topic(ADAPTER, 0.5)])
    html = page(tmp_path)
    assert html.count('<td><span class="value">—</span></td>') == 2
    assert "topic 50.0 F1 (no score of the base to compare with)" in html
    assert "The adapter&#39;s folder is gone" in html


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    add_scores(tmp_path, "a", [mlm("base", 9.0, base=evil), mlm(evil, 8.0, base=evil), topic("base", 0.1, metric=evil)])
    html = page(tmp_path)
    assert "<script>alert" not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;alert" in html


def test_adapters_of_one_kind_are_told_apart(workspace: Path) -> None:
    other = add_adapter(workspace, "xlm-r-text-seq_bn-9f9f9f9f")
    add_scores(workspace, "mlm-other", [mlm(ADAPTER, 300.0)], (other,))
    text = text_of(page(workspace))
    assert "seq_bn/text (1a2b3c4d)" in text
    assert "seq_bn/text (9f9f9f9f)" in text


def test_other_settings_make_a_row_of_their_own(workspace: Path) -> None:
    add_scores(workspace, "again", [mlm("base", 700.0)], max_sentences=50)
    text = text_of(page(workspace))
    assert "pseudo-perplexity [max_sentences 200] 812.3 → 401.9" in text
    assert "700.0 →" not in text
    assert "7 scores, every metric" in text


def test_another_random_base_is_not_compared(tmp_path: Path) -> None:
    for number, systems in enumerate((["base"], ["base", ADAPTER])):
        scratch = tmp_path / "bases" / "swh_Latn" / f"scratch-{number}"
        scratch.mkdir(parents=True)
        adapter = add_adapter(tmp_path, f"scratch-text-seq_bn-{number}")
        for system in systems:
            parents = (scratch, adapter) if system == ADAPTER else (scratch,)
            scores = [mlm(system, 900.0 - 100 * number, base="scratch")]
            add_scores(tmp_path, f"{number}-{system[:4]}", scores, parents)
    text = text_of(page(tmp_path))
    assert "pseudo-perplexity [made from scratch-1] 800.0 → 800.0" in text
    assert "900.0 →" not in text


def test_a_deleted_adapter_keeps_its_scores(workspace: Path) -> None:
    shutil.rmtree(workspace / "adapters")
    text = text_of(page(workspace))
    assert "pseudo-perplexity 812.3 → 401.9" in text
    assert "folder is gone; its scores remain" in text


def test_a_moved_workspace_still_finds_its_adapters(workspace: Path) -> None:
    moved = workspace.rename(workspace.with_name("moved"))
    assert "trainable parameters 894,528" in text_of(page(moved))


def test_every_base_has_its_section(workspace: Path) -> None:
    add_scores(workspace, "mbert", [mlm("base", 50.0, base="mbert")])
    text = text_of(page(workspace))
    assert "Results on mbert" in text
    assert "Results on xlm-r" in text


def test_summary_claims_nothing_where_intervals_overlap() -> None:
    rows = summarise([mlm("base", 812.3), mlm(ADAPTER, 401.9), topic("base", 0.612), topic(ADAPTER, 0.63)])
    assert summary(rows) == [
        "seq_bn/text: pseudo-perplexity 812.3 → 401.9 (−50.5 %; better); "
        "topic 61.2 → 63.0 F1 (+1.8 points; 95 % intervals overlap: no clear difference)."
    ]


def test_markdown_has_a_row_per_task() -> None:
    table = markdown_table(summarise([mlm("base", 812.3), mlm("a|b", 401.9), topic("base", 0.612)]))
    assert table.splitlines()[0] == "| base model | task | metric | base | a\\|b |"
    assert table.splitlines()[2].endswith("| 812.3 [731.1, 893.5] | 401.9 [361.7, 442.1] (−50.5 %; better) |")
    assert table.splitlines()[3].endswith("| 61.2 [55.2, 67.2] | — |")


def test_curve_skips_what_it_cannot_read(tmp_path: Path) -> None:
    curve = read_curve("a", add_adapter(tmp_path, "x-1a"))
    assert curve == Curve("a", [(10, 5.1), (200, 4.7)], [(200, 4.9)])
    assert read_curve("a", tmp_path / "nowhere") == Curve("a", [], [])


def test_figures_are_labelled_svg_without_fixed_ink() -> None:
    rows = summarise([mlm("base", 812.3), mlm("<b>$x$", 401.9), topic("base", float("nan"))])
    figures = [*scores_figure(rows).split("</svg>")[:-1], curves_figure([Curve("a", [(1, 2.0)], [])])[:-7]]
    assert len(figures) == 3
    for figure in figures:
        root = ET.fromstring(figure + "</svg>")
        assert root.get("role") == "img"
        assert root.get("aria-label") == root[0].text
        assert "currentColor" in figure
    assert "<b>" not in figures[0]
    assert "$x$" in figures[0]
    assert scores_figure(rows) == scores_figure(rows)
    assert scores_figure([]) == ""


def test_no_figure_touches_pyplot(workspace: Path) -> None:
    write_report(workspace, RECIPE)
    assert "matplotlib.pyplot" not in sys.modules
