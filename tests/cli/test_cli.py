"""Help, examples, errors and the small commands."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from lrl_adapt import __version__
from lrl_adapt.cli.app import app
from lrl_adapt.eval.inference.choose_adapters import newest_adapter
from lrl_adapt.recipes.placeholders import BUNDLED
from lrl_adapt.training.import_adapter import import_adapter

from .. import tiny
from .small import SMALL, TEXT, invoke

PARITY = Path(__file__).parents[1] / "parity" / "fixtures" / "bert"


def commands() -> list[tuple[str, str]]:
    """(command, example line) for every example in an epilog."""

    def walk(group: typer.Typer, above: str) -> list[tuple[str, str]]:
        result = []
        for info in group.registered_commands:
            lines = (info.epilog or "").splitlines()
            result += [(f"{above}{info.name}", line) for line in lines if line.startswith("lrl-adapt ")]
        for sub in group.registered_groups:
            assert sub.typer_instance is not None
            result += walk(sub.typer_instance, f"{above}{sub.name} ")
        return result

    return walk(app, "")


def test_every_command_has_an_example_of_itself() -> None:
    names = {name for name, _ in commands()}
    expected = {"prepare", "train", "eval", "report", "run", "import-adapter", "export", "languages", "doctor"}
    expected |= {"predict", "fill-mask", "merge", "push", "serve", "status", "cancel"}
    assert names == expected | {f"recipes {name}" for name in ("list", "show", "copy", "schema", "check")}
    assert all(line.startswith(f"lrl-adapt {name}") for name, line in commands())


QUICKSTART_IS_USED = "no recipe.yaml in this folder: using the bundled recipe quickstart\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where ./recipe.yaml is a short quickstart, so that the examples run in seconds, in order.

    Besides: my-base, an AdapterHub adapter for it, the same in PEFT's form, and two files of texts.
    """
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(PARITY / "base", folder / "my-base")
    shutil.copytree(PARITY / "seq_bn_inv" / "seq_bn_inv", folder / "adapterhub-adapter")
    assert not import_adapter(folder / "adapterhub-adapter", str(folder / "my-base"), folder / "my-adapter")
    shutil.copytree(folder / "my-adapter", folder / "my-topic-adapter")  # `push` takes adapters of all kinds
    short = "extends: quickstart\ntraining: {max_steps: 10, eval_steps: 5}\n"
    short += "eval: {seeds: [1], training: {num_train_epochs: 1}}\n"
    (folder / "recipe.yaml").write_text(short + tiny.SECTION, encoding="utf-8")
    for name in ("lines.txt", "my-text.txt"):
        (folder / name).write_text("Mvua inanyesha\nTimu ilishinda\n", encoding="utf-8")
    return folder


def copy_trained(shared: Path, name: str) -> None:
    """Put the newest adapter into the current folder under a name; for my-lora, one that is trained first."""
    if name == "my-lora":
        assert invoke("prepare").exit_code == 0
        assert invoke("train", "--adapter", "lora").exit_code == 0
    shutil.copytree(newest_adapter(shared / "runs"), name, dirs_exist_ok=True)


