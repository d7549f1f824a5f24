"""Adapters from AdapterHub's format."""

from pathlib import Path

from ..workspace.library_logs import quiet_libraries
from ..workspace.new_folder import new_folder
from .adapters.adapterhub import import_adapterhub
from .adapters.files import read_config, save_adapter
from .base import load_masked_lm
from .conversion_checks import check_import
from .model_card import CardBase, convert_card


@quiet_libraries()
def import_adapter(
    source: str | Path,
    base: str | Path,
    out: str | Path,
    *,
    invert_before_head: bool = True,
    coupling: str | None = None,
) -> list[str]:
    """Convert an AdapterHub adapter to PEFT's format.

    Example:
        ```python
        lrl_adapt.import_adapter("adapterhub-adapter", base="./my-base", out="imported")
        ```

    Args:
        source: Folder that `adapters` or adapter-transformers saved, with or without a head; or a fusion's.
        base: Hub id or folder of the base model.
        out: New folder to write.
        invert_before_head: Undo an invertible adapter's coupling before the LM head, as MAD-X intends.
        coupling: Of a fusion, the adapter whose coupling is used.

    Returns:
        Notes on what PEFT's format cannot hold, a sentence each.

    Raises:
        UserError: The adapter or the base cannot be read, they do not fit each other, or `out` exists.
    """
    source, base = Path(source), str(base)
    check_import(source, Path(out))
    with new_folder(Path(out)) as folder:
        model, notes = import_adapterhub(
            load_masked_lm(base, None, "--base", new_head=None),
            source,
            invert_before_head=invert_before_head,
            coupling=coupling,
        )
        save_adapter(model, folder)
        title = f"{source.name}, imported from AdapterHub's format"
        card = convert_card(title, [f"- note: {note}" for note in notes], CardBase(base), read_config(folder))
        (folder / "README.md").write_text(card, encoding="utf-8")
    return notes
