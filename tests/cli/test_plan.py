"""--dry-run lists every step in order and as it is then done."""

import json
import re
from pathlib import Path
from typing import Any

import lrl_adapt
import pytest
from lrl_adapt.pipeline import plan, prepare, train
from lrl_adapt.recipes.loading import load_recipe

from ..hub import Hub
from .small import SMALL, TEXT, invoke

BASE = Path(lrl_adapt.__file__).parent / "recipes" / "quickstart" / "base" / "base-mini"
SHORT = [
    "--set",
    "training.max_steps=2",
    "--set",
    "eval.training.num_train_epochs=1",
    "--task",
    "mlm",
    "--task",
    "topic",
]
MORE = [*SHORT, "--set", "eval.seeds=[1,2]", "--set", "eval.mlm.max_sentences=2", "--source", "fusion"]


def steps(*words: str) -> list[tuple[str, str, str]]:
    """(kind, details, state) of every step of a dry run."""
    return [(step["kind"], step["details"], step["state"]) for step in dry_run(*words)["artifacts"]]


def dry_run(*words: str) -> dict[str, Any]:
    result = invoke(*words, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


PREPARE = [("corpus", "swh_Latn"), ("edges", "swh_Latn"), ("graph", "swh_Latn, linearisation english")]
TOKENS = [("tokens", f"swh_Latn, {name} for base-mini") for name in ("corpus", "graph")]
ADAPTERS = [("adapter", f"swh_Latn, seq_bn on {source}") for source in ("text", "graph", "fusion")]
SCORES = [
    *(("scores", f"swh_Latn, mlm, {system}") for system in ("base", "seq_bn/fusion")),
    *(("scores", f"swh_Latn, topic, {system}, seed {seed}") for system in ("base", "seq_bn/fusion") for seed in (1, 2)),
]
REPORT = [("report", "swh_Latn")]


def in_state(listed: list[tuple[str, str]], state: str) -> list[tuple[str, str, str]]:
    return [(kind, details, state) for kind, details in listed]


@pytest.mark.slow
def test_every_step_is_listed_and_comes_to_be(folder: Path) -> None:
    everything = dry_run("run", "quickstart", *MORE)
    listed = [(step["kind"], step["details"], step["state"]) for step in everything["artifacts"]]
    assert listed == in_state([*PREPARE, *TOKENS, *ADAPTERS, *SCORES, *REPORT], "to do")
    # the tokens' names depend on the tokenizer, which planning does not load
    assert [step["kind"] for step in everything["artifacts"] if step["folder"] is None] == ["tokens", "tokens"]
    assert list(folder.iterdir()) == []
    result = invoke("run", "quickstart", *MORE, "--json")
    assert result.exit_code == 0, result.output
    finished = dry_run("run", "quickstart", *MORE)["artifacts"]
    expected = {step["folder"] for step in finished}
    assert len(expected) == len(listed)
    assert {step["folder"] for step in everything["artifacts"]} - expected == {None}
    assert all((folder / name).is_dir() for name in expected)
    made = {str(file.parent) for file in (folder / "runs").rglob("[!.]*/manifest.json")}
    assert made == {str(folder / name) for name in expected}
    again = steps("run", "quickstart", *MORE)
    assert again == [*in_state([*PREPARE, *TOKENS, *ADAPTERS, *SCORES], "finished"), *in_state(REPORT, "to do")]
    assert steps("eval", "quickstart", *MORE) == in_state(SCORES, "finished")
    assert steps("train", "quickstart", *MORE[:4], "--source", "fusion") == in_state(
        [*PREPARE, *TOKENS, *ADAPTERS], "finished"
    )


def test_the_table_has_folders_inside_the_workspace_and_no_recipe(folder: Path) -> None:
    shown = invoke("run", "quickstart", "--task", "mlm", "--dry-run")
    assert "to do" in shown.stdout
    assert "lrl-adapt recipes show RECIPE --resolved" in shown.stdout
    assert re.search("│ data/swh_Latn/corpus-[0-9a-f]{8} +│", shown.stdout)
    assert "language: swh_Latn" not in shown.output


def test_steps_that_runs_of_a_grid_share_are_listed_once(folder: Path) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "grid.yaml").write_text(SMALL + "grid: {adapter.type: [none, lora, ia3]}\n", encoding="utf-8")
    planned = dry_run("run", "grid.yaml", "--task", "mlm")
    assert [run["run"] for run in planned["runs"]] == [
        f'adapter.type="{name}" eval.tasks=["mlm"]' for name in ("none", "lora", "ia3")
    ]
    assert [run["recipe"]["adapter"]["type"] for run in planned["runs"]] == ["none", "lora", "ia3"]
    listed = [(step["kind"], step["details"]) for step in planned["artifacts"]]
    assert listed == [
        ("corpus", "swh_Latn"),
        ("base", "swh_Latn, random weights"),
        ("scores", "swh_Latn, mlm, base"),
        ("tokens", "swh_Latn, corpus for scratch"),
        ("adapter", "swh_Latn, lora on text"),
        ("scores", "swh_Latn, mlm, lora/text"),
        ("adapter", "swh_Latn, ia3 on text"),
        ("scores", "swh_Latn, mlm, ia3/text"),
        ("report", "swh_Latn"),
    ]
    (tokens,) = (step for step in planned["artifacts"] if step["kind"] == "tokens")
    assert tokens["folder"] is None  # its name depends on the tokenizer, which is made from the corpus
    assert len(dry_run("train", "grid.yaml")["runs"]) == 2


