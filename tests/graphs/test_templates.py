import csv
import gzip
import os
import re
import string
from pathlib import Path

import pytest
from lrl_adapt.graphs.linearise import sentence
from lrl_adapt.graphs.templates import load_templates
from lrl_adapt.recipes.schema import Graph
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError

from .edges import edge

NATIVE = ("cym_Latn", "ind_Latn", "mlt_Latn", "swh_Latn", "zsm_Latn")
VERBALISED = Path(os.environ.get("LRL_DATA") or "absent", "conceptnet", "verbalised")

RELATIONS = [
    "Antonym",
    "AtLocation",
    "CapableOf",
    "Causes",
    "CausesDesire",
    "CreatedBy",
    "DefinedAs",
    "DerivedFrom",
    "Desires",
    "DistinctFrom",
    "Entails",
    "EtymologicallyDerivedFrom",
    "EtymologicallyRelatedTo",
    "FormOf",
    "HasA",
    "HasContext",
    "HasFirstSubevent",
    "HasLastSubevent",
    "HasPrerequisite",
    "HasProperty",
    "HasSubevent",
    "InstanceOf",
    "IsA",
    "LocatedNear",
    "MadeOf",
    "MannerOf",
    "MotivatedByGoal",
    "NotCapableOf",
    "NotDesires",
    "NotHasProperty",
    "NotUsedFor",
    "ObstructedBy",
    "PartOf",
    "ReceivesAction",
    "RelatedTo",
    "SimilarTo",
    "SymbolOf",
    "Synonym",
    "UsedFor",
    "dbpedia/capital",
    "dbpedia/field",
    "dbpedia/genre",
    "dbpedia/genus",
    "dbpedia/influencedBy",
    "dbpedia/knownFor",
    "dbpedia/language",
    "dbpedia/leader",
    "dbpedia/occupation",
    "dbpedia/product",
]


def english() -> dict[str, str]:
    return load_templates(Graph(), "mlt_Latn")


@pytest.mark.parametrize("language", ["eng_Latn", *NATIVE])
def test_every_relation_has_a_template(language: str) -> None:
    templates = load_templates(Graph(linearisation="native" if language in NATIVE else "english"), language)
    assert sorted(templates) == sorted(RELATIONS)
    assert len(set(templates.values())) == len(templates)
    assert language not in NATIVE or not set(templates.values()) & set(english().values())
    for relation, template in templates.items():
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        assert sorted(names) == ["end", "start"], relation
        assert template.endswith("."), relation


@pytest.mark.parametrize(
    ("start", "relation", "end", "sentence_"),  # the examples are those of ConceptNet's wiki
    [
        ("bird", "HasA", "wing", "bird has wing."),
        ("cake", "CreatedBy", "bake", "cake is created by bake."),
        ("butter", "AtLocation", "refrigerator", "butter is typically found at refrigerator."),
        ("eating", "HasSubevent", "chewing", "eating has the subevent chewing."),
        ("sleep", "ObstructedBy", "noise", "sleep is obstructed by noise."),
        ("peace", "DefinedAs", "absence of war", "peace is defined as absence of war."),
        ("pocketbook", "DerivedFrom", "book", "pocketbook is derived from book."),
        ("slept", "FormOf", "sleep", "slept is a form of sleep."),
        ("dream", "HasPrerequisite", "sleep", "dream has the prerequisite sleep."),
        ("compete", "MotivatedByGoal", "win", "compete is done for the goal win."),
        ("button", "ReceivesAction", "push", "button can receive the action push."),
        ("malta", "dbpedia/capital", "valletta", "malta has the capital valletta."),
        ("a {end}", "IsA", "{0}", "a {end} is a type of {0}."),
    ],
)
def test_direction(start: str, relation: str, end: str, sentence_: str) -> None:
    assert sentence(edge(start, relation, end), english()) == sentence_


def test_no_template() -> None:
    assert sentence(edge("a", "ExternalURL", "b"), english()) is None


