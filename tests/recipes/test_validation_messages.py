"""Error messages for the mistakes in a recipe."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_origin

import pytest
import yaml
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.schema import Base, Recipe
from lrl_adapt.recipes.text_sources import TextSource
from lrl_adapt.recipes.validation_messages import explain, section_of
from lrl_adapt.workspace.errors import UserError
from pydantic import BaseModel, ValidationError

from .recipe_files import PLAIN, errors, write

pytestmark = pytest.mark.usefixtures("current_folder")


def test_every_mistake_in_one_message() -> None:
    message = errors(
        "training.max_step=3", "language=swx", "adapter.type=seqbn", "training.learning_rate=abc", "eval.topc.train=x"
    )
    lines = message.splitlines()
    for start in (
        "--set language=swx: unknown language 'swx'; did you mean",
        "--set training.max_step=3: unknown key; did you mean training.max_steps?",
        "--set adapter.type=seqbn: expected 'seq_bn', 'seq_bn_inv', 'double_seq_bn', 'par_bn', 'lora', 'ia3', 'full' "
        "or 'none', got 'seqbn'; did you mean seq_bn?",
        "--set training.learning_rate=abc: expected a number",
        "--set eval.topc.train=x: eval.topc: unknown key; did you mean eval.topic?",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("sw", "no", 1), "language: 'no' may mean nno_Latn (Norwegian Nynorsk) or nob_Latn"),
        (PLAIN.replace("texts/*.txt", "2024"), "corpus.files: expected a path, but YAML reads a number here (2024)"),
        (PLAIN.replace("texts/*.txt", "[a.txt, 1e3, 2024]"), "YAML reads a number here (2024): put it in quotes"),
        (PLAIN.replace("texts/*.txt", "[true]"), "YAML reads true or false here (True): put it in quotes"),
        ("language: [", "not valid YAML"),
        (
            "language: sw\nbase: {recipes}/quickstart/base\n",
            ", line 2: not valid YAML: put values that begin with { in quotes",
        ),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("base: {from_scratch: {}}\n", "language: is required"),
        (PLAIN + "source: fusion\n", "source: fusion needs a graph section"),
        (
            PLAIN + "source: fusion\ngraph: {}\nadapter: {type: lora}\n",
            "source: fusion works only with seq_bn, seq_bn_inv and double_seq_bn, not with lora",
        ),
        (PLAIN + "source: graph\n", "source: graph needs a graph section"),
        (PLAIN.replace("corpus: {files: texts/*.txt}", "corpus: none"), "source: text needs a corpus section"),
        (PLAIN + "eval: {tasks: [ner]}\n", "eval: task ner has no data: add eval.ner"),
        (PLAIN.replace("{from_scratch: {}}", "{}"), "base: give either model or from_scratch"),
        (
            PLAIN.replace("{from_scratch: {}}", "{from_scratch: {num_attention_heads: 7}}"),
            "128 is not a multiple of num_attention_heads 7",
        ),
        *(
            (
                PLAIN + f"adapter: {{reduction_factor: {value}}}\n",
                "1 error\n  adapter.reduction_factor: expected a whole",
            )
            for value in ("0", "-1", "x", "true", "2.5", "{}", "{x: 8}", "{0: 0}", "{-1: 8}", "[8]")
        ),
        (PLAIN + "training: {mlm_probability: 2}\n", "mlm_probability: expected a number below 1"),
        (PLAIN + "sorce: graph\n", "sorce: unknown key; did you mean source"),
    ],
)
def test_each_mistake_is_told_with_its_place(text: str, message: str) -> None:
    line = errors(text=text)
    assert message.lower() in line.lower()


def test_an_unreadable_recipe() -> None:
    Path("recipe.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe("recipe.yaml")


def test_a_mistake_below_is_told_of_the_recipe_that_was_asked_for() -> None:
    write("below.yaml", PLAIN + "training: {max_step: 3}\n")
    message = errors(text="extends: below.yaml\n")
    assert "training.max_step: unknown key; did you mean training.max_steps?" in message
    write("below.yaml", "language: [\n")
    assert "below.yaml, line 2: not valid YAML" in errors(text="extends: below.yaml\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("language: [\n", "line 2: not valid YAML: expected the node content, but found the end of the file"),
        ("language: swh\n\tsource: text\n", "line 2: not valid YAML: indent with spaces, not with tabs"),
        ("language: swh\nname: a: b\n", "line 2: not valid YAML: mapping values are not allowed here"),
        ("name: \x01\n", ": not valid YAML: special characters are not allowed"),
    ],
)
def test_invalid_yaml_is_reported_in_one_short_line_with_its_place(text: str, message: str) -> None:
    line = errors(text=text)
    assert line.endswith(message)
    assert "\n" not in line


def test_an_empty_file_is_no_recipe() -> None:
    assert "a recipe is a mapping" in errors(text="")
    assert "a recipe is a mapping" in errors(text="# nothing yet\n")


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("language: swh_Latn\ntraining:\n  max_steps: 5\n  max_steps: 6\n")
    with pytest.raises(UserError, match=r"r\.yaml, line 4: not valid YAML: max_steps is repeated here$"):
        load_recipe(str(tmp_path / "r.yaml"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["language=mlt", "eval.transfer_from=mlt"], "is the recipe's language"),
        (
            ["language=mlt", "eval.transfer_from=eng", "eval.topic.transfer_train=t", "eval.topic.train=t"],
            "name the training file",
        ),
        (["language=mlt", "eval.transfer_from=eng", "eval.transfer_adapter=hf://a/b"], "a folder on this machine"),
        (["language=mlt", "eval.seeds=[1,1]"], "seeds=.*: 1 is listed twice"),
    ],
)
def test_transfer_and_seeds_that_make_no_sense(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe("mbert", overrides)


def test_misspelt_keys_at_all_levels_are_named_with_the_field_that_is_meant() -> None:
    message = errors(
        "evaluation.topic.file=a.csv",
        text=PLAIN
        + """