def test_the_tokens_of_a_base_are_known_once_it_has_been_used(folder: Path, hub: Hub) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    training = "training: {max_steps: 2, batch_tokens: 256, max_length: 16}\n"
    recipe_text = "language: swh_Latn\nbase: acme/small\ncorpus: {files: text.txt}\n"
    (folder / "recipe.yaml").write_text(recipe_text + training, encoding="utf-8")
    served = hub.folder / "models" / "acme"
    served.mkdir(parents=True)
    (served / "small").symlink_to(BASE)
    recipe = load_recipe("recipe.yaml")

    def tokens() -> list[Path | None]:
        steps = plan(recipe, workspace=folder / "runs", parts=("prepare", "train")).steps
        assert [step.kind for step in steps] == ["corpus", "tokens", "adapter"]
        return [step.folder for step in steps if step.kind == "tokens"]

    assert tokens() == [None]
    assert hub.requests == []
    prepare(recipe, workspace=folder / "runs")
    train(recipe, workspace=folder / "runs")
    fetched = len(hub.requests)
    assert fetched
    (known,) = tokens()
    assert known is not None
    assert (known / "train.arrow").is_file()
    assert len(hub.requests) == fetched


def test_planning_a_recipe_whose_base_and_data_are_on_the_hub_downloads_no_file(folder: Path, hub: Hub) -> None:
    recipe = load_recipe("mbert", ["language=mlt"])
    steps = plan(recipe, workspace=folder / "runs").steps
    assert {step.kind for step in steps} == {"corpus", "tokens", "adapter", "scores", "report"}
    assert {step.state for step in steps} == {"to do"}
    assert hub.fetched() == []  # listings alone, of which tasks there are for the language


@pytest.mark.parametrize("command", ["run", "train", "prepare"])
def test_a_run_that_cannot_be_planned_leaves_the_others_in_the_list(folder: Path, command: str) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "dump.csv").write_text("", encoding="utf-8")
    more = "graph: {conceptnet: dump.csv}\ngrid: {language: [swh, ace]}\neval: {tasks: [mlm]}\n"
    (folder / "grid.yaml").write_text(SMALL + more, encoding="utf-8")
    result = invoke(command, "grid.yaml", "--dry-run", "--json")
    assert result.exit_code == 2
    planned = json.loads(result.stdout)
    assert "swh_Latn" in [step["details"] for step in planned["artifacts"]]
    assert [failed["run"] for failed in planned["failed"]] == ['language="ace"']


def test_a_dry_run_of_eval_says_what_has_to_be_made_first(folder: Path) -> None:
    shown = invoke("eval", "quickstart", "--task", "mlm", "--dry-run")
    assert shown.exit_code == 0
    assert "note: corpus for swh_Latn does not exist yet: first run `lrl-adapt prepare quickstart`" in shown.stderr
