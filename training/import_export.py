"""Adapters from and to other forms: AdapterHub's, merged into the base, in few bits."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import PeftConfig
from safetensors.torch import save_file

from ..workspace.artifacts import MANIFEST, read_manifest
from ..workspace.errors import UserError
from .adapters.adapterhub import export_adapterhub, import_adapterhub
from .adapters.bottleneck import BottleneckConfig
from .adapters.build import load_adapter, merge_adapter
from .adapters.files import CONFIG, WEIGHTS, read_config, read_weights, save_adapter
from .adapters.quantise import BITS, QUANTISED, write_quantised
from .base import load_masked_lm, load_tokenizer
from .card import CardBase, convert_card

FORMS = ("adapterhub", "merged", "peft")


def import_adapter(
    source: Path, base: str, out: Path, *, invert_before_head: bool = True, coupling: str | None = None
) -> list[str]:
    """Write the AdapterHub adapter in `source` as a PEFT adapter into the new folder `out`; gives notes on losses.

    Raises UserError for an adapter or a base that cannot be read, or that do not fit each other.
    """
    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    with _new_folder(out) as folder:
        model, notes = import_adapterhub(
            load_masked_lm(base, None, "--base", new_head=None),
            source,
            invert_before_head=invert_before_head,
            coupling=coupling,
        )
        save_adapter(model, folder)
        title = f"{source.name}, imported from AdapterHub's form"
        card = convert_card(title, [f"- note: {note}" for note in notes], CardBase(base), read_config(folder))
        (folder / "README.md").write_text(card, encoding="utf-8")
    return notes


def export_adapter(
    source: Path, out: Path, *, form: str, bits: int | None = None, base: str | None = None, name: str = "mlm"
) -> dict[str, Any]:
    """Write the adapter in `source` in another form into the new folder `out`; gives sizes, error and notes.

    Raises UserError for forms and bits that are not there, and for adapters that have no such form.
    """
    if form not in FORMS:
        raise UserError(f"--format {form}: choose one of {', '.join(FORMS)}")
    if bits is not None and (form != "peft" or bits not in BITS):
        raise UserError(f"--bits is {', '.join(map(str, BITS))}, with --format peft; got {bits} with {form}")
    config = read_config(source)
    at = _base_of(source, config, base)
    if form == "peft":
        with _new_folder(out) as folder:
            return _plain(source, folder, bits, at)
    if at.name is None:
        raise UserError(f"{source} does not tell its base: give it with --base")
    if form == "merged" and isinstance(config, BottleneckConfig):
        raise UserError(
            f"{source}: a bottleneck has a non-linearity, so no weight of the base can hold it; keep it apart"
        )
    if form == "adapterhub" and (not name or not name.replace("-", "").replace("_", "").isalnum()):
        raise UserError(f"--name {name!r}: use letters, digits, - and _ only")
    model: Any = load_adapter(load_masked_lm(at.name, at.revision, "--base", new_head=None), source)
    with _new_folder(out) as folder:
        notes = []
        if form == "adapterhub":
            notes = export_adapterhub(model, name, folder)
        else:
            merge_adapter(model).save_pretrained(str(folder))
            load_tokenizer(at.name, at.revision, "--base").save_pretrained(str(folder))
        return {"form": form, "bytes": _size(folder), "notes": notes}


def _base_of(source: Path, config: PeftConfig, given: str | None) -> CardBase:
    """The base that the user gives, else the one that the adapter names, at the revision that it was trained on.

    That stands in the adapter's configuration, or, where an earlier version saved it, in the manifest alone.
    """
    name = config.base_model_name_or_path
    if given not in (None, name):
        return CardBase(given)
    revision = config.revision
    if revision is None and (source / MANIFEST).is_file():
        base = read_manifest(source).get("inputs", {}).get("base", {})
        revision = base.get("revision") if base.get("model") == name else None
    return CardBase(name, revision)


def _plain(source: Path, folder: Path, bits: int | None, base: CardBase) -> dict[str, Any]:
    """The same adapter in PEFT's form, in 32 bits or few."""
    weights = read_weights(source)
    shutil.copyfile(source / CONFIG, folder / CONFIG)
    facts: dict[str, Any] = {"form": "peft", "bits": bits or 32}
    if bits is None:
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        size = (folder / WEIGHTS).stat().st_size
    else:
        facts["relative_error"] = round(write_quantised(weights, bits, folder / QUANTISED), 6)
        size = (folder / QUANTISED).stat().st_size
    facts |= {"bytes": size, "bytes_before": _size(source), "notes": []}
    lines = [f"- {key}: {value}" for key, value in facts.items() if key != "notes"]
    title = f"{source.name} in {bits or 32} bits"
    card = convert_card(title, lines, base, read_config(source), quantised=bits is not None)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return facts


def _size(folder: Path) -> int:
    """Bytes of the files of weights in a folder and below."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in (".safetensors", ".bin"))


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its name when all went well. Raises UserError where `out` is there already."""
    if out.exists():
        raise UserError(f"--out {out} is there already: choose a new folder")
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
