"""Models that predict masked tokens: several adapters over one base in one batch where PEFT allows it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from ...training.adapters import BottleneckConfig, load_adapter, load_adapters
from ...training.adapters.bottleneck.model import NO_ADAPTER
from ...training.adapters.files import read_config
from ...training.batches import collate
from ...training.families import family_of
from ...training.mlm import MaskedLM
from ...training.precision import use_device
from ...training.tokens import special_tokens
from ...training.vocabulary.extend import filler_ids
from ...training.vocabulary.files import reads_differently, tokenizer_of
from ...workspace.errors import UserError
from ...workspace.progress import Progress
from ...workspace.text import clean_line
from ..compat import adapters_by_sample
from ..measurements import NO_TRAINED_HEAD
from .choose_adapters import NONE
from .find_adapters import BaseReference, base_of_adapter, base_of_full_model, is_full_model
from .published import adapter_folder

BATCH_SIZE = 32
DIGITS = 6


@dataclass(frozen=True)
class Candidate:
    """A token that may stand for a mask."""

    token: str
    """As in the vocabulary: with ## or ▁, which show whether it begins a word."""
    text: str
    probability: float


@dataclass(frozen=True)
class _Mask:
    """A mask in the token ids that the model reads."""

    text: str
    number: int
    """Which mask of the text, from 1."""
    ids: list[int]
    position: int


