"""The scores of a published adapter: for the hub's model index, and in a table beside the base's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult

from ...eval.display import format_change, format_change_interval, format_value, format_value_interval, metric_name
from ...eval.display import task_name as name_of_task
from ...eval.measurements import folder_hashes
from ...eval.report.comparison import change, change_interval, compare_runs, is_incomparable
from ...eval.report.controls import controls_note
from ...eval.report.runs import Run, gather_runs, language_name, manifest_of
from ...eval.report.task_results import SystemResult, TaskResult, folders_of
from ...eval.scores import BASE, SCORES_FILE, is_control, read_scores
from ...recipes.task_kinds import WORD_KINDS
from ...workspace.errors import UserError
from .subject import Subject
from .training_data import HUB

HUB_METRICS = {
    **{"macro_f1": "f1", "micro_f1": "f1", "entity_f1": "f1"},
    **{"spearman": "spearmanr", "pearson": "pearsonr"},
}
"""The hub's names of metrics; a metric without one keeps its own."""
DIGITS = 4


@dataclass(frozen=True)
class Result:
    """The adapter's result on a task, over all seeds, and that of the base."""

    task: TaskResult
    name: str
    """Of the adapter's system."""

    @property
    def system(self) -> SystemResult:
        """The adapter's."""
        return self.task.systems[self.name]


def results_of(subject: Subject, sources: Sequence[Path]) -> list[Result]:
    """The results of a language adapter among the scores in `sources`; of a task adapter those of its own task.

    Without `sources`, the workspace that the adapter is in is searched, which may have no scores. Raises UserError if
    `sources` have none.
    """
    try:
        runs = gather_runs(sources or [subject.workspace])
    except UserError:
        if sources:
            raise
        return []
    own_folders = {run.folder.resolve() for run in runs if _is_of(run, subject)}
    languages = {run.about.language for run in runs if run.folder.resolve() in own_folders}
    compared = compare_runs([run for run in runs if run.about.language in languages]).results if languages else []
    return [
        Result(task, name)
        for task in compared
        for name, system in task.systems.items()
        if folders_of(system) <= own_folders and (subject.control or not is_control(name))
    ]


def _is_of(run: Run, subject: Subject) -> bool:
    """Whether a run scored this language adapter, or made this task adapter or the same with another seed."""
    if subject.task_settings is not None:
        return _without_seed(run.manifest) == _without_seed(subject.manifest)
    if subject.artifact_folder.resolve() in {folder.resolve() for folder in run.adapters}:
        return True
    scored = run.manifest.get("inputs", {}).get("adapter")  # of an adapter that was not the recipe's own
    return scored is not None and scored == folder_hashes(subject.folder)


def _without_seed(manifest: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the runs of one system on one task share."""
    section = {name: value for name, value in manifest.get("section", {}).items() if name != "seed"}
    return section, manifest.get("inputs"), [Path(parent).name for parent in manifest.get("parents", [])]


def model_index(subject: Subject, results: Sequence[Result]) -> list[EvalResult]:
    """The scores for the card's metadata: a language adapter's mean over seeds, a task adapter's very own."""
    if subject.task_settings is not None:
        file = subject.artifact_folder / SCORES_FILE
        scores = read_scores(file) if file.is_file() else []
        return [
            _entry(
                subject.manifest,
                {"language": score.language, "task": score.task, "metric": score.metric, "value": score.value},
                score.interval,
                [f"{score.n:,} items", f"seed {score.seed}"],
            )
            for score in scores
        ]
    entries = []
    for result in results:
        task, system = result.task, result.system
        seeds = [f"mean of {system.seeds} seeds"] if system.seeds > 1 else []
        note = [task.note] if task.note else []
        about = {"language": task.language, "task": task.task, "metric": task.metric, "value": system.mean}
        details = [f"{system.n:,} items", *seeds, *note]
        entries.append(_entry(manifest_of(system.folders[0]), about, system.interval, details))
    return entries


def _entry(
    manifest: dict[str, Any], about: dict[str, Any], interval: tuple[float, float] | None, details: list[str]
) -> EvalResult:
    task, metric, language = about["task"], about["metric"], about["language"]
    section = manifest.get("section", {})
    address = next(iter(manifest.get("facts", {}).get("files_on_hub", {})), "")
    owner, name = [*address.removeprefix(HUB).split("/"), "", ""][:2]
    dataset, _, commit = name.partition("@")
    names = ", ".join(manifest.get("sources", [])) or "the test split of the corpus"
    ends = [f"95% interval {interval[0]:.{DIGITS}g} to {interval[1]:.{DIGITS}g}"] if interval else []
    return EvalResult(
        task_type=pipeline_tag(task, per_token=task == "ner" or section.get("kind") in WORD_KINDS),
        task_name=f"{name_of_task(task)} in {language_name(language)}",
        # the hub's library merges entries of equal type and config: the task keeps those on local files apart
        dataset_type=f"{owner}/{dataset}" if address else f"local/{task}",
        dataset_name=f"{dataset}, {language}" if address else f"local files ({names}), {language}",
        dataset_config=language,
        dataset_split="test",
        dataset_revision=commit or None,
        metric_type=str(HUB_METRICS.get(metric, metric)),
        metric_name=f"{metric_name(metric)} ({', '.join([*ends, *details])})",
        metric_value=round(about["value"], DIGITS),
    )


def pipeline_tag(task: str, *, per_token: bool) -> str:
    """The hub's name of a task."""
    if task == "mlm":
        return "fill-mask"
    return "token-classification" if per_token else "text-classification"


def own_table(entries: Sequence[EvalResult]) -> list[str]:
    """The scores of a task adapter, as Markdown."""
    rows = [f"| {entry.metric_name} | {entry.metric_value:g} |" for entry in entries]
    return ["| score | value |", "|---|---|", *rows] if rows else []


def comparison_table(results: Sequence[Result]) -> list[str]:
    """The system beside the base on each task, over all seeds, as Markdown."""
    if not results:
        return []
    rows = [
        "| task | metric | base | with the adapter | difference | verdict | items | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return rows + [_row(result) for result in results]


def _row(result: Result) -> str:
    task, system = result.task, result.system
    base = task.systems.get(BASE)
    interval = format_change_interval(change_interval(task, result.name))
    difference = f"{format_change(change(task, result.name), task.metric)} {interval}".strip()
    verdict = ", ".join(filter(None, [str(system.verdict or ""), controls_note(system)]))
    cells = [
        name_of_task(task.task) + (f" ({task.note})" if task.note else ""),
        metric_name(task.metric),
        _value(base, task.metric) if base else "",
        _value(system, task.metric),
        "" if is_incomparable(system, task.metric) else difference,
        verdict,
        f"{system.n:,}",
        str(system.seeds or ""),
    ]
    return f"| {' | '.join(cells)} |"


def _value(system: SystemResult, metric: str) -> str:
    return f"{format_value(system.mean, metric)} {format_value_interval(system.interval, metric)}".strip()
