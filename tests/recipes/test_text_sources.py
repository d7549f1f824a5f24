"""Text sources: the bundled ones, those in YAML files and in recipes, and the codes that they use for a language."""

import pytest
from lrl_adapt.recipes.code_forms import code_in
from lrl_adapt.recipes.corpus import Corpus
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.text_sources import bundled_sources, is_glotcc
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError

from .recipe_files import errors, write

MINE = "repository: me/texts\nfiles: '{code}.jsonl'\ncode: bcp47\n"


def sources(*overrides: str, text: str = "") -> Corpus:
    plain = text or "language: sw\nbase: {from_scratch: {}}\ncorpus: {}\n"
    corpus = load_recipe(write("recipe.yaml", plain), overrides).corpus
    assert corpus is not None
    return corpus


@pytest.mark.parametrize(
    ("form", "codes"),
    [
        ("language", {"mlt": "mlt_Latn", "est": "est_Latn"}),
        ("glotcc", {"mlt": "mlt-Latn", "est": "ekk-Latn"}),
        ("glotlid", {"mlt": "mlt_Latn", "est": "ekk_Latn", "zho_Hans": "cmn_Hani"}),
        ("wikipedia", {"mlt": "mt", "ckb": "ckb", "ary": "ary", "zul": "zu", "nob": "no", "gsw": "als", "kab": "kab"}),
        (
            "bcp47",
            {
                "mlt": "mt",
                "aka_Latn": "ak",
                "kon": "kg",
                "ckb": "ckb",
                "nob": "nb",
                "ceb": "ceb",
                "tam_Latn": "ta_Latn",
                "tcy_Knda": "tcy",
            },
        ),
    ],
)
def test_the_forms_of_a_languages_code(form: str, codes: dict[str, str]) -> None:
    assert {name: code_in(form, find_language(name)) for name in codes} == codes


@pytest.mark.parametrize(
    ("source", "language", "path"),
    [
        ("glotcc", "est", "v1.0/ekk-Latn/*.parquet"),
        ("fineweb2", "zho_Hant", "data/cmn_Hani/train/*.parquet"),
        ("wikipedia", "vro_Latn", "20231101.fiu-vro/train-*.parquet"),
        ("wikipedia", "bho", "20231101.bh/train-*.parquet"),
        ("finepdfs", "mlt", "data/mlt_Latn/train/*.parquet"),
        ("hplt", "grn", "grn_Latn/train-*.parquet"),
        ("madlad", "nob", "data/no/no_clean_*.jsonl.gz"),
        ("madlad", "tgl", "data/fil/fil_clean_*.jsonl.gz"),
    ],
)
def test_where_the_bundled_sources_have_a_language(source: str, language: str, path: str) -> None:
    chosen = bundled_sources()[source]
    address = chosen.address(find_language(language))
    assert address == f"hf://datasets/{chosen.repository}@{chosen.revision}/{path}"


def test_the_bundled_sources_say_what_there_is_to_know() -> None:
    assert list(bundled_sources()) == ["glotcc", "finepdfs", "fineweb2", "hplt", "madlad", "wikipedia"]
    for source in bundled_sources().values():
        assert source.title
        assert source.quality
        assert source.licence
        assert source.layout == "seen"


@pytest.mark.usefixtures("current_folder")
def test_glotcc_is_the_default_and_files_replace_it() -> None:
    assert [source.name for source in sources().used_sources] == ["glotcc"]
    assert is_glotcc(sources().used_sources[0])
    assert sources("corpus.files=texts").origin_names == ["files"]
    both = sources("corpus.files=texts", "corpus.sources=[fineweb2, glotcc]")
    assert both.origin_names == ["files", "fineweb2", "glotcc"]


@pytest.mark.usefixtures("current_folder")
def test_a_source_is_pinned_by_its_name() -> None:
    (pinned,) = sources("corpus.sources=glotcc@v9").used_sources
    assert (pinned.name, pinned.revision, is_glotcc(pinned)) == ("glotcc", "v9", True)


@pytest.mark.usefixtures("current_folder")
def test_a_source_of_ones_own_needs_no_code() -> None:
    write("sources/mine.yaml", MINE)
    text = "language: sw\nbase: {from_scratch: {}}\ncorpus: {sources: [sources/mine.yaml, wikipedia]}\n"
    mine, wikipedia = sources(text=text).used_sources
    assert (mine.name, mine.shown, mine.layout) == ("mine", "me/texts", "unseen")
    assert mine.address(find_language("mlt")) == "hf://datasets/me/texts@main/mt.jsonl"
    assert wikipedia == bundled_sources()["wikipedia"]
    inline = sources("corpus.sources=[{name: mine, repository: me/texts, files: '{code}.jsonl', code: bcp47}]")
    assert inline.used_sources == [mine]


@pytest.mark.usefixtures("current_folder")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["corpus.sources=[glotc]"], "no source is called 'glotc'; did you mean glotcc?"),
        (["corpus.sources=[qqq]"], "bundled sources: finepdfs, fineweb2, glotcc, hplt, madlad, wikipedia"),
        (["corpus.sources=[none.yaml]"], "no such file: "),
        (["corpus.sources=[glotcc, glotcc@v1]"], "glotcc is named twice"),
        (
            ["corpus.sources=[{name: a, repository: me/a, files: a.txt}]"],
            "write {code} where the path has the language",
        ),
        (
            ["corpus.sources=[{name: files, repository: me/a, files: '{code}'}]"],
            "'files' cannot be the name of a source",
        ),
        (["corpus.sources=[{name: a, repository: a, files: '{code}'}]"], "expected a hub id, OWNER/NAME, got 'a'"),
        (
            ["corpus.share={wikipedia: 0.3}", "corpus.max_bytes=1MB"],
            "wikipedia is not a source of this corpus; expected files",
        ),
        (["corpus.share={files: 0.3}"], "share divides max_bytes or max_documents: set one of them"),
        (
            ["corpus.sources=[glotcc, hplt]", "corpus.share={glotcc: 0.7, hplt: 0.4}", "corpus.max_bytes=1MB"],
            "the shares add up to 1.1, which is more than 1",
        ),
        (
            ["corpus.sources=[glotcc]", "corpus.sampling=0.5"],
            "sampling needs files, one for each language, and no sources",
        ),
        (["corpus.revision=abc"], "gone: write corpus.sources: [glotcc@REVISION]"),
        (["corpus.glotcc=me/copy"], "gone: describe the copy of GlotCC in a YAML file"),
    ],
)
def test_mistakes_are_reported_with_what_to_do(overrides: list[str], message: str) -> None:
    assert message in errors(*overrides)


def test_languages_of_codes_must_be_known() -> None:
    source = {"name": "a", "repository": "me/a", "files": "{code}.txt", "codes": {"xyzzy": "x"}}
    with pytest.raises(ValidationError, match="unknown language 'xyzzy'"):
        Corpus.model_validate({"sources": [source]})


@pytest.mark.usefixtures("current_folder")
def test_a_source_file_that_is_no_mapping() -> None:
    write("bad.yaml", "- a\n")
    assert "bad.yaml: a source is a mapping (repository, files, code, text, ...)" in errors("corpus.sources=[bad.yaml]")


def test_other_addresses_than_the_hubs_are_refused() -> None:
    from lrl_adapt.recipes.corpus_files import local_corpus_files

    with pytest.raises(UserError, match=r"corpus\.files: https:// is not read; download the file, or use hf://"):
        local_corpus_files(Corpus(files=["https://example.org/a.txt"]))
