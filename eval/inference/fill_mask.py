"""What a base fills into a gap, with and without language adapters: several adapters over one base in one batch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
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
from ...workspace.errors import UserError
from ...workspace.library_logs import quiet_libraries
from ...workspace.text import clean_line
from .find_adapters import NONE, BaseAt, is_whole, language_base, started_from

MASK = re.compile(r"<mask>|\[MASK\]|\{mask\}")
BATCH = 32
DIGITS = 6


@dataclass(frozen=True)
class Filler:
    """A piece that may stand in a gap."""

    piece: str
    """As the vocabulary has it: with ## or ▁, which tell whether it begins a word."""
    text: str
    probability: float


@dataclass(frozen=True)
class Filled:
    """The likeliest fillers of one gap by one system."""

    text: str
    adapter: str
    """As the caller named it; none for the base."""
    mask: int
    """Which gap of the text, from 1."""
    fillers: list[Filler]


@quiet_libraries()
def fill_masks(texts: Sequence[str], adapters: Sequence[str], *, base: str | None = None, top: int = 5) -> list[Filled]:
    """The `top` fillers of every gap (<mask>, [MASK] or {mask}) by every adapter: by text, gap, and adapter as given.

    An adapter is a folder, or none for the base alone; `base` (hub id or folder) stands in for the one that they were
    trained on. Raises UserError for a text without a gap, and for adapters that are none or of different bases.
    """
    for text in texts:
        if not MASK.search(text):
            raise UserError(f"there is no mask in {text!r}: write <mask>, [MASK] or {{mask}} where a word is missing")
    filled: list[Filled] = []
    for system in _systems(list(dict.fromkeys(adapters)), base):
        filled += system.fill(texts, top)
    # looked up, not searched for: there may be many thousands of texts
    place_of_text = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    place_of_adapter = {name: place for place, name in enumerate(dict.fromkeys(adapters))}
    return sorted(filled, key=lambda gap: (place_of_text[gap.text], gap.mask, place_of_adapter[gap.adapter]))


@dataclass(frozen=True)
class _Gap:
    """A gap as the model sees it."""

    text: str
    number: int
    ids: list[int]
    place: int
    """Of the mask among the ids."""


