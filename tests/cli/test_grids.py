"""Commands with several runs: all of them are done, those that fail are named, shared work is done once."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from .small import SMALL, TEXT, invoke

ADAPTERS = "grid: {adapter.type: [lora, seq_bn, ia3]}\neval: {mlm: {max_sentences: 5}}\n"
TOO_NARROW = ["--set", "adapter.reduction_factor=99"]  # of these, seq_bn alone reads it
SEQ_BN = 'adapter.type="seq_bn" adapter.reduction_factor=99'
GRAPH = """\
base:
  from_scratch: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, vocab_size: 300}
graph: {conceptnet: dump.csv.gz}
source: graph
training: {max_steps: 2, batch_tokens: 256, max_length: 16}
eval: {tasks: [mlm], mlm: {files: text.txt, max_sentences: 2}}
"""


@pytest.fixture
def grid(folder: Path) -> str:
    """A recipe of three adapters on the same text."""
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    small = SMALL.replace("{files: text.txt}", "{files: text.txt, drop_near_duplicates: false}")
    (folder / "adapters.yaml").write_text(small + ADAPTERS, encoding="utf-8")
    return "adapters.yaml"


@pytest.fixture
def languages(folder: Path) -> str:
    """A recipe of three languages on one graph, which lacks Maltese."""
    details = json.dumps({"license": "cc:by-sa/4.0", "weight": 1.0})
    edges = [(f"/c/{code}/neno_{n}", f"/c/en/word_{n}") for code in ("sw", "fr") for n in range(60)]
    rows = [f"/a/x\t/r/Synonym\t{start}\t{end}\t{details}\n" for start, end in edges]
    (folder / "dump.csv.gz").write_bytes(gzip.compress("".join(rows).encode()))
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "graph.yaml").write_text("language: swh_Latn\n" + GRAPH, encoding="utf-8")
    (folder / "languages.yaml").write_text(GRAPH + "grid: {language: [swh, mlt, fra]}\n", encoding="utf-8")
    return "languages.yaml"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The dumps that are read from now on, once for each time."""
    from lrl_adapt.graphs import edges

    reader = edges.DumpReader
    seen: list[Path] = []

    def counted(path: Path, *rest: Any) -> edges.DumpReader:
        seen.append(path)
        return reader(path, *rest)

    monkeypatch.setattr(edges, "DumpReader", counted)
    return seen


def test_run_of_a_grid_reads_the_dump_once_for_all_languages(folder: Path, languages: str, passes: list[Path]) -> None:
    result = invoke("run", languages, "--json")
    assert result.exit_code == 2
    assert passes == [folder / "dump.csv.gz"]
    actual = json.loads(result.stdout)
    assert {score["language"] for score in actual["scores"]} == {"swh_Latn", "fra_Latn"}
    assert [failed["run"] for failed in actual["failed"]] == ['language="mlt"']
    assert "no edges in ConceptNet's language mt" in actual["failed"][0]["error"]
    assert invoke("run", languages, "--language", "fra", "--json").exit_code == 0
    assert len(passes) == 1


def test_prepare_goes_on_after_a_language_that_fails(folder: Path, languages: str, passes: list[Path]) -> None:
    options = [word for code in ("ace", "mlt", "swh", "fra") for word in ("--language", code)]
    result = invoke("prepare", "graph.yaml", *options, "--json")
    assert result.exit_code == 2
    assert passes == [folder / "dump.csv.gz"]
    actual = json.loads(result.stdout)
    assert [Path(artifact["folder"]).parent.name for artifact in actual["artifacts"]] == ["swh_Latn", "fra_Latn"]
    last = result.stderr.splitlines()[-3:]
    assert last[0] == "error: 2 of 4 runs failed:"
    assert last[1].startswith('  language="ace": ConceptNet has no code for Acehnese')
    assert last[2].startswith('  language="mlt": ')


def test_train_goes_on_after_a_run_that_fails(grid: str) -> None:
    assert invoke("prepare", grid).exit_code == 0
    result = invoke("train", grid, "--json", *TOO_NARROW)
    assert result.exit_code == 2
    actual = json.loads(result.stdout)
    trained = [adapter["run"].split()[0] for adapter in actual["adapters"]]
    assert trained == ['adapter.type="lora"', 'adapter.type="ia3"']
    assert [failed["run"] for failed in actual["failed"]] == [SEQ_BN]
    assert "1 of 3 runs failed:" in result.stderr
    assert f"  {SEQ_BN}: the recipe does not fit its base" in result.stderr
    shown = invoke("train", grid, *TOO_NARROW)
    assert shown.stdout.count("adapter.type=") == 2


