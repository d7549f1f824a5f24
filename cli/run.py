"""`lrl-adapt run`: prepare, train, eval and report, one after the other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from ..workspace.artifacts import Artifact
from . import options
from .console import Terminal
from .evaluate import compare, data_json, evaluate, score_json, show_scores
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .preflight import Preflight, say_skipped
from .prepare import extract_shared_edges, prepare
from .report import report
from .runs import Failures
from .train import How, train

EPILOG = examples(
    "lrl-adapt run",
    "lrl-adapt run quickstart --adapter lora --task mlm",
    "lrl-adapt run mbert --language mlt --dry-run",
)


def run_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    gpus: options.Gpus = None,
    cpu: options.Cpu = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Prepare the data, train the adapter, evaluate it and write the report. Finished steps are skipped.

    For a grid recipe, does every run; one that fails does not stop the others, and is named at the end.
    """
    from ..recipes.loading import check_files, load_runs
    from .steps import require_single_process, use_cpu

    require_single_process("run")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    runs = [(How(recipe, words, gpus=gpus, debug=debug), run) for words, run in load_runs(recipe, short)]
    for _, run in runs:
        check_files(run)  # before hours of work, not after
    failures = Failures(len(runs), terminal, debug=debug)
    labelled = [(how.label, run) for how, run in runs]
    preflight = Preflight(labelled, workspace)
    if dry_run:
        _plan(labelled, workspace, terminal, failures, preflight)
        failures.raise_if_any()
        return
    preflight.show(terminal)
    say_skipped(terminal, [run for _, run in runs], workspace)
    made = _Made()
    startable = [run for how, run in runs if not preflight.refuses(how.label)]
    edge_errors = extract_shared_edges(startable, workspace, terminal)
    for number, (how, run) in enumerate(runs, 1):
        place = f" (run {number} of {len(runs)}: {how.label})" if len(runs) > 1 else ""
        with failures.collect(how.label):
            preflight.require(how.label)
            terminal.heading(f"1/4 prepare {run.language}{place}")
            made.add(prepare(run, workspace, terminal, edge_errors))
            if run.adapter.type != "none":
                terminal.heading(f"2/4 train {run.adapter.type} on {run.source}{place}")
                made.add([train(run, workspace, terminal, how)])
            terminal.heading(f"3/4 eval{place}")
            made.scores |= evaluate(run, workspace, terminal)
    _report(made, workspace, terminal, failures)
    failures.raise_if_any()


def _plan(
    runs: list[tuple[str, Any]], workspace: Path, terminal: Terminal, failures: Failures, preflight: Preflight
) -> None:
    """Show every step of the runs, finished or to do, and whether what they need can be had."""
    from .plan import Plan, plan_runs
    from .steps import planned_work

    def add(plan: Plan, run: Any) -> None:
        plan.add_prepare(run)
        plan.add_train(run)
        plan.add_eval(run)

    plan = plan_runs(runs, workspace, failures, add)
    plan.add_report(run for _, run in runs)
    result = planned_work(terminal, runs, plan.steps)
    preflight.show(terminal)
    say_skipped(terminal, [run for _, run in runs], workspace)
    preflight.finish(result, terminal, failures)


@dataclass
class _Made:
    """What the runs have made, by folder: the artifacts and scores of several runs may be the same."""

    artifacts: dict[Path, Artifact] = field(default_factory=dict)
    scores: dict[Path, list[Any]] = field(default_factory=dict)

    def add(self, artifacts: list[Artifact]) -> None:
        """Take up artifacts."""
        self.artifacts |= {artifact.folder: artifact for artifact in artifacts}


def _report(made: _Made, workspace: Path, terminal: Terminal, failures: Failures) -> None:
    """Write the report on what was scored, and end the command with its result."""
    from .steps import describe

    records = [score for scores in made.scores.values() for score in scores]
    page = None
    if records:
        terminal.heading("4/4 report")
        results = compare(records, workspace, terminal)
        page = report(results, workspace, terminal)
        show_scores(terminal, made.scores, results)
    result = {
        "artifacts": [describe(artifact) for artifact in made.artifacts.values()],
        "scores": [score_json(score) for score in records],
        "data": data_json(made.scores),
        "report": str(page) if page else None,
    }
    terminal.result(result | failures.as_json, page)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("run", epilog=EPILOG)(guarded(run_cmd))
