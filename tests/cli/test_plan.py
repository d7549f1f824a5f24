"""--dry-run lists every step in order and as it is then done."""

import json
from pathlib import Path
from typing import Any

import lrl_adapt
import pytest
from lrl_adapt.cli.plan import Plan
from lrl_adapt.recipes.loading import load_recipe
from transformers import AutoConfig, AutoTokenizer

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


def test_every_step_is_listed_and_comes_to_be(folder: Path) -> None:
    everything = dry_run("run", "quickstart", *MORE)
    listed = [(step["kind"], step["details"], step["state"]) for step in everything["artifacts"]]
    assert listed == in_state([*PREPARE, *TOKENS, *ADAPTERS, *SCORES, *REPORT], "to do")
    expected = {step["folder"] for step in everything["artifacts"]}
    assert len(expected) == len(listed)
    assert list(folder.iterdir()) == []
    result = invoke("run", "quickstart", *MORE, "--json")
    assert result.exit_code == 0, result.output
    assert all((folder / name).is_dir() for name in expected)
    made = {str(file.parent) for file in (folder / "runs").rglob("[!.]*/manifest.json")}
    assert made == {str(folder / name) for name in expected}
    again = steps("run", "quickstart", *MORE)
    assert again == [*in_state([*PREPARE, *TOKENS, *ADAPTERS, *SCORES], "finished"), *in_state(REPORT, "to do")]
    assert steps("eval", "quickstart", *MORE) == in_state(SCORES, "finished")
    assert steps("train", "quickstart", *MORE[:4], "--source", "fusion") == in_state(
        [*PREPARE, *TOKENS, *ADAPTERS], "finished"
    )


def test_the_resolved_recipe_comes_before_the_table(folder: Path) -> None:
    shown = invoke("run", "quickstart", "--task", "mlm", "--dry-run")
    assert shown.output.index("language: swh_Latn") < shown.output.index("Dry run: nothing was done")
    assert "to do" in shown.stdout


def test_steps_that_runs_of_a_grid_share_are_listed_once(folder: Path) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "grid.yaml").write_text(SMALL + "grid: {adapter.type: [none, lora, ia3]}\n", encoding="utf-8")
    plan = dry_run("run", "grid.yaml", "--task", "mlm")
    assert [run["run"] for run in plan["runs"]] == [
        f'adapter.type="{name}" eval.tasks=["mlm"]' for name in ("none", "lora", "ia3")
    ]
    assert [run["recipe"]["adapter"]["type"] for run in plan["runs"]] == ["none", "lora", "ia3"]
    listed = [(step["kind"], step["details"]) for step in plan["artifacts"]]
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
    (tokens,) = (step for step in plan["artifacts"] if step["kind"] == "tokens")
    assert tokens["folder"] is None  # its name depends on the tokenizer, which is made from the corpus
    assert len(dry_run("train", "grid.yaml")["runs"]) == 2


def test_the_tokens_of_a_base_on_the_hub_are_known_once_it_is_here_and_nothing_is_downloaded(
    folder: Path, hub: Hub
) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        "language: swh_Latn\nbase: acme/small\ncorpus: {files: text.txt}\n", encoding="utf-8"
    )
    served = hub.folder / "models" / "acme"
    served.mkdir(parents=True)
    (served / "small").symlink_to(BASE)

    def tokens() -> list[Path | None]:
        plan = Plan(folder / "runs")
        plan.add_train(load_recipe("recipe.yaml"))
        assert [step.kind for step in plan.steps] == ["tokens", "adapter"]
        return [step.folder for step in plan.steps if step.kind == "tokens"]

    assert tokens() == [None]
    assert hub.requests == []
    AutoConfig.from_pretrained("acme/small")
    assert tokens() == [None]
    AutoTokenizer.from_pretrained("acme/small")
    fetched = len(hub.requests)
    assert fetched
    (known,) = tokens()
    assert known is not None
    assert known.parent == folder / "runs" / "tokens" / "swh_Latn"
    assert len(hub.requests) == fetched


def test_planning_a_recipe_whose_base_and_data_are_on_the_hub_downloads_no_file(folder: Path, hub: Hub) -> None:
    plan = Plan(folder / "runs")
    recipe = load_recipe("mbert", ["language=mlt"])
    plan.add_prepare(recipe)
    plan.add_train(recipe)
    plan.add_eval(recipe)
    assert {step.kind for step in plan.steps} == {"corpus", "tokens", "adapter", "scores"}
    assert {step.state for step in plan.steps} == {"to do"}
    assert hub.fetched() == []  # listings alone, of which tasks there are for the language


@pytest.mark.parametrize("command", ["run", "train", "prepare"])
def test_a_run_that_cannot_be_planned_leaves_the_others_in_the_list(folder: Path, command: str) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "dump.csv").write_text("", encoding="utf-8")
    more = "graph: {conceptnet: dump.csv}\ngrid: {language: [swh, ace]}\neval: {tasks: [mlm]}\n"
    (folder / "grid.yaml").write_text(SMALL + more, encoding="utf-8")
    result = invoke(command, "grid.yaml", "--dry-run", "--json")
    assert result.exit_code == 2
    plan = json.loads(result.stdout)
    assert "swh_Latn" in [step["details"] for step in plan["artifacts"]]
    assert [failed["run"] for failed in plan["failed"]] == ['language="ace"']
