"""Whether lrl-adapt and the table of facts agree: by what the bundled recipes say, and by what is read of a stand-in.

    python -m lrl_adapt.tests.rehearsal.agreement [NAME ...]

changes each fact of the table in turn (or those of some data sets and models) and names those that nothing notices.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.workspace.errors import UserError

from ..hub import Hub, point_client_at
from .facts import Facts, all_facts, load_facts
from .items import SHARDS, edges, labelled, pages, source_pages, tagged
from .standin import start
from .tasks import TASKS as OTHER_TASKS
from .tasks import check_task, disagreements_of_tasks
from .words import sentences

TASKS = {"sib200": "topic", "wikiann": "ner", "sentiment": "sentiment"}
RECIPES = ("mbert", "xlmr", "afroxlmr", "glot500", "mmbert")
"""Bundled recipes that are called as their base is in the table."""
TOKEN = "hf_accepted"


def disagreements(facts: Facts) -> list[str]:
    """What the bundled recipes and the code say otherwise than the table."""
    return [
        *_of_tasks(facts),
        *disagreements_of_tasks(facts),
        *_of_sources(facts),
        *_of_addresses(facts),
        *_of_languages(facts),
    ]


def _of_tasks(facts: Facts) -> Iterator[str]:
    for name, task in TASKS.items():
        about = facts[name]
        for language, code in about["languages"].items():
            section = getattr(recipe_for(language, task).eval, task)
            for split, own_name in about["splits"].items():
                file = about["files"].format(language=code, split=own_name, number=0, count=1)
                where = f"{name}, {language}: {split}"
                yield from _of_location(getattr(section, split), about, file, where)
            stated = {"text": section.text, "label": section.label}
            yield from _unequal(stated, about["columns"], f"{name}: columns")
            yield from _unequal(section.labels, about["labels"], f"{name}: labels")


def _of_location(location: str, about: Facts, file: str, where: str) -> Iterator[str]:
    """Whether a recipe's location names the table's file in the table's repository at its revision."""
    from lrl_adapt.workspace.hub_files import ADDRESS, expand_braces

    match = ADDRESS.fullmatch(location)
    if match is None:
        yield f"{where}: {location} is no address on the hub"
        return
    yield from _unequal(f"datasets/{match['repo']}", about["repository"], where)
    yield from _unequal(match["revision"], about.get("revision"), where)
    if not any(fnmatchcase(file, pattern) for pattern in expand_braces(match["path"])):
        yield f"{where}: {match['path']} is not {file}"


def _of_sources(facts: Facts) -> Iterator[str]:
    from lrl_adapt.recipes.languages import find_language
    from lrl_adapt.recipes.text_sources import bundled_sources

    for name, source in bundled_sources().items():
        about = facts[name]
        columns = {"text": source.text} | ({"id": source.id} if source.id else {})
        yield from _unequal(f"datasets/{source.repository}", about["repository"], name)
        yield from _unequal(source.revision, about.get("revision", "main"), f"{name}: revision")
        yield from _unequal(source.licence, _licence(about), f"{name}: licence")
        yield from _unequal(columns, {key: about["columns"].get(key) for key in columns}, f"{name}: columns")
        escaped = about.get("escaped_line_breaks", False)
        yield from _unequal(source.escaped_line_breaks, escaped, f"{name}: line breaks")
        for language, code in about["languages"].items():
            path = source.address(find_language(language)).split("/", 5)[-1]
            file = about["files"].format(language=code, number=0, count=SHARDS)
            if not fnmatchcase(file, path):
                yield f"{name}, {language}: {path} is not {file}"


def _licence(about: Facts) -> str:
    """The licence as `Card.licence` has it."""
    licence = about["licence"]
    return licence if isinstance(licence, str) else ", ".join(licence)


def _of_addresses(facts: Facts) -> Iterator[str]:
    from lrl_adapt.recipes.loading import bundled_recipes, load_recipe
    from lrl_adapt.workspace.checksums import CONCEPTNET_DUMP, SHA256

    yield from _unequal(CONCEPTNET_DUMP, facts["conceptnet"]["address"], "ConceptNet")
    yield from _unequal(SHA256[CONCEPTNET_DUMP], facts["conceptnet"]["sha256"], "ConceptNet's SHA-256")
    message = bundled_recipes()["conceptnet"].read_text(encoding="utf-8")
    size = f"{facts['conceptnet']['bytes'] / 1e6:.0f} MB"
    if size not in message:
        yield f"ConceptNet: recipes/conceptnet.yaml does not say that it has {size}"
    for name in RECIPES:
        yield from _unequal(f"models/{load_recipe(name).base.model}", facts[name]["repository"], name)


