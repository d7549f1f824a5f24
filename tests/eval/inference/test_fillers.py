"""Fillers of a lengthened vocabulary stand for no piece and were never trained: no mask is filled with one."""

from pathlib import Path
from typing import Any

import torch
from lrl_adapt.eval.inference.choose_adapters import NONE
from lrl_adapt.eval.inference.mask_models import mask_model_on
from lrl_adapt.eval.inference.texts import MASK
from lrl_adapt.pipeline.export.onnx_format import NEVER, _MaskedLM
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.vocabulary.extend import filler_ids, read_state, vocabulary_size, with_pieces
from lrl_adapt.training.vocabulary.layers import append_rows
from lrl_adapt.workspace.progress import QUIET

from ..made import make_base


def test_fillers_are_never_predicted(tmp_path: Path) -> None:
    folder = str(make_base(tmp_path).folder)
    model: Any = load_masked_lm(folder, None, "base")
    tokenizer = load_tokenizer(folder, None, "base")
    state, size = read_state(tokenizer), vocabulary_size(tokenizer)
    free_id = state["model"]["vocab"].pop("mjini")
    extended = with_pieces(tokenizer, state, {"shuleni": 0.0})
    assert filler_ids(extended) == [free_id]
    append_rows(model, size, {"rows": torch.zeros(1, 32), "bias": torch.zeros(1)})
    model.get_output_embeddings().bias.data[free_id] = 100.0
    filled = mask_model_on(model, extended, NONE, None).fill(["Amina [MASK]"], MASK, 1, QUIET)
    ((_, _, _, (candidate,)),) = filled
    assert candidate.token in {*tokenizer.get_vocab(), "shuleni"}
    inputs = extended("Amina", return_tensors="pt")
    logits = _MaskedLM(model, extended)(inputs["input_ids"], inputs["attention_mask"])
    assert logits.shape[-1] == len(extended)
    assert bool((logits[..., free_id] == NEVER).all())
