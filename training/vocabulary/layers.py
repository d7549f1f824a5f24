"""New rows beside the frozen ones of a base's embeddings and decoder.

PEFT's `trainable_token_indices` trains rows, too, but copies the whole matrix in each forward, has no place for the
decoder's bias, and works with LoRA and its relatives only.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class ExtendedEmbedding(nn.Module):
    """An embedding in two parts: the base's rows, and after them the new ones."""

    def __init__(self, old: nn.Embedding, new: nn.Embedding) -> None:
        super().__init__()
        self.old, self.new = old, new

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape (...) -> (..., width), in the precision of the base's rows, which may be bf16."""
        size = self.old.num_embeddings
        is_new = ids >= size
        old_rows = self.old(ids.masked_fill(is_new, 0))
        new_rows = self.new((ids - size).clamp(min=0)).to(old_rows.dtype)
        return torch.where(is_new[..., None], new_rows, old_rows)


class ExtendedDecoder(nn.Module):
    """A decoder in two parts: the base's pieces, and after them the new ones."""

    def __init__(self, old: nn.Linear, new: nn.Linear) -> None:
        super().__init__()
        self.old, self.new = old, new

    @property
    def parts(self) -> tuple[Any, Any]:
        """The two layers, whose classes follow each other."""
        return self.old, self.new

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) -> logits (..., vocabulary)."""
        return torch.cat([part(hidden) for part in self.parts], -1)


def decoder_parts(decoder: nn.Module) -> tuple[Any, ...]:
    """The linear layers that a decoder's classes are divided between: two for an extended one."""
    return decoder.parts if isinstance(decoder, ExtendedDecoder) else (decoder,)


class LossPieces:
    """The rows of a decoder for some of its pieces, and all rows for new pieces, which are trained."""

    def __init__(self, parts: tuple[Any, ...], pieces: Tensor) -> None:
        old, *new = parts
        if any(parameter.requires_grad for parameter in old.parameters()):
            raise ValueError("the decoder must be frozen, as its rows are copied once")
        size, device = old.out_features, old.weight.device
        kept = pieces[pieces < size].to(device)
        rows = nn.Linear(old.in_features, len(kept), bias=old.bias is not None, device="meta").requires_grad_(False)
        rows.weight = nn.Parameter(old.weight.detach()[kept], requires_grad=False)
        if old.bias is not None:
            rows.bias = nn.Parameter(old.bias.detach()[kept], requires_grad=False)
        self.layers = (rows, *new)
        self.count = sum(layer.out_features for layer in self.layers)
        self.class_of = torch.full((size + self.count - len(kept),), -1, device=device)
        """The class of each id, (vocabulary,); -1 for pieces that are left out."""
        self.class_of[kept] = torch.arange(len(kept), device=device)
        self.class_of[size:] = torch.arange(len(kept), self.count, device=device)


def split_vocabulary(model: PreTrainedModel, size: int, rows: Tensor, *, trained: bool) -> None:
    """Put new rows (n, width) behind the first `size` of a model's embeddings and decoder, as modules of their own.

    Whatever rows the base has beyond `size`, as padding, are dropped. The new decoder rows are the new embeddings where
    the base's are tied, and the new biases start at the mean of the old ones. If `trained`, the new parts require
    gradients.
    """
    embedding: Any = model.get_input_embeddings()
    decoder: Any = model.get_output_embeddings()
    is_tied = decoder.weight is embedding.weight
    _cut(embedding, size)
    _cut(decoder, size)
    if is_tied:
        decoder.weight = embedding.weight
    new_embedding = nn.Embedding.from_pretrained(rows.clone(), freeze=False)
    new_decoder = nn.Linear(rows.shape[1], len(rows), bias=decoder.bias is not None)
    with torch.no_grad():
        if is_tied:
            new_decoder.weight = new_embedding.weight
        else:
            new_decoder.weight.copy_(rows)
        if decoder.bias is not None:
            new_decoder.bias.fill_(float(decoder.bias.detach().mean()))
    for module in (new_embedding, new_decoder):
        module.to(embedding.weight.device).requires_grad_(trained)
    _replace(model, embedding, ExtendedEmbedding(embedding, new_embedding))
    _replace(model, decoder, ExtendedDecoder(decoder, new_decoder))
    model.config.vocab_size = size + len(rows)


def train_new_rows(model: nn.Module) -> None:
    """Let the new rows and biases of a model require gradients, which adding an adapter has frozen with the base."""
    for module in model.modules():
        if isinstance(module, ExtendedEmbedding | ExtendedDecoder):
            module.new.requires_grad_(True)


def new_rows(model: nn.Module) -> dict[str, Tensor]:
    """The new `rows` (n, width), `bias` (n,) and, unless tied, `decoder_rows` of a model; empty if it has none.

    They are in modules of their own (`split_vocabulary`), or at the end of the model's (`append_rows`).
    """
    size = getattr(model, "own_pieces", None)
    embedding: Any
    decoder: Any
    if size is None:
        embedding, decoder = (
            next((module.new for module in model.modules() if isinstance(module, kind)), None)
            for kind in (ExtendedEmbedding, ExtendedDecoder)
        )
        if embedding is None or decoder is None:
            return {}
        size = 0
    else:
        plain: Any = model
        embedding, decoder = plain.get_input_embeddings(), plain.get_output_embeddings()
    tensors = {"rows": embedding.weight[size:]}
    if decoder.bias is not None:
        tensors["bias"] = decoder.bias[size:]
    if decoder.weight is not embedding.weight:
        tensors["decoder_rows"] = decoder.weight[size:]
    return {name: tensor.detach() for name, tensor in tensors.items()}


def set_new_rows(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy the tensors of another model's `new_rows` into this one's."""
    with torch.no_grad():
        for name, tensor in new_rows(model).items():
            tensor.copy_(tensors[name])


def append_rows(model: PreTrainedModel, size: int, tensors: dict[str, Tensor]) -> None:
    """Make a model's vocabulary its first `size` pieces and then the new ones, whose `new_rows` are `tensors`."""
    model.resize_token_embeddings(size + len(tensors["rows"]), mean_resizing=False)
    decoder: Any = model.get_output_embeddings()
    embedding: Any = model.get_input_embeddings()
    with torch.no_grad():
        embedding.weight[size:] = tensors["rows"]
        decoder.weight[size:] = tensors.get("decoder_rows", tensors["rows"])
        if decoder.bias is not None:
            decoder.bias[size:] = tensors["bias"]
    model.own_pieces = size  # type: ignore[assignment]


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
    name = next(name for name, each in model.named_modules() if each is module)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, other)
