"""Small plans, whose steps are made in no time, for the tests of jobs and of their states."""

from functools import partial
from pathlib import Path
from typing import Any

from lrl_adapt.pipeline.steps import Plan, Step
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.slurm import Slurm
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.progress import Progress

RUNS = Path("runs")


def make(artifact: Artifact, progress: Progress) -> None:
    artifact.build(lambda _: None)


def step(kind: str, details: str, *needs: Step) -> Step:
    artifact = Artifact(RUNS / kind, details, kind, {})
    return Step(kind, details, artifact, partial(make, artifact), needs, ["run"], artifact.folder)


class Steps:
    """The steps of a small plan."""

    def __init__(self) -> None:
        self.corpus = step("corpus", "swh")
        self.tokens = step("tokens", "swh", self.corpus)
        self.adapter = step("adapter", "swh, lora", self.tokens)
        self.base = step("scores", "mlm, base", self.corpus)
        self.adapted = step("scores", "mlm, lora", self.corpus, self.adapter)
        self.report = Step("report", "swh", None, partial(print, "report"), (), ["run"], RUNS / "reports" / "swh")
        self.plan = planned(self.corpus, self.tokens, self.adapter, self.base, self.adapted, self.report)


def planned(*steps: Step, **settings: Any) -> Plan:
    recipe = load_recipe("quickstart").model_copy(update={"slurm": Slurm(**settings)})
    return Plan(RUNS, ("prepare", "train", "eval", "report"), {"run": recipe}, list(steps))


def write_log(step: Step, text: str) -> None:
    log = RUNS / "logs" / step.kind / f"{step.folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
