"""What --dry-run lists: every step of one run or of a grid, in order, finished or to do. No file is downloaded."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact
from .runs import Failures
from .steps import prepared_data


@dataclass(frozen=True)
class Step:
    """One artifact of the plan."""

    kind: str
    """corpus, edges, graph, base, tokens, adapter, scores or report."""
    details: str
    finished: bool
    folder: Path | None
    """None where the name depends on something that is not on this machine yet."""

    @property
    def state(self) -> str:
        """The word for the table."""
        return "finished" if self.finished else "to do"

    def as_json(self) -> dict[str, Any]:
        """The step as an entry of the --json object."""
        folder = str(self.folder) if self.folder else None
        return {"kind": self.kind, "details": self.details, "state": self.state, "folder": folder}


class Plan:
    """The steps of the runs that were added, in the order in which they are done; shared ones once.

    What only a finished step would need, such as the edges of a finished graph, is left out unless it exists.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._steps: dict[str, Step] = {}
        self._tokenizers: dict[str, str | None] = {}

    @property
    def steps(self) -> Sequence[Step]:
        """All steps, in order."""
        return list(self._steps.values())

    def add_prepare(self, recipe: Recipe) -> None:
        """Corpus, edges and graph. Raises UserError as `prepare` does for missing files."""
        prepared = prepared_data(recipe, self._workspace)
        if prepared.corpus:
            self._add(prepared.corpus, recipe.language)
        if prepared.graph and recipe.graph:
            for edges in prepared.graph.parents:
                self._add(edges, recipe.language, needed=not prepared.graph.exists)
            self._add(prepared.graph, f"{recipe.language}, linearisation {recipe.graph.linearisation}")

    def add_train(self, recipe: Recipe) -> None:
        """A random base, the tokenised text, and the adapter, after those that it fuses; nothing for adapter none."""
        from ..training.language_adapter import adapter_artifact

        if recipe.adapter.type == "none":
            return
        adapter = adapter_artifact(recipe, self._workspace, prepared_data(recipe, self._workspace))
        adapters = [*(parent for parent in adapter.parents if parent.kind == "adapter"), adapter]
        to_train = any(not each.exists for each in adapters)
        self._add_random_base(recipe, needed=to_train)
        self._add_tokens(recipe, needed=to_train)
        for each in adapters:
            self._add(each, f"{recipe.language}, {recipe.adapter.type} on {each.section['source']}")

    def add_eval(self, recipe: Recipe, folder: Path | None = None) -> None:
        """A random base, and the scores of base and adapter (or the one in `folder`) on each task with each seed."""
        from .evaluate import planned

        measurements = planned(recipe, self._workspace, folder)
        self._add_random_base(recipe, needed=any(not each.artifact.exists for each in measurements))
        for each in measurements:
            seed = "" if each.seed is None else f", seed {each.seed}"
            self._add(each.artifact, f"{recipe.language}, {each.task}, {each.system}{seed}")

    def add_report(self, recipes: Iterable[Recipe]) -> None:
        """The report on the recipes' languages, which is always written anew."""
        languages = sorted({recipe.language for recipe in recipes})
        folder = self._workspace / "reports" / (languages[0] if len(languages) == 1 else "all")
        self._steps["report"] = Step("report", ", ".join(languages), finished=False, folder=folder)

    def _add(self, artifact: Artifact, details: str, *, needed: bool = True, known: bool = True) -> None:
        finished = known and artifact.exists
        if needed or finished:
            step = Step(artifact.kind, details, finished, artifact.folder if known else None)
            self._steps.setdefault(artifact.key, step)

    def _add_random_base(self, recipe: Recipe, *, needed: bool) -> None:
        from ..training.base import scratch_artifact

        base = scratch_artifact(recipe, self._workspace, prepared_data(recipe, self._workspace))
        if base:
            self._add(base, f"{recipe.language}, random weights", needed=needed)

    def _add_tokens(self, recipe: Recipe, *, needed: bool) -> None:
        from ..training.base import base_name
        from ..training.setup import token_artifacts

        prepared = prepared_data(recipe, self._workspace)
        tokenizer = self._tokenizer_hash(recipe)
        # without a hash the base stands for its tokenizer, to tell the tokens of one base from those of another
        key = tokenizer or recipe.base.model_dump_json()
        for tokens in token_artifacts(recipe, self._workspace, prepared, key):
            details = f"{recipe.language}, {tokens.name} for {base_name(recipe.base)}"
            self._add(tokens, details, needed=needed, known=tokenizer is not None)

    def _tokenizer_hash(self, recipe: Recipe) -> str | None:
        """Hash of the base's tokenizer, None where the base is not on this machine; each base is loaded once."""
        from ..training.base import local_tokenizer_hash, scratch_artifact

        prepared = prepared_data(recipe, self._workspace)
        random_base = scratch_artifact(recipe, self._workspace, prepared)
        base = random_base.key if random_base else recipe.base.model_dump_json()
        if base not in self._tokenizers:
            self._tokenizers[base] = local_tokenizer_hash(recipe, self._workspace, prepared)
        return self._tokenizers[base]


def plan_runs(
    runs: Sequence[tuple[str, Recipe]], workspace: Path, failures: Failures, add: Callable[[Plan, Recipe], None]
) -> Plan:
    """The plan of labelled runs: `add` puts in the steps of each that the command does."""
    plan = Plan(workspace)
    for label, recipe in runs:
        with failures.collect(label):
            add(plan, recipe)
    return plan
