"""Which runs of a plan are trained together, and in which order steps are then done."""

import operator
from pathlib import Path

import pytest
from lrl_adapt import pipeline
from lrl_adapt.pipeline.outcome import Outcome
from lrl_adapt.pipeline.steps import Plan, Step
from lrl_adapt.recipes.loading import load_recipe, load_runs

from ..cli.small import TEXT, invoke
from ..said import Said

RECIPE = """
language: swh_Latn
base: {model: google-bert/bert-base-multilingual-cased}
corpus: {files: "{language}.txt"}
grid: {language: [swh, mlt, hau]}
eval: {tasks: [mlm]}
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The current folder, with texts and a grid of three languages."""
    for language in ("swh_Latn", "mlt_Latn", "hau_Latn"):
        (folder / f"{language}.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def plan_of(*changes: str, together: int = 8, parts: tuple[str, ...] = pipeline.PARTS) -> Plan:
    runs = {}
    for overrides, recipe in load_runs("recipe.yaml", list(changes)):
        runs[f"{recipe.language} {len(runs)}"] = recipe
        assert overrides
    return pipeline.plan(runs, together=together, parts=parts)


def groups(planned: Plan) -> list[list[str]]:
    return [step.runs for step in planned.steps if step.kind == "adapters"]


def test_runs_with_one_base_and_adapter_are_trained_together_once_the_data_of_all_is_there(folder: Path) -> None:
    planned = plan_of()
    assert groups(planned) == [["swh_Latn 0", "mlt_Latn 1", "hau_Latn 2"]]
    kinds = [step.kind for step in planned.steps]
    assert kinds == [*["corpus", "tokens"] * 3, "adapters", *_of_each(kinds), "report"]
    for step in planned.steps:
        earlier = planned.steps[: planned.steps.index(step)]
        assert {*step.needs, *step.after} <= {*earlier}
    assert planned.notes == {}
    assert [step.kind for step in plan_of(together=1).steps if step.kind == "adapters"] == []


def _of_each(kinds: list[str]) -> list[str]:
    """What follows for each language: its adapter, and the scores of the base and of the adapter."""
    assert kinds.count("adapter") == 3
    assert kinds.count("scores") == 6
    return ["adapter", "scores", "scores"] * 3


@pytest.mark.parametrize(("together", "sizes"), [(2, [2]), (3, [3]), (8, [3])])
def test_groups_have_at_most_so_many(folder: Path, together: int, sizes: list[int]) -> None:
    planned = plan_of(together=together)
    assert [len(runs) for runs in groups(planned)] == sizes
    assert bool(planned.notes) == (sum(sizes) < 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "adapter.type=lora",
            "not possible with adapter.type lora (possible for seq_bn, seq_bn_inv, double_seq_bn, par_bn)",
        ),
        ("vocabulary.pieces=100", "not possible with vocabulary.pieces"),
        ("training.anchor=0.1", "not possible with training.anchor"),
        ("training.gradient_checkpointing=true", "not possible with training.gradient_checkpointing"),
        ("training.report_to=wandb", "not possible with training.report_to"),
        ("training.hang_timeout=60", "not possible with training.hang_timeout"),
        ("control=head", "not possible with control"),
    ],
)
def test_what_cannot_share_a_row_is_trained_by_itself_with_a_reason(folder: Path, change: str, reason: str) -> None:
    planned = plan_of(change)
    assert groups(planned) == []
    assert list(planned.notes) == [f"trained without others, swh_Latn 0 and 2 others: {reason}"]


def test_other_adapters_and_bases_are_not_mixed(folder: Path) -> None:
    languages = "grid: {language: [swh, mlt, hau]}"
    types = "grid: {language: [swh, mlt], adapter.type: [seq_bn, seq_bn_inv], training.batch_tokens: [100]}"
    (folder / "recipe.yaml").write_text(RECIPE.replace(languages, types), encoding="utf-8")
    assert groups(plan_of()) == [["swh_Latn 0", "mlt_Latn 2"], ["swh_Latn 1", "mlt_Latn 3"]]
    bases = "grid: {base.model: [FacebookAI/xlm-roberta-base, FacebookAI/xlm-roberta-large]}"
    (folder / "recipe.yaml").write_text(RECIPE.replace(languages, bases), encoding="utf-8")
    planned = plan_of()
    assert groups(planned) == []
    (note,) = planned.notes
    assert note.endswith(": no other run is left with the same base, adapter section and precision")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_step_waits_for_those_that_it_comes_after_though_they_fail(folder: Path, jobs: int) -> None:
    fail, succeed = operator.index, operator.not_  # of the progress; functions that other processes can import
    failing = Step("scores", "failing", None, fail, runs=["run"], folder=Path("runs/scores/failing"))
    later = Step("scores", "later", None, succeed, runs=["run"], folder=Path("runs/scores/later"), after=(failing,))
    other = Step("scores", "other", None, succeed, runs=["run"], folder=Path("runs/scores/other"), after=(later,))
    planned = Plan(Path("runs"), ("eval",), {"run": load_recipe("quickstart")}, [failing, later, other])
    outcome: Outcome = planned.execute(Said(), jobs)
    assert [failure.what for failure in outcome.failures] == ["scores failing"]
    assert outcome.not_started == []
    assert [folder.name for folder in outcome.scores_by_folder] == ["later", "other"]


def test_slurm_gives_each_adapter_a_job_of_its_own(folder: Path) -> None:
    refused = invoke("run", "--slurm", "--together", "3")
    assert refused.exit_code == 2
    assert refused.stderr == "error: --slurm: leave out --together: each adapter has a job of its own\n"
