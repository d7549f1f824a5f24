from pathlib import Path

from lrl_adapt.eval.report.csv_files import write_comparisons_csv
from lrl_adapt.eval.report.markdown import markdown
from lrl_adapt.eval.report.summary import summary
from lrl_adapt.eval.report.tables import make_tables, system_header
from lrl_adapt.eval.report.task_results import TaskResult
from lrl_adapt.eval.report.writer import write_report

from .made_results import ADAPTER, add_mlm, add_topic, add_topic_seeds, compared_results
from .test_csv_files import read

UNTRAINED, HEAD = f"control:untrained {ADAPTER}", f"control:head {ADAPTER}"


def topic(workspace: Path) -> TaskResult:
    return next(row for row in compared_results(workspace) if row.task == "topic")


def with_gain(workspace: Path, untrained: float) -> Path:
    add_topic_seeds(workspace, "base", 0.4)
    add_topic_seeds(workspace, ADAPTER, 0.8)
    add_topic_seeds(workspace, UNTRAINED, untrained)
    return workspace


def test_a_gain_is_compared_with_each_of_its_controls(tmp_path: Path) -> None:
    result = topic(with_gain(tmp_path, untrained=0.4))
    assert list(result.systems) == ["base", ADAPTER, UNTRAINED]
    assert result.systems[ADAPTER].controls == {UNTRAINED: "better"}
    add_topic_seeds(tmp_path, HEAD, 0.8)
    add_topic_seeds(tmp_path, "control:untrained lora/text", 0.9)  # controls another system
    assert topic(tmp_path).systems[ADAPTER].controls == {HEAD: "no clear difference", UNTRAINED: "better"}


def test_controls_do_not_change_the_verdicts_on_the_systems(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.5)
    add_topic_seeds(tmp_path, ADAPTER, 0.58)
    alone = topic(tmp_path).systems[ADAPTER]
    for kind in "abcdefgh":
        add_topic_seeds(tmp_path, f"control:{kind} {ADAPTER}", 0.5)
    among = topic(tmp_path).systems[ADAPTER]
    assert (among.p, among.verdict) == (alone.p, alone.verdict)
    assert among.p is not None
    assert len(among.controls) == 8


def test_only_a_gain_is_compared_with_its_controls(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.5)
    add_topic_seeds(tmp_path, ADAPTER, 0.5)
    add_topic_seeds(tmp_path, UNTRAINED, 0.2)
    assert topic(tmp_path).systems[ADAPTER].controls == {}


def test_a_control_with_one_seed_is_not_beaten(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.4)
    add_topic_seeds(tmp_path, ADAPTER, 0.8)
    add_topic(tmp_path, UNTRAINED, 0.4)
    assert topic(tmp_path).systems[ADAPTER].controls == {UNTRAINED: "one seed, no verdict"}


def test_perplexity_has_controls_too(tmp_path: Path) -> None:
    for system, value in (("base", 800.0), (ADAPTER, 200.0), (UNTRAINED, 400.0), (HEAD, 100.0)):
        add_mlm(tmp_path, system, value)
    (result,) = compared_results(tmp_path)
    assert result.systems[ADAPTER].controls == {HEAD: "worse", UNTRAINED: "better"}


def test_tables_and_opening_say_which_controls_are_not_beaten(tmp_path: Path) -> None:
    results = compared_results(with_gain(tmp_path, untrained=0.4))
    write_comparisons_csv(tmp_path / "c.csv", results)
    assert [line["beats_controls"] for line in read(tmp_path / "c.csv")] == ["yes", ""]
    assert "better; beats its controls: yes" in markdown(make_tables(results))
    assert summary(results)[-1] == f"Gains that beat all of their controls: {ADAPTER} on topic classification."
    add_topic_seeds(tmp_path, HEAD, 0.8)
    results = compared_results(tmp_path)
    write_comparisons_csv(tmp_path / "c.csv", results)
    assert [line["beats_controls"] for line in read(tmp_path / "c.csv")] == ["no (head)", "", ""]
    assert summary(results)[-1] == f"Gains that do not beat these controls: {ADAPTER} on topic classification (head)."
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "beats its controls: no (head)" in page
    assert "a gain that a control shows too" in page


def test_a_controls_header_names_its_kind_and_what_it_controls() -> None:
    assert system_header(UNTRAINED) == ("untrained", f"control of {ADAPTER}")
