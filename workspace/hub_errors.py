"""Turn errors of the hub client into one line that says what to do."""

import re
from collections.abc import Iterator
from typing import Any

from .downloads import public_address
from .errors import UserError
from .full_disk import FULL

CACHE_HINT = "; HF_HUB_OFFLINE=1 uses cached files"
OUTSIDE = ("Invalid filename", "Invalid pointer path")  # how the client refuses paths with .. and absolute ones
OFFLINE = "not in the local cache, and HF_HUB_OFFLINE is set"


def is_gated(error: BaseException) -> bool:
    """Whether a UserError of `hub_errors` means that conditions must be accepted or a token is needed."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    cause = error.__cause__
    if isinstance(cause, RepositoryNotFoundError) and not isinstance(cause, GatedRepoError):
        return False  # the hub also answers 401 for a repository that does not exist
    return isinstance(cause, GatedRepoError) or http_status(cause) in (401, 403)


def is_unreachable(error: BaseException) -> bool:
    """Whether a UserError of `hub_errors` means that the hub did not answer."""
    return error.__cause__ is not None and may_pass(error.__cause__)


class hub_errors:  # noqa: N801 - reads as a word in `with hub_errors(...)`
    """Context manager that turns errors of the hub client into a UserError about `what`, in one line."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError) and (advice := _advice(error)):
            raise UserError(f"{self.what}: {advice}") from error


def _advice(error: Exception) -> str:
    """One line that says what to do; "" for an error that does not come from the hub."""
    from huggingface_hub import errors

    by_class = {
        errors.GatedRepoError: "access is gated: accept its conditions on the hub, then set HF_TOKEN",
        errors.RepositoryNotFoundError: "no such repository on the hub, or it is private: set HF_TOKEN",
        errors.RevisionNotFoundError: "no such revision (a / in a branch's name is written %2F)",
        errors.RemoteEntryNotFoundError: "no such file in the repository",
        errors.OfflineModeIsEnabled: OFFLINE,
    }
    for cause in _causes(error):  # transformers wraps the client's errors
        if advice := next((by_class[cls] for cls in type(cause).__mro__ if cls in by_class), ""):
            return advice
        if type(cause).__name__ == "TooManyRedirects":  # of the HTTP library that the client happens to use
            return "the hub redirects in a loop: try again later, or check HF_ENDPOINT and proxies"
    if status := http_status(error):
        return f"{STATUS.get(status, 'the hub refuses')} ({status})"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "not in the local cache and the hub cannot be reached (offline?)"
    return _trouble(error)


def _trouble(error: Exception) -> str:
    """`_advice` for an error without an answer of the hub."""
    from huggingface_hub.errors import HFValidationError

    if isinstance(error, OSError) and error.errno in FULL:
        return "the disk is full: free some space, or set HF_HOME to a folder on another disk"
    message = (str(error).strip() or type(error).__name__).splitlines()[0]
    # addresses of a CDN contain signatures
    message = re.sub(r"\w+://[^\s'\"]+", lambda match: public_address(match[0]), message)
    if "Consistency check failed" in message or "peer closed connection" in message:
        return "the download was interrupted; run the command again"
    if any(refusal in message for refusal in OUTSIDE):
        return f"the repository names a file outside its folder, which is not downloaded ({message})"
    if isinstance(error, OSError | HFValidationError):
        return message
    if type(error).__module__.startswith("http"):  # httpx, or another HTTP library of the hub client
        return f"the hub cannot be reached ({message}){CACHE_HINT}"
    return ""


STATUS = {
    401: "the hub requires a token: set HF_TOKEN",
    403: "the hub refuses access: accept its conditions there, then set HF_TOKEN",
    404: "no such repository or file on the hub: check the name",
    416: "the file on the hub changed during the download: run the command again",
    429: "too many requests to the hub: wait a few minutes, or set HF_TOKEN",
    500: "the hub has an internal error: try again later",
    502: "the hub is down: try again later",
    503: "the hub is down: try again later",
    504: "the hub is down: try again later",
}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def http_status(error: BaseException | None) -> int:
    """The HTTP status of an error, which the client may have wrapped; 0 without one."""
    response = _response(error)
    return 0 if response is None else int(response.status_code)


def client_has_retried(error: UserError) -> bool:
    """Whether the client itself has tried again before this UserError of `hub_errors`: it does for HEAD requests."""
    response = _response(error)
    return response is not None and response.request.method == "HEAD"


def _response(error: BaseException | None) -> Any:
    responses = (getattr(cause, "response", None) for cause in _causes(error))
    return next((response for response in responses if response is not None), None)


def may_pass(error: BaseException | None) -> bool:
    """Whether a later request may succeed: the hub cannot be reached or is busy."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = http_status(error)
    unreachable = status == 0 and type(error).__module__.startswith("http")
    return unreachable or status in (408, 429, 500, 502, 503, 504) or isinstance(error, OfflineModeIsEnabled)
