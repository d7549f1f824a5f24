"""Stand-ins with the files of published bases, from the hub on loopback, through the bundled recipes."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from lrl_adapt.training.artifacts import tokens_artifact
from lrl_adapt.training.base import load_base, load_masked_lm, load_tokenizer, tokenizer_hash
from lrl_adapt.training.masking import Masking
from lrl_adapt.training.tokens import Sequences, special_tokens, tokenise
from lrl_adapt.workspace.artifacts import Prepared
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import forget_answers
from transformers import modeling_utils

from .. import bases
from ..hub import COMMIT, Answer, Hub, Repository
from .test_base import recipe
from .test_batches import prepared

SENTENCES = ["habari za watoto uwanjani", "Habari  ya ħobż", " ndugu zangu ", "leo mvua"]


@pytest.fixture
def glot500(tmp_path: Path) -> Path:
    bases.write_glot500(tmp_path / "glot500-base")
    return tmp_path / "glot500-base"


def test_a_sentencepiece_model_without_tokenizer_json_is_read_as_sentencepiece_reads_it(glot500: Path) -> None:
    tokenizer = load_tokenizer(str(glot500), None, "base.model")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(glot500 / "sentencepiece.bpe.model"))
    for sentence in SENTENCES:
        # XLM-R's ids: sentencepiece's plus one, since <pad> stands before; its <unk> is 3
        expected = [number + 1 if number else 3 for number in reference.encode(sentence)]
        assert tokenizer(sentence)["input_ids"] == [0, *expected, 2]
    assert len(tokenizer) == reference.get_piece_size() + 2
    assert tokenizer("habari <mask>")["input_ids"][-2] == tokenizer.mask_token_id == len(tokenizer) - 1


def test_its_hash_tokens_and_whole_word_masks(glot500: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(glot500), None, "base.model")
    bases.write_afroxlmr(tmp_path / "afro-xlmr-base")  # the same pieces as tokenizer.json
    assert tokenizer_hash(tokenizer) == tokenizer_hash(load_tokenizer(str(tmp_path / "afro-xlmr-base"), None, "base"))
    source = prepared(tmp_path / "data", SENTENCES * 15)
    artifact = tokens_artifact(source, tokenizer_hash(tokenizer), 32, tmp_path / "tokens", line_by_line=True)
    tokenise(artifact, tokenizer)
    rows = Sequences(artifact.folder / "train.arrow")
    (first,) = rows.rows(np.array([0]))
    assert (first[0], first[-1]) == (0, 2)
    masking = Masking.from_tokenizer(tokenizer, 0.5, whole_word_mask=True)
    assert masking.is_continuation is not None
    pieces = tokenizer.tokenize("habari za watoto")
    starts = [not masking.is_continuation[piece] for piece in tokenizer.convert_tokens_to_ids(pieces)]
    assert [piece for piece, start in zip(pieces, starts, strict=True) if start] == ["▁", "▁za", "▁wa"]


def test_a_pickle_from_the_hub_starts_no_conversion(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bases.write_mmbert(hub.folder / "models" / "owner" / "mmbert")
    conversions: list[tuple] = []
    monkeypatch.setattr(modeling_utils, "auto_conversion", lambda *args, **_: conversions.append(args))
    model = load_masked_lm("owner/mmbert", None, "base.model")
    load_tokenizer("owner/mmbert", None, "base.model")
    assert not [thread.name for thread in threading.enumerate() if "conversion" in thread.name]
    assert conversions == []
    assert hub.fetched()[-1].endswith("/tokenizer.json")
    assert f"/owner/mmbert/resolve/{COMMIT}/pytorch_model.bin" in hub.fetched()
    assert [line for line in hub.requests if "POST" in line or "/discussions" in line] == []
    saved = torch.load(hub.folder / "models" / "owner" / "mmbert" / "pytorch_model.bin", weights_only=True)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, saved[name])


def test_mmbert_has_8192_positions_and_bytes_for_what_its_vocabulary_lacks(hub: Hub, tmp_path: Path) -> None:
    bases.write_mmbert(hub.folder / "models" / "owner" / "mmbert")
    long = recipe({"model": "owner/mmbert"})
    long = long.model_copy(update={"training": long.training.model_copy(update={"max_length": 8192})})
    model, tokenizer = load_base(long, tmp_path, Prepared(None, None))
    assert model.config.max_position_embeddings == 8192
    ids = tokenizer("ħobż ལྷ་ས")["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ħobż ལྷ་ས"
    assert special_tokens(tokenizer, ["habari"]) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])


@pytest.mark.parametrize("load", [load_masked_lm, load_tokenizer])
@pytest.mark.parametrize(
    ("name", "revision", "advice"),
    [
        ("owner/gone", None, "no such repository on the hub, or it is private: set HF_TOKEN"),
        ("owner/base", "old", "no such revision (a / in a branch's name is written %2F)"),
        ("owner/gated", None, "access is gated: accept its conditions on the hub, then set HF_TOKEN"),
    ],
)
def test_a_base_that_the_hub_does_not_give(
    hub: Hub, load: Callable[..., object], name: str, revision: str | None, advice: str
) -> None:
    for repository in ("base", "gated"):
        bases.write_mmbert(hub.folder / "models" / "owner" / repository)
    hub.known["models/owner/gated"] = Repository(gated="manual")
    with pytest.raises(UserError) as error:
        load(name, revision, "base.model")
    assert str(error.value) == f"base.model {name}: {advice}"


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("load", [load_masked_lm, load_tokenizer])
def test_a_base_that_is_not_cached_is_refused_after_a_few_requests_to_a_hub_that_is_down(
    hub: Hub, load: Callable[..., object]
) -> None:
    hub.status = 503
    with pytest.raises(UserError, match=r"^base\.model owner/base: the hub is down: try again later \(503\)$"):
        load("owner/base", None, "base.model")
    assert hub.requests == ["GET /api/models/owner/base/revision/main"] * 3


@pytest.mark.usefixtures("no_waiting")
def test_a_tokenizer_that_is_cached_without_its_model_is_enough_to_read_text(hub: Hub) -> None:
    """As `languages --base` leaves it."""
    bases.write_mmbert(hub.folder / "models" / "owner" / "base")
    online = load_tokenizer("owner/base", None, "base.model")
    hub.status = 503
    forget_answers()
    assert tokenizer_hash(load_tokenizer("owner/base", None, "base.model")) == tokenizer_hash(online)
    with pytest.raises(UserError, match="the hub is down"):
        load_masked_lm("owner/base", None, "base.model")


def test_a_mirror_that_has_the_files_and_describes_no_model_is_enough(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases.write_mmbert(hub.folder / "models" / "owner" / "base")
    monkeypatch.setattr(hub, "_described", lambda *_: Answer(404, b"{}"))
    assert len(load_tokenizer("owner/base", None, "base.model")) > 0
    assert load_masked_lm("owner/base", None, "base.model").config.model_type == "modernbert"
