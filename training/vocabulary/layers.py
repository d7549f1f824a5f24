"""Trained rows beside the frozen ones of a base's embeddings and decoder: of new pieces, and of some of the base's own.

PEFT's `trainable_token_indices` trains rows, too, but copies the whole matrix in each forward, has no place for the
decoder's bias, and works with LoRA and its relatives only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..fast.fused_cross_entropy import OutputRows
from ..fast.linear import linear


class _TwoParts(nn.Module):
    """A layer of the base, `old`, and the rows that are trained, `new`: first some of the base's own, then new pieces.

    The rows of `old` whose ids are in `base_ids`, (n,), have a trained row, which is used in their place.
    """

    old: Any
    new: Any
    base_ids: Tensor

    def __init__(self, old: nn.Module, new: nn.Module, base_ids: Tensor) -> None:
        super().__init__()
        self.old, self.new = old, new
        self.register_buffer("base_ids", base_ids, persistent=False)


class ExtendedEmbedding(_TwoParts):
    """An embedding in two parts. After `keep_initial_rows` it can use the trained rows as they were then."""

    row_of: Tensor
    initial_rows: Any  # a tensor (n, width), or None

    def __init__(self, old: nn.Embedding, new: nn.Embedding, base_ids: Tensor) -> None:
        super().__init__(old, new, base_ids)
        # the trained row of each id, (vocabulary,); -1 for the base's frozen ones
        row_of = _class_numbers(old.num_embeddings, new.num_embeddings, base_ids) - old.num_embeddings
        self.register_buffer("row_of", row_of.clamp(min=-1), persistent=False)
        self.register_buffer("initial_rows", None, persistent=False)
        self.uses_initial_rows = False

    def keep_initial_rows(self) -> None:
        """Copy the trained rows, which training changes, for `uses_initial_rows`."""
        self.initial_rows = self.new.weight.detach().clone()

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape (...) -> (..., width), in the precision of the base's rows, which may be bf16."""
        old_rows = self.old(ids.masked_fill(ids >= self.old.num_embeddings, 0))
        rows = self.row_of[ids]
        weight = self.initial_rows if self.uses_initial_rows else self.new.weight
        trained_rows = nn.functional.embedding(rows.clamp(min=0), weight).to(old_rows.dtype)
        return torch.where((rows >= 0)[..., None], trained_rows, old_rows)


class ExtendedDecoder(_TwoParts):
    """A decoder in two parts."""

    class_of: Tensor

    def __init__(self, old: nn.Linear, new: nn.Linear, base_ids: Tensor) -> None:
        super().__init__(old, new, base_ids)
        # for the loss, the class of each id among those of `parts`, (vocabulary,)
        class_of = _class_numbers(old.out_features, new.out_features, base_ids)
        self.register_buffer("class_of", class_of, persistent=False)

    @property
    def parts(self) -> tuple[OutputRows, OutputRows]:
        """The two parts, whose classes follow each other; the first gives `base_ids` the probability 0."""
        bias = self.old.bias
        if len(self.base_ids):
            bias = self.old.weight.new_zeros(self.old.out_features) if bias is None else bias.detach()
            bias = bias.index_fill(0, self.base_ids, -torch.inf)
        return OutputRows(self.old.weight, bias), OutputRows(self.new.weight, self.new.bias)

    def join(self, old_logits: Tensor, new_logits: Tensor) -> Tensor:
        """The logits of the two parts -> (..., vocabulary)."""
        count = len(self.base_ids)
        logits = torch.cat([old_logits, new_logits[..., count:]], -1)
        return logits.index_copy(-1, self.base_ids, new_logits[..., :count]) if count else logits

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) -> logits (..., vocabulary)."""
        return self.join(self.old(hidden), self.new(hidden))


def _class_numbers(old_count: int, new_count: int, base_ids: Tensor) -> Tensor:
    """(vocabulary,) the number of each id among the base's rows and then the trained ones."""
    size = old_count + new_count - len(base_ids)
    numbers = torch.arange(size, device=base_ids.device)
    numbers[old_count:] += len(base_ids)
    numbers[base_ids] = torch.arange(old_count, old_count + len(base_ids), device=base_ids.device)
    return numbers


