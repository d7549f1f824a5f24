"""Publish an adapter on the Hugging Face hub: `push` and `lrl-adapt push`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ... import __version__
from ...eval.inference.published import ADAPTER_FILES, LANGUAGE_ADAPTER
from ...recipes.licences import OTHER, RolledUp, roll_up
from ...training.conversion_checks import check_push
from ...training.vocabulary.files import FILES as READING_FILES
from ...workspace.errors import UserError
from ...workspace.hub_upload import CARD, Content, check_can_upload, upload
from ...workspace.library_logs import quiet_libraries
from ...workspace.progress import Progress
from ...workspace.progress_bars import ProgressBars
from .card import LICENCE_FILE, Card
from .collection import Collection
from .contents import contents
from .results import model_index, results_of
from .subject import Subject, find_subject
from .training_data import Source, training_data

_OWN_FILES = (
    *("adapter_config.json", "adapter_model.safetensors", "adapter_quantised.safetensors", "head.safetensors"),
    *("config.json", "model.safetensors", "model.safetensors.index.json", "task.json", LICENCE_FILE),
    *READING_FILES,
)
OBSOLETE = (*_OWN_FILES, *(f"{LANGUAGE_ADAPTER}/{name}" for name in _OWN_FILES))
"""Files of an earlier push to the same folder, which loading would take for those of this adapter."""


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
    adapters: str | Path | Sequence[str | Path],
    repo: str,
    *,
    scores: str | Path | Sequence[str | Path] = (),
    base: str | None = None,
    licence: str | None = None,
    public: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushedAdapter:
    """Publish language adapters, fully fine-tuned models and task adapters on the Hugging Face hub.

    Uploads the weights, the configuration and a model card; of a task adapter its head and the language adapter that it
    is stacked on, too. The card is written from the manifests of the adapter, its data and its scores. Several adapters
    get a folder each, named after theirs, with a card in each and a table of all in the repository's. Everything is one
    commit: an interrupted upload changes nothing, and continues when it is started again. To add an adapter to a
    repository with several, name all of them again: the card and the licence in it are those of all.

    Example:
        ```python
        pushed = lrl_adapt.push("my-adapter", "OWNER/NAME", dry_run=True)
        print(pushed.card)
        ```

    Args:
        adapters: Folder of a language adapter, of a task adapter, or of the scores that have one; or several of them.
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
            refuses the card or cannot be reached; or the repository has adapters that are not among `adapters`.
    """
    progress = progress or ProgressBars()
    folders = [Path(folder) for folder in ([adapters] if isinstance(adapters, str | Path) else adapters)]
    check_push(folders, repo)
    if not dry_run:
        check_can_upload()
    prepared = [_Prepared.of(folder, base) for folder in folders]
    score_files = [Path(source) for source in ([scores] if isinstance(scores, str | Path) else scores)]
    page, cards, files, obsolete = _repository(prepared, repo, score_files, licence)
    notes = list(dict.fromkeys(note for card in cards.values() for note in _notes(card)))
    pushed = PushedAdapter(repo, page.text(), _sizes(files), not public, notes=notes)
    if dry_run:
        return pushed
    message = f"{page.title}, with lrl-adapt {__version__}"

    def to_delete(remote: Sequence[str]) -> set[str]:
        _require_all_adapters(repo, remote, cards)
        return obsolete.intersection(remote)

    sent = upload(repo, files, private=not public, message=message, to_delete=to_delete, progress=progress)
    return replace(pushed, address=sent.address, commit=sent.commit)


@dataclass(frozen=True)
class _Prepared:
    """An adapter with the files of it that are uploaded."""

    subject: Subject
    files: dict[str, Content]

    @classmethod
    def of(cls, folder: Path, base: str | None) -> "_Prepared":
        subject = find_subject(folder, base)
        return cls(subject, contents(subject))


def _repository(
    adapters: Sequence[_Prepared], repo: str, scores: Sequence[Path], licence: str | None
) -> tuple[Card | Collection, dict[str, Card], dict[str, Content], set[str]]:
    """The main card, the card of each folder, the files to send, and those of earlier versions to delete if there."""
    if len(adapters) == 1:
        page = _card(adapters[0].subject, repo, scores, licence)
        return page, {"": page}, adapters[0].files | _texts(page), set(OBSOLETE)
    by_name = _by_name(adapters)
    cards = {name: _card(one.subject, f"{repo}/{name}", scores, licence) for name, one in by_name.items()}
    collection = Collection(repo, cards, _licence([card.sources for card in cards.values()], licence))
    files = {f"{name}/{path}": content for name, one in by_name.items() for path, content in one.files.items()}
    for name, card in cards.items():
        files |= {f"{name}/{path}": content for path, content in _texts(card).items()}
    obsolete = {LICENCE_FILE, *(f"{name}/{path}" for name in by_name for path in OBSOLETE)}
    return collection, cards, files | _texts(collection), obsolete


def _by_name(adapters: Sequence[_Prepared]) -> dict[str, _Prepared]:
    """The adapters by the names of their folders in the repository. Raises UserError for two of one name."""
    by_name: dict[str, _Prepared] = {}
    for adapter in adapters:
        name = re.sub(r"[^\w.-]+|^\W+", "-", adapter.subject.artifact_folder.resolve().name).lstrip("-.")
        if name in by_name:
            raise UserError(f"two of the folders are called {name}: copy or rename one of them")
        by_name[name] = adapter
    return by_name


def _require_all_adapters(repo: str, remote: Iterable[str], folders: Iterable[str]) -> None:
    """Raise a UserError if there are adapters among the `remote` files in other folders; "" is the root."""
    parents = {path.rpartition("/")[0] for path in remote if path.rpartition("/")[2] in ADAPTER_FILES}
    missing = sorted(name for name in parents if "/" not in name and name not in (LANGUAGE_ADAPTER, *folders))
    if "" in missing:
        raise UserError(
            f"{repo} is the repository of one adapter, which several would replace: choose another repository"
        )
    if missing:
        raise UserError(
            f"{repo} also has {', '.join(missing)}, which its card and licence would leave out: name all adapters "
            "again, or choose another repository"
        )


def _licence(sources: Sequence[Sequence[Source]], chosen: str | None) -> RolledUp:
    """The licence of all training data, or the one that the user chose."""
    rolled_up = roll_up({source.name: source.terms for of_adapter in sources for source in of_adapter})
    if chosen is None:
        return rolled_up
    return RolledUp(chosen, f"Chosen by the owner. By the training data: {rolled_up.reason}")


def _card(subject: Subject, repo: str, scores: Sequence[Path], licence: str | None) -> Card:
    sources = training_data(subject)
    results = results_of(subject, scores)
    return Card(subject, repo, sources, _licence([sources], licence), results, model_index(subject, results))


def _texts(card: Card | Collection) -> dict[str, Content]:
    """The card, and the text of a licence that is not in the hub's list, by the names of their files."""
    texts: dict[str, Content] = {CARD: card.text().encode()}
    if card.licence.licence == OTHER:
        texts[LICENCE_FILE] = _licence_text(card).encode()
    return texts


def _licence_text(card: Card | Collection) -> str:
    """The file that the hub's pages link to for a licence that is not in its list."""
    terms = list(dict.fromkeys(f"- {source.name}: {source.terms}" for source in card.sources))
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
