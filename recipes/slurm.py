"""The section of a recipe for jobs on a Slurm cluster: `slurm`. It enters no artifact's key.

Names, forms of values and further options: https://slurm.schedmd.com/sbatch.html.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ..workspace.errors import shown
from .field_types import Count, Section, Text

TIME = re.compile(r"\d+(:\d\d){1,2}|\d+-\d+(:\d\d){0,2}")  # a number alone, Slurm's minutes, is easily mistaken
SHORT_TIME = re.compile(r"(\d+)(min|h|d)")
IN_SLURM = {"min": "{}:00", "h": "{}:00:00", "d": "{}-0"}
OPTION = re.compile(r"[a-z][a-z0-9-]*")
RESERVED = (
    "array",
    "chdir",
    "dependency",
    "error",
    "job-name",
    "kill-on-invalid-dep",
    "open-mode",
    "output",
    "parsable",
    "test-only",
    "wait",
    "wrap",
)
"""Options that `run --slurm` sets itself, or that do not go with it."""


def _matches(pattern: str, expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}, got {shown(text)}")
        return text

    return AfterValidator(check)


def _time(value: Any) -> str:
    """A time limit in a form of Slurm's. YAML reads 12:00:00 without quotes as a number, 43200."""
    text = str(value)
    if short := SHORT_TIME.fullmatch(text):
        return IN_SLURM[short[2]].format(short[1])
    if not isinstance(value, str) or not TIME.fullmatch(text):
        raise ValueError(f'expected a time such as 90min, 12h, 2d or, in quotes, "1-12:00:00", got {shown(value)}')
    return text


def _options(options: dict[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    for name in named:
        if name in RESERVED or not OPTION.fullmatch(name):
            raise ValueError(f"{name}: expected a long option of sbatch, such as qos, other than {', '.join(RESERVED)}")
    return named


Gpus = Annotated[Text, _matches(r"([A-Za-z][\w.-]*:)?\d+", "a number of GPUs, or a type and a number (a100:2)")]
Memory = Annotated[Text, _matches(r"\d+[KMGT]?", "memory such as 16G")]


class Slurm(Section):
    """What `lrl-adapt run --slurm` asks of a Slurm cluster for the job of each step. It does not change any result."""

    partition: Text | None = Field(default=None, description="Partition; null: the cluster's default.")
    cpu_partition: Text | None = Field(
        default=None, description="Partition of steps that use no GPU; null: the same as for the others."
    )
    gpus: Gpus = Field(
        default="1",
        description="GPUs to train an adapter on, as a number or with their type, a100:2; 0: none. Scoring uses one of "
        "them, other steps none.",
    )
    cpus: Count = Field(default=4, description="CPU cores of each job.")
    memory: Memory = Field(default="16G", description="Memory of each job.")
    time: Annotated[str, BeforeValidator(_time), WithJsonSchema({"type": "string"})] = Field(
        default="12:00:00",
        description='Time limit of each job: 90min, 12h, 2d or, in quotes, "1-12:00:00". Training that reaches it is '
        "queued again and resumes.",
    )
    account: Text | None = Field(default=None, description="Account that is charged; null: your default account.")
    options: Annotated[dict[str, Text], AfterValidator(_options)] = Field(
        default={},
        description="Other long options of sbatch, for every job: {qos: long, exclusive: true, nice: 100}. _ may stand "
        "for -.",
    )
