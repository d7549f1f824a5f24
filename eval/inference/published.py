"""Adapters on the Hugging Face hub: which files they have, and their local folder. torch is not imported."""

from pathlib import Path

from ...training.transliterate import TRANSLITERATION
from ...workspace.errors import UserError
from ...workspace.hub_folder import hub_folder, is_hub_address

TASK_FILE = "task.json"
ADAPTER_FILES = ("adapter_config.json", "config.json", TASK_FILE)
"""One of them is in the folder of every adapter or whole model."""
LANGUAGE_ADAPTER = "language-adapter"
"""Folder within a task adapter that was published, with the language adapter that it is stacked on."""
PUBLISHED_FILES = (
    *(*ADAPTER_FILES, "*.safetensors", "*.safetensors.index.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model"),
    TRANSLITERATION,
)
"""Files of a published adapter or whole model, in its folder itself."""
PICKLES = ("adapter_model.bin", "pytorch_model*.bin*")
"""Weights where there are none in the safetensors format, as others may have published them."""


def adapter_folder(name: str | Path) -> Path:
    """The folder of an adapter: `name` itself, or downloaded if that is OWNER/NAME or OWNER/NAME/FOLDER on the hub.

    Weights are downloaded only if the address is an adapter's, and in one format only. Raises UserError where there is
    neither, and for a repository with several adapters.
    """
    if Path(name).is_dir():
        return Path(name)
    if not is_hub_address(str(name)):
        raise UserError(f"no such folder: {name}")
    try:
        folder = _described_on_hub(str(name))
        _download_adapter(str(name), folder)
    except UserError as error:
        raise UserError(f"no such folder: {name}; on the hub: {error}") from error
    return folder


def _described_on_hub(address: str) -> Path:
    """The local folder with the configuration of what is at an address. Raises UserError unless it is an adapter."""
    folder = hub_folder(address, [*ADAPTER_FILES, *(f"*/{file}" for file in ADAPTER_FILES)])
    if not any((folder / file).is_file() for file in ADAPTER_FILES):
        within = sorted(path.parent.name for file in ADAPTER_FILES for path in folder.glob(f"*/{file}"))
        hint = f": name one of its folders, as {address}/{within[0]}" if within else ""
        raise UserError(f"{address} holds no adapter{hint}")
    return folder


def _download_adapter(address: str, folder: Path) -> None:
    """Download the files of the adapter at `address` into `folder`, and the language adapter that it is stacked on."""
    hub_folder(address, PUBLISHED_FILES)
    if not any(folder.glob("*.safetensors")):
        hub_folder(address, PICKLES)
    below = folder / LANGUAGE_ADAPTER
    if below.is_dir():
        _download_adapter(f"{address}/{LANGUAGE_ADAPTER}", below)
