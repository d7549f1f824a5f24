"""Publish an adapter on the Hugging Face hub: `push` and `lrl-adapt push`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ... import __version__
from ...eval.inference.find_adapters import LANGUAGE_ADAPTER
from ...recipes.licences import OTHER, RolledUp, roll_up
from ...training.conversion_checks import check_push
from ...training.vocabulary.files import FILES as READING_FILES
from ...workspace.hub_upload import CARD, Content, upload
from ...workspace.library_logs import quiet_libraries
from ...workspace.progress import Progress
from ...workspace.progress_bars import ProgressBars
from .card import LICENCE_FILE, Card
from .contents import contents
from .results import model_index, results_of
from .subject import Subject, find_subject
from .training_data import training_data

_OWN_FILES = (
    *("adapter_config.json", "adapter_model.safetensors", "adapter_quantised.safetensors", "head.safetensors"),
    *("config.json", "model.safetensors", "model.safetensors.index.json", "task.json", LICENCE_FILE),
    *READING_FILES,
)
OBSOLETE = (*_OWN_FILES, *(f"{LANGUAGE_ADAPTER}/{name}" for name in _OWN_FILES))
"""Files of an earlier push to the same repository, which loading would take for those of this adapter."""


@dataclass(frozen=True)
class PushedAdapter:
    """What `push` uploaded, or would upload."""

    repo: str
    card: str
    """The text of README.md."""
    files: dict[str, int]
    """Size in bytes of each file, by its path in the repository."""
    private: bool
    """Whether the repository is created as a private one."""
    address: str | None = None
    """Of the repository's page; None after a dry run."""
    commit: str | None = None
    notes: list[str] = field(default_factory=list)
    """What to know before others use it, a sentence each."""


@quiet_libraries()
def push(
    adapter: str | Path,
    repo: str,
    *,
    scores: Sequence[str | Path] = (),
    base: str | None = None,
    licence: str | None = None,
    public: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushedAdapter:
    """Publish a language adapter, a fully fine-tuned model or a task adapter on the Hugging Face hub.

    Uploads the weights, the configuration and a model card; of a task adapter its head and the language adapter that it
    is stacked on, too. The card is written from the manifests of the adapter, its data and its scores. Everything is
    one commit: an interrupted upload changes nothing, and continues when it is started again.

    Example:
        ```python
        pushed = lrl_adapt.push("my-adapter", "OWNER/NAME", dry_run=True)
        print(pushed.card)
        ```

    Args:
        adapter: Folder of a language adapter, of a task adapter, or of the scores that have one.
        repo: Repository on the hub, as OWNER/NAME; it is created if it does not exist.
        scores: Score files, their folders or workspaces with scores of the adapter; by default the workspace that it
            is in.
        base: Hub id of the base, if the adapter was trained on a copy of it in a local folder.
        licence: The hub's name of a licence, such as `cc-by-sa-4.0`; by default the most demanding one of the training
            data.
        public: Create a public repository; by default it is private. An existing one keeps its visibility.
        dry_run: Write the card and list the files, but send nothing.
        progress: Shows how the work goes; by default lines on stderr. `QUIET` shows nothing.

    Returns:
        The card, the files, and the address of the repository's page.

    Raises:
        UserError: There is no such adapter or repository, its scores cannot be read, there is no token, or the hub
            refuses the card or cannot be reached.
    """
    progress = progress or ProgressBars()
    check_push(Path(adapter), repo)
    subject = find_subject(Path(adapter), base)
    files: dict[str, Content] = contents(subject)
    card = _card(subject, repo, [Path(source) for source in scores], licence, progress)
    files[CARD] = card.text().encode()
    if card.licence.licence == OTHER:
        files[LICENCE_FILE] = _licence_text(card).encode()
    pushed = PushedAdapter(repo, card.text(), _sizes(files), not public, notes=_notes(card))
    if dry_run:
        return pushed
    message = f"{card.title}, with lrl-adapt {__version__}"
    sent = upload(repo, files, private=not public, message=message, obsolete=OBSOLETE, progress=progress)
    return PushedAdapter(repo, pushed.card, pushed.files, pushed.private, sent.address, sent.commit, pushed.notes)


def _card(subject: Subject, repo: str, scores: Sequence[Path], licence: str | None, progress: Progress) -> Card:
    sources = training_data(subject)
    rolled_up = roll_up({source.name: source.terms for source in sources})
    if licence is not None:
        rolled_up = RolledUp(licence, f"Chosen by the owner. By the training data: {rolled_up.reason}")
    results = results_of(subject, scores)
    return Card(subject, repo, sources, rolled_up, results, model_index(subject, results))


def _licence_text(card: Card) -> str:
    """The file that the hub's pages link to for a licence that is not in its list."""
    terms = [f"- {source.name}: {source.terms}" for source in card.sources]
    return "\n".join(["# Licence", "", card.licence.reason, "", *terms, ""])


def _notes(card: Card) -> list[str]:
    notes = []
    base = card.subject.base
    if base.hub_id is None and not card.subject.is_full:
        notes.append(
            f"the base, {base}, is not on the hub: nobody else can use the adapter unless they have it; name its id on "
            "the hub with --base"
        )
    if card.licence.licence == OTHER:
        notes.append(f"licence other: {card.licence.reason} Choose one with --licence if you may")
    if not card.index:
        notes.append("no scores were found: name them with --scores, or run `lrl-adapt eval` first")
    return notes


def _sizes(files: Mapping[str, Content]) -> dict[str, int]:
    return {
        name: len(content) if isinstance(content, bytes) else content.stat().st_size
        for name, content in sorted(files.items())
    }
