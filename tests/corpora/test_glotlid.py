from pathlib import Path

import pytest
from lrl_adapt.corpora.glotlid import GlotLid, find_glotlid
from lrl_adapt.recipes.identify import GLOTLID_COMMIT
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.workspace.errors import UserError

from .fasttext_files import write_model

WORDS = dict.fromkeys(["habari", "ya", "asubuhi", "rafiki", "yangu", "mpendwa"], "swh_Latn")
WORDS |= dict.fromkeys(["selamat", "pagi", "kawan", "saya", "tercinta"], "ind_Latn") | {"zzz": "zxx_Latn"}
OWN, FOREIGN = "habari ya asubuhi rafiki yangu", "selamat pagi kawan saya"


@pytest.fixture
def model(tmp_path: Path) -> str:
    pytest.importorskip("fasttext")
    return str(write_model(tmp_path / "model.bin", WORDS))


def test_a_line_of_another_language_is_found_and_a_mixed_or_uncertain_one_left_alone(model: str) -> None:
    lines = [OWN, FOREIGN, f"{OWN} {FOREIGN} kawan", "habari selamat", "neno", "zzz zzz zzz zzz", ""]
    result = GlotLid(model, "swh_Latn", 0.95).other_languages(lines)
    assert result == [None, "ind_Latn", None, None, None, None, None]
    assert GlotLid(model, "ind_Latn", 0.95).other_languages(lines[:3]) == ["swh_Latn", None, None]


def test_the_probability_is_that_of_fasttext(model: str) -> None:
    # 6 words, 4 words and the line's end: scores 8 * 6/11, 8 * 4/11 and 0 give probabilities of 0.802, 0.187 and 0.010
    line = "selamat habari pagi ya kawan selamat habari pagi ya kawan"
    assert GlotLid(model, "swh_Latn", 0.80).other_languages([line]) == ["ind_Latn"]
    assert GlotLid(model, "swh_Latn", 0.81).other_languages([line]) == [None]


def test_no_lines_need_no_model(tmp_path: Path) -> None:
    assert GlotLid(str(tmp_path / "missing.bin"), "swh_Latn", 0.95).other_languages([]) == []


def test_a_language_that_glotlid_lacks_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hub_file(*arguments: str, repo_type: str) -> Path:
        asked.append((*arguments, repo_type))
        return Path(model)

    monkeypatch.setattr("lrl_adapt.corpora.glotlid.hub_file", hub_file)
    assert find_glotlid(find_language("swh"), 0.9).label == "swh_Latn"
    assert asked == [("cis-lmu/glotlid", "model_v3.bin", GLOTLID_COMMIT, "model")]
    with pytest.raises(UserError, match=r"GlotLID does not know ekk_Latn; give corpus.identify.neighbours"):
        find_glotlid(find_language("est"), 0.9)


def test_a_hub_that_cannot_be_reached_is_no_dead_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fasttext")

    def hub_file(*_: str, repo_type: str) -> Path:
        raise UserError("cis-lmu/glotlid: offline")

    monkeypatch.setattr("lrl_adapt.corpora.glotlid.hub_file", hub_file)
    with pytest.raises(UserError, match=r"offline; or give corpus.identify.neighbours"):
        find_glotlid(find_language("swh"), 0.9)


def test_without_its_library_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fasttext", None)
    with pytest.raises(UserError, match=r"pip install 'lrl-adapt\[identify\]', or give"):
        find_glotlid(find_language("swh"), 0.9)
