"""Recipes with random mistakes: each is loaded, or refused in short lines; none runs code."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from lrl_adapt.recipes.loading import bundled_recipes, load_runs
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.workspace.errors import UserError

from ..fuzz import changed, damaged, each_seed, shown_on_failure, text

RECIPES = 1000  # for each seed
BUNDLED = ("quickstart", "mbert", "conceptnet", "glot500")
OWN = """\
language: swh
base: &base {from_scratch: {hidden_size: 64}}
corpus:
  files: [texts/*.txt, "{language}/a.txt"]
  sources: [glotcc, mine.yaml]
graph: {conceptnet: dump.csv.gz, linearisation: walk}
adapter: {type: seq_bn, reduction_factor: {0: 8, default: 16}}
training: {max_steps: 10, source: both, learning_rate: 1e-4}
eval:
  topic: {train: a.tsv, validation: b.tsv, test: c.tsv, labels: [a, b], skip_missing: true}
  ner: wikiann
  others: {mood: {file: m.csv, label: mood}, intent: intent.yaml}
  training: {num_train_epochs: 3}
grid: [{adapter.type: [none, lora], training.seed: [1, 2]}, {base: [a/b, ./base]}]
by_language: {mlt: {eval: {ner: null}}, no: {corpus: {files: x.txt}}}
slurm: {partition: gpu}
"""
BOMB = (
    "[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c]"
)
ODD_YAML = (  # which JSON cannot express
    *('!!python/object/apply:os.mkdir ["made"]', '!!python/object/new:os.mkdir ["made"]', "!!python/name:os.system"),
    *("!!python/module:os", "!!python/tuple [a]", "!mine {a: b}", "!!binary aGk=", "!!binary '='", "!!set {a, b}"),
    *("!!omap [a: 1]", "!!pairs [a: 1]", "!!int x", "!!int ''", "!!float x", "!!bool x", "!!null x", "!!timestamp x"),
    *("!!str 3", "!!seq {a: b}", "!!map [a]", "! x", "!<tag:yaml.org,2002:int> x", "9" * 5000, "0x" + "f" * 5000),
    *("0b", "0x_", "1:2:3", "1_0", ".inf", "-.inf", ".nan", "=", "<<", "{<<: 3}", "{<<: [3]}", "{<<: *base}", "*base"),
    *("&a [*a]", "&a {b: *a}", "&a {<<: *a}", "*none", "&", "*", "? x", "{? [a]: b}", "{[a]: b}", "{{a: b}: c}"),
    *("[" * 900, "[" * 5000, "{a: " * 400, "{a: " * 400 + "1" + "}" * 400, "[" * 300 + "]" * 300, "- " * 3000),
    *(BOMB + "]", BOMB + ",&e [*d,*d,*d,*d,*d,*d,*d,*d], &f [*e,*e,*e,*e,*e,*e,*e,*e], &g [*f,*f,*f,*f,*f,*f,*f]]"),
    *("|\n  x", ">-\n x", '"\\ud800"', '"\\x00"', '"\\N"', "'\n\n", "%YAML 9.9\n---\nx", "x\n---\ny", "\u2028", "\x85"),
)


def names(raw: object) -> tuple[str, ...]:
    """The names of all keys, and the texts, in a raw recipe."""
    if isinstance(raw, dict):
        return tuple(name for key, part in raw.items() for name in (str(key), *names(part)))
    if isinstance(raw, list):
        return tuple(name for part in raw for name in names(part))
    return (raw,) if isinstance(raw, str) else ()


def as_yaml(rng: random.Random, raw: object) -> str:
    """A raw recipe as JSON, which is YAML, some of its values replaced by what JSON cannot express."""
    content = json.dumps(raw, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.5:
        scalars = list(re.finditer(r'"[^"\\]*"(?!:)|\b\d+\b|null|true', content))
        for scalar in sorted(rng.sample(scalars, min(len(scalars), 2)), key=lambda match: -match.start()):
            content = content[: scalar.start()] + rng.choice(ODD_YAML) + content[scalar.end() :]
    return content


def recipe(rng: random.Random, sources: dict[str, Any]) -> bytes:
    """A recipe with mistakes in its values, or in the text of the file; `sources` are right ones, by their text."""
    source, raw = rng.choice(list(sources.items()))
    if rng.random() < 0.6:
        words = names(raw)
        for _ in range(rng.choice((1, 1, 2, 5))):
            raw = changed(rng, raw, words)
        return as_yaml(rng, raw).encode("utf-8", "surrogatepass" if rng.random() < 0.1 else "replace")
    if rng.random() < 0.5:
        return damaged(rng, source.encode(), tuple(one.encode() for one in ODD_YAML))
    lines = source.splitlines(keepends=True)
    for _ in range(rng.choice((1, 2, 4))):
        place = rng.randrange(len(lines))
        key, colon, _ = lines[place].partition(":")
        odd = f"{key}{colon} {rng.choice(ODD_YAML)}\n"
        lines[place] = rng.choice(
            (odd, odd, odd, "", " " + lines[place], lines[place].lstrip(), lines[place] * 2, rng.choice(lines))
        )
    return "".join(lines).encode()


@each_seed
@pytest.mark.slow
def test_a_recipe_is_loaded_or_refused(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    texts = [OWN, *(bundled_recipes()[name].read_text(encoding="utf-8") for name in BUNDLED)]
    sources = {source: yaml.safe_load(source) for source in texts}
    (folder / "intent.yaml").write_text("file: intent.csv\nlabel: intent\n")
    (folder / "mine.yaml").write_text("repository: a/b\nfiles: x/{code}.txt\ncode: language\n")
    loaded = 0
    for _ in range(RECIPES):
        content = recipe(rng, sources)
        Path("recipe.yaml").write_bytes(content)
        overrides = rng.choice(
            ([], [], [], ["language=mlt"], [f"training.max_steps={text(rng)}"], [f"base={text(rng)}"])
        )
        with shown_on_failure((content, overrides)):
            try:
                runs = load_runs("recipe.yaml", overrides)
            except UserError as error:
                check_message(str(error))
            else:
                loaded += 1
                assert all(isinstance(run, Recipe) for _, run in runs)
            assert not Path("made").exists()
    assert 0 < loaded < RECIPES


def check_message(message: str) -> None:
    assert message.strip()
    assert max(map(len, message.splitlines())) < 15_000  # what a recipe holds may be long, but is not repeated
