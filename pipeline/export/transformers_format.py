"""A folder that transformers loads without this package or PEFT: a merged LoRA or (IA)³, or a whole model."""

from pathlib import Path

from ...training.adapters.bottleneck import BottleneckConfig
from ...training.adapters.build import merge_adapter
from ...training.model_card import merged_card
from ...training.transliterate import save_tokenizer
from ...workspace.errors import UserError
from .request import Request, Written, romanised_notes
from .trim import trim


def write(request: Request, folder: Path) -> Written:
    """Write the model, its tokenizer and a card into `folder`.

    Raises UserError for bottlenecks, and for what cannot be trimmed.
    """
    if isinstance(request.config, BottleneckConfig):
        raise UserError(
            f"{request.source} is a bottleneck, whose non-linearity the weights of transformers' classes cannot hold; "
            "code of its own beside them would need trust_remote_code. Use --format onnx, peft or adapterhub"
        )
    tokenizer, model = request.load_tokenizer(), request.load()
    if request.config is not None:
        model = merge_adapter(model)
    trimmed, lines = None, []
    if request.trim:
        tokenizer, trimmed = trim(model, tokenizer, request.source, request.trim)
        lines = [f"- {trimmed.describe()}"]
    model.save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder)
    title = request.source.resolve().name
    if request.config is not None:
        title += ", merged into its base"
    notes = romanised_notes(tokenizer)
    lines += [f"- {note}" for note in notes]
    (folder / "README.md").write_text(merged_card(title, lines, request.base, None, []), encoding="utf-8")
    return Written(notes, trimmed=trimmed)
