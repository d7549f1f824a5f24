"""The plan and its execution, from Python and from the command line."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from lrl_adapt import pipeline
from lrl_adapt.pipeline.outcome import PlanFailedError
from lrl_adapt.pipeline.training import TrainOptions, make_adapter
from lrl_adapt.recipes.loading import bundled_recipes, load_recipe, load_runs
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.training import launch
from lrl_adapt.workspace.errors import UserError

from ..cli.small import SMALL, TEXT, invoke
from ..said import Said

GRAPH = "graph: {conceptnet: dump.csv}\nsource: both\n"
MLM = "eval: {tasks: [mlm], mlm: {files: sentences.txt, max_sentences: 3}}\n"


@pytest.fixture
def folder(folder: Path) -> Path:
    """The current folder, with a small recipe on text."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "sentences.txt").write_text("\n".join(TEXT.splitlines()[:5]), encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL + MLM, encoding="utf-8")
    return folder


def failing_graph(folder: Path) -> Recipe:
    """A recipe whose dump has no edge of its language; its base does not need the graph."""
    (folder / "dump.csv").write_text("", encoding="utf-8")
    base = bundled_recipes()["quickstart"].parent / "base" / "base-mini"
    text = "language: swh_Latn\ncorpus: {files: text.txt}\ntraining: {max_steps: 5, batch_tokens: 256}\n"
    (folder / "recipe.yaml").write_text(f"base: {base}\n{text}{GRAPH}{MLM}", encoding="utf-8")
    return load_recipe("recipe.yaml")


