"""The section `slurm` of a recipe: what it accepts, and its messages."""

import pytest
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.workspace.errors import UserError


@pytest.mark.parametrize(
    ("given", "in_slurm"),
    [
        ("90min", "90:00"),
        ("12h", "12:00:00"),
        ("2d", "2-0"),
        ('"12:00:00"', "12:00:00"),
        ('"90:00"', "90:00"),
        ("1-12", "1-12"),
        ("1-12:30:00", "1-12:30:00"),
    ],
)
def test_times(given: str, in_slurm: str) -> None:
    assert load_recipe("quickstart", [f"slurm.time={given}"]).slurm.time == in_slurm


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("time=12:00:00", 'expected a time such as 90min, 12h, 2d or, in quotes, "1-12:00:00", got 43200'),
        ("time=soon", "expected a time such as 90min, 12h, 2d or, in quotes, \"1-12:00:00\", got 'soon'"),
        ("gpus=two", "expected a number of GPUs, or a type and a number (a100:2), got 'two'"),
        ("memory=16 GB", "expected memory such as 16G, got '16 GB'"),
        ("partitions=gpu", "unknown key; did you mean slurm.partition?"),
        (
            "options.output=log.txt",
            "expected a long option of sbatch, such as qos, other than array, chdir, dependency, error, "
            "job-name, kill-on-invalid-dep, open-mode, output, parsable, test-only, wait, wrap",
        ),
    ],
)
def test_mistakes(override: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        load_recipe("quickstart", [f"slurm.{override}"])
    assert str(refused.value) == f"--set slurm.{override}: {problem}"


def test_options_are_those_of_sbatch() -> None:
    recipe = load_recipe("quickstart", ["slurm.options={qos: high, nice: 100, exclusive: true, mail_type: END}"])
    assert recipe.slurm.options == {"qos": "high", "nice": "100", "exclusive": "true", "mail-type": "END"}
