import json
import random
from pathlib import Path
from typing import Any

import numpy
import pyarrow.parquet
import pytest
from lrl_adapt.corpora.identify import NgramIdentifier, make_identifier
from lrl_adapt.corpora.ngrams import train_ngrams
from lrl_adapt.corpora.other_languages import LanguageCounts, find_other_languages
from lrl_adapt.corpora.prepare import corpus_artifact, prepare_corpus
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.schema import Corpus, Recipe
from lrl_adapt.recipes.splits import SPLITS
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError

from ..said import Said
from .fasttext_files import write_model

WORDS = {
    "swh_Latn": "habari ya leo ni njema sana watoto wanacheza nje nyumba yetu kila siku asubuhi na jioni mji",
    "ind_Latn": "kabar hari ini baik sekali anak bermain di luar rumah kami setiap pagi dan sore kota",
    "lug_Latn": "amawulire leero malungi nnyo abaana bazannya wabweru ennyumba yaffe buli lunaku",
}


def sentences(language: str, number: int, seed: int) -> list[str]:
    rng = random.Random(f"{language} {seed}")
    return [" ".join(rng.choices(WORDS[language].split(), k=9)) for _ in range(number)]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A corpus of 300 Swahili and 12 Indonesian lines, 3 lines too short to tell and 1 in both; and training text."""
    folder = tmp_path / "texts"
    folder.mkdir()
    both = f"{WORDS['swh_Latn']} {WORDS['ind_Latn']}"
    lines = (
        sentences("swh_Latn", 300, 0)
        + sentences("ind_Latn", 12, 0)
        + [both, "baik dan 1", "di rumah !!", "Rumah Kota Baik"]
    )
    random.Random(0).shuffle(lines)
    (folder / "corpus.txt").write_text("\n".join(lines))
    for language in WORDS:
        (folder / f"{language}.txt").write_text("\n".join(sentences(language, 250, 1)))
    return folder


def recipe(folder: Path, **identify: Any) -> Recipe:
    neighbours = {code: [str(folder / f"{code}.txt")] for code in ("ind_Latn", "lug_Latn")}
    identify = {"trusted": [str(folder / "swh_Latn.txt")], "neighbours": neighbours} | identify
    corpus = {"files": [str(folder / "corpus.txt")], "identify": identify, "drop_near_duplicates": False}
    return Recipe.model_validate({"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": corpus})


def texts_of(artifact: Artifact) -> set[str]:
    rows = (pyarrow.parquet.read_table(artifact.folder / f"{split}.parquet").to_pylist() for split in SPLITS)
    return {row["text"] for of_split in rows for row in of_split}


def test_lines_in_another_language_are_counted_and_shown_but_kept(texts: Path, tmp_path: Path) -> None:
    artifact = prepare_corpus(recipe(texts), tmp_path / "runs", progress := Said())
    said = progress.lines
    facts = artifact.manifest()["facts"]["languages"]
    assert facts["lines"] == {"ind_Latn": 12}
    assert (facts["checked"], facts["too_short"]) == (316, 3)
    assert len(facts["examples"]["ind_Latn"]) == 5
    assert set(facts["examples"]["ind_Latn"]) <= set(sentences("ind_Latn", 12, 0))
    assert facts["model"].startswith("character n-grams, learned from swh_Latn 250 lines, ind_Latn 250 lines")
    assert texts_of(artifact) > set(sentences("ind_Latn", 12, 0))
    counted = "lines that look like another language: 12 of 316 (ind_Latn 12); 3 are too short to tell"
    assert f"{counted}; they are kept: see the examples in card.md, and corpus.identify.drop" in said
    card = (artifact.folder / "card.md").read_text()
    assert "- Indonesian (ind_Latn): 12 lines, such as\n  - " + facts["examples"]["ind_Latn"][0] in card


def test_they_are_dropped_only_if_the_recipe_says_so(texts: Path, tmp_path: Path) -> None:
    artifact = prepare_corpus(recipe(texts, drop=True), tmp_path / "runs")
    facts = artifact.manifest()["facts"]
    foreign = set(sentences("ind_Latn", 12, 0))
    assert facts["counts"]["other language"] == 12
    assert facts["bytes_by_outcome"]["other language"] == sum(map(len, foreign))
    assert not texts_of(artifact) & foreign
    assert texts_of(artifact) >= set(sentences("swh_Latn", 300, 0))
    assert "| other language | 12 |" in (artifact.folder / "card.md").read_text()


def test_the_corpus_itself_may_be_the_trusted_text(texts: Path, tmp_path: Path) -> None:
    itself = recipe(texts, trusted=[])
    assert prepare_corpus(itself, tmp_path / "runs").manifest()["facts"]["languages"]["lines"] == {"ind_Latn": 12}


def test_the_number_of_processes_changes_nothing(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 2000)
    one, two = (prepare_corpus(recipe(texts, drop=True), tmp_path / str(n), workers=n) for n in (1, 2))
    assert one.manifest()["facts"] == two.manifest()["facts"]
    assert texts_of(one) == texts_of(two)


def test_keys(texts: Path, tmp_path: Path) -> None:
    def key(of: Recipe) -> str:
        return corpus_artifact(of, tmp_path).key

    unchecked = recipe(texts).model_copy(update={"corpus": Corpus(files=[str(texts / "corpus.txt")])})
    assert "identify" not in corpus_artifact(unchecked, tmp_path).section
    first = key(recipe(texts))
    assert first == key(recipe(texts, model="ngrams"))
    assert len({first, key(unchecked), key(recipe(texts, drop=True)), key(recipe(texts, model="glotlid"))}) == 4
    (texts / "lug_Latn.txt").rename(texts / "ganda.txt")
    moved = {"ind_Latn": [str(texts / "ind_Latn.txt")], "lug": [str(texts / "ganda.txt")]}
    assert first == key(recipe(texts, neighbours=moved))
    (texts / "ganda.txt").write_text("Other text.")
    assert first != key(recipe(texts, neighbours=moved))


def test_too_little_text_is_refused(texts: Path, tmp_path: Path) -> None:
    (texts / "lug_Latn.txt").write_text("\n".join(sentences("lug_Latn", 99, 0)))
    with pytest.raises(UserError, match=r"identify.neighbours.lug_Latn: only 99 lines can be used, and 100 are needed"):
        prepare_corpus(recipe(texts), tmp_path / "runs")


def test_missing_text_is_refused(texts: Path, tmp_path: Path) -> None:
    (texts / "lug_Latn.txt").unlink()
    with pytest.raises(UserError, match=r"corpus.identify.neighbours.lug_Latn: no such file or folder: .*lug_Latn.txt"):
        prepare_corpus(recipe(texts), tmp_path / "runs")


@pytest.mark.parametrize(
    ("identify", "message"),
    [
        ({"model": "ngrams"}, "model: ngrams needs neighbours"),
        ({"trusted": "a.txt", "neighbours": {"swh": "a.txt", "ind": "b.txt"}}, "swh_Latn is the recipe's language"),
        ({"trusted": "a.txt", "neighbours": {"Indonesain": "b.txt"}}, "did you mean ind_Latn"),
        ({"min_probability": 1.0}, "min_probability"),
        ({"min_probability": 0.4}, "min_probability"),
    ],
)
def test_mistakes_in_the_recipe(identify: dict[str, Any], message: str) -> None:
    raw = {"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": {"files": "c.txt", "identify": identify}}
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(raw)


def test_without_files_the_trusted_text_has_to_be_named() -> None:
    with pytest.raises(ValueError, match=r"identify.trusted: name text in the language"):
        Corpus.model_validate({"identify": {"neighbours": {"ind": "a.txt"}}})
    assert Corpus.model_validate({"identify": {"neighbours": {"ind": "a.txt"}, "trusted": "b.txt"}}).files == []


def test_paths_are_those_of_the_recipes_folder(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTS", str(texts))
    (texts / "recipe.yaml").write_text(
        "language: swh\nbase: {from_scratch: {}}\ncorpus:\n  files: corpus.txt\n  identify:\n"
        "    trusted: swh_Latn.txt\n    neighbours: {ind: '${TEXTS}/ind_Latn.txt', lug: [lug_Latn.txt]}\n"
    )
    identify = load_recipe(str(texts / "recipe.yaml")).corpus.identify
    assert identify.trusted == [str(texts / "swh_Latn.txt")]
    assert identify.neighbours == {code: [str(texts / f"{code}.txt")] for code in ("ind_Latn", "lug_Latn")}


def test_glotlid_cleans_in_one_process(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fasttext")
    words = {word: language for language, text in WORDS.items() for word in text.split()}
    model = write_model(tmp_path / "model.bin", words)
    monkeypatch.setattr("lrl_adapt.corpora.glotlid.hub_file", lambda *_, repo_type: model)
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 2000)
    monkeypatch.setattr("lrl_adapt.corpora.parallel.ProcessPoolExecutor", None)  # fails if a process were started
    facts = prepare_corpus(recipe(texts, model="glotlid"), tmp_path / "runs", workers=2).manifest()["facts"][
        "languages"
    ]
    assert facts["lines"] == {"ind_Latn": 12}
    assert facts["model"].startswith("cis-lmu/glotlid (model_v3.bin, commit 74cb50b")


def test_examples_do_not_depend_on_the_order_of_batches() -> None:
    model = train_ngrams({language: sentences(language, 200, 1) for language in ("swh_Latn", "ind_Latn")})
    identifier = NgramIdentifier(model, 0.95, "n-grams")
    lines = sentences("ind_Latn", 20, 2)
    keys = numpy.arange(20, dtype=numpy.uint64)[::-1]
    whole, parts = LanguageCounts(), LanguageCounts()
    assert find_other_languages(lines, keys, identifier, whole).all()
    for part in (slice(10, 20), slice(0, 10)):
        counts = LanguageCounts()
        find_other_languages(lines[part], keys[part], identifier, counts)
        parts.add(counts)
    assert whole == parts
    assert whole.facts()["examples"] == {"ind_Latn": lines[:-6:-1]}
    assert json.loads(json.dumps(whole.facts())) == whole.facts()


def test_the_model_is_not_trained_on_lines_that_the_corpus_would_drop(texts: Path, tmp_path: Path) -> None:
    with (texts / "ind_Latn.txt").open("a") as file:
        file.write("\nтекст на другом языке, который сюда не относится\n" * 3)
    section = recipe(texts).corpus
    identifier = make_identifier(section.identify, section, find_language("swh"), tmp_path)
    assert "ind_Latn 250 lines" in identifier.name
