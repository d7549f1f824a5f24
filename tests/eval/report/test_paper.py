"""The paper's numbers, against what its own tables say of them."""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import pytest
from lrl_adapt.eval.report.latex import latex
from lrl_adapt.eval.report.markdown import markdown
from lrl_adapt.eval.report.paper import PAPER_FILE, paper_score, paper_value, pretraining_gigabytes
from lrl_adapt.recipes.languages import find_language

from .made_results import ADAPTER, make_tables_of, small

MBERT, XLMR = "bert-base-multilingual-cased", "xlm-roberta-base"


def rows() -> list[dict[str, str]]:
    with PAPER_FILE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (("mlt_Latn", MBERT, "mlm", "base"), 531.59),
        (("mlt_Latn", MBERT, "mlm", "seq_bn/text"), 6.89),
        (("amh_Ethi", MBERT, "mlm", "seq_bn/text"), 56052.75),
        (("tha_Thai", XLMR, "topic", "base"), 0.8793),
        (("heb_Hebr", MBERT, "ner", "seq_bn_inv/fusion"), 0.8453),
        (("bul_Cyrl", XLMR, "sentiment", "full/text"), 0.9079),
        (("swh_Latn", MBERT, "ner", "full/text"), None),
        (("eng_Latn", MBERT, "mlm", "base"), None),
    ],
)
def test_cells_are_as_printed(cell: tuple[str, str, str, str], value: float | None) -> None:
    assert paper_score(*cell) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("base", "task", "system", "mean"),
    [
        (MBERT, "mlm", "base", 45.07),
        (XLMR, "mlm", "seq_bn_inv/text", 80.87),
        (MBERT, "topic", "seq_bn_inv/text", 71.92),
        (XLMR, "topic", "full/text", 82.77),
        (MBERT, "sentiment", "lora/graph", 80.23),
        (XLMR, "ner", "seq_bn/fusion", 78.93),
    ],
)
def test_means_over_languages_are_the_papers(base: str, task: str, system: str, mean: float) -> None:
    result = [
        float(row["value"]) for row in rows() if (row["base"], row["task"], row["system"]) == (base, task, system)
    ]
    assert len(result) == 30
    assert fmean(result) == pytest.approx(mean, abs=0.011)


def test_each_system_has_every_language_once() -> None:
    languages = defaultdict(list)
    for row in rows():
        languages[row["base"], row["task"], row["system"]].append(row["language"])
    first = set(next(iter(languages.values())))
    assert all(set(part) == first and len(part) == 30 for part in languages.values())
    assert all(find_language(code).code == code for code in first)


def test_each_task_on_each_base_has_one_table_of_its_own() -> None:
    tables = defaultdict(set)
    for row in rows():
        tables[row["base"], row["task"]].add(row["source"].partition(",")[0])
    assert all(len(part) == 1 for part in tables.values())
    assert len(set().union(*tables.values())) == len(tables) == 8


def test_only_sundanese_topic_on_xlmr_is_not_as_printed() -> None:
    assert {(row["language"], row["base"], row["task"]) for row in rows() if "means" in row["source"]} == {
        ("sun_Latn", XLMR, "topic")
    }


def test_what_the_bases_read_before() -> None:
    assert pretraining_gigabytes("swh_Latn", XLMR) == 2.15
    assert pretraining_gigabytes("mlt_Latn", MBERT) == 0
    assert pretraining_gigabytes("mlt_Latn", "some-other-base") is None
    assert pretraining_gigabytes("xx_Nope", XLMR) is None


def test_tables_show_the_papers_score_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.eval.report.paper.paper_score", lambda *cell: 0.5 if cell[-1] == ADAPTER else None)
    tables = make_tables_of(small(tmp_path))
    assert markdown(tables, paper_value).count("(paper: ") == 2
    assert markdown(tables).count("paper") == 0
    assert "(paper: 50.0)" in latex(tables, paper_value)
