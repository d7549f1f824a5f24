"""Upload files to a model repository of the Hugging Face hub, with its client, in one commit."""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .formatting import format_count, format_size
from .hub import is_offline
from .hub_errors import CACHE_HINT, http_status, hub_errors, is_unreachable
from .progress import QUIET, Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"
NO_ACCESS = (401, 403, 404)  # the hub answers 404 where a token may not see a private repository

Content = bytes | Path
"""The content of a file: itself, or the local file that holds it."""


@dataclass(frozen=True)
class Upload:
    """What an upload did."""

    address: str
    """Of the repository's page."""
    commit: str


def check_repository(repo: str) -> None:
    """Raise a UserError unless `repo` is OWNER/NAME, as the hub allows it."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(f"{repo!r} is not the name of a repository: {str(error).splitlines()[0]}") from error
    if "/" not in repo:
        raise UserError(f"{repo!r} is not the name of a repository: give it with its owner, as OWNER/NAME")


def check_can_upload() -> None:
    """Raise a UserError if the hub's client is offline or has no token."""
    from huggingface_hub import get_token

    if is_offline():
        raise UserError("HF_HUB_OFFLINE is set: unset it to upload")
    if get_token() is None:
        raise UserError("to upload, set HF_TOKEN to a token with write access, or run `hf auth login`")


def upload(
    repo: str,
    files: Mapping[str, Content],
    *,
    private: bool,
    message: str,
    to_delete: Callable[[Sequence[str]], Collection[str]] = lambda remote: (),
    progress: Progress = QUIET,
) -> Upload:
    """Put `files` (by their paths in the repository) into the model repository `repo`, which is created if missing.

    One commit holds them all, so that an interrupted upload changes nothing; large files whose content the hub has
    from an earlier attempt are not sent again, nor are files that have not changed. `to_delete` is asked with the
    files that the repository has which of them to delete; those among `files` are kept. It may raise a UserError, and
    then nothing is sent. An existing repository keeps its visibility.

    Raises UserError without a token, if the hub refuses the card or access, or if it cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    check_can_upload()
    api = HfApi()
    with _write_errors(repo), _warnings_said(progress):
        if CARD in files:
            _check_card(files[CARD])  # before anything is created
        page = api.create_repo(repo, private=private, exist_ok=True)
        obsolete = to_delete(api.list_repo_files(repo))
        additions = [CommitOperationAdd(path, content) for path, content in files.items()]
        deletions = [CommitOperationDelete(path) for path in sorted(set(obsolete) - files.keys())]
        size = sum(len(content) if isinstance(content, bytes) else content.stat().st_size for content in files.values())
        progress.say(f"uploading {format_count(len(files), 'file')}, {format_size(size)}, to {page}")
        commit = _commit(api, repo, [*additions, *deletions], message)
    return Upload(str(page), commit)


def _commit(api: "HfApi", repo: str, operations: Sequence[Any], message: str) -> str:
    """The hash of a new commit. Raises the client's errors, as they are inside its RuntimeError about one file."""
    try:
        return api.create_commit(repo, operations, commit_message=message).oid
    except RuntimeError as error:
        failure = error.__cause__ or error
    raise failure  # out here, so that the two do not become each other's cause


def _check_card(content: Content) -> None:
    """Raise a UserError if the hub finds the metadata of a model card invalid."""
    from huggingface_hub import ModelCard

    text = (content if isinstance(content, bytes) else content.read_bytes()).decode()
    try:
        ModelCard(text).validate()
    except ValueError as error:
        raise UserError(f"the hub refuses the model card: {' '.join(str(error).split())}") from error


@contextmanager
def _warnings_said(progress: Progress) -> Iterator[None]:
    """Say the warnings of the hub and its client, such as those on a card's metadata."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in dict.fromkeys(" ".join(str(one.message).split()) for one in caught):
        progress.say(f"note: {warning}")


@contextmanager
def _write_errors(repo: str) -> Iterator[None]:
    """Turn errors of an upload into one line that says what to do."""
    try:
        with hub_errors(repo):
            yield
    except UserError as error:
        if http_status(error.__cause__) in NO_ACCESS:
            raise UserError(
                f"the hub refuses to write to {repo}: its owner must be you or an organisation of yours, and HF_TOKEN "
                "a token with write access"
            ) from error
        if is_unreachable(error):
            reason = str(error).removesuffix(CACHE_HINT)
            raise UserError(f"{reason}; run the command again: complete files are not sent twice") from error
        raise
