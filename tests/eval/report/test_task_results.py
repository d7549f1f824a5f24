from pathlib import Path

import pytest
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.task_results import average_runs

from .made_results import ADAPTER, add_mlm, add_topic, compared_results


def test_seeds_are_averaged(tmp_path: Path) -> None:
    one, two = (add_topic(tmp_path, "base", right, seed=seed) for seed, right in ((1, 0.5), (2, 0.7)))
    (row,) = compared_results(tmp_path)
    cell = row.systems["base"]
    values = [run.primary.value for run in gather_runs([tmp_path])]
    assert (cell.mean, cell.seeds, cell.n) == (pytest.approx(sum(values) / 2), 2, 120)
    assert cell.interval == (0, 1)  # two scores that are far apart
    (average,) = average_runs(gather_runs([tmp_path]))
    assert average.systems["base"].interval == pytest.approx((cell.mean - 0.06, cell.mean + 0.06))
    assert cell.std == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert set(cell.folders) == {one, two}


def test_tasks_and_systems_are_in_order(tmp_path: Path) -> None:
    for system in ("lora/text", "base", "full/text"):
        add_topic(tmp_path, system, 0.5, task="own")
        add_topic(tmp_path, system, 0.5)
        add_mlm(tmp_path, system, 9.0)
    assert [row.task for row in compared_results(tmp_path)] == ["mlm", "topic", "own"]
    assert all(list(row.systems) == ["base", "full/text", "lora/text"] for row in compared_results(tmp_path))


def test_other_settings_make_a_row_of_their_own(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 700.0, max_sentences=50)
    add_mlm(tmp_path, "base", 812.3)
    add_mlm(tmp_path, ADAPTER, 401.9)
    notes = {row.note: set(row.systems) for row in compared_results(tmp_path)}
    assert notes == {"max sentences 50": {"base"}, "max sentences 200": {"base", ADAPTER}}


def test_another_random_base_is_not_compared(tmp_path: Path) -> None:
    for number, systems in enumerate((["base"], ["base", ADAPTER])):
        scratch = tmp_path / "bases" / "swh_Latn" / f"scratch-{number}"
        scratch.mkdir(parents=True)
        for system in systems:
            add_mlm(tmp_path, system, 900.0 - 100 * number, base="scratch", parents=(scratch,))
    assert [row.note for row in compared_results(tmp_path)] == ["made from scratch-0", "made from scratch-1"]


def test_transfer_is_a_row_of_its_own_with_its_language(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.6)
    add_topic(tmp_path, "base", 0.4, transfer_from="eng_Latn")
    own, zero_shot = compared_results(tmp_path)
    assert (own.note, own.transfer) == ("", "")
    assert (zero_shot.note, zero_shot.transfer) == ("zero-shot from English (eng_Latn)", "eng_Latn")
