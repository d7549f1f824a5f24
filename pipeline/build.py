"""From recipes to the steps of a plan."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipes.availability import skipped_tasks
from ..recipes.evaluation import Task
from ..recipes.languages import find_language
from ..recipes.schema import Recipe
from ..recipes.task_files import is_local
from ..training.artifacts import (
    adapter_artifact,
    base_name,
    fused_recipes,
    known_tokenizer_hash,
    scratch_artifact,
    token_artifacts,
    vocabulary_artifact,
)
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import Mistakes, UserError
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import Progress
from .prepared import make_corpus, make_graph, prepared_data, trained_adapter, training_prepared
from .sources import check_local_files
from .steps import Plan, Step
from .together import Member, train_together
from .training import TrainOptions, make_adapter, make_base, make_tokens, make_vocabulary, require

if TYPE_CHECKING:
    from ..eval.measurements import Measurement

SOURCE_OF = {"corpus": "text", "graph": "graph"}
"""What recipes call the kinds of prepared data."""


def build_plan(
    runs: Mapping[str, Recipe],
    workspace: Path,
    parts: tuple[str, ...],
    options: TrainOptions,
    adapter: Path | None = None,
    *,
    check_data: bool = True,
) -> Plan:
    """The plan of the `parts` of labelled recipes; `adapter` is the folder of one to evaluate instead of theirs.

    What only a finished step would need, such as the edges of a finished graph, is left out unless it exists. Raises
    UserError where a single run cannot be planned; of several, such a run is refused. With `check_data`, raises it also
    for local files that are missing, and for mistakes in those of tasks.
    """
    builder = Builder(workspace, parts, options, adapter)
    if check_data and "eval" in parts:
        for recipe in runs.values():
            check_local_files(recipe, workspace, adapter)  # before hours of work, not after
    for label, recipe in runs.items():
        try:
            builder.add(label, recipe)
        except UserError as error:
            if len(runs) == 1:
                raise
            builder.refuse(label, recipe, error)
    if check_data:
        builder.check_labels()
    if "report" in parts:
        builder.add_report()
    builder.plan.tell_steps_apart()
    if options.together > 1:
        train_together(builder.plan, builder.trained, options)
    return builder.plan


class Builder:
    """Puts the steps of runs into a plan, shared ones once."""

    def __init__(
        self, workspace: Path, parts: tuple[str, ...], options: TrainOptions, adapter: Path | None = None
    ) -> None:
        self.plan = Plan(workspace, parts)
        self._workspace = workspace
        self._parts = parts
        self._options = options
        self._adapter = adapter
        self.trained: list[Member] = []
        """The adapters, without those that are parts of fusions."""
        self._steps: dict[str, Step] = {}
        self._edges: dict[Path, tuple[Step, Recipe]] = {}
        self._edge_errors: dict[Path, Exception] = {}
        self._tasks: dict[tuple[str, str], Task] = {}  # to read before anything is trained, by name and settings

    def add(self, label: str, recipe: Recipe) -> None:
        """The steps of one run. Raises UserError where they cannot be described, as for missing files."""
        prepared = prepared_data(recipe, self._workspace)
        self._note(recipe, prepared)
        run = _Run(label, recipe, prepared, training_prepared(recipe, self._workspace, prepared))
        before = len(self._steps)
        if "prepare" in self._parts:
            self._add_prepare(run, recipe, prepared)
            if run.trained is not recipe:
                self._add_prepare(run, run.trained, run.training_prepared)
            if self._parts == ("prepare",) and self.plan.runs and len(self._steps) == before:
                return  # a run of a grid that differs only in what is trained
        if "train" in self._parts:
            self._add_train(run)
        if "eval" in self._parts:
            self._add_eval(run)
        self.plan.runs[label] = recipe
        for step in self._steps.values():
            if step in run.steps:
                step.runs.append(label)
        self.plan.steps = [step for step in self._steps.values() if step.runs]

    def refuse(self, label: str, recipe: Recipe, error: UserError) -> None:
        """Record a run that cannot be planned."""
        self.plan.runs[label] = recipe
        self.plan.refused[label] = error

    def add_report(self) -> None:
        """The report on the languages of all runs."""
        languages = sorted({recipe.language for recipe in self.plan.runs.values()})
        folder = self._workspace / "reports" / (languages[0] if len(languages) == 1 else "all")
        make = partial(_make_report, self.plan)
        self.plan.steps.append(Step("report", ", ".join(languages), None, make, (), list(self.plan.runs), folder))

    def check_labels(self) -> None:
        """Read the labelled files of the runs that are on this machine, since a mistake would show after hours only.

        Raises one UserError that lists all mistakes; labels that may be mistakes become notes.
        """
        from ..eval.task_data import read_task

        mistakes = Mistakes()
        for (name, _), task in self._tasks.items():
            with mistakes.collect():
                notes = read_task(name, task, self._workspace / "downloads").label_notes
                self.plan.notes |= dict.fromkeys(f"{name}: {note}" for note in notes)
        mistakes.raise_all("the tasks' files have mistakes:")

    def _will_read(self, recipe: Recipe, names: Iterable[str]) -> None:
        """Have those of the tasks checked that are on this machine: others are downloaded later, or never."""
        for name in names:
            if name != "mlm" and is_local(task := recipe.eval.learnt(name)):
                self._tasks[name, task.model_dump_json()] = task

    def _note(self, recipe: Recipe, prepared: Prepared) -> None:
        if "prepare" in self._parts and (note := find_language(recipe.language).note):
            self.plan.notes[f"{recipe.language}: {note}"] = None
        for data in prepared.all:
            for artifact in (*data.parents, data):
                self._note_missing_inputs(artifact)
        with suppress(UserError):  # raised where the scores are planned
            self.plan.notes |= dict.fromkeys(map(str, skipped_tasks(recipe, prepared.corpus).values()))

    def _note_missing_inputs(self, artifact: Artifact) -> None:
        if artifact.note:
            self.plan.notes[artifact.note] = None

    def _add(self, run: "_Run", artifact: Artifact, details: str, make: Callable[[Progress], Any], **more: Any) -> None:
        """A step; `more` are `needs` besides the artifact's parents, and fields of `Step`."""
        step = self._steps.get(artifact.key)
        if step is None:
            parents = [self._steps[parent.key] for parent in artifact.parents if parent.key in self._steps]
            needs = (*parents, *more.pop("needs", ()))
            step = Step(artifact.kind, details, artifact, make, needs, folder=artifact.folder, **more)
            self._steps[artifact.key] = step
        run.steps.append(step)
        self._note_missing_inputs(artifact)

    def _add_prepare(self, run: "_Run", recipe: Recipe, prepared: Prepared) -> None:
        """Add the corpus first, then edges and graph: the last artifact is the one whose folder `prepare` prints."""
        if corpus := prepared.corpus:
            self._add(run, corpus, recipe.language, partial(make_corpus, recipe, self._workspace, corpus))
        if (graph := prepared.graph) and recipe.graph:
            for edges in graph.parents:
                if edges.exists or not graph.exists:
                    self._add(run, edges, recipe.language, partial(self._make_edges, edges.folder))
                    self._edges.setdefault(edges.folder, (run.steps[-1], recipe))
            details = f"{recipe.language}, linearisation {recipe.graph.linearisation}"
            self._add(run, graph, details, partial(make_graph, recipe, self._workspace, graph))

    def _make_edges(self, folder: Path, progress: Progress) -> None:
        """Make the edges of all languages of the plan from one pass over each dump, with the first of them."""
        from ..graphs.edges import try_extract_edges

        if folder not in self._edge_errors and not self._edges[folder][0].finished:
            wanted = [recipe for step, recipe in self._edges.values() if not self.plan.refused.keys() >= {*step.runs}]
            self._edge_errors |= try_extract_edges(wanted, self._workspace, progress)
        if folder in self._edge_errors:
            raise self._edge_errors[folder]

    def _add_train(self, run: "_Run") -> None:
        """A base with random weights, the tokens, and the adapter, after those that it fuses."""
        recipe, prepared = run.trained, run.training_prepared
        if recipe.adapter.type == "none":
            return
        recipes = [*fused_recipes(recipe).values(), recipe]
        adapters = [adapter_artifact(trained, self._workspace, prepared) for trained in recipes]
        unfinished = any(not adapter.exists for adapter in adapters)
        if unfinished and "prepare" not in self._parts:
            self._require(run, list(prepared.all), "prepare")
        if unfinished:
            self._will_read(run.recipe, run.recipe.eval.tasks or run.recipe.eval.configured)
        self._add_base(run, needed=unfinished)
        self._add_vocabulary(run, needed=unfinished)
        tokens = self._add_tokens(run, needed=unfinished)
        for trained, adapter in zip(recipes, adapters, strict=True):
            make = partial(make_adapter, trained, self._workspace, prepared, adapter, self._options)
            seed = "" if trained.training.seed == recipe.training.seed else f", seed {trained.training.seed}"
            details = f"{recipe.language}, {trained.run_name}{seed}"
            self._add(run, adapter, details, make, needs=tokens, made_by_training=trained is not recipe)
        if all(member.step is not run.steps[-1] for member in self.trained):
            self.trained.append(Member(run.steps[-1], run.label, recipe, prepared))

    def _add_base(self, run: "_Run", *, needed: bool) -> None:
        base = scratch_artifact(run.recipe, self._workspace, run.prepared)
        if base and (needed or base.exists):
            make = partial(_unless_finished, base, partial(make_base, run.recipe, self._workspace, run.prepared))
            self._add(run, base, f"{run.recipe.language}, random weights", make, made_by_training=True)

    def _add_vocabulary(self, run: "_Run", *, needed: bool) -> None:
        recipe, prepared = run.trained, run.training_prepared
        vocabulary = vocabulary_artifact(recipe, self._workspace, prepared)
        if vocabulary and (needed or vocabulary.exists):
            make = partial(_unless_finished, vocabulary, partial(make_vocabulary, recipe, self._workspace, prepared))
            most = "" if recipe.vocabulary.pieces == "auto" else f"up to {recipe.vocabulary.pieces} "
            details = f"{recipe.language}, {most}new pieces for {base_name(recipe.base)}"
            self._add(run, vocabulary, details, make, made_by_training=True)

    def _add_tokens(self, run: "_Run", *, needed: bool) -> list[Step]:
        recipe, prepared = run.trained, run.training_prepared
        known = known_tokenizer_hash(recipe, self._workspace, prepared)
        # without a hash the base stands for its tokenizer, to tell the tokens of one base from those of another
        pieces = recipe.vocabulary.model_dump_json() if recipe.vocabulary.pieces else ""
        key = known or recipe.base.model_dump_json() + pieces
        steps = []
        for tokens in token_artifacts(recipe, self._workspace, prepared, key):
            if needed or (known and tokens.exists):
                of_source = recipe.model_copy(update={"source": SOURCE_OF[tokens.name], "control": None})
                make = partial(_unless_finished, tokens, partial(make_tokens, of_source, self._workspace, prepared))
                base = scratch_artifact(recipe, self._workspace, prepared)
                vocabulary = vocabulary_artifact(recipe, self._workspace, prepared)
                parts = [part for part in (base, vocabulary) if part and part.key in self._steps]
                needs = [self._steps[part.key] for part in parts]
                details = f"{recipe.language}, {tokens.name} for {base_name(recipe.base)}"
                self._add(run, tokens, details, make, needs=needs, made_by_training=True)
                step = run.steps[-1]
                if not known:
                    step.artifact = step.folder = None
                steps.append(step)
        return steps

    def _add_eval(self, run: "_Run") -> None:
        """The scores of the base and of the adapter on each task with each seed."""
        from ..eval.measurements import NO_TRAINED_HEAD, measurements

        recipe, prepared = run.recipe, run.prepared
        if recipe.base.new_head and "mlm" in (recipe.eval.tasks or recipe.eval.configured):
            systems = "it or an untrained adapter" if recipe.control == "untrained" else "it"
            self.plan.notes[f"{NO_TRAINED_HEAD}: no pseudo-perplexity for {systems}"] = None
        adapter = self._adapter or trained_adapter(recipe, self._workspace, prepared)
        if self._adapter:
            self._note_other_base(recipe, self._adapter)
        planned = measurements(recipe, self._workspace, prepared, adapter)
        unfinished = [measurement for measurement in planned if not measurement.artifact.exists]
        missing = _missing(tuple(parent for measurement in unfinished for parent in measurement.artifact.parents))
        if "prepare" not in self._parts:
            self._require(run, [part for part in missing if part.kind in ("corpus", "graph")], "prepare")
        if "train" not in self._parts:
            self._require(run, [part for part in missing if part.kind == "adapter"], "train")
        self._will_read(recipe, dict.fromkeys(measurement.task for measurement in unfinished))
        self._add_base(run, needed=bool(unfinished))
        for measurement in planned:
            details = f"{recipe.language}, {measurement.task}, {measurement.system}{_seed_of(measurement)}"
            self._add(run, measurement.artifact, details, partial(_make_scores, measurement))

    def _require(self, run: "_Run", artifacts: list[Artifact], command: str) -> None:
        try:
            require(artifacts, command, run.recipe)
        except UserError as error:
            self.plan.unmet.setdefault(run.label, error)

    def _note_other_base(self, recipe: Recipe, folder: Path) -> None:
        """An adapter may fit a base in shape that it was not trained on; its scores then mean nothing."""
        from ..eval.inference.find_adapters import other_base

        if recipe.base.model and (base := other_base(folder, recipe.base.model)):
            self.plan.notes[f"note: {folder} was trained on {base}, but is evaluated on {recipe.base.model}"] = None