@dataclass(frozen=True)
class MaskModel:
    """One model with the adapters that it holds side by side."""

    model: MaskedLM
    tokenizer: Any
    adapter_names: Mapping[str, str | None]
    """PEFT's name of each adapter by the caller's; None in a model that has one system only."""

    def fill(
        self, texts: Sequence[str], mask_pattern: re.Pattern[str], top: int, progress: Progress
    ) -> Iterator[tuple[str, int, str, list[Candidate]]]:
        """For every mask and adapter: the text, the number of the mask, the adapter, and the `top` candidates."""
        masks = [mask for text in texts for mask in self._masks(text, mask_pattern)]
        rows = [(mask, adapter) for mask in masks for adapter in self.adapter_names]
        batches = [rows[first : first + BATCH_SIZE] for first in range(0, len(rows), BATCH_SIZE)]
        for batch in progress.track(batches, "batches of masks", len(batches)):
            for (mask, adapter), candidates in zip(batch, self._candidates(batch, top), strict=True):
                yield mask.text, mask.number, adapter, candidates

    def _masks(self, text: str, mask_pattern: re.Pattern[str]) -> Iterator[_Mask]:
        """The text around each mask, as much of it as the model takes."""
        config = self._base_model.config
        # in the form of the text that adapters are trained on; the caller gets the text as it was given
        cleaned = clean_line(mask_pattern.sub(self.tokenizer.mask_token, text))
        ids = self.tokenizer(cleaned, add_special_tokens=False, verbose=False)["input_ids"]
        before, after = special_tokens(self.tokenizer, ["a", "1"])
        window = config.max_position_embeddings - family_of(config.model_type).first_position(config)
        window -= len(before) + len(after)
        positions = [position for position, token in enumerate(ids) if token == self.tokenizer.mask_token_id]
        for number, position in enumerate(positions, 1):
            start = max(0, min(position - window // 2, len(ids) - window))
            around = [*before, *ids[start : start + window], *after]
            yield _Mask(text, number, around, len(before) + position - start)

    @torch.no_grad()
    def _candidates(self, rows: Sequence[tuple[_Mask, str]], top: int) -> list[list[Candidate]]:
        """The most likely tokens for each (mask, adapter). One mask a row, so that a row belongs to one adapter."""
        batch = collate([mask.ids for mask, _ in rows], self.tokenizer.pad_token_id)
        places = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
        places[torch.arange(len(rows)), torch.tensor([mask.position for mask, _ in rows])] = True
        device = next(self.model.parameters()).device
        inputs = (batch["input_ids"], batch["attention_mask"], places)
        with self._adapters([self.adapter_names[adapter] for _, adapter in rows]):
            logits = self.model.logits(*(tensor.to(device) for tensor in inputs))
        # a model's vocabulary may be padded beyond the tokenizer's
        logits = logits[:, : len(self.tokenizer)].float()
        logits[:, self._filler_ids] = -torch.inf
        probabilities = logits.softmax(-1).cpu()
        best = probabilities.topk(min(top, len(self.tokenizer)))
        return [
            [self._candidate(token, probability) for token, probability in zip(tokens, values, strict=True)]
            for tokens, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _adapters(self, names: list[str | None]) -> AbstractContextManager[None]:
        """The adapter for each row of a batch."""
        chosen = [name for name in names if name is not None]
        adapted: Any = self.model.model
        return adapters_by_sample(adapted, chosen) if chosen else nullcontext()

    def _candidate(self, token: int, probability: float) -> Candidate:
        text = self.tokenizer.decode([token]).strip()
        return Candidate(self.tokenizer.convert_ids_to_tokens(token), text, _rounded(probability))

    @cached_property
    def _filler_ids(self) -> list[int]:
        """Read once: the vocabulary is large."""
        return filler_ids(self.tokenizer)

    @property
    def _base_model(self) -> Any:
        adapted: Any = self.model.model
        return adapted.get_base_model() if isinstance(adapted, PeftModel) else adapted


def load_models(adapters: Sequence[str], base: str | None, progress: Progress) -> Iterator[MaskModel]:
    """The models that hold these adapters (folders, or none for the base), one after the other; loads the base once.

    A base without a trained LM head is left out, and `progress` says so. Raises UserError for adapters that are missing
    or were trained on different bases.
    """
    folders = {name: adapter_folder(name) for name in adapters if name != NONE}
    bases = {name: base_of_adapter(folder) for name, folder in folders.items()}
    full_models = [name for name, folder in folders.items() if is_full_model(folder)]
    on_base = {name: folders.get(name) for name in adapters if name not in full_models}
    if on_base:
        known_bases = [bases[name] for name in on_base if name != NONE]
        known_bases = known_bases or [base_of_full_model(folders[name]) for name in full_models]
        yield from _models_on_base(on_base, BaseReference(base) if base else _common_base(known_bases), progress)
    for name in full_models:
        model, tokenizer = bases[name].load()
        yield MaskModel(_ready(model), tokenizer, {name: None})


def _models_on_base(
    adapters: Mapping[str, Path | None], base: BaseReference, progress: Progress
) -> Iterator[MaskModel]:
    """The models of adapters, by name with their folders, or of none, on one base."""
    model, tokenizer = base.load()
    use_base_alone = NONE in adapters and not model.has_new_head
    if NONE in adapters and not use_base_alone:
        progress.say(f"note: {NO_TRAINED_HEAD}: only adapters fill the masks")
    folders = {name: folder for name, folder in adapters.items() if folder is not None}
    configs = {name: read_config(folder) for name, folder in folders.items()}
    bottlenecks = {
        name: f"adapter{n}"
        for n, name in enumerate(configs)
        if isinstance(configs[name], BottleneckConfig) and not reads_differently(folders[name])
    }
    # PEFT cannot choose LoRA and (IA)³ by sample when they have trained heads, nor mix types in one model: a copy each.
    # So do adapters that read text in a way of their own.
    for name in [name for name in configs if name not in bottlenecks]:
        yield mask_model_on(deepcopy(model), tokenizer, name, folders[name])
    without_adapter = {NONE: NO_ADAPTER} if use_base_alone else {}
    if bottlenecks:
        adapted = load_adapters(model, {peft_name: folders[name] for name, peft_name in bottlenecks.items()})
        yield MaskModel(_ready(adapted), tokenizer, without_adapter | bottlenecks)
    elif without_adapter:
        yield mask_model_on(model, tokenizer, NONE, None)


def mask_model_on(base: Any, tokenizer: Any, name: str, folder: Path | None) -> MaskModel:
    """The model of the language adapter in `folder`, called `name`, or of the base alone; `base` is changed in place.

    Raises UserError if the folder holds no adapter, or one for another base.
    """
    model = base if folder is None else load_adapter(base, folder)
    return MaskModel(_ready(model), tokenizer_of(folder, tokenizer), {name: None})


def _common_base(bases: Sequence[BaseReference | None]) -> BaseReference:
    """The one base of all adapters; None stands for an unknown one."""
    known = [base for base in bases if base is not None]
    if not known:
        raise UserError("no base is known: name one with --base, or an adapter with --adapter")
    for other in known[1:]:
        if not known[0].is_same_as(other):
            raise UserError(
                f"these adapters were trained on different bases, {known[0]} and {other}: try them one by one, or name "
                "the base for both with --base"
            )
    return known[0]


def _ready(model: Any) -> MaskedLM:
    return MaskedLM(model).to(use_device()).eval()


def _rounded(probability: float) -> float:
    """Six decimals, or two significant digits for a smaller value."""
    return round(probability, DIGITS) if probability >= 10 ** (1 - DIGITS) else float(f"{probability:.2g}")
