import shutil
from pathlib import Path

import pytest
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.workspace.errors import UserError

from .made_results import ADAPTER, add_adapter, add_mlm, add_topic, small


def test_scores_come_from_files_folders_and_workspaces_each_once(tmp_path: Path) -> None:
    workspace = small(tmp_path / "one")
    folder = next((workspace / "scores" / "swh_Latn").glob("mlm-*"))
    assert len(gather_runs([workspace])) == 6
    assert len(gather_runs([folder, folder / "scores.json", workspace])) == 6
    (only,) = gather_runs([folder / "scores.json"])
    assert (only.name, only.workspace) == (f"scores/swh_Latn/{folder.name}", workspace)


def test_languages_leave_out_the_others(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 9.0)
    add_mlm(tmp_path, "base", 9.0, language="mlt_Latn")
    assert [run.about.language for run in gather_runs([tmp_path], ["mlt_Latn"])] == ["mlt_Latn"]
    with pytest.raises(UserError, match=r"no scores for dan_Latn under .* yet; run: lrl-adapt eval"):
        gather_runs([tmp_path], ["mlt_Latn", "dan_Latn"])


def test_an_empty_workspace_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no scores under .* yet; run: lrl-adapt eval"):
        gather_runs([tmp_path])


def test_a_system_knows_its_adapters_and_the_base_has_none(tmp_path: Path) -> None:
    adapter = add_adapter(tmp_path, "x-text-seq_bn-1a")
    add_mlm(tmp_path, "base", 9.0, parents=(adapter,))
    add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,))
    assert {run.system: run.adapters for run in gather_runs([tmp_path])} == {"base": (), ADAPTER: (adapter,)}


def test_a_moved_workspace_still_finds_its_adapters(tmp_path: Path) -> None:
    moved = small(tmp_path / "here").rename(tmp_path / "there")
    assert all(run.adapters[0].is_dir() for run in gather_runs([moved]) if run.system == ADAPTER)


def test_adapters_of_one_kind_are_told_apart_by_their_hash(tmp_path: Path) -> None:
    for number in ("1a", "9f"):
        adapter = add_adapter(tmp_path, f"xlm-r-text-seq_bn-{number}")
        add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,))
    assert [run.system for run in gather_runs([tmp_path])] == [f"{ADAPTER} (1a)", f"{ADAPTER} (9f)"]


def test_adapters_of_one_kind_are_named_by_the_settings_that_differ(tmp_path: Path) -> None:
    for name, steps, rate in (("1a", 300, 0.1), ("2b", 600, 0.1), ("3c", 600, 0.2), ("4d", 600, 0.2)):
        settings = {"max_steps": steps, "learning_rate": rate, "seed": 1, "mask_probability": 0.15}
        adapter = add_adapter(tmp_path, f"xlm-r-text-seq_bn-{name}", training=settings)
        add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,))
    assert [run.system for run in gather_runs([tmp_path])] == [
        f"{ADAPTER} (max_steps 300, learning_rate 0.1)",
        f"{ADAPTER} (max_steps 600, learning_rate 0.1)",
        f"{ADAPTER} (max_steps 600, learning_rate 0.2, 3c)",
        f"{ADAPTER} (max_steps 600, learning_rate 0.2, 4d)",
    ]


def test_an_adapter_that_was_deleted_is_named_by_its_hash_and_the_others_by_what_differs(tmp_path: Path) -> None:
    for name, steps in (("1a", 300), ("2b", 300), ("3c", None)):
        adapter = add_adapter(tmp_path, f"xlm-r-text-seq_bn-{name}", training={"max_steps": steps})
        add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,))
        if name == "1a":
            shutil.rmtree(adapter)
    systems = [run.system for run in gather_runs([tmp_path])]
    assert systems == [f"{ADAPTER} (1a)", f"{ADAPTER} (max_steps 300)", f"{ADAPTER} (no max_steps)"]


def test_one_adapter_in_each_language_needs_no_hash(tmp_path: Path) -> None:
    for language in ("swh_Latn", "mlt_Latn"):
        adapter = add_adapter(tmp_path, f"xlm-r-text-seq_bn-{language}", language)
        add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,), language=language)
    assert {run.system for run in gather_runs([tmp_path])} == {ADAPTER}


def test_a_foreign_adapter_is_measured_under_the_same_conditions_as_the_base(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5, inputs={"data": {"test": "a" * 64}})
    add_topic(tmp_path, "theirs", 0.5, inputs={"data": {"test": "a" * 64}, "adapter": {"x.safetensors": "b" * 64}})
    base, theirs = gather_runs([tmp_path])
    assert base.conditions == theirs.conditions
    assert ("data.test", "aaaaaaaa") in base.conditions


def test_the_primary_metric_of_a_users_task_is_its_first(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5, task="intent")
    add_topic(tmp_path, "base", 0.5)
    assert [run.primary.metric for run in gather_runs([tmp_path])] == ["accuracy", "macro_f1"]


def test_a_manifest_that_is_gone_leaves_the_scores(tmp_path: Path) -> None:
    folder = add_mlm(tmp_path / "one", "base", 9.0)
    shutil.move(folder, tmp_path / "passed-on")
    (tmp_path / "passed-on" / "manifest.json").unlink()
    assert gather_runs([tmp_path / "passed-on"])[0].about.value == 9.0
