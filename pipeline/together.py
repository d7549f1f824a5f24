"""Training several adapters of a plan in one process: which can be, and the step that does it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path

from ..recipes.schema import Recipe
from ..training import launch
from ..training.artifacts import base_identity, scratch_artifact
from ..workspace.artifacts import Prepared
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import Progress
from .outcome import format_runs
from .steps import Plan, Step
from .training import TrainOptions

TYPES = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn")
SHARED = "base, adapter section and precision"


@dataclass(frozen=True)
class Member:
    """An adapter that may be trained together with others."""

    step: Step
    """That trains it by itself, unless it is finished by then."""
    label: str
    """Of a run that has this adapter."""
    recipe: Recipe
    prepared: Prepared


def train_together(plan: Plan, members: Sequence[Member], options: TrainOptions) -> None:
    """Add steps to the plan that train up to `options.together` of the members each, and put them in order.

    The members' own steps stay: they find a finished adapter, or train one that failed or did not fit in. Those that
    are trained by themselves get a note with the reason.
    """
    unfinished = [member for member in members if not member.step.finished]
    groups: dict[str, list[Member]] = {}
    alone: dict[str, list[str]] = {}
    for member in unfinished:
        if reason := _why_alone(member.recipe):
            alone.setdefault(reason, []).extend(member.step.runs)
        else:
            groups.setdefault(_shared(member, plan.workspace), []).append(member)
    for group in groups.values():
        count = ceil(len(group) / options.together)
        for number in range(count):  # of about the same size
            part = group[len(group) * number // count : len(group) * (number + 1) // count]
            if len(part) > 1:
                _add(plan, part, options)
            else:
                reason = f"no other run is left with the same {SHARED}"
                alone.setdefault(reason, []).extend(part[0].step.runs)
    plan.notes |= {f"trained without others, {format_runs(runs)}: {reason}": None for reason, runs in alone.items()}
    plan.steps = _in_order(plan.steps)


def _why_alone(recipe: Recipe) -> str:
    """Why the adapter cannot share forward passes with others; "" if it can."""
    training = recipe.training
    reasons = {
        f"adapter.type {recipe.adapter.type} (possible for {', '.join(TYPES)})": recipe.adapter.type not in TYPES,
        "source fusion": recipe.source == "fusion",
        "control": recipe.control is not None,
        "vocabulary.pieces": bool(recipe.vocabulary.pieces),
        "training.anchor": training.anchor > 0,
        "training.gradient_checkpointing": training.gradient_checkpointing,
        "training.report_to": training.report_to != "none",
        "training.hang_timeout": training.hang_timeout is not None,
    }
    return next((f"not possible with {reason}" for reason, holds in reasons.items() if holds), "")


def _shared(member: Member, workspace: Path) -> str:
    """What adapters that are trained together have in common."""
    recipe = member.recipe
    scratch = scratch_artifact(recipe, workspace, member.prepared)
    base = scratch.key if scratch else base_identity(recipe.base)
    return f"{base} {recipe.adapter.settings()} {recipe.training.precision}"


def _add(plan: Plan, group: Sequence[Member], options: TrainOptions) -> None:
    runs = list(dict.fromkeys(label for member in group for label in member.step.runs))
    details = f"{group[0].recipe.adapter.type} of {format_runs(runs)}, together"
    members = {member.label: (member.recipe, member.prepared) for member in group}
    make = partial(_make_adapters, members, plan, options)
    needs = dict.fromkeys(need for member in group for need in member.step.needs)
    step = Step("adapters", details, None, make, runs=runs, after=tuple(needs))
    for member in group:
        member.step.after = (step,)
    plan.steps.append(step)


def _in_order(steps: Iterable[Step]) -> list[Step]:
    """The steps, each behind those that come before it."""
    ordered: dict[Step, None] = {}

    def add(step: Step) -> None:
        for earlier in (*step.needs, *step.after):
            add(earlier)
        ordered.setdefault(step)

    for step in steps:
        add(step)
    return list(ordered)


@quiet_libraries()
def _make_adapters(
    members: Mapping[str, tuple[Recipe, Prepared]], plan: Plan, options: TrainOptions, progress: Progress
) -> None:
    """Train those whose data has been prepared; says why where it is left to the members' own steps."""
    from ..training.together import train_together

    ready = {
        label: (recipe, prepared)
        for label, (recipe, prepared) in members.items()
        if label not in plan.refused and all(data.exists for data in prepared.of(recipe.source))
    }
    if len(ready) < 2:
        return
    try:
        if (count := launch.processes(options.gpus)) > 1:
            raise UserError(f"each adapter is trained on {count} GPUs (CUDA_VISIBLE_DEVICES or --gpus 1 limits them)")
        train_together(ready, plan.workspace, progress, resume=options.resume)
    except UserError as error:
        progress.say(f"not trained together, but one after the other: {error}")