@pytest.mark.parametrize("line", [line for _, line in commands()])
@pytest.mark.slow
def test_examples_in_help_run(line: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(shared / "runs"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = shlex.split(line)[1:]
    if "quickstart" in words and words[0] in ("train", "run", "prepare"):
        words[words.index("quickstart")] = "recipe.yaml"  # the short one
    if words[0] == "merge" and not (shared / "javanese").exists():
        assert invoke("prepare").exit_code == 0
        for seed, name in enumerate(("javanese", "sundanese", "formal", "informal")):
            assert invoke("train", "--set", f"training.seed={seed}").exit_code == 0
            shutil.copytree(newest_adapter(shared / "runs"), name)
    if words[0] in ("train", "eval", "report", "predict", "fill-mask", "serve"):
        first = invoke("run", "recipe.yaml", "--task", "mlm") if words[0] == "report" else invoke("prepare")
        assert first.exit_code == 0, first.output
    if words[0] == "serve":
        monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: None)
        words += ["--port", "0"]  # others may be taken
    if words[0] in ("eval", "predict", "fill-mask", "serve"):
        assert invoke("train").exit_code == 0
    if words[0] == "predict":
        assert invoke("eval", "--task", words[words.index("--task") + 1]).exit_code == 0
    for name in {"my-swahili", "my-lora"}.intersection(words):
        copy_trained(shared, name)
    result = invoke(*words)
    if words[:2] == ["run", "mbert"]:  # the hub cannot be asked here; `make rehearsal` runs such commands
        assert result.exit_code == 2, result.output
        assert "base, corpus, eval.mlm, eval.topic, eval.ner: the hub cannot be reached" in result.output
        return
    assert result.exit_code == 0, result.output
    assert result.output.strip()


def test_a_former_name_of_a_command_says_its_present_one() -> None:
    refused = invoke("export-adapter", "my-adapter", "--bits", "4", "--out", "small")
    assert refused.exit_code == 2
    assert (
        refused.stderr
        == "error: export-adapter is now called export: lrl-adapt export my-adapter --bits 4 --out small\n"
    )
    assert "export-adapter" not in invoke("--help").stdout


@pytest.mark.parametrize("command", ["", *sorted(typer.main.get_command(app).commands)])
def test_every_command_has_help(command: str) -> None:
    shown = invoke(*command.split(), "--help")
    assert shown.exit_code == 0, shown.output
    assert "Usage:" in shown.output


def test_help_is_instant_and_heavy_imports_stay_out() -> None:
    heavy = "('torch', 'transformers', 'datasets', 'pydantic', 'pyarrow')"
    code = f"import sys, lrl_adapt.cli.app; print([name for name in {heavy} if name in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert imported.strip() == "[]"
    peer = [sys.executable, "-c", "import typer.main, rich.console, json, difflib, importlib.resources"]
    ours = [sys.executable, "-c", "from lrl_adapt.cli.app import main; main()", "--help"]
    assert best_of(ours) < 4 * best_of(peer)


def best_of(command: list[str]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_paragraphs_of_help_are_wrapped_to_the_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.strip() for line in invoke("train", "--help").output.splitlines()]
    start = lines.index(next(line for line in lines if line.startswith("Resumes an interrupted run.")))
    paragraph = lines[start : lines.index("", start)]
    next_words = [line.split()[0] for line in paragraph[1:]]
    assert len(paragraph) > 2
    assert all(len(f"{line} {word}") > 78 for line, word in zip(paragraph, next_words, strict=False))


def test_version() -> None:
    assert invoke("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare", "quickstar"], "did you mean quickstart?"),
        (
            ["prepare", "--set", "corpus.max_byte=1"],
            "--set corpus.max_byte=1: unknown key; did you mean corpus.max_bytes?",
        ),
        (
            ["prepare", "--set", "base=base-mini"],
            "no folder and no model on the hub is called base-mini; did you mean {recipes}/quickstart/base/base-mini?",
        ),
        (["prepare", "--set", "base=basemini"], "did you mean {recipes}/quickstart/base/base-mini?"),
        (["prepare", "--set", "base=mBERT"], "did you mean google-bert/bert-base-multilingual-cased?"),
        (["prepare", "--set", "base=afro-xlmr-bas"], "did you mean Davlan/afro-xlmr-base?"),
        (["prepare", "--set", "base=nothing"], "hub ids have an owner, as in FacebookAI/xlm-roberta-base"),
        (
            ["import-adapter", ".", "--base", "base-mini", "--out", "x"],
            f"--base: no folder and no model on the hub is called base-mini; did you mean {BUNDLED}/quickstart/base/",
        ),
        (["prepare", "--set", "nonsense"], "expected section.field=value"),
        (["prepare", "--language", "xx"], "--language xx: unknown language 'xx'"),
        (["eval", "--transfer-from", "xx"], "--transfer-from xx: unknown language 'xx'"),
        (["prepare", "--language", "mlt"], "for mlt_Latn use another recipe, such as mbert"),
        (["prepare", "--workspace", "/proc/nothing"], "choose another --workspace"),
        (["run", "--dry-run", "--workspace", "/proc/nothing"], "choose another --workspace"),
        (["prepare", "--dry-run", "--workspace", "/proc/nothing"], "choose another --workspace"),
        (["train", "--adapter", "seqbn"], "--adapter seqbn: expected 'seq_bn', "),
        (["train", "--adapter", "none"], "nothing to train"),
        (
            ["train"],
            "corpus and graph for swh_Latn do not exist yet: first run `lrl-adapt prepare quickstart`",
        ),
        (["train", "--set", "graph=null"], "corpus for swh_Latn does not exist yet: first run"),
        (["eval", "--task", "nerr"], "--task nerr: the recipe has no task 'nerr'; did you mean ner?"),
        (["report"], "no scores"),
        (["report", "--language", "swahilli"], "--language: unknown language"),
        (["report", "no/such"], "name a scores.json, its folder or a workspace"),
        (["report", "--baseline", "lora/text"], "no scores"),
        (
            ["eval", "--task", "topic,nerr"],
            "--task topic --task nerr: the recipe has no task 'nerr'; did you mean ner?",
        ),
        (["languages", "--search", "zzzzzz"], "no language matches"),
        (["recipes", "show", "nope"], "no recipe file or bundled recipe"),
        (["recipes", "show", "mbrt.yaml"], "is called 'mbrt.yaml'; did you mean mbert?"),
        (["run", "./my.yaml"], "no such recipe file: ./my.yaml; `lrl-adapt recipes list` lists the bundled recipes"),
        (["run", "mbert", "--language", "mlt,swh"], "a recipe runs several with grid: {language: [mlt, swh]}"),
        (["eval", "--adapter-dir", "nowhere"], "no such folder: nowhere"),
    ],
)
def test_mistakes_end_in_one_clear_message_and_exit_code_2(folder: Path, words: list[str], message: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.removeprefix(QUICKSTART_IS_USED).startswith("error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("option", "value", "new"), [("--against", "lora/text", "--baseline"), ("--compare", "paper", "--paper-scores")]
)
def test_a_renamed_option_is_refused_with_its_new_name(folder: Path, option: str, value: str, new: str) -> None:
    result = invoke("report", option, value)
    assert result.exit_code == 2
    assert f"{option} is now called {new}" in result.stderr
    assert f" {option} " not in invoke("report", "--help").output


def test_overrides_from_the_environment_are_under_those_of_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setenv("LRL_ADAPT_SET", "training.max_steps=7; training.seed=3")
    planned = json.loads(invoke("run", "--dry-run", "--json", "--set", "training.seed=4").stdout)["recipe"]
    assert (planned["training"]["max_steps"], planned["training"]["seed"]) == (7, 4)
    monkeypatch.setenv("LRL_ADAPT_SET", "\nname=a;b\n\nlanguage=mlt\n")
    planned = json.loads(invoke("prepare", "--dry-run", "--json", "--language", "swh").stdout)["recipe"]
    assert (planned["name"], planned["language"]) == ("a;b", "swh_Latn")
    assert "language: mlt_Latn" in invoke("recipes", "show", "recipe.yaml", "--resolved").stdout


def test_a_wrong_override_from_the_environment_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.setenv("LRL_ADAPT_SET", "training.max_step=7")
    message = invoke("train", "--set", "training.epochs=1").stderr
    assert "LRL_ADAPT_SET: training.max_step=7: unknown key; did you mean training.max_steps?\n" in message
    assert "--set training.epochs=1: unknown key" in message
    monkeypatch.setenv("LRL_ADAPT_SET", "max steps")
    assert invoke("train").stderr.startswith("error: LRL_ADAPT_SET: max steps: expected section.field=value")


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    assert "no such file" in invoke("prepare").stderr
    (folder / "text.txt").write_bytes(b"moja\n\xff\xff")
    assert "not UTF-8" in invoke("prepare").stderr
    (folder / "text.txt").write_text("\n\n", encoding="utf-8")
    empty = invoke("prepare")
    assert empty.exit_code == 2
    assert "no line of text is left for swh_Latn" in empty.stderr
    (folder / "text.txt.gz").write_bytes(gzip.compress(TEXT.encode())[:-20])
    broken = invoke("prepare", "--set", "corpus.files=text.txt.gz")
    assert broken.exit_code == 2
    assert "not a readable gzip file" in broken.stderr
    assert not list((folder / "runs").rglob("manifest.json"))


def test_our_own_mistakes_are_told_and_debug_shows_where(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oh no")

    monkeypatch.setattr("lrl_adapt.corpora.prepare._prepare", broken)
    message = invoke("prepare")
    assert message.exit_code == 1
    assert "RuntimeError: oh no" in message.stderr
    assert "--debug" in message.stderr
    assert "Traceback" not in message.stderr
    shown = invoke("prepare", "--debug")
    assert shown.exit_code == 1
    assert "Traceback" in shown.stderr
    assert "in broken" in shown.stderr


def test_debug_keeps_the_exit_code_of_a_users_mistake(folder: Path) -> None:
    shown = invoke("train", "--debug")
    assert shown.exit_code == 2
    assert "Traceback" in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("error: ")


def test_work_goes_on_when_the_reader_of_its_log_has_gone(tmp_path: Path) -> None:
    """Ctrl-C ends `tee` of `lrl-adapt train 2>&1 | tee log` at once; training has yet to save where it stands."""
    here, there = os.pipe()
    os.close(here)
    lines = "terminal.say('one'); list(terminal.track(range(3), 'two')); terminal.say('three'); open('done', 'w')"
    words = [sys.executable, "-c", f"from lrl_adapt.cli.console import Terminal; terminal = Terminal(); {lines}"]
    subprocess.run(words, stderr=there, cwd=tmp_path, check=True)
    os.close(there)
    assert (tmp_path / "done").exists()


def test_ctrl_c_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lrl_adapt.corpora.prepare.corpus_card", interrupted)
        stopped = invoke("prepare")
    assert stopped.exit_code == 130
    assert "interrupted" in stopped.stderr
    assert not list((folder / "runs").rglob("*.parquet"))
    assert invoke("prepare", "--set", "corpus.drop_near_duplicates=false").exit_code == 0


def test_dry_run_changes_nothing(folder: Path) -> None:
    for command in ("prepare", "train", "run"):
        result = invoke(command, "quickstart", "--dry-run", "--json")
        assert result.exit_code == 0, result.output
        plan = json.loads(result.stdout)
        assert plan["recipe"]["language"] == "swh_Latn"
        assert {artifact["state"] for artifact in plan["artifacts"]} == {"to do"}
    assert not list(folder.rglob("*"))


@pytest.mark.parametrize("code", ["sw", "swh", "swh-Latn", "swh_Latn"])
def test_any_of_the_four_code_systems_names_a_language(folder: Path, code: str) -> None:
    plan = json.loads(invoke("prepare", "--language", code, "--dry-run", "--json").stdout)
    assert plan["recipe"]["language"] == "swh_Latn"


def test_languages_are_found_by_name() -> None:
    result = json.loads(invoke("languages", "--search", "urdu", "--json").stdout)["languages"]
    assert [language["code"] for language in result] == ["urd_Arab"]
    assert len(json.loads(invoke("languages", "--paper", "--json").stdout)["languages"]) == 30


def test_a_copied_recipe_works_and_is_not_overwritten(folder: Path) -> None:
    copied = invoke("recipes", "copy", "quickstart")
    assert copied.stdout.strip() == "recipe.yaml"
    assert "change it to your language" not in copied.stderr  # its data are Swahili only
    header = (folder / "recipe.yaml").read_text(encoding="utf-8")
    assert "# Launch:    lrl-adapt run recipe.yaml\n" in header
    assert "# Override:  lrl-adapt run recipe.yaml --source graph" in header
    assert invoke("recipes", "check").stdout.startswith("recipe.yaml: valid (swh_Latn, ")
    assert invoke("recipes", "check", "quickstart").stdout.startswith("quickstart: valid (")
    assert (folder / "recipe.schema.json").is_file()
    again = invoke("recipes", "copy", "quickstart")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert again.stderr.endswith("or name another file: lrl-adapt recipes copy quickstart other.yaml\n")
    assert "change it to your language" in invoke("recipes", "copy", "mbert", "--force").stderr
    assert "GlotCC" in (folder / "recipe.yaml").read_text(encoding="utf-8")


def test_doctor_tells_of_versions_devices_disk_and_hub(folder: Path) -> None:
    facts = json.loads(invoke("doctor", "--json").stdout)
    assert {"python", "torch", "peft", "devices", "disk", "hub", "workspace"} <= set(facts)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", facts["torch"])