def decoder_logits(decoder: Any, hidden: Tensor) -> Tensor:
    """(..., width) -> logits (..., vocabulary) of a decoder, by the faster of two kernels."""
    if isinstance(decoder, ExtendedDecoder):
        return decoder.join(*(linear(hidden, part.weight, part.bias) for part in (decoder.old, decoder.new)))
    return linear(hidden, decoder.weight, decoder.bias)


def loss_classes(decoder: Any, ids: Tensor) -> tuple[Sequence[OutputRows], Tensor]:
    """The rows of a decoder that the loss is over, in parts, and the classes of the pieces `ids` among them."""
    if isinstance(decoder, ExtendedDecoder):
        return decoder.parts, decoder.class_of[ids]
    return (OutputRows(decoder.weight, decoder.bias),), ids


class LossPieces:
    """The rows of a decoder for some of its pieces, and all rows that are trained beside it."""

    def __init__(self, decoder: Any, pieces: Tensor) -> None:
        is_extended = isinstance(decoder, ExtendedDecoder)
        old: Any = decoder.old if is_extended else decoder
        if any(parameter.requires_grad for parameter in old.parameters()):
            raise ValueError("the decoder must be frozen, as its rows are copied once")
        size, device = old.out_features, old.weight.device
        kept = pieces[pieces < size].to(device)
        if is_extended:
            kept = kept[~torch.isin(kept, decoder.base_ids)]
        bias = None if old.bias is None else old.bias.detach()[kept]
        self._frozen = OutputRows(old.weight.detach()[kept], bias)
        self._decoder = decoder if is_extended else None
        self.count = len(kept) + (decoder.new.out_features if is_extended else 0)
        self.class_of = torch.full((len(decoder.class_of) if is_extended else size,), -1, device=device)
        """The class of each id, (vocabulary,); -1 for pieces that are left out."""
        self.class_of[kept] = torch.arange(len(kept), device=device)
        if is_extended:
            trained = decoder.class_of >= size
            self.class_of[trained] = decoder.class_of[trained] - size + len(kept)

    @property
    def layers(self) -> tuple[OutputRows, ...]:
        """The rows, in parts whose classes follow each other."""
        return (self._frozen,) if self._decoder is None else (self._frozen, self._decoder.parts[1])


def split_vocabulary(
    model: PreTrainedModel, size: int, rows: Tensor, *, trained: bool, base_ids: Tensor | None = None
) -> None:
    """Put new rows (n, width) behind the first `size` of a model's embeddings and decoder, as modules of their own.

    Whatever rows the base has beyond `size`, as padding, are dropped. The new decoder rows are the new embeddings where
    the base's are tied, and the new biases start at the mean of the old ones. The modules also get copies of the base's
    own rows and biases with the ids `base_ids`, used in the place of these. If `trained`, they require gradients.
    """
    embedding: Any = model.get_input_embeddings()
    decoder: Any = model.get_output_embeddings()
    is_tied = decoder.weight is embedding.weight
    _cut(embedding, size)
    _cut(decoder, size)
    if is_tied:
        decoder.weight = embedding.weight
    device = embedding.weight.device
    ids = torch.tensor([], dtype=torch.long, device=device) if base_ids is None else base_ids.to(device)
    rows = rows.to(device)
    new_embedding = nn.Embedding.from_pretrained(torch.cat([embedding.weight.detach()[ids], rows]), freeze=False)
    new_decoder = nn.Linear(rows.shape[1], len(ids) + len(rows), bias=decoder.bias is not None, device=device)
    with torch.no_grad():
        if is_tied:
            new_decoder.weight = new_embedding.weight
        else:
            new_decoder.weight.copy_(torch.cat([decoder.weight[ids], rows]))
        if decoder.bias is not None:
            mean = decoder.bias.mean().expand(len(rows))
            new_decoder.bias.copy_(torch.cat([decoder.bias[ids], mean]))
    for module in (new_embedding, new_decoder):
        module.requires_grad_(trained)
    _replace(model, embedding, ExtendedEmbedding(embedding, new_embedding, ids))
    _replace(model, decoder, ExtendedDecoder(decoder, new_decoder, ids))
    model.config.vocab_size = size + len(rows)


