import json
from pathlib import Path

import pyarrow.parquet
import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.recipes.text_sources import bundled_sources
from transformers import AutoTokenizer
from typer.testing import CliRunner, Result

from ..eval.made import make_base
from ..hub import Hub, Repository
from .small import SMALL, TEXT


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["languages", *words], env={"COLUMNS": "80"})


def test_one_language_is_shown_in_full() -> None:
    result = invoke("--search", "URDU")
    assert result.exit_code == 0
    for text in ("urd_Arab", "urd-Arab", "ur, ur", "DGurgurov/urdu_sa", "0.54", "6.97", "221,499"):
        assert text in result.stdout


def test_unseen_and_unknown_are_told_apart() -> None:
    rows = [line.split("│") for line in invoke("--search", "mlt").stdout.splitlines()]
    seen = {cells[1].strip(): cells[2].strip() for cells in rows if len(cells) > 2}
    assert (seen["mBERT GB"], seen["XLM-R GB"], seen["class"]) == ("no", "no", "2")
    rows = [line.split("│") for line in invoke("--search", "aab-Latn").stdout.splitlines()]
    unknown = {cells[1].strip(): cells[2].strip() for cells in rows if len(cells) > 2}
    assert (unknown["mBERT GB"], unknown["GlotCC"], unknown["GlotCC pages"]) == ("?", "aab-Latn", "?")


def test_the_signs_in_the_table_are_explained_under_it() -> None:
    for words in (["--search", "urdu"], ["--paper"]):
        assert invoke(*words).stdout.splitlines()[-2:] == [
            "?: unknown; no: not in the pre-training data of the model; —: none",
            "class: resource class from 0 (fewest resources) to 5 (Joshi et al. 2020)",
        ]
    assert "not known" not in invoke("--paper", "--json").stdout


def test_the_list_fits_a_narrow_terminal() -> None:
    lines = invoke("--paper").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for code in ("zsm_Latn", "swh_Latn"):
        assert sum(code in line for line in lines) == 1


def test_an_ambiguous_code_names_its_languages_and_mismatches() -> None:
    result = invoke("--search", "msa")
    assert "'msa' is a macro-language; use bjn_Latn (Banjar), ind_Latn" in result.stderr
    assert "zsm_Latn: ConceptNet 'ms' mixes Malay and Indonesian" in result.stderr
    result = invoke("--search", "ku")
    assert "'ku' may mean ckb_Arab (Central Kurdish) or kmr_Latn" in result.stderr
    assert "mostly Kurmanji" in result.stderr
    assert not invoke("--search", "urdu").stderr


def test_one_language_by_its_code() -> None:
    (result,) = json.loads(invoke("mt", "--json").stdout)["languages"]
    assert result["code"] == "mlt_Latn"


