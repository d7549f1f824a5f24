"""The adapters that are merged: reading them, and the checks that they fit each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftConfig
from torch import Tensor

from ..eval.inference.find_adapters import (
    BaseReference,
    base_of_adapter,
    base_of_full_model,
    is_full_model,
    require_language_adapter,
)
from ..recipes.base_names import unknown_base
from ..recipes.schema import Base
from ..recipes.yaml_files import BUNDLED
from ..training.adapters.average import average_weights, check_same_settings, check_same_shapes, sums_to_one
from ..training.adapters.bottleneck import BottleneckConfig
from ..training.adapters.files import read_config, read_weights
from ..training.artifacts import base_identity, existing_data, lacks_data
from ..training.base import load_masked_lm
from ..training.vocabulary.files import reads_differently
from ..training.weights import load_weights
from ..workspace.artifacts import MANIFEST, Artifact, file_hash, read_manifest
from ..workspace.errors import UserError

WEIGHT_FILES = ("*.safetensors", "adapter_model.bin", "pytorch_model*.bin")


@dataclass(frozen=True)
class Parent:
    """One of the adapters that are merged."""

    folder: Path
    config: PeftConfig | None
    """None for a whole model (`full`)."""
    base: BaseReference | None
    """None for a whole model that does not record it."""
    manifest: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, base: str | None) -> "Parent":
        """Read all but the weights. Raises UserError for a folder without a language adapter, and for a fusion."""
        require_language_adapter(folder)
        whole = is_full_model(folder)
        if base is not None:
            reference = BaseReference(base)
        else:
            reference = base_of_full_model(folder) if whole else base_of_adapter(folder)
        if reads_differently(folder):
            raise UserError(
                f"{folder} cannot be merged: it has trained embeddings or reads romanised text, so that its input "
                "differs from that of other adapters"
            )
        manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else {}
        config = None if whole else read_config(folder)
        if isinstance(config, BottleneckConfig) and config.fused:
            raise UserError(f"{folder} is a fusion, which cannot be merged: merge the adapters before fusing them")
        return cls(folder, config, reference, manifest if manifest.get("kind") == "adapter" else {})

    @property
    def name(self) -> str:
        """The folder's name, without its path."""
        return self.folder.resolve().name

    @property
    def type(self) -> str:
        """full, or PEFT's name of the type in small letters."""
        if self.config is None:
            return "full"
        return str(getattr(self.config.peft_type, "value", self.config.peft_type)).lower()

    @property
    def recorded_base(self) -> dict[str, Any]:
        """What decides the base's content, by the manifest: see `base_identity`. Empty where it is not recorded."""
        return self.manifest.get("inputs", {}).get("base", {})

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that it was trained on; empty where the manifest is missing."""
        section = self.manifest.get("section", {})
        return section.get("languages") or ([section["language"]] if "language" in section else [])

    @property
    def data(self) -> list[Artifact]:
        """The corpora and graphs that it was trained on, as far as they still exist."""
        return existing_data(self.folder) if self.manifest else []

    @property
    def has_all_data(self) -> bool:
        """Whether all that it was trained on is recorded and still exists."""
        return bool(self.data) and not lacks_data(self.folder)

    def weights(self) -> dict[str, Tensor]:
        """The weights by their names, dequantised. Raises UserError if they cannot be read."""
        if self.config is None:
            return load_weights(str(self.folder), None, "adapter").state_dict()
        return read_weights(self.folder)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files of weights, by their names."""
        files = sorted({file for pattern in WEIGHT_FILES for file in self.folder.glob(pattern)})
        return {file.name: file_hash(file) for file in files}

    def has_other_base(self, first: "Parent") -> bool:
        """Whether this adapter was trained on another base; by content where both manifests record it."""
        if self.recorded_base and first.recorded_base:
            return self.recorded_base != first.recorded_base
        return self.base is not None and first.base is not None and not self.base.is_same_as(first.base)


@dataclass(frozen=True)
class Parents:
    """Adapters of one type, shape and base, with their weights in memory."""

    adapters: list[Parent]
    weights: list[dict[str, Tensor]]
    base_override: str | None

    @classmethod
    def read(cls, folders: Sequence[Path], base: str | None) -> "Parents":
        """Read them; `base` replaces the bases that they name. Raises UserError if they cannot be merged."""
        if base is not None and (problem := unknown_base(base, str(BUNDLED))):
            raise UserError(f"--base: {problem}")
        adapters = [Parent.read(folder, base) for folder in folders]
        names = [str(folder) for folder in folders]
        first = adapters[0]
        for adapter, name in zip(adapters[1:], names[1:], strict=True):
            if adapter.type != first.type:
                raise UserError(
                    f"{name} is of type {adapter.type}, {names[0]} of type {first.type}: only adapters of one type "
                    "can be merged"
                )
            if base is None and adapter.has_other_base(first):
                bases = f"{name} was trained on {adapter.base}, {names[0]} on {first.base}"
                if str(adapter.base) == str(first.base):
                    bases += ", whose files were others then"
                raise UserError(
                    f"{bases}: only adapters of one base can be merged. If the two are the same model, name it with "
                    "--base"
                )
        if configs := [adapter.config for adapter in adapters if adapter.config is not None]:
            check_same_settings(configs, names)
        weights = [adapter.weights() for adapter in adapters]
        check_same_shapes(weights, names)
        return cls(adapters, weights, base)

    @property
    def type(self) -> str:
        """See `Parent.type`."""
        return self.adapters[0].type

    @property
    def base(self) -> BaseReference | None:
        """The base of all of them."""
        return next((adapter.base for adapter in self.adapters if adapter.base is not None), None)

    @property
    def recorded_base(self) -> dict[str, Any]:
        """What decides the base's content, as `base_identity` gives it; empty where no manifest records it."""
        if self.base_override is not None:
            return base_identity(Base(model=self.base_override))
        return next((adapter.recorded_base for adapter in self.adapters if adapter.recorded_base), {})

    @property
    def data(self) -> tuple[Artifact, ...]:
        """The corpora and graphs that they were trained on, each once, as far as they still exist."""
        return tuple({data.folder: data for adapter in self.adapters for data in adapter.data}.values())

    def average(self, factors: Sequence[float]) -> dict[str, Tensor]:
        """Their sum with these factors; loads the base where it has a part in it."""
        return average_weights(self.weights, factors, None if sums_to_one(factors) else self._base_weights())

    def _base_weights(self) -> dict[str, Tensor]:
        if self.base is None:
            raise UserError(f"{self.adapters[0].folder} does not name its base: give it with --base")
        return load_masked_lm(self.base.name, self.base.revision, "--base", new_head=None).state_dict()
