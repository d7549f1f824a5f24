"""Candidates for masks by several adapters over one base, against each of them alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lrl_adapt.eval.inference.choose_adapters import newest_adapter
from lrl_adapt.eval.inference.fill_mask import MaskPrediction, fill_mask
from lrl_adapt.eval.inference.find_adapters import BaseReference
from lrl_adapt.training.adapters import load_adapter
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError

from ..made import POSITIONS, TEXTS, TOPICS, make_adapter, make_base, make_scores

KINDS = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3", "full")
MASKED = ["Amina anaishi [MASK]", "mvua <mask> inatarajiwa {mask} mjini"]


@pytest.fixture(scope="module", params=["WordPiece", "Unigram"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_base(tmp_path_factory.mktemp("workspace"), kind=request.param)


@pytest.fixture(scope="module")
def adapters(base: Artifact) -> dict[str, str]:
    made = {kind: make_adapter(base.folder.parents[2], base, kind, seed) for seed, kind in enumerate(KINDS)}
    return {"none": "none"} | {kind: str(adapter.folder) for kind, adapter in made.items()}


def by_hand(base: Artifact, adapter: str, text: str) -> list[list[tuple[str, float]]]:
    """The three best pieces of each mask, from the whole logits of the model alone."""
    model = load_masked_lm(str(base.folder), None, "base").eval()
    tokenizer = load_tokenizer(str(base.folder), None, "base")
    adapted = model if adapter == "none" else load_adapter(model, Path(adapter)).eval()
    for word in ("[MASK]", "<mask>", "{mask}"):
        text = text.replace(word, "\0")
    ids = torch.tensor([tokenizer(text.replace("\0", tokenizer.mask_token))["input_ids"]])
    with torch.no_grad():
        shares = adapted(input_ids=ids).logits[ids == tokenizer.mask_token_id].softmax(-1)
    best = shares.topk(3)
    return [
        list(zip(tokenizer.convert_ids_to_tokens(pieces), part, strict=True))
        for part, pieces in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def test_a_text_in_another_form_is_filled_alike(base: Artifact) -> None:
    texts = ["Áminä ana\u200fishi [MASK]", "A\u0301mina\u0308  anai\xadshi\xa0[MASK]"]
    composed, decomposed = fill_mask(texts, adapters=["none"], base=str(base.folder))
    assert composed.candidates == decomposed.candidates
    assert [composed.text, decomposed.text] == texts


@pytest.mark.slow
def test_side_by_side_is_the_same_as_each_adapter_alone(base: Artifact, adapters: dict[str, str]) -> None:
    predictions = fill_mask(MASKED, adapters=list(adapters.values()), top=3)
    keys = [(prediction.text, prediction.mask, prediction.adapter) for prediction in predictions]
    masks = [(MASKED[0], 1), (MASKED[1], 1), (MASKED[1], 2)]
    assert keys == [(*mask, name) for mask in masks for name in adapters.values()]
    for prediction in predictions:
        want = by_hand(base, prediction.adapter, prediction.text)[prediction.mask - 1]
        assert [candidate.token for candidate in prediction.candidates] == [piece for piece, _ in want]
        assert [candidate.probability for candidate in prediction.candidates] == pytest.approx(
            [p for _, p in want], abs=5e-6
        )
    assert len(
        {tuple(map(str, prediction.candidates)) for prediction in predictions if prediction.text == MASKED[0]}
    ) == len(adapters)


def test_a_whole_model_tells_what_it_was_fine_tuned_from(adapters: dict[str, str]) -> None:
    without, whole = fill_mask([MASKED[0]], adapters=["none", adapters["full"]])
    alone = fill_mask([MASKED[0]], adapters=["none", adapters["seq_bn"]])[0]
    assert [candidate.token for candidate in without.candidates] == [candidate.token for candidate in alone.candidates]
    assert without.candidates != whole.candidates


def test_the_base_is_loaded_once(adapters: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = BaseReference.load
    monkeypatch.setattr(BaseReference, "load", lambda base: loaded.append(base) or load(base))
    fill_mask(MASKED, adapters=[adapters[kind] for kind in ("none", "seq_bn", "par_bn", "lora", "ia3")])
    assert len(loaded) == 1


def test_a_text_longer_than_the_model_takes_is_read_around_its_masks(base: Artifact) -> None:
    text = f"{'mvua kubwa ' * POSITIONS} [MASK] {'mjini kesho ' * POSITIONS} [MASK]"
    predictions = fill_mask([text], adapters=["none"], base=str(base.folder))
    assert [prediction.mask for prediction in predictions] == [1, 2]
    assert all(len(prediction.candidates) == 5 for prediction in predictions)


def test_the_same_text_and_adapter_twice_are_answered_once(base: Artifact, adapters: dict[str, str]) -> None:
    twice: list[MaskPrediction] = fill_mask([MASKED[0]] * 2, adapters=[adapters["seq_bn"]] * 2)
    assert len(twice) == 1


def test_what_cannot_be_filled_is_told(base: Artifact, adapters: dict[str, str], tmp_path: Path) -> None:
    foreign = make_adapter(tmp_path, make_base(tmp_path, seed=7), "seq_bn").folder
    scores = make_scores(tmp_path, base, None, "topic", TOPICS, per_token=False).folder
    for texts, names, message in (
        (TEXTS, ["none"], "no mask in 'Amina"),
        (MASKED, ["none"], "no base is known"),
        (MASKED, ["nowhere"], "no such folder: nowhere"),
        (MASKED, [str(tmp_path)], "contains no adapter"),
        (MASKED, [str(scores)], "is a task adapter, for `lrl-adapt predict`"),
        (MASKED, [str(scores / "task-adapter")], "is a task adapter"),
        (MASKED, [adapters["seq_bn"], str(foreign)], "on different bases"),
    ):
        with pytest.raises(UserError, match=message):
            fill_mask(texts, adapters=names)
    with pytest.raises(UserError, match="run `lrl-adapt train` first"):
        newest_adapter(tmp_path / "empty", "swh_Latn")


class TextsOfAFile(list[str]):
    """Texts of which each search for one of them is counted, as it takes time in proportion to their number."""

    searches = 0

    def index(self, *arguments: Any) -> int:
        self.searches += 1
        return super().index(*arguments)


def test_results_are_put_in_order_without_a_search_for_each_of_them(base: Artifact) -> None:
    texts = TextsOfAFile([f"Amina anaishi {number} [MASK]" for number in (3, 1, 2, 1)])
    results = fill_mask(texts, adapters=["none"], base=str(base.folder))
    assert [prediction.text for prediction in results] == texts[:3]
    assert texts.searches == 0


def test_a_base_without_a_trained_head_fills_no_masks(base: Artifact, adapters: dict[str, str], tmp_path: Path) -> None:
    load_masked_lm(str(base.folder), None, "base").base_model.save_pretrained(tmp_path)
    for file in base.folder.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = []
    progress = SimpleNamespace(say=said.append, track=lambda items, *_: items)
    names = ["none", adapters["seq_bn"]]
    predictions = fill_mask(MASKED[:1], adapters=names, base=str(tmp_path), progress=cast(Any, progress))
    assert [prediction.adapter for prediction in predictions] == [adapters["seq_bn"]]
    assert said == ["note: the base has no trained LM head: only adapters fill the masks"]
    with pytest.raises(UserError, match="no trained LM head to fill masks with: name an adapter"):
        fill_mask(MASKED, adapters="none", base=str(tmp_path), progress=cast(Any, progress))