def test_what_the_sources_have_for_a_language(hub: Hub) -> None:
    hub.put("datasets/HPLT/HPLT2.0_cleaned/mlt_Latn/train-00000-of-00001.parquet")
    hub.put("datasets/HPLT/HPLT2.0_cleaned/README.md", "---\nlicense: cc0-1.0\n---\n")
    hub.known["datasets/HPLT/HPLT2.0_cleaned"] = Repository(commit=bundled_sources()["hplt"].revision)
    hub.put("datasets/cis-lmu/GlotCC-V1/v1.0/swh-Latn/swh-Latn_0.parquet")
    result = invoke("Maltese", "--sources")
    assert result.exit_code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    by_source = {row[0]: row[1:5] for row in rows if row[0]}
    assert by_source["hplt"] == ["found", "1", "100 B", "cc0-1.0"]
    assert by_source["glotcc"][0] == "missing"
    assert "wikipedia: Edited prose without markup" in result.stderr
    offers = {offer["name"]: offer for offer in json.loads(invoke("mlt", "--sources", "--json").stdout)["sources"]}
    assert (offers["hplt"]["files"], offers["hplt"]["size"], offers["hplt"]["state"]) == (1, 100, "found")
    assert offers["glotcc"]["note"] == "GlotCC has no text for mlt-Latn"
    assert offers["madlad"]["repository"] == "allenai/MADLAD-400"
    assert not hub.fetched()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sources"], "--sources needs a language: lrl-adapt languages mlt --sources"),
        (["mlt", "--search", "mlt"], "give LANGUAGE or --search, not both"),
        (["Malteze", "--sources"], "LANGUAGE: unknown language 'Malteze'; did you mean mlt_Latn (Maltese)?"),
        (["msa"], "LANGUAGE: 'msa' is a macro-language; use bjn_Latn (Banjar)"),
        (["--search", "swh_Ltan"], "no language matches 'swh_Ltan'; did you mean swh_Latn (Swahili)?"),
        (["--search", "Malteze"], "no language matches 'Malteze'; did you mean mlt_Latn (Maltese)?"),
        (
            ["--search", "q0q0"],
            "no language matches 'q0q0'; expected a code or name such as swh_Latn, swh, sw or Swahili",
        ),
        (["--search", "hindi", "--paper"], "no language of the paper matches 'hindi'; leave out --paper"),
    ],
)
def test_nothing_found_is_one_line_and_exit_code_2(words: list[str], message: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_json_has_every_code() -> None:
    (result,) = json.loads(invoke("--search", "guarani", "--json").stdout)["languages"]
    assert (result["code"], result["glotcc"], result["conceptnet"], result["wikiann"]) == (
        "grn_Latn",
        "gug-Latn",
        "gn",
        "gn",
    )
    assert result["sentiment"] == ""
    assert len(json.loads(invoke("--json").stdout)["languages"]) > 200


def test_how_bases_read_a_language(folder: Path) -> None:
    bases = [str(make_base(folder / kind, kind=kind).folder) for kind in ("WordPiece", "Unigram")]
    (folder / "text.txt").write_text("Amina anasoma Nairobi\nབོད་ Juma\n", encoding="utf-8")
    options = ["swh", "--base", bases[0], "--base", bases[1], "--json"]
    read = json.loads(invoke(*options, "--text", "text.txt").stdout)
    assert (read["language"], read["text"]) == ("swh_Latn", "2 lines of text.txt")
    for base, facts in zip(bases, read["bases"], strict=True):
        tokenizer = AutoTokenizer.from_pretrained(base)
        lines = ["Amina anasoma Nairobi", "བོད་ Juma"]
        ids = [number for line in lines for number in tokenizer(line, add_special_tokens=False)["input_ids"]]
        unknown = ids.count(tokenizer.unk_token_id)
        assert unknown > 0
        assert facts == {
            "base": base,
            "words": 5,
            "pieces": len(ids),
            "unknown_pieces": unknown,
            "tokens_per_word": len(ids) / 5,
            "unknown_share": unknown / len(ids),
        }
    table = invoke("swh", "--base", bases[0], "--text", "text.txt")
    first = read["bases"][0]
    assert f"{first['tokens_per_word']:.2f}" in table.stdout
    assert f"{first['unknown_share']:.1%}" in table.stdout
    assert invoke("swh", "--base", "{recipes}/quickstart/base/base-mini", "--text", "text.txt").exit_code == 0
    misspelt = invoke("swh", "--base", "base-mini", "--text", "text.txt")
    assert "did you mean" in misspelt.stderr


def test_a_base_on_a_hub_that_does_not_answer_is_one_line(folder: Path, hub: Hub) -> None:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    hub.status = 503
    result = invoke("swh", "--base", "someone/base", "--text", "text.txt")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not any("/resolve/" in request for request in hub.requests)


def test_bases_read_the_newest_prepared_corpus(folder: Path) -> None:
    base = str(make_base(folder / "made").folder)
    missing = invoke("swh", "--base", base, "--workspace", "runs")
    assert missing.exit_code == 2
    assert "no prepared text in swh_Latn in runs: name a file with --text" in missing.stderr
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL, encoding="utf-8")
    assert CliRunner().invoke(app, ["prepare", "recipe.yaml", "--workspace", "runs"]).exit_code == 0
    (corpus,) = folder.glob("runs/data/swh_Latn/corpus-*")
    lines = pyarrow.parquet.read_metadata(corpus / "train.parquet").num_rows
    read = json.loads(invoke("swh", "--base", base, "--workspace", "runs", "--json").stdout)
    assert read["text"] == f"{lines} lines of {corpus.name}"
    assert read["bases"][0]["words"] == 9 * lines
    assert invoke("--base", base).exit_code == invoke("swh", "--text", "text.txt").exit_code == 2
    other = corpus.with_name("corpus-00000000")
    other.mkdir()
    (other / "manifest.json").write_text("{")  # a damaged one of another run
    assert json.loads(invoke("swh", "--base", base, "--workspace", "runs", "--json").stdout) == read
    (corpus / "train.parquet").write_bytes(b"")
    damaged = invoke("swh", "--base", base, "--workspace", "runs")
    assert damaged.exit_code == 2
    assert "train.parquet is damaged (" in " ".join(damaged.stderr.split())