def test_native_needs_templates() -> None:
    with pytest.raises(UserError, match=r"native has no templates for uig_Arab, only for cym_Latn, .*graph\.templates"):
        load_templates(Graph(linearisation="native"), "uig_Arab")
    assert load_templates(Graph(linearisation="walk"), "uig_Arab") == english()
    assert load_templates(Graph(linearisation="walk"), "swh_Latn") != english()


def test_a_users_templates(tmp_path: Path) -> None:
    file = tmp_path / "uig.yaml"
    file.write_text('IsA: "{start} بولسا {end}."\n', encoding="utf-8")
    templates = load_templates(Graph(linearisation="native", templates=str(file)), "uig_Arab")
    assert sentence(edge("a", "IsA", "b"), templates) == "a بولسا b."
    assert templates["Synonym"] == english()["Synonym"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IsA: '{start} is {end'", "IsA: a template is text with"),
        ("IsA: '{start} is.'", "IsA: a template is text with"),
        ("IsA: '{start} {start} is {end}'", "IsA: a template is text with"),
        ("IsA: '{start} {start!r} is {end}'", "IsA: a template is text with"),
        ("IsA: '{0} is {end}'", "IsA: a template is text with"),
        ("IsA: '{start.name} is {end}'", "IsA: a template is text with"),
        ("IsA: '{start!r} is {end:>30}'", "IsA: a template is text with"),
        ("Isa: '{start} is {end}'", "Isa: ConceptNet has no such relation; did you mean IsA"),
        ("IsA: 3", "IsA: a template is text with"),
        ("- IsA", "must contain lines such as IsA"),
        ("IsA: [", "not valid YAML"),
        ("IsA: '{start} {end}'\nIsA: '{end} {start}'", "IsA is repeated here"),
        (None, "cannot be read"),
    ],
)
def test_templates_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        load_templates(Graph(templates=str(file)), "mlt_Latn")
    assert "\n" not in str(error.value)


def test_templates_and_sentences_are_in_normal_form(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        'IsA: "E\\u0301 {start}\\u00ad  \\u200fe {end}"\nRelatedTo: "{start}\\u0301 {end}"', encoding="utf-8"
    )
    templates = load_templates(Graph(templates=str(file)), "mlt_Latn")
    assert sentence(edge("a", "IsA", "b"), templates) == "É a e b"
    assert sentence(edge("a", "RelatedTo", "b"), templates) == "á b"


def test_paper_has_its_own_templates() -> None:
    with pytest.raises(ValidationError, match="paper has fixed templates"):
        Graph(linearisation="paper", templates="mine.yaml")
    templates = load_templates(Graph(linearisation="paper"), "swh_Latn")
    assert len(templates) == 33
    assert sentence(edge("bird", "HasA", "wing"), templates) == "bird belongs to wing."  # as there: the wrong way


@pytest.mark.skipif(not VERBALISED.is_dir(), reason="needs the authors' own sentences under $LRL_DATA")
@pytest.mark.parametrize("code", ["mt", "ms", "bg"])
def test_the_authors_own_sentences_have_the_form_of_the_paper(code: str) -> None:
    templates = load_templates(Graph(linearisation="paper"), "mlt_Latn")
    # What lies there comes from the authors' earlier paper, which said two of the relations in other words.
    earlier = {"HasContext": "{start} has context of {end}.", "SymbolOf": "{start} is a symbol of {end}."}
    forms = [re.escape(form).replace(r"\{start\}", ".+").replace(r"\{end\}", ".+") for form in templates.values()]
    known, old = re.compile("|".join(forms)), re.compile(r".+ (has context of|is a symbol of) .+\.")
    assert set(earlier) <= set(templates)
    texts = []
    for part in ("train", "val"):
        with gzip.open(VERBALISED / f"{part}_cn_{code}.csv.gz", "rt", encoding="utf-8") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    assert len(texts) > 8000
    strange = [text for text in texts if not known.fullmatch(text) and not old.fullmatch(text)]
    assert not strange


def test_english_has_its_own_sentences_in_every_form() -> None:
    for form in ("english", "native", "walk"):
        assert load_templates(Graph(linearisation=form), "eng_Latn") == english()
