"""Bottleneck adapters that share batches: answers as alone, one pass through the base, nothing left when dropped."""

from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.serving.catalogue import Catalogue, make_catalogue
from lrl_adapt.serving.model_pool import Labelling, MaskFilling, ModelPool, Question, UnavailableError
from lrl_adapt.serving.shared_base import SharedBase
from lrl_adapt.workspace.progress import QUIET

from ..eval.made import TAGS, TEXTS, TOPICS, make_adapter, make_base, make_scores

BOTTLENECKS = ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn"]
MASKED = ["Amina [MASK] Nairobi [MASK]", "mvua [MASK]"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Language adapters of each type, on each of them a topic and an ner adapter, and topics on the base."""
    folder = tmp_path_factory.mktemp("runs")
    base = make_base(folder)
    for kind in [*BOTTLENECKS, "lora"]:
        adapter = make_adapter(folder, base, kind)
        make_scores(folder, base, adapter, f"{kind}-topic", TOPICS, per_token=False, pooling="mean")
        make_scores(folder, base, adapter, f"{kind}-ner", TAGS, per_token=True)
    make_scores(folder, base, None, "topic", TOPICS, per_token=False)
    return folder


@pytest.fixture
def catalogue(workspace: Path) -> Catalogue:
    return make_catalogue(None, None, workspace, None, QUIET)


def pool_of(catalogue: Catalogue, max_loaded: int = 20) -> ModelPool:
    return ModelPool(catalogue, SharedBase.load(catalogue.base), max_loaded)


def passes(pool: ModelPool) -> list[int]:
    """Gets the number of rows of each pass through the first block of the base, in any of its copies."""
    rows: list[int] = []
    for one in pool._side_by_side.values():
        layer = one._model.get_submodule("bert.encoder.layer.0.attention.self")
        layer.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    return rows


def labellings(catalogue: Catalogue) -> list[tuple[Any, list[str]]]:
    """Every task adapter that shares batches, in turn with one text and with two."""
    names = [name for name in catalogue.tasks if "lora" not in name]
    return [(Labelling(name), TEXTS[: 1 + number % 2]) for number, name in enumerate(names)]


def numbers(answer: Any) -> list[float]:
    """All numbers in an answer, in order."""
    if isinstance(answer, dict):
        return [number for value in answer.values() for number in numbers(value)]
    if isinstance(answer, list):
        return [number for value in answer for number in numbers(value)]
    return [answer] if isinstance(answer, int | float) else []


def words(answer: Any) -> Any:
    """The answer without its numbers."""
    if isinstance(answer, dict):
        return {key: words(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [words(value) for value in answer]
    return None if isinstance(answer, int | float) else answer


@pytest.mark.parametrize("max_loaded", [20, 2])
def test_task_adapters_answer_in_one_batch_as_they_do_alone(catalogue: Catalogue, max_loaded: int) -> None:
    pool = pool_of(catalogue, max_loaded)
    questions = labellings(catalogue)
    assert len(questions) == 9
    rows = passes(pool)
    answers = pool.answer(questions)
    if max_loaded == 20:
        assert rows == [sum(len(texts) for _, texts in questions)]
    for (question, texts), answer in zip(questions, answers, strict=True):
        alone = predict(texts, adapter=catalogue.tasks[question.adapter].adapter.folder.parent, progress=QUIET)
        assert words(answer) == words(alone)
        assert numbers(answer) == pytest.approx(numbers(alone), abs=2e-6)
    assert len(pool.loaded) == min(max_loaded, 9)


def test_language_adapters_and_the_base_fill_masks_in_one_batch(catalogue: Catalogue) -> None:
    pool = pool_of(catalogue)
    names = ["none", *(name for name in catalogue.languages if "lora" not in name)]
    questions = [(MaskFilling(name, top), MASKED[:top]) for top, name in zip((2, 1, 2, 1, 2), names, strict=True)]
    pool.answer(questions)
    rows = passes(pool)
    for (question, texts), answer in zip(questions, pool.answer(questions), strict=True):
        name = question.adapter
        adapters = name if name == "none" else catalogue.languages[name].folder
        wanted = fill_mask(texts, adapters=adapters, base=catalogue.base.name, top=question.top, progress=QUIET)
        given = [prediction for of_text in answer for prediction in of_text]
        assert [(one.text, one.mask, one.adapter) for one in given] == [(one.text, one.mask, name) for one in wanted]
        for one, other in zip(given, wanted, strict=True):
            assert [each.token for each in one.candidates] == [each.token for each in other.candidates]
            probabilities = [each.probability for each in other.candidates]
            assert [each.probability for each in one.candidates] == pytest.approx(probabilities, abs=2e-6)
    assert rows == [3 + 2 + 3 + 2 + 3]


def test_what_shares_a_batch(catalogue: Catalogue) -> None:
    pool = pool_of(catalogue)
    by_batch: dict[Any, set[str]] = {}
    questions: list[Question] = [Labelling(name) for name in catalogue.tasks]
    questions += [MaskFilling(name, 3) for name in [*catalogue.languages, "none"]]
    for question in questions:
        by_batch.setdefault(pool.batch_of(question), set()).add(question.adapter)
    assert sorted(map(len, by_batch.values())) == [1, 1, 1, 5, 9]
    assert all("lora" in name for names in by_batch.values() if len(names) == 1 for name in names)


def test_an_adapter_that_cannot_be_loaded_leaves_nothing_behind(workspace: Path, catalogue: Catalogue) -> None:
    pool = pool_of(catalogue)
    name = next(name for name in catalogue.tasks if "par_bn-ner" in name)
    others = [question for question in labellings(catalogue) if question[0].adapter != name]
    head = catalogue.tasks[name].adapter.folder / "head.safetensors"
    content = head.read_bytes()
    head.write_bytes(content[:-8])
    try:
        before = pool.answer(others)
        loaded = set(pool._side_by_side[Labelling]._model.peft_config)
        with pytest.raises(UnavailableError):
            pool.answer([*others, (Labelling(name), TEXTS)])
        assert set(pool._side_by_side[Labelling]._model.peft_config) == loaded
        assert pool.answer(others) == before
    finally:
        head.write_bytes(content)
    assert len(pool.answer([(Labelling(name), TEXTS)])[0]) == 2
