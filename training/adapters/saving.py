"""Writing adapters into a folder of their own."""

from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from .build import LANGUAGE


def save_adapter(model: PeftModel | PreTrainedModel, folder: Path, name: str = LANGUAGE) -> None:
    """Write the adapter's files into `folder` itself, where PEFT puts a named adapter into a folder below.

    A bare model (`full`) is written whole. The card is the caller's: PEFT's empty form is not kept.
    """
    if not isinstance(model, PeftModel):
        model.save_pretrained(str(folder))
        return
    model.save_pretrained(str(folder), selected_adapters=[name])
    for file in (folder / name).iterdir():
        file.rename(folder / file.name)
    (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)