class _Run:
    """A run while its steps are put together."""

    def __init__(self, label: str, recipe: Recipe, prepared: Prepared, training_prepared: Prepared) -> None:
        self.label, self.recipe, self.prepared = label, recipe, prepared
        self.trained, self.training_prepared = recipe.trained, training_prepared
        self.steps: list[Step] = []


def _unless_finished(artifact: Artifact, make: Callable[[Progress], None], progress: Progress) -> None:
    if not artifact.exists:
        make(progress)


def _seed_of(measurement: "Measurement") -> str:
    """The seed of a task adapter, for the end of a title; "" where nothing is trained."""
    return "" if measurement.seed is None else f", seed {measurement.seed}"


def _make_scores(measurement: "Measurement", progress: Progress) -> Any:
    artifact = measurement.artifact
    if artifact.exists:
        what = f"{measurement.task} of {measurement.system}{_seed_of(measurement)}"
        progress.say(f"{what}: already finished, {artifact.folder}")
        return measurement.read_scores()
    with quiet_libraries():
        from ..eval.evaluator import make_scores

        return make_scores(measurement, progress)


def _make_report(plan: Plan, progress: Progress) -> Any:
    """The page, and the results that it shows: every score in the workspace in languages that the plan has scored."""
    from ..eval.report.comparison import compare_runs
    from ..eval.report.runs import gather_runs
    from ..eval.report.writer import write_page

    scored = [step.artifact for step in plan.steps if step.kind == "scores" and step.finished]
    languages = [scores.section["language"] for scores in scored if scores]
    if "eval" not in plan.parts:
        languages = [recipe.language for recipe in plan.runs.values()]
    results = compare_runs(gather_runs([plan.workspace], list(dict.fromkeys(languages))), progress)
    return write_page(results, plan.workspace, progress=progress), results


def _missing(artifacts: tuple[Artifact, ...]) -> list[Artifact]:
    """Those that do not exist, and what they are made from, each once."""
    missing: dict[Path, Artifact] = {}
    for artifact in artifacts:
        if not artifact.exists:
            missing[artifact.folder] = artifact
            missing |= {below.folder: below for below in _missing(artifact.parents)}
    return list(missing.values())
