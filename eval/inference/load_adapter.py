"""A saved language adapter on its base, ready to use: `load_adapter`."""

from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...training.adapters import load_adapter as put_adapter_on
from ...training.vocabulary.files import tokenizer_of
from ...workspace.library_logs import quiet_libraries
from .find_adapters import BaseReference, base_of_adapter, is_full_model, require_language_adapter
from .published import adapter_folder


@quiet_libraries()
def load_adapter(
    folder: str | Path, *, base: str | Path | None = None
) -> tuple[PeftModel | PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language adapter onto its base, with the base's tokenizer.

    Example:
        ```python
        model, tokenizer = lrl_adapt.load_adapter("my-adapter")
        logits = model(**tokenizer("Habari ya [MASK]", return_tensors="pt")).logits
        ```

    Args:
        folder: Folder of an adapter that was trained, imported or exported in PEFT's format, quantised ones included;
            or its address on the hub: OWNER/NAME, or OWNER/NAME/FOLDER.
        base: Hub id or folder of the base; by default the one that the adapter was trained on.

    Returns:
        The model, with the adapter active, in evaluation mode, frozen, in fp32 on the CPU, and its tokenizer. The
        model is a PEFT model over transformers' class for masked language modelling; of a fully fine-tuned model
        (`full`) that class alone.

    Raises:
        UserError: The folder holds no language adapter, or its base cannot be found or does not fit it.
    """
    folder = adapter_folder(folder)
    require_language_adapter(folder)
    if is_full_model(folder):
        model, tokenizer = base_of_adapter(folder).load()
        return model.requires_grad_(False).eval(), tokenizer
    model, tokenizer = (BaseReference(str(base)) if base else base_of_adapter(folder)).load()
    return put_adapter_on(model, folder), tokenizer_of(folder, tokenizer)