def _of_languages(facts: Facts) -> Iterator[str]:
    from lrl_adapt.recipes.languages import find_language

    for name, kind in (
        ("glotcc", "glotcc"),
        ("sib200", "flores"),
        ("wikiann", "wikiann"),
        ("conceptnet", "conceptnet"),
    ):
        for language, code in facts[name]["languages"].items():
            yield from _unequal(getattr(find_language(language), kind), code, f"{name}: code of {language}")
    for language, name in facts["sentiment"]["languages"].items():
        yield from _unequal(find_language(language).sentiment, f"DGurgurov/{name}_sa", f"sentiment set of {language}")


def _unequal(said: Any, fact: Any, where: str) -> Iterator[str]:
    if said != fact:
        yield f"{where}: {said} is not {fact}"


def recipe_for(language: str, task: str = "") -> Any:
    """The recipe mbert in a language, with the bundled sentiment sets if that is the `task`."""
    from lrl_adapt.recipes.loading import load_recipe

    more = ["eval.sentiment=sentiment"] if task == "sentiment" else []
    return load_recipe("mbert", [f"language={language}", *more])


def check_reading(name: str, facts: Facts, cache: Path) -> None:
    """Read everything of a data set or model as lrl-adapt does it, from the hub that the client is set to.

    Raises UserError or AssertionError where that is not what the table says that there is.
    """
    special = {"glotcc": _check_glotcc, "wikiann": _check_wikiann, "conceptnet": _check_conceptnet}
    special |= {"sib200": _check_labelled, "sentiment": _check_labelled, "mteb_sib200": _check_mteb}
    special |= {"flores": _check_texts, "fineweb2": _check_source, "wikipedia": _check_source}
    special |= {"finepdfs": _check_source, "hplt": _check_source, "madlad": _check_source}
    special |= dict.fromkeys(OTHER_TASKS, check_task)
    special.get(name, _check_model)(name, facts, cache)
    if name in special and "gated" in facts[name]:
        from lrl_adapt.workspace.hub import list_folder

        card = list_folder(facts[name]["repository"].removeprefix("datasets/"), "", "main").card
        assert (card.licence, card.gated) == (_licence(facts[name]), facts[name]["gated"])


def _check_glotcc(name: str, facts: Facts, cache: Path) -> None:
    for language in facts[name]["languages"]:
        expected = [page for number in range(SHARDS) for page in pages(language, number)]
        result = {document.id: document for document in _documents(name, language)}
        assert len(result) == len(expected)
        for page in expected:
            assert page["id"] in result
            document = result[page["id"]]
            assert document.text == page["text"]
            assert (document.probability, set(document.warnings)) == (page["probability"], set(page["warnings"]))
            assert bool(_religious(document)) == page["religious"]


def _religious(document: Any) -> bool:
    from lrl_adapt.corpora.filters import RELIGIOUS

    return not RELIGIOUS.isdisjoint(document.categories)


def _check_labelled(name: str, facts: Facts, cache: Path) -> None:
    from lrl_adapt.recipes.task_files import read_sentences, read_split

    for language in facts[name]["languages"]:
        recipe = recipe_for(language, TASKS[name])
        for split in facts[name]["splits"]:
            items = read_split(TASKS[name], getattr(recipe.eval, TASKS[name]), split, cache)
            assert [(item.text, item.label) for item in items] == labelled(facts, name, language, split)
        if name == "sib200":
            texts = [text for text, _ in labelled(facts, name, language, "test")]
            assert list(read_sentences(recipe.eval.mlm, cache)) == texts


def _check_mteb(name: str, facts: Facts, cache: Path) -> None:
    """No recipe reads these; a recipe of one's own may, and finds the labels' names in the files or the card."""
    from lrl_adapt.recipes.evaluation import Task
    from lrl_adapt.recipes.task_files import read_split

    about = facts[name]
    for language, code in about["languages"].items():
        named = about["named_labels"]
        files = {
            split: f"hf://{about['repository']}/{about['files'].format(language=code, split=own_name)}"
            for split, own_name in about["splits"].items()
        }
        label = named["column"] if language in named["languages"] else about["columns"]["label"]
        task = Task(**files, text=about["columns"]["text"], label=label)
        for split in files:
            items = read_split("topic", task, split, cache)
            assert [(item.text, item.label) for item in items] == labelled(facts, name, language, split)


def _check_wikiann(name: str, facts: Facts, cache: Path) -> None:
    from lrl_adapt.recipes.task_files import read_split

    for language in facts[name]["languages"]:
        task = recipe_for(language).eval.ner
        for split in facts[name]["splits"]:
            items = [(item.text, item.label) for item in read_split("ner", task, split, cache)]
            assert items == tagged(facts, language, split)


def _check_source(name: str, facts: Facts, cache: Path) -> None:
    for language in facts[name]["languages"]:
        read = _documents(name, language)
        expected = [page for number in range(SHARDS) for page in source_pages(name, language, number)]
        assert [document.text for document in read] == [page["text"] for page in expected]
        key = "id" if "id" in facts[name]["columns"] else "text"
        assert [document.id for document in read] == [page[key] for page in expected]


