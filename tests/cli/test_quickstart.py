"""The whole way, as a user goes it."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from lrl_adapt.cli.app import app
from transformers import AutoModelForMaskedLM
from typer.testing import CliRunner

from .. import tiny

STEPS = [
    "--set",
    "training.max_steps=30",
    "--set",
    "training.eval_steps=15",
    "--set",
    "eval.training.num_train_epochs=2",
    "--set",
    "eval.seeds=[1]",
]
FAST = [*STEPS, *tiny.OPTIONS]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home: Path) -> dict:
    return run(home, "run quickstart --json", *FAST)


def invoke(home: Path, line: str, *more: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("LRL_ADAPT_HOME", str(home / "runs"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        return CliRunner().invoke(app, [*shlex.split(line), *more])


def run(home: Path, line: str, *more: str) -> dict:
    result = invoke(home, line, *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
def test_run_gives_artifacts_scores_and_a_page(home: Path, first: dict) -> None:
    assert [artifact["kind"] for artifact in first["artifacts"]] == ["corpus", "graph", "adapter"]
    result = {(score["task"], score["system"]) for score in first["scores"]}
    assert result == {(t, s) for t in ("mlm", "topic", "sentiment", "ner") for s in ("base", "seq_bn/text")}
    assert {score["language"] for score in first["scores"]} == {"swh_Latn"}
    topic = next(data for data in first["data"] if data["task"] == "topic")
    items = {score["n"] for score in first["scores"] if score["task"] == "topic"}
    assert {topic["test"]["rows"], topic["test"]["used"]} == items
    page = Path(first["report"])
    page = page if page.is_absolute() else home / page
    assert "Swahili" in page.read_text(encoding="utf-8")
    adapter = Path(first["artifacts"][2]["folder"])
    files = {"adapter_config.json", "adapter_model.safetensors", "metrics.jsonl", "manifest.json", "README.md"}
    assert {file.name for file in adapter.iterdir()} == files | {"last", "loss.png"}


@pytest.mark.slow
def test_the_base_in_the_box_gains_a_fifth_and_answers(tmp_path: Path) -> None:
    """The quickstart as it stands, on language modelling; fill-mask and predict then find its base, a folder."""
    result = run(tmp_path, "run quickstart --json --task mlm")["scores"]
    values = {score["system"]: score["value"] for score in result if score["metric"] == "pseudo_perplexity"}
    assert values["seq_bn/text"] < 0.8 * values["base"]
    filled = invoke(tmp_path, "fill-mask --json --top 1", "Watoto wanakwenda [MASK]").stdout.splitlines()
    assert json.loads(filled[0])["adapter"] == "none"
    assert len(filled) == 2


def test_a_second_run_does_nothing_and_says_so(home: Path, first: dict) -> None:
    before = {file: file.stat().st_mtime_ns for file in (home / "runs").rglob("*.json") if "reports" not in file.parts}
    again = invoke(home, "run quickstart", *FAST)
    assert again.exit_code == 0
    assert again.stderr.count("already finished") == 3 + 8
    after = {file: file.stat().st_mtime_ns for file in (home / "runs").rglob("*.json") if "reports" not in file.parts}
    assert before == after
    assert again.stdout.rstrip().splitlines()[-1].endswith("index.html")


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_scores_in_another_workspace(home: Path, first: dict, tmp_path: Path) -> None:
    again = run(home, "run quickstart --json --task mlm --task topic --workspace", str(tmp_path), *FAST)
    wanted = [score for score in first["scores"] if score["task"] in ("mlm", "topic")]
    assert again["scores"] == wanted


@pytest.mark.slow
def test_lora_and_both_sources_stand_beside_the_first(home: Path, first: dict) -> None:
    more = run(home, "run quickstart --json --adapter lora --source both --task mlm --task sentiment", *FAST)
    assert {score["system"] for score in more["scores"]} == {"base", "lora/both"}
    page = (home / "runs" / "reports" / "swh_Latn" / "index.html").read_text(encoding="utf-8")
    assert "lora/both" in page
    assert "seq_bn/text" in page


SHORT = [
    *tiny.OPTIONS,
    "--set",
    "training.max_steps=4",
    "--set",
    "eval.training.num_train_epochs=1",
    "--set",
    "eval.seeds=[1]",
    "--set",
    "eval.mlm.max_sentences=5",
]


@pytest.mark.parametrize("kind", ["seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3", "full", "fusion"])
@pytest.mark.slow
def test_every_type_is_trained_scored_and_loaded_by_its_cards_lines(home: Path, first: dict, kind: str) -> None:
    chosen = ["--adapter", "seq_bn_inv", "--source", "fusion"] if kind == "fusion" else ["--adapter", kind]
    made = run(home, "train quickstart --json", *SHORT, *chosen)
    scores = run(home, "eval quickstart --json --task mlm --task topic", *SHORT, *chosen)["scores"]
    system = "seq_bn_inv/fusion" if kind == "fusion" else f"{kind}/text"
    assert {score["system"] for score in scores} == {"base", system}
    card = (home / made["folder"] / "README.md").read_text(encoding="utf-8")
    assert "Swahili (swh_Latn)" in card
    assert re.search(r"sha256 [0-9a-f]{64}\n  - source: .*licences: ", card)
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(code.splitlines()) <= 5
    scratch = next((home / "runs" / "bases" / "swh_Latn").glob("scratch-*"))
    assert str(home) not in card
    assert ("lrl_adapt" in code) == (kind not in ("lora", "ia3", "full"))
    assert (f'"path/to/{scratch.name}")  # fill in: the path of the base {scratch.name}' in code) == (kind != "full")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made["folder"])
        result: dict = {}
        exec(code.replace(f"path/to/{scratch.name}", str(scratch)), result)
    ids = torch.arange(10, 20).unsqueeze(0)
    base = AutoModelForMaskedLM.from_pretrained(scratch)
    assert not torch.allclose(result["model"].eval()(input_ids=ids).logits, base.eval()(input_ids=ids).logits)


def test_missing_task_files_are_told_before_any_work(home: Path, tmp_path: Path) -> None:
    result = invoke(home, "run quickstart --set eval.ner.test=/no/such.txt --workspace", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "eval.ner.test: no such file or folder: /no/such.txt" in result.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_no_token_and_no_traceback_anywhere(home: Path, first: dict) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "hf_sagenotthis")
        result = invoke(home, "run quickstart", *FAST)
    assert "hf_sagenotthis" not in result.output
    texts = [file.read_text(encoding="utf-8") for file in (home / "runs").rglob("*.json*")]
    assert not any("hf_sagenotthis" in text for text in texts)


@pytest.mark.slow
def test_a_data_set_changed_in_place_is_scored_anew(home: Path, first: dict, tmp_path: Path) -> None:
    sentences = tmp_path / "own.txt"
    sentences.write_text("Habari ya asubuhi.\nLeo ni siku njema sana.\n", encoding="utf-8")
    change = ["--set", f"eval.mlm.files={sentences}"]
    one = run(home, "run quickstart --json --task mlm", *FAST, *change)
    sentences.write_text("Mvua inanyesha.\n", encoding="utf-8")
    two = run(home, "run quickstart --json --task mlm", *FAST, *change)
    assert one["scores"][0]["n"] == 2
    assert two["scores"][0]["n"] == 1


def test_the_adapters_card_and_loss_curve(home: Path, first: dict) -> None:
    adapter = Path(first["artifacts"][2]["folder"])
    metrics = [json.loads(line) for line in (adapter / "metrics.jsonl").read_text().splitlines()]
    losses = [entry["validation_loss"] for entry in metrics if "validation_loss" in entry]
    assert losses[-1] < losses[0]
    assert re.search(r"Swahili", (adapter / "README.md").read_text(encoding="utf-8"))


def test_zero_shot_trains_on_one_language_and_tests_on_another(home: Path, first: dict, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        rows = [f"text {number}\t{'sports' if number % 2 else 'health'}" for number in range(20)]
        (tmp_path / f"{split}.tsv").write_text("text\tcategory\n" + "\n".join(rows), encoding="utf-8")
    files = [f"eval.topic.transfer_{split}={tmp_path}/{split}.tsv" for split in ("train", "validation")]
    more = [*FAST, *(word for file in files for word in ("--set", file))]
    more += ["--set", "eval.topic.labels=[entertainment,geography,health,politics,science/technology,sports,travel]"]
    line = "eval quickstart --json --task topic --transfer-from eng"
    result = run(home, line, *more)["scores"]
    assert {score["system"] for score in result} == {"base", "seq_bn/text"}
    assert {score["language"] for score in result} == {"swh_Latn"}
    assert {score["transfer_from"] for score in result} == {"eng_Latn"}
    assert {score["transfer_from"] for score in first["scores"]} == {None}
    rows = next((home / "runs" / "scores" / "swh_Latn").glob("topic-*seq_bn*/predictions.jsonl")).read_text()
    assert rows.count("\n") == result[0]["n"]
    again = run(home, line + " --dry-run", *more)["artifacts"]
    assert [(one["kind"], one["state"]) for one in again] == [
        *(("base", "finished"), ("scores", "finished"), ("scores", "finished"))
    ]


def test_an_adapter_from_elsewhere_is_scored_by_its_folder(home: Path, first: dict, tmp_path: Path) -> None:
    made = Path(first["artifacts"][2]["folder"])
    kept = tmp_path / "somebodys"
    kept.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (kept / name).write_bytes(((made if made.is_absolute() else home / made) / name).read_bytes())
    result = run(home, "eval quickstart --json --task mlm --adapter-dir", str(kept), *FAST)["scores"]
    own = {score["metric"]: score["value"] for score in first["scores"] if score["system"] == "seq_bn/text"}
    theirs = {score["metric"]: score["value"] for score in result if score["system"] == "somebodys"}
    assert theirs["pseudo_perplexity"] == own["pseudo_perplexity"]
    wrong = invoke(home, "eval quickstart --task mlm --adapter-dir", str(tmp_path), *FAST)
    assert wrong.exit_code == 2
    assert "contains no adapter" in wrong.stderr


def test_a_task_of_ones_own_needs_one_file_and_no_code(home: Path, first: dict, tmp_path: Path) -> None:
    rows = [f"siku ya {number},{'jua' if number % 2 else 'mvua'}" for number in range(60)]
    (tmp_path / "weather.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    (tmp_path / "weather.yaml").write_text("file: weather.csv\nmetric: accuracy\n", encoding="utf-8")
    add = ["--set", f"eval.others.weather={tmp_path}/weather.yaml", "--set", "corpus.drop_task_lines=false"]
    off = ["--adapter", "none", "--task", "weather", *add, *FAST]
    run(home, "prepare quickstart --json", *off[4:])
    result = run(home, "eval quickstart --json", *off)["scores"]
    assert [(score["task"], score["metric"]) for score in result] == [("weather", "accuracy"), ("weather", "macro_f1")]
    details = next((home / "runs" / "scores" / "swh_Latn").glob("weather-*/details.json"))
    table = json.loads(details.read_text())
    facts = json.loads((details.parent / "manifest.json").read_text())["facts"]
    majority = facts["majority_class"]
    assert facts["head_only"].keys() == {"accuracy", "macro_f1"}
    assert majority["label"] in ("jua", "mvua")
    assert 0 < majority["macro_f1"] < majority["accuracy"] < 1
    assert set(table["classes"]) == {"jua", "mvua"}
    assert sum(map(sum, table["confusion"])) == result[0]["n"]
