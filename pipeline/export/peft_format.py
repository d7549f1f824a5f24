"""PEFT's own format, with 32 or fewer bits."""

import shutil
from pathlib import Path

from safetensors.torch import save_file

from ...training.adapters.files import CONFIG, WEIGHTS, read_weights
from ...training.adapters.quantise import QUANTISED, write_quantised
from ...training.model_card import convert_card
from ...training.vocabulary.files import FILES as READING_FILES
from ...training.vocabulary.files import reads_differently
from .request import Request, Written


def write(request: Request, folder: Path) -> Written:
    """Write the adapter and a card into `folder`. Raises UserError for a whole model, and for damaged weights."""
    config = request.require_adapter("peft")
    weights = read_weights(request.source)
    error = None
    reading = READING_FILES if reads_differently(request.source) else ()
    reading = [name for name in reading if (request.source / name).is_file()]
    for name in (CONFIG, *reading):
        shutil.copyfile(request.source / name, folder / name)
    if request.bits is None:
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    else:
        error = round(write_quantised(weights, request.bits, folder / QUANTISED), 6)
    bits = request.bits or 32
    lines = [f"- bits: {bits}", *([f"- relative error: {error}"] if error is not None else [])]
    title = f"{request.source.name} in {bits} bits"
    card = convert_card(
        title, lines, request.base, config, quantised=request.bits is not None, new_pieces=bool(reading)
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return Written(relative_error=error)