def _documents(name: str, language: str) -> list[Any]:
    """All documents that a corpus of one text source is made from."""
    from lrl_adapt.corpora.origins import open_origins
    from lrl_adapt.corpora.readers import DocumentReader
    from lrl_adapt.recipes.schema import Corpus

    corpus = Corpus.model_validate({"sources": [name]})
    (opened,) = open_origins(corpus, language)
    reader = DocumentReader(corpus)
    return [document for path in opened.paths() for document in reader.read(path, opened.origin.source)]


def _check_texts(name: str, facts: Facts, cache: Path) -> None:
    """As text for pseudo-perplexity."""
    from lrl_adapt.recipes.evaluation import PseudoPerplexity
    from lrl_adapt.recipes.task_files import read_sentences

    about = facts[name]
    for language, code in about["languages"].items():
        for split, own_name in about.get("splits", {"train": "train"}).items():
            file = about["files"].format(language=code, split=own_name, number=0)
            settings = PseudoPerplexity(files=[f"hf://{about['repository']}/{file}"], text=about["columns"]["text"])
            assert list(read_sentences(settings, cache)) == sentences(language, 40, f"{name} {split}")


def _check_conceptnet(name: str, facts: Facts, cache: Path) -> None:
    from urllib.parse import urlsplit

    from huggingface_hub import constants
    from lrl_adapt.graphs.dump import DumpReader
    from lrl_adapt.workspace.downloads import download

    about = facts[name]
    file = download(f"{constants.ENDPOINT}{urlsplit(about['address']).path}", cache)
    codes = {**about["languages"], "eng_Latn": "en"}
    for language, code in about["languages"].items():
        result = {
            (edge.relation, edge.start.key, edge.end.key, edge.license)
            for _, edge in DumpReader(file, [code])
            if edge.start.language == code
        }
        expected = {
            (relation, *(_key(term, codes) for term in (start, end)), about["licence"])
            for relation, start, end in edges(language)
            if _key(start, codes) != _key(end, codes)
        }
        assert {edge[:3] for edge in expected} >= {edge[:3] for edge in result}
        assert result <= expected
        assert len(result) > len(expected) / 2  # edges that say the same are kept once


def _key(term: str, codes: dict[str, str]) -> str:
    language, _, text = term.partition(" ")
    return f"{codes[language]}:{text.removesuffix('/n')}"


def _check_model(name: str, facts: Facts, cache: Path) -> None:
    from huggingface_hub import HfApi
    from transformers import AutoConfig, AutoTokenizer

    about = facts[name]
    repository = about["repository"].removeprefix("models/")
    info = HfApi().model_info(repository, files_metadata=True)
    files = {sibling.rfilename for sibling in info.siblings or []}
    assert {about["weights"], about["tokenizer"]} <= files
    assert len([file for file in files if file.endswith((".safetensors", ".bin"))]) == 1
    assert (info.card_data.license if info.card_data else None) == about.get("licence")
    config, tokenizer = AutoConfig.from_pretrained(repository), AutoTokenizer.from_pretrained(repository)
    assert (config.model_type, config.max_position_embeddings) == (about["family"], about["positions"])
    assert (tokenizer.mask_token, config.vocab_size) == (about["mask"], about.get("pieces", config.vocab_size))
    assert len(tokenizer) <= config.vocab_size  # it takes a mask of its own where the vocabulary has none


def notices(fact: str, folder: Path) -> bool:
    """Whether a change of a fact is noticed: by the recipes, or by who reads from a stand-in that has it changed."""
    changed = load_facts(fact)
    if disagreements(changed):
        return True
    name = fact.partition(".")[0]
    try:
        with reading_from(folder, changed, name):
            check_reading(name, load_facts(), folder / "downloads")
    except (UserError, AssertionError, OSError, ValueError):
        return True
    return False


@contextmanager
def reading_from(folder: Path, facts: Facts, name: str) -> Iterator[Hub]:
    """Inside, the hub's client asks a stand-in with one data set or model, and has a token that opens gated ones."""
    hub = start(folder / "hub", facts, [name])
    hub.tokens.add(TOKEN)
    try:
        with pytest.MonkeyPatch.context() as patch:
            point_client_at(hub, folder, patch)
            if facts[name].get("repository", "").startswith("models/"):
                patch.setattr("transformers.utils.hub._hf_api", None)  # it remembers the first hub's address
            patch.setenv("HF_TOKEN", TOKEN)
            yield hub
    finally:
        hub.close()


def main(names: Sequence[str]) -> None:
    """Change every fact, or those of some data sets and models, and end with exit code 1 where nothing notices."""
    unnoticed = []
    for fact in (fact for fact in all_facts() if not names or fact.partition(".")[0] in names):
        with tempfile.TemporaryDirectory() as folder:
            noticed = notices(fact, Path(folder))
        print(f"{fact}: {'noticed' if noticed else 'NOT NOTICED'}", flush=True)
        unnoticed += [] if noticed else [fact]
    if unnoticed:
        sys.exit(f"nothing notices a change of {', '.join(unnoticed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
