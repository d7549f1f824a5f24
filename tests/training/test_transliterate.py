"""Romanised text: every tokenizer reads what uroman writes, and all that an adapter reads later is romanised, too."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.eval.segmentation import label_units
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.training.artifacts import adapter_artifact, tokenizer_owner
from lrl_adapt.training.base import load_tokenizer, tokenizer_hash
from lrl_adapt.training.transliterate import TRANSLITERATION, romanise, romanised_language, save_tokenizer
from lrl_adapt.training.vocabulary.files import tokenizer_of
from lrl_adapt.workspace.artifacts import Prepared
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError
from uroman import Uroman

from ..bases import TEXTS
from ..cli.small import invoke
from ..eval.made import make_adapter, make_base
from ..tiny_tokenizers import FAMILIES

AMHARIC = "ዛሬ ከባድ ዝናብ ዘንቧል ልጆቹ በሜዳው ላይ ኳስ ይጫወታሉ ሰላም ቡና ውሃ"
TEXT = "\n".join(" ".join(Random(number).choices(AMHARIC.split(), k=8)) for number in range(200))


@pytest.fixture(params=FAMILIES)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return FAMILIES[request.param](TEXTS)


@pytest.fixture(scope="module")
def uroman() -> Uroman:
    return Uroman()


def roman(uroman: Uroman, text: str) -> str:
    return " ".join(str(uroman.romanize_string(word, lcode="amh")) for word in text.split(" "))


def test_a_tokenizer_reads_what_uroman_writes(tokenizer: Any, uroman: Uroman) -> None:
    plain_ids = tokenizer(AMHARIC)["input_ids"]
    romanised = romanise(tokenizer, "amh_Ethi")
    text = f"Habari, {AMHARIC} {tokenizer.mask_token} ልጆቹ!"
    assert romanised(text)["input_ids"] == tokenizer(roman(uroman, text))["input_ids"]
    words = text.replace(tokenizer.mask_token, "é").split()
    by_word = romanised(words, is_split_into_words=True)
    want = tokenizer([roman(uroman, word) for word in words], is_split_into_words=True)
    assert by_word["input_ids"] == want["input_ids"]
    assert by_word.word_ids() == want.word_ids()
    assert {number for number in by_word.word_ids() if number is not None} == set(range(len(words)))
    assert tokenizer(AMHARIC)["input_ids"] == plain_ids  # not changed itself


def test_offsets_are_those_of_the_original_text(tokenizer: Any) -> None:
    romanised = romanise(tokenizer, "amh_Ethi")
    encoded = romanised(AMHARIC, return_offsets_mapping=True, add_special_tokens=False)
    covered = {len(AMHARIC[:end].split()) for _, end in encoded["offset_mapping"] if end}
    assert covered == set(range(1, len(AMHARIC.split()) + 1))
    assert encoded["offset_mapping"][-1][1] == len(AMHARIC)
    _, units = label_units(AMHARIC, romanised)
    assert [AMHARIC[unit.start : unit.end] for unit in units] == AMHARIC.split()


def test_it_is_saved_with_the_tokenizer(tokenizer: Any, tmp_path: Path) -> None:
    romanised = romanise(tokenizer, "amh_Ethi")
    assert len({tokenizer_hash(each) for each in (tokenizer, romanised, romanise(tokenizer, "tir_Ethi"))}) == 3
    save_tokenizer(romanised, tmp_path)
    again = load_tokenizer(str(tmp_path), None, "base")
    assert again(AMHARIC)["input_ids"] == romanised(AMHARIC)["input_ids"]
    record = json.loads((tmp_path / TRANSLITERATION).read_text(encoding="utf-8"))
    assert (record["transliterate"], record["language"]) == ("latin", "amh_Ethi")
    (tmp_path / TRANSLITERATION).write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot read .*copy the adapter's folder again"):
        tokenizer_of(tmp_path, tokenizer)


def test_without_uroman_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.training.transliterate.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'lrl-adapt\[transliterate\]'"):
        romanise(FAMILIES["WordPiece"](TEXTS), "amh_Ethi")


def recipe(transliterate: str | None = "latin", **sections: Any) -> Recipe:
    corpus = {"files": ["text.txt"], "transliterate": transliterate}
    return Recipe.model_validate({"language": "amh", "base": {"model": "owner/base"}, "corpus": corpus} | sections)


def test_only_the_keys_of_tokens_and_adapter_change(tmp_path: Path) -> None:
    plain, romanised = (adapter_artifact(recipe(each), tmp_path, Prepared(None, None)) for each in (None, "latin"))
    assert plain.key != romanised.key
    assert "transliterate" not in plain.section
    owners = [tokenizer_owner(recipe(each), tmp_path, Prepared(None, None)) for each in (None, "latin")]
    assert owners[0] != owners[1]
    with pytest.raises(ValidationError, match=r"remove vocabulary\.pieces"):
        recipe(vocabulary={"pieces": 9})
    with pytest.raises(ValidationError, match="from_scratch learns the script itself"):
        recipe(base={"from_scratch": {}})


def test_a_run_reads_romanised_text_everywhere(folder: Path, uroman: Uroman) -> None:
    base = make_base(folder / "made")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"language: amh\nbase: {base.folder}\ncorpus: {{files: text.txt, drop_near_duplicates: false}}\n"
        "training: {max_steps: 2, batch_tokens: 256, max_length: 32, eval_steps: 2}\n"
        "adapter: {type: lora}\n"
        "eval: {tasks: [mlm], mlm: {max_sentences: 4, max_length: 32}}\n",
        encoding="utf-8",
    )
    run = invoke("run", "recipe.yaml", "--set", "corpus.transliterate=latin")
    assert run.exit_code == 0, run.output
    assert "the base's tokenizer on romanised text: " in run.output
    (manifest,) = folder.glob("runs/adapters/*/*/manifest.json")
    adapter, facts = manifest.parent, json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    assert facts["romanised_by"].startswith("uroman ")
    assert "- text: romanised by uroman" in (adapter / "README.md").read_text(encoding="utf-8")
    plain, tokenizer = load_tokenizer(str(base.folder), None, "base"), load_adapter(adapter)[1]
    assert tokenizer(AMHARIC)["input_ids"] == plain(roman(uroman, AMHARIC))["input_ids"]
    invoke("prepare", "recipe.yaml")
    assert len([*folder.glob("runs/data/*/*/manifest.json")]) == 1  # the corpus is the same

    other = make_adapter(folder / "made", base, "seq_bn").folder
    filled = invoke("fill-mask", "ዛሬ [MASK] ዝናብ", "--adapter", str(adapter), "--adapter", str(other), "--json")
    assert filled.exit_code == 0, filled.output
    export(adapter, folder / "small", format="peft", bits=8)
    assert (folder / "small" / TRANSLITERATION).read_bytes() == (adapter / TRANSLITERATION).read_bytes()
    assert "lrl_adapt.load_adapter" in (folder / "small" / "README.md").read_text(encoding="utf-8")
    merged = export(adapter, folder / "merged", format="merged", trim=True)
    assert "(lcode=amh) first" in merged.notes[0]
    trimmed = load_tokenizer(str(folder / "merged"), None, "base")
    tokens = [each.convert_ids_to_tokens(each(AMHARIC)["input_ids"]) for each in (trimmed, tokenizer)]
    assert tokens[0] == tokens[1]
    with pytest.raises(UserError, match="reads romanised text, which AdapterHub's format cannot hold"):
        export(adapter, folder / "hub", format="adapterhub")


def test_a_tokenizer_that_romanises_already_stays_as_it_is() -> None:
    once = romanise(FAMILIES["WordPiece"](TEXTS), "amh_Ethi")
    assert romanise(once, "amh_Ethi") is once
    other = romanise(once, "bod_Tibt")
    assert (romanised_language(once), romanised_language(other)) == ("amh_Ethi", "bod_Tibt")
