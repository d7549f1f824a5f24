import json

import pytest
from lrl_adapt.cli.app import app
from typer.testing import CliRunner, Result


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
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
    (found,) = json.loads(invoke("--search", "guarani", "--json").stdout)["languages"]
    assert (found["code"], found["glotcc"], found["conceptnet"], found["wikiann"]) == (
        "grn_Latn",
        "gug-Latn",
        "gn",
        "gn",
    )
    assert found["sentiment"] == ""
    assert len(json.loads(invoke("--json").stdout)["languages"]) > 200