@dataclass(frozen=True)
class _System:
    """Adapters that go through one model side by side."""

    model: MaskedLM
    tokenizer: Any
    names: Mapping[str, str | None]
    """PEFT's name of each adapter by the caller's; None where there is nothing to choose from."""

    def fill(self, texts: Sequence[str], top: int) -> list[Filled]:
        """The fillers of every gap by every adapter."""
        rows = [(gap, name) for text in dict.fromkeys(texts) for gap in self._gaps(text) for name in self.names]
        return [
            Filled(gap.text, name, gap.number, fillers)
            for first in range(0, len(rows), BATCH)
            for (gap, name), fillers in zip(
                rows[first : first + BATCH], self._best(rows[first : first + BATCH], top), strict=True
            )
        ]

    def _gaps(self, text: str) -> Iterator[_Gap]:
        """The text around each mask, as much of it as the model takes."""
        mask, config = self.tokenizer.mask_token, self._bare.config
        # in the form of the text that adapters are trained on; `Filled` has it as the user wrote it
        whole = clean_line(MASK.sub(mask, text))
        ids = self.tokenizer(whole, add_special_tokens=False, verbose=False)["input_ids"]
        before, behind = special_tokens(self.tokenizer, ["a", "1"])
        room = config.max_position_embeddings - family_of(config.model_type).first_position(config)
        room -= len(before) + len(behind)
        masks = [place for place, piece in enumerate(ids) if piece == self.tokenizer.mask_token_id]
        for number, place in enumerate(masks, 1):
            start = max(0, min(place - room // 2, len(ids) - room))
            around = [*before, *ids[start : start + room], *behind]
            yield _Gap(text, number, around, len(before) + place - start)

    @torch.no_grad()
    def _best(self, rows: Sequence[tuple[_Gap, str]], top: int) -> list[list[Filler]]:
        """For each (gap, adapter) the likeliest pieces. A row asks for one place, so that rows and adapters agree."""
        batch = collate([gap.ids for gap, _ in rows], self.tokenizer.pad_token_id)
        asked = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
        asked[torch.arange(len(rows)), torch.tensor([gap.place for gap, _ in rows])] = True
        device = next(self.model.parameters()).device
        with self._chosen([self.names[name] for _, name in rows]):
            given = (batch["input_ids"], batch["attention_mask"], asked)
            logits = self.model.logits(*(tensor.to(device) for tensor in given))
        # a model may have more places than its tokenizer has pieces
        shares, pieces = logits[:, : len(self.tokenizer)].float().softmax(-1).cpu().topk(min(top, len(self.tokenizer)))
        return [
            [self._filler(piece, share) for piece, share in zip(some, likely, strict=True)]
            for some, likely in zip(pieces.tolist(), shares.tolist(), strict=True)
        ]

    def _chosen(self, names: list[str | None]) -> Any:
        """PEFT's `adapter_names`, for a forward of the encoder and the head apart."""
        adapted: Any = self.model.model
        if None in names:
            return nullcontext()
        return adapted.base_model._enable_peft_forward_hooks(adapter_names=names)

    def _filler(self, piece: int, share: float) -> Filler:
        return Filler(
            self.tokenizer.convert_ids_to_tokens(piece), self.tokenizer.decode([piece]).strip(), _rounded(share)
        )

    @property
    def _bare(self) -> Any:
        adapted: Any = self.model.model
        return adapted.get_base_model() if isinstance(adapted, PeftModel) else adapted


def _rounded(share: float) -> float:
    """Six decimals, or two significant digits where these are fewer."""
    return round(share, DIGITS) if share >= 10 ** (1 - DIGITS) else float(f"{share:.2g}")


def _systems(adapters: Sequence[str], base: str | None) -> Iterator[_System]:
    """The models to ask, one after the other; the base is loaded once."""
    bases = {name: language_base(Path(name)) for name in adapters if name != NONE}
    whole = [name for name in bases if is_whole(Path(name))]
    over = [name for name in adapters if name not in whole]
    if over:
        own = [bases[name] for name in over if name != NONE]
        at = BaseAt(base) if base else _common_base(own or [started_from(Path(name)) for name in whole])
        model, tokenizer = at.load()
        forms = {name: read_config(Path(name)) for name in over if name != NONE}
        alone = [name for name, form in forms.items() if not isinstance(form, BottleneckConfig)]
        # LoRA and (IA)³ cannot be mixed with trained heads by PEFT, nor with others in one model: a copy for each
        for name in alone:
            yield _System(_ready(load_adapter(deepcopy(model), Path(name))), tokenizer, {name: None})
        side_by_side = {name: f"adapter{n}" for n, name in enumerate(over) if name not in alone and name != NONE}
        if side_by_side:
            mixed = load_adapters(model, {own: Path(name) for name, own in side_by_side.items()})
            without = {NONE: NO_ADAPTER} if NONE in over else {}
            yield _System(_ready(mixed), tokenizer, without | side_by_side)
        elif NONE in over:
            yield _System(_ready(model), tokenizer, {NONE: None})
    for name in whole:
        model, tokenizer = bases[name].load()
        yield _System(_ready(model), tokenizer, {name: None})


def _common_base(bases: Sequence[BaseAt | None]) -> BaseAt:
    """The one base of all adapters; None is one that is not known."""
    known = [base for base in bases if base is not None]
    if not known:
        raise UserError("which base? Say with --base, or name an adapter with --adapter")
    for other in known[1:]:
        if not known[0].same(other):
            raise UserError(
                f"these adapters are of different bases, {known[0]} and {other}: ask for them one by one, or say with "
                "--base which is the base of both"
            )
    return known[0]


def _ready(model: Any) -> MaskedLM:
    return MaskedLM(model).to(use_device()).eval()