def unfreeze_trained_rows(model: nn.Module) -> None:
    """Let a model's trained rows and biases require gradients, which adding an adapter has frozen with the base."""
    for module in model.modules():
        if isinstance(module, ExtendedEmbedding | ExtendedDecoder):
            module.new.requires_grad_(True)


def trained_rows(model: nn.Module) -> dict[str, Tensor]:
    """The trained `rows` (n, width), `bias` (n,) and, unless tied, `decoder_rows` of a model; empty if it has none.

    The last are those of new pieces; before them, if there are any, are those of the base's own pieces whose ids are
    `base_ids`. They are in modules of their own (`split_vocabulary`), or in the model's (`append_rows`): then copies.
    """
    trained_ids = getattr(model, "trained_ids", None)
    embedding: Any
    decoder: Any
    if trained_ids is None:
        extended: Any = [
            next((module for module in model.modules() if isinstance(module, kind)), None)
            for kind in (ExtendedEmbedding, ExtendedDecoder)
        ]
        if None in extended:
            return {}
        embedding, decoder = (module.new for module in extended)
        trained_ids, base_ids = slice(None), extended[0].base_ids
    else:
        plain: Any = model
        embedding, decoder = plain.get_input_embeddings(), plain.get_output_embeddings()
        base_ids = trained_ids[trained_ids < plain.own_pieces]
    tensors = {"rows": embedding.weight[trained_ids]}
    if decoder.bias is not None:
        tensors["bias"] = decoder.bias[trained_ids]
    if decoder.weight is not embedding.weight:
        tensors["decoder_rows"] = decoder.weight[trained_ids]
    if len(base_ids):
        tensors["base_ids"] = base_ids
    return {name: tensor.detach() for name, tensor in tensors.items()}


def set_trained_rows(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy the tensors of another model's `trained_rows` into this one's, which are modules of their own."""
    with torch.no_grad():
        for name, tensor in trained_rows(model).items():
            tensor.copy_(tensors[name])


def append_rows(model: PreTrainedModel, size: int, tensors: dict[str, Tensor]) -> None:
    """Make a model's vocabulary its first `size` pieces and then the new ones, whose `trained_rows` are `tensors`.

    The base's own rows that were trained are overwritten.
    """
    base_ids = tensors.get("base_ids", torch.tensor([], dtype=torch.long))
    last = size + len(tensors["rows"]) - len(base_ids)
    model.resize_token_embeddings(last, mean_resizing=False)
    decoder: Any = model.get_output_embeddings()
    embedding: Any = model.get_input_embeddings()
    trained_ids = torch.cat([base_ids, torch.arange(size, last)]).to(embedding.weight.device)
    with torch.no_grad():
        embedding.weight[trained_ids] = tensors["rows"]
        decoder.weight[trained_ids] = tensors.get("decoder_rows", tensors["rows"])
        if decoder.bias is not None:
            decoder.bias[trained_ids] = tensors["bias"]
    model.own_pieces, model.trained_ids = size, trained_ids  # type: ignore[assignment]


def _cut(layer: Any, size: int) -> None:
    """Keep the first `size` rows of an embedding or a linear layer, without a copy."""
    layer.weight = nn.Parameter(layer.weight.data[:size], requires_grad=layer.weight.requires_grad)
    if getattr(layer, "bias", None) is not None:
        layer.bias = nn.Parameter(layer.bias.data[:size], requires_grad=layer.bias.requires_grad)
    if isinstance(layer, nn.Embedding):
        layer.num_embeddings = size
    else:
        layer.out_features = size


def _replace(model: nn.Module, module: nn.Module, other: nn.Module) -> None:
    """Put `other` in the place of a module of `model`."""
    name = next(name for name, submodule in model.named_modules() if submodule is module)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, other)