def loaded_by(words: str) -> str:
    """Which of the large libraries a command loads."""
    code = (
        "import sys; from lrl_adapt.cli.app import app\n"
        f"app({words}, standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.splitlines()[-1]


def titles(steps: Sequence[Any]) -> list[str]:
    return [step.kind for step in steps]


@pytest.mark.parametrize("command", ["run", "prepare", "eval"])
def test_planning_loads_neither_torch_nor_transformers(folder: Path, command: str) -> None:
    assert loaded_by(f"['{command}', 'quickstart', '--dry-run', '--json']") == "[]"


def test_a_plan_says_what_each_step_needs_and_for_which_runs(folder: Path) -> None:
    recipe = load_recipe()
    lora = recipe.model_copy(update={"adapter": recipe.adapter.model_copy(update={"type": "lora"})})
    steps = pipeline.plan([recipe, lora], workspace=folder / "runs").steps
    assert titles(steps) == ["corpus", "base", "tokens", "adapter", "scores", "scores", "adapter", "scores", "report"]
    corpus, base, tokens, first, base_scores, _, second, lora_scores, _ = steps
    assert [set(step.needs) for step in (base, tokens, first)] == [{corpus}, {corpus, base}, {corpus, base, tokens}]
    assert set(lora_scores.needs) == {base, second}
    assert base_scores.runs == ["swh_Latn, seq_bn on text", "swh_Latn, lora on text"]
    assert second.runs == ["swh_Latn, lora on text"]
    assert tokens.artifact is None
    assert tokens.folder is None


def test_python_functions_do_the_parts_of_the_plan(folder: Path) -> None:
    recipe, workspace, progress = load_recipe(), folder / "runs", Said()
    with pytest.raises(UserError, match=r"first run `lrl-adapt prepare`"):
        pipeline.train(recipe, workspace=workspace)
    with pytest.raises(UserError, match=r"first run `lrl-adapt prepare`"):
        pipeline.evaluate(recipe, workspace=workspace)
    (corpus,) = pipeline.prepare(recipe, workspace=workspace, progress=progress)
    assert (corpus.kind, corpus.exists) == ("corpus", True)
    with pytest.raises(UserError, match=r"first run `lrl-adapt train`"):
        pipeline.evaluate(recipe, workspace=workspace)
    adapter = pipeline.train(recipe, workspace=workspace, progress=progress)
    assert (adapter.folder / "adapter_config.json").is_file()
    scores = pipeline.evaluate(recipe, workspace=workspace, progress=progress)
    assert {score.system for score in scores} == {"base", "seq_bn/text"}
    page = pipeline.report(workspace=workspace, progress=progress)
    assert page.name == "index.html"
    outcome = pipeline.run(recipe, workspace=workspace, progress=progress)
    assert [artifact.key for artifact in outcome.artifacts] == [corpus.key, adapter.key]
    assert outcome.scores == scores
    assert outcome.report == workspace / "reports" / "swh_Latn" / "index.html"
    assert outcome.failures == []
    assert f"adapter: already finished, {adapter.folder}" in progress.lines


def test_adapter_none_cannot_be_trained(folder: Path) -> None:
    with pytest.raises(UserError, match="there is nothing to train"):
        pipeline.train(load_recipe(overrides=["adapter.type=none"]), workspace=folder / "runs")


def test_a_step_that_fails_stops_only_the_steps_that_need_it(folder: Path) -> None:
    recipe, progress = failing_graph(folder), Said()
    outcome = pipeline.plan(recipe, workspace=folder / "runs").execute(progress)
    assert [artifact.kind for artifact in outcome.artifacts] == ["corpus"]
    assert {score.system for score in outcome.scores} == {"base"}
    assert outcome.report is not None
    (failure,) = outcome.failures
    assert failure.what == "edges swh_Latn"
    assert [step.what.split()[0] for step in outcome.not_started] == ["graph", "tokens", "adapter", "scores"]
    with pytest.raises(PlanFailedError, match=r"no edges in ConceptNet's language sw.*\nnot started: graph swh_Latn"):
        outcome.raise_if_failed()
    assert any(line.startswith("failed, edges swh_Latn: ") for line in progress.lines)


def test_the_last_lines_say_what_failed_and_what_was_not_started(folder: Path) -> None:
    failing_graph(folder)
    shown = invoke("run", "--json")
    assert shown.exit_code == 2
    result = json.loads(shown.stdout)
    assert {score["system"] for score in result["scores"]} == {"base"}
    assert "no edges in ConceptNet's language sw" in result["failed"][0]["error"]
    *_, error, not_started = shown.stderr.splitlines()
    assert error.startswith("error: ")
    assert "no edges in ConceptNet's language sw; is this the right file?" in error
    assert not_started.startswith("not started: graph swh_Latn, linearisation english, tokens swh_Latn")
    assert "Traceback" not in shown.stderr
    assert invoke("run", "--debug").stderr.count("Traceback") == 1


def test_several_failures_are_all_named_and_a_bug_gives_exit_code_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrl_adapt.eval import evaluator

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("oh no")

    failing_graph(folder)
    monkeypatch.setattr(evaluator, "make_scores", broken)
    shown = invoke("run", "--debug")
    assert shown.exit_code == 1
    assert shown.stderr.count("Traceback") == 2
    error, edges, scores, not_started = shown.stderr.splitlines()[-4:]
    assert error == "error: 2 steps failed:"
    assert edges.startswith("  edges swh_Latn: ")
    assert scores.startswith("  scores swh_Latn, mlm, base: ZeroDivisionError: oh no (a bug in lrl-adapt")
    assert not_started.startswith("not started: graph")
    assert not_started.endswith("report swh_Latn")


def test_ctrl_c_stops_the_plan(folder: Path) -> None:
    plan = pipeline.plan(load_recipe(), workspace=folder / "runs")

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    plan.steps[0].make = interrupted
    with pytest.raises(KeyboardInterrupt):
        plan.execute(Said())


def test_finished_artifacts_are_used_without_the_files_they_were_made_from(folder: Path) -> None:
    assert invoke("prepare").exit_code == 0
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    shutil.move(folder / "runs", elsewhere / "runs")
    (folder / "text.txt").unlink()
    moved = ["--workspace", str(elsewhere / "runs")]
    trained = invoke("train", *moved, "--json")
    assert trained.exit_code == 0, trained.output
    (corpus,) = (elsewhere / "runs" / "data" / "swh_Latn").glob("corpus-*")
    date = json.loads((corpus / "manifest.json").read_text())["created"][:10]
    missing = f"corpus.files: no such file or folder: {folder / 'text.txt'}"
    note = f"{missing}; using {corpus.name}, prepared {date} from text.txt"
    assert trained.stderr.splitlines()[0] == note
    scored = invoke("eval", "--task", "mlm", *moved, "--json")
    assert scored.exit_code == 0, scored.output
    (folder / "sentences.txt").unlink()
    again = invoke("eval", "--task", "mlm", *moved, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["scores"] == json.loads(scored.stdout)["scores"]
    assert "scored " in again.stderr
    assert "from sentences.txt" in again.stderr
    report = f"['report', '--workspace', '{elsewhere}/runs']"
    assert loaded_by(report) == "[]"
    everything = invoke("run", *moved, "--json")
    assert everything.exit_code == 0, everything.output
    planned = json.loads(invoke("run", *moved, "--dry-run", "--json").stdout)["artifacts"]
    assert {step["state"] for step in planned if step["kind"] != "report"} == {"finished"}


def test_files_that_are_missing_and_were_never_prepared_are_an_error(folder: Path) -> None:
    assert invoke("prepare").exit_code == 0
    other = ["--set", "corpus.files=other.txt"]
    for command in ("train", "eval", "run"):
        shown = invoke(command, *other)
        assert shown.exit_code == 2
        assert f"corpus.files: no such file or folder: {folder / 'other.txt'}" in shown.stderr
    (folder / "text.txt").unlink()
    changed = invoke("train", "--set", "corpus.min_characters=7")
    assert changed.exit_code == 2
    assert f"corpus.files: no such file or folder: {folder / 'text.txt'}" in changed.stderr


def test_steps_with_the_same_title_show_what_their_runs_differ_in(folder: Path) -> None:
    grid = "grid: {training.seed: [1, 2], adapter.type: [seq_bn, lora]}\n"
    (folder / "grid.yaml").write_text(SMALL + grid, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    runs = {" ".join(words): run for words, run in load_runs("grid.yaml")}
    planned = pipeline.plan(runs, parts=("prepare", "train"))
    assert [step.details for step in planned.steps if step.kind == "adapter"] == [
        f"swh_Latn, {adapter} on text, training.seed={seed}" for seed in (1, 2) for adapter in ("seq_bn", "lora")
    ]


def test_the_dump_may_go_once_its_edges_are_finished(folder: Path) -> None:
    details = json.dumps({"license": "cc:by-sa/4.0", "weight": 1.0})
    rows = [f"/a/x\t/r/Synonym\t/c/sw/neno_{n}\t/c/en/word_{n}\t{details}\n" for n in range(80)]
    (folder / "dump.csv").write_text("".join(rows), encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL + "graph: {conceptnet: dump.csv}\nsource: graph\n", encoding="utf-8")
    english = json.loads(invoke("prepare", "--json").stdout)["artifacts"]
    (folder / "dump.csv").unlink()
    again = invoke("prepare", "--json")
    assert json.loads(again.stdout)["artifacts"] == english
    assert "using edges-" in again.stderr
    walk = invoke("prepare", "--json", "--set", "graph.linearisation=walk")  # other sentences of the same edges
    assert walk.exit_code == 0, walk.output
    for edges in (folder / "runs" / "data" / "swh_Latn").glob("edges-*"):
        shutil.rmtree(edges)
    assert json.loads(invoke("prepare", "--json").stdout)["artifacts"] == english


@pytest.mark.parametrize("name", bundled_recipes())
def test_a_resolved_recipe_can_be_handed_over_as_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LRL_DATA", "LRL_BASES", "BASE_TEXT"):  # where recipes look for data of one's own
        monkeypatch.setenv(variable, str(tmp_path))
    for _, recipe in load_runs(name, ["language=swh"] if name != "quickstart" else [])[:3]:
        file = tmp_path / "recipe.yaml"
        file.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True), encoding="utf-8")
        assert load_recipe(str(file)) == recipe


def test_processes_are_started_with_the_recipe_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, workspace = load_recipe(), folder / "runs"
    pipeline.prepare(recipe, workspace=workspace)
    seen: list[tuple[Path, int, Recipe]] = []

    def start(count: int, words: Sequence[str]) -> None:
        assert (count, words[0], words[2:]) == (2, "train", ["--workspace", str(workspace), "--resume", "never"])
        file = Path(words[1])
        seen.append((file, stat.S_IMODE(file.stat().st_mode), load_recipe(str(file))))

    monkeypatch.setattr(launch, "processes", lambda gpus: 2)
    monkeypatch.setattr(launch, "start", start)
    plan = pipeline.plan(recipe, workspace=workspace, parts=("train",), resume=False)
    adapter = plan.adapter_of(recipe.name)
    progress = Said()
    prepared: Any = None
    make_adapter(recipe, workspace, prepared, adapter, TrainOptions(resume=False), progress)
    ((file, mode, handed_over),) = seen
    assert (file.parent, mode) == (workspace, 0o600)
    assert handed_over == recipe
    assert not file.exists()
    assert progress.lines[0] == "starting 2 processes, one per GPU"