training: {seeds: 1}
eval:
  topics: {file: a.csv}
  topic: {file: a.csv, lable: x}
  others: {mood: {files: a.csv}}
  intent: {file: a.csv}
by_language:
  mlt_Latn: {corpus: {file: b.txt}, eval: {others: {mood: {tran: a.csv}}, topic: sib200}}
  swh_Latn: {corpus: {file: b.txt}}
""",
    )
    assert message.splitlines()[1:] == [
        "  by_language.mlt_Latn.corpus.file: unknown key; did you mean corpus.files?",
        "  by_language.mlt_Latn.eval.others.mood.tran: unknown key; did you mean eval.others.mood.train?",
        "  corpus.file: unknown key; did you mean corpus.files?",
        "  training.seeds: unknown key; did you mean training.seed?",
        "  eval.topic.lable: unknown key; did you mean eval.topic.label?",
        "  eval.others.mood.files: unknown key; did you mean eval.others.mood.file?",
        "  eval.topics: unknown key; did you mean eval.topic?",
        "  eval.intent: unknown key; did you mean eval.others.intent?",
        "--set evaluation.topic.file=a.csv: evaluation: unknown key; did you mean eval?",
    ]


def test_a_single_letter_is_no_prefix_of_a_key_and_a_task_may_be_called_training() -> None:
    assert "did you mean adapter.reduction_factor?" in errors("adapter.reduction=8")
    assert "adapter.revision=x: unknown key; did you mean base.revision?" in errors("adapter.revision=x")
    assert "did you mean eval?" in errors(text=PLAIN + "evaluation: {}\n")
    mine = "{file: x.csv, training: {num_train_epochs: 2}}"
    write("recipe.yaml", PLAIN + f"by_language: {{mlt_Latn: {{eval: {{others: {{training: {mine}}}}}}}}}\n")
    assert load_recipe().language == "swh_Latn"


def test_dotted_keys_in_a_file_are_answered_with_their_nested_form() -> None:
    message = errors(text=PLAIN + "training.max_steps: 10\neval: {ner.training: {num_train_epochs: 2}}\n")
    assert "training.max_steps: in a recipe file, write it nested: training: {max_steps: 10}" in message
    assert "eval.ner.training: in a recipe file, write it nested: ner: {training: ...}" in message


def test_a_mistake_in_the_training_of_all_tasks_is_told_once() -> None:
    task = "{file: a.csv, training: {batch_size: 8}}"
    message = errors(
        text=PLAIN + f"eval: {{training: {{num_train_epochs: x, dropout: 2}}, topic: {task}, ner: {task}}}\n"
    )
    assert message.splitlines()[1:] == [
        "  eval.training.num_train_epochs: expected a whole number, got 'x'",
        "  eval.training.dropout: expected a number below 1, got 2",
    ]


VALUES: list[Any] = ["word", "", 3, -1, 1.5, 10**30, float("nan"), True, [], [None], ["word"], {}, {"a": 1}, {1: 2}]


def _sections(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[type[BaseModel], tuple[str, ...]]]:
    yield model, above
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is not None and get_origin(field.annotation) not in (dict, list):
            yield from _sections(section, (*above, name))


def test_no_wording_of_pydantic_reaches_the_user() -> None:
    """Every field of a recipe with values of every type."""
    for section, above in _sections(Recipe):
        for name, value in product(section.model_fields, VALUES):
            raw: dict[str, Any] = {"language": "swh", "base": {"model": "a/b"}, "graph": {}}
            inner = raw
            for part in above:
                inner[part] = inner = inner.get(part, {})
            inner[name] = value
            try:
                Recipe.model_validate(raw)
            except ValidationError as error:
                for detail in error.errors():
                    line = explain(detail)
                    field = line.partition(": ")[0]
                    assert "(" not in field and "[" not in field and "constrained" not in field, line
                    if detail["type"] != "value_error":
                        assert detail["msg"] not in line, line


def test_what_to_write_in_place_of_a_value_is_a_valid_section() -> None:
    others = [(TextSource, ("corpus", "sources", "0")), (Task, ("eval", "topic"))]
    for (section, above), value in product([*_sections(Recipe), *others], VALUES):
        if not above or isinstance(value, dict):
            continue
        with pytest.raises(ValidationError) as refused:
            section.model_validate(value)
        detail: Any = refused.value.errors()[0] | {"loc": above}
        _, proposed, written = explain(detail).partition("; write ")
        if proposed:
            section.model_validate(yaml.safe_load(written.removeprefix(f"{above[-1]}: ")))
        else:  # none of their fields can stand alone
            assert section in (Base, Task) or any(field.is_required() for field in section.model_fields.values())
