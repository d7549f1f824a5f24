"""Adapters from and to other formats: AdapterHub's, merged into the base, with fewer bits."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig
from safetensors.torch import save_file

from ..workspace.artifacts import MANIFEST, read_manifest
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from .adapters.adapterhub import export_adapterhub, import_adapterhub
from .adapters.bottleneck import BottleneckConfig
from .adapters.build import load_adapter, merge_adapter
from .adapters.files import CONFIG, WEIGHTS, read_config, read_weights, save_adapter
from .adapters.quantise import QUANTISED, write_quantised
from .base import load_masked_lm, load_tokenizer
from .conversion_checks import check_export, check_import, check_new
from .model_card import CardBase, convert_card
from .vocabulary.files import FILES as NEW_PIECES_FILES
from .vocabulary.files import has_new_pieces, tokenizer_of


@dataclass(frozen=True)
class ExportedAdapter:
    """An adapter in another format, as `export_adapter` wrote it."""

    folder: Path
    format: str
    bytes: int
    """Size of the files of weights."""
    bytes_before: int
    """That of the adapter that was exported."""
    notes: list[str]
    """What the format cannot hold, a sentence each."""
    bits: int | None = None
    """Bits of each value of a matrix, in the format peft."""
    relative_error: float | None = None
    """Of fewer than 32 bits: norm of the change in the matrices over their norm."""


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


@quiet_libraries()
def export_adapter(
    source: str | Path,
    out: str | Path,
    *,
    format: str = "peft",
    bits: int | None = None,
    base: str | Path | None = None,
    name: str = "mlm",
) -> ExportedAdapter:
    """Write an adapter in another format, or with fewer bits.

    Example:
        ```python
        small = lrl_adapt.export_adapter("my-adapter", "small-adapter", bits=4)
        small.bytes / small.bytes_before
        ```

    Args:
        source: Folder of a trained or imported adapter.
        out: New folder to write.
        format: `peft` is PEFT's own, `adapterhub` that of `adapters`, `merged` the base with a LoRA or (IA)³ merged
            into its weights.
        bits: In the format `peft`, bits of each value of a matrix: 8, 4 or 1; by default 32.
        base: Hub id or folder of the base; by default the one that the adapter names. The format `peft` needs none.
        name: Name of the adapter in the format `adapterhub`.

    Returns:
        Sizes, notes, and for fewer bits the error.

    Raises:
        UserError: There is no such format or number of bits, the adapter has no such format, or `out` exists.
    """
    source, out = Path(source), Path(out)
    check_export(source, out, format=format, bits=bits, name=name)
    config = read_config(source)
    adapter_base = _base_of(source, config, None if base is None else str(base))
    if format == "peft":
        return _export_peft(source, out, bits, adapter_base)
    if adapter_base.name is None:
        raise UserError(f"{source} does not name its base: give it with --base")
    if format == "merged" and isinstance(config, BottleneckConfig):
        raise UserError(
            f"{source}: a bottleneck has a non-linearity and cannot be merged into its base; use --format peft"
        )
    if format == "adapterhub" and has_new_pieces(source):
        raise UserError(f"{source} brings new pieces to the vocabulary, which AdapterHub's format cannot hold")
    base_model = load_masked_lm(adapter_base.name, adapter_base.revision, "--base", new_head=None)
    model: Any = load_adapter(base_model, source)
    with new_folder(out) as folder:
        notes = []
        if format == "adapterhub":
            notes = export_adapterhub(model, name, folder)
        else:
            merge_adapter(model).save_pretrained(str(folder))
            tokenizer = load_tokenizer(adapter_base.name, adapter_base.revision, "--base")
            tokenizer_of(source, tokenizer).save_pretrained(str(folder))
        return ExportedAdapter(out, format, _size(folder), _size(source), notes)


def _base_of(source: Path, config: PeftConfig, replacement: str | None) -> CardBase:
    """`replacement` if given, else the base that the adapter names, at the revision that it was trained on.

    The revision is in the adapter's configuration, or only in the manifest if an earlier version saved it.
    """
    name = config.base_model_name_or_path
    if replacement not in (None, name):
        return CardBase(replacement)
    revision = config.revision
    if revision is None and (source / MANIFEST).is_file():
        base = read_manifest(source).get("inputs", {}).get("base", {})
        revision = base.get("revision") if base.get("model") == name else None
    return CardBase(name, revision)


def _export_peft(source: Path, out: Path, bits: int | None, base: CardBase) -> ExportedAdapter:
    """Write the adapter in PEFT's own format, with 32 or fewer bits."""
    weights = read_weights(source)
    error = None
    with new_folder(out) as folder:
        copied = (CONFIG, *NEW_PIECES_FILES) if has_new_pieces(source) else (CONFIG,)
        for name in copied:
            shutil.copyfile(source / name, folder / name)
        if bits is None:
            save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        else:
            error = round(write_quantised(weights, bits, folder / QUANTISED), 6)
        exported = ExportedAdapter(out, "peft", _size(folder), _size(source), [], bits or 32, error)
        facts = {name: value for name, value in asdict(exported).items() if name not in ("folder", "notes")}
        lines = [f"- {name}: {value}" for name, value in facts.items() if value is not None]
        title = f"{source.name} in {bits or 32} bits"
        card = convert_card(
            title,
            lines,
            base,
            read_config(source),
            quantised=bits is not None,
            new_pieces=has_new_pieces(source),
        )
        (folder / "README.md").write_text(card, encoding="utf-8")
    return exported


def _size(folder: Path) -> int:
    """Bytes of the files of weights in a folder and its subfolders."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in (".safetensors", ".bin"))


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it when complete. Raises UserError if `out` exists."""
    check_new(out)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(out)
    except NotADirectoryError as error:
        raise UserError(f"--out {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