def test_eval_goes_on_after_a_run_that_fails(grid: str) -> None:
    assert invoke("prepare", grid).exit_code == 0
    assert invoke("train", grid, *TOO_NARROW).exit_code == 2
    result = invoke("eval", grid, "--json", *TOO_NARROW)
    assert result.exit_code == 2
    actual = json.loads(result.stdout)
    assert {score["system"] for score in actual["scores"]} == {"base", "lora/text", "ia3/text"}
    assert [failed["run"] for failed in actual["failed"]] == [SEQ_BN]
    assert "first run `lrl-adapt train`" in actual["failed"][0]["error"]


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_bug_in_one_run_ends_with_exit_code_1_and_debug_shows_where(
    grid: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from lrl_adapt.training import setup

    make_adapter = setup.language_adapter

    def broken(base: Any, settings: Any) -> Any:
        if settings.type == "seq_bn":
            raise ZeroDivisionError("oh no")
        return make_adapter(base, settings)

    monkeypatch.setattr(setup, "language_adapter", broken)
    assert invoke("prepare", grid).exit_code == 0
    result = invoke(command, grid)
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "1 of 3 runs failed:" in result.stderr
    assert result.stderr.splitlines()[-1].startswith('  adapter.type="seq_bn": ZeroDivisionError: oh no (a bug')
    shown = invoke(command, grid, "--debug", "--set", "adapter.r=0")
    assert shown.exit_code == 2  # a recipe that cannot be read is the user's mistake
    shown = invoke(command, grid, "--debug")
    assert shown.exit_code == 1
    assert shown.stderr.count("Traceback") == 1
    assert "in broken" in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith('  adapter.type="seq_bn": ZeroDivisionError: oh no')


def test_ctrl_c_stops_the_whole_grid(grid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lrl_adapt.training import setup

    started = []

    def interrupted(base: Any, settings: Any) -> Any:
        started.append(settings.type)
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "language_adapter", interrupted)
    result = invoke("run", grid)
    assert result.exit_code == 130
    assert started == ["lora"]


def test_run_does_every_run_of_a_grid_and_tells_of_those_that_fail(folder: Path) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    grid = "grid: {adapter.type: [none, lora, seq_bn]}\neval: {mlm: {max_sentences: 5}}\n"
    grid += "corpus: {files: text.txt, drop_near_duplicates: false}\n"
    small = SMALL.replace("corpus: {files: text.txt}\n", "")
    (folder / "many.yaml").write_text(small + grid, encoding="utf-8")
    planned = invoke("run", "many.yaml", "--dry-run")
    assert planned.exit_code == 0
    assert planned.stdout.count("Dry run: nothing was done") == 1
    assert len(json.loads(invoke("train", "many.yaml", "--dry-run", "--json").stdout)["runs"]) == 2
    result = invoke("run", "many.yaml", "--json", "--set", "adapter.reduction_factor=99")
    assert result.exit_code == 2
    assert "1 of 3 runs failed:" in result.stderr
    assert 'adapter.type="seq_bn" adapter.reduction_factor=99: the recipe does not fit its base' in result.stderr
    actual = json.loads(result.stdout)
    assert {score["system"] for score in actual["scores"]} == {"base", "lora/text"}
    assert len(actual["scores"]) == len({json.dumps(score) for score in actual["scores"]})
    assert Path(actual["report"]).is_file()
    trained = invoke("train", "many.yaml", "--json", "--set", "adapter.r=2")
    assert [adapter["run"] for adapter in json.loads(trained.stdout)["adapters"]] == [
        'adapter.type="lora" adapter.r=2',
        'adapter.type="seq_bn" adapter.r=2',
    ]
    scored = invoke("eval", "many.yaml", "--json", "--set", "adapter.r=2")
    assert {score["system"] for score in json.loads(scored.stdout)["scores"]} == {"base", "lora/text", "seq_bn/text"}
