"""Downloads from https addresses: under a lock, resumable, and complete or absent."""

import base64
import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from .artifacts import file_hash
from .errors import UserError
from .full_disk import FULL
from .locks import locked
from .progress import QUIET, Progress

CHUNK = 1 << 20
ATTEMPTS = 3  # of a download from an https address, the first included; files on the hub: `hub_file` in hub.py
MAX_WAIT = 30.0  # seconds before the next attempt
MAX_NAME = 200  # bytes of the name of a file, of the 255 that file systems allow
TIMEOUT = 60  # seconds without data
HEAD_TIMEOUT = 10  # seconds
DOWN_SECONDS = 60.0  # for which a server that did not answer is not asked again
TRANSIENT = (408, 416, 429, 500, 502, 503, 504)
NOT_FOUND = (404, 410)
REFUSES_HEAD = (
    401,
    403,
    405,
    501,
)  # addresses signed for GET only answer 403 to HEAD; some servers do not support HEAD
STATUS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "redirects in a loop; check the address"),
    401: "requires a login",
    403: "refuses access",
    404: "no such file",
    410: "the file no longer exists",
    429: "too many requests; wait a few minutes",
    500: "the server has an internal error; try again later",
    502: "the server is down; try again later",
    503: "the server is down; try again later",
    504: "the server is down; try again later",
}


class _IncompleteError(http.client.HTTPException):
    """The received file is not complete."""


def public_address(location: str) -> str:
    """An address without user, password and query, which may be secret; local and hub locations are unchanged."""
    scheme, mark, rest = location.partition("://")
    if not mark or scheme == "hf":
        return location
    # not urlsplit, which raises for invalid addresses
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def download_path(address: str, cache: Path) -> Path:
    """Where `download` stores the file at an address. Raises UserError for an invalid address."""
    shown = public_address(address)
    try:
        address.encode()
        parts = urllib.parse.urlsplit(address)
        if not parts.hostname or parts.port == 0:  # reading the port checks that it is a number
            raise UserError(f"{shown}: not a valid address")
    except ValueError as error:
        raise UserError(f"{shown}: not a valid address") from error
    name = urllib.parse.unquote(parts.path).rsplit("/", 1)[-1]
    if "\0" in name:
        raise UserError(f"{shown}: not a valid address")
    # Not hidden, as .. and the files beside it are, and short enough to get an ending; the extension stays.
    name = name.lstrip(".").encode()[-MAX_NAME:].decode(errors="ignore").lstrip(".")
    return cache / hashlib.sha256(address.encode()).hexdigest()[:8] / (name or "file")


class UnreachableError(UserError):
    """A server does not answer, or is busy, so that it is unknown whether it has a file."""


class NotFoundError(UserError):
    """The server has no such file."""


_down: dict[str, tuple[float, str]] = {}
"""By address: until when, in `time.monotonic()`, it is not requested again, and why."""


def remote_size(address: str) -> int | None:
    """Size in bytes of the file at an https address, without downloading it; None if the server does not say.

    Each address is requested once per process, or once in DOWN_SECONDS while it cannot be reached: a grid asks for
    every run. Raises NotFoundError if the file does not exist, UnreachableError if the server cannot be reached or is
    busy, and UserError if it refuses.
    """
    if address in _down:
        until, reason = _down[address]
        if time.monotonic() < until:
            raise UnreachableError(reason)
    try:
        return _remote_size(address)
    except UnreachableError as error:
        _down[address] = time.monotonic() + DOWN_SECONDS, str(error)
        raise


@lru_cache(maxsize=1024)
def _remote_size(address: str) -> int | None:
    shown = public_address(address)
    try:
        try:
            return _request_size(address, "HEAD")
        except urllib.error.HTTPError as error:
            if error.code not in REFUSES_HEAD:
                raise
            return _request_size(address, "GET")
    except urllib.error.HTTPError as error:
        raise _refusal(error, shown) from error
    except http.client.InvalidURL as error:
        raise UserError(f"{shown}: not a valid address") from error  # the text of the error contains the query
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{shown}: cannot be reached ({getattr(error, 'reason', error)})") from error


def forget_sizes() -> None:
    """Forget the answers of servers, as a new process has none."""
    _remote_size.cache_clear()
    _down.clear()


def _request_size(address: str, method: str) -> int | None:
    """The size in the headers of a reply; a GET requests one byte, and if all are sent, they are not read."""
    request = _request(address, 0, "")
    request.method = method
    if method == "GET":
        request.add_header("Range", "bytes=0-0")
    try:
        with urllib.request.urlopen(request, timeout=HEAD_TIMEOUT) as reply:  # noqa: S310 - http(s) only
            status, headers = reply.status, reply.headers
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        status, headers = error.code, error.headers  # an empty file has no first byte
    if status == http.HTTPStatus.OK:
        size = headers["Content-Length"] or ""
    else:
        size = (headers["Content-Range"] or "").rpartition("/")[2]
    return int(size) if size.isdecimal() else None


def _refusal(error: urllib.error.HTTPError, shown: str) -> UserError:
    """The error to raise for an HTTP status."""
    message = f"{shown}: {STATUS.get(error.code, 'cannot be downloaded')} ({error.code})"
    if error.code in NOT_FOUND:
        return NotFoundError(message)
    return UnreachableError(message) if error.code in TRANSIENT else UserError(message)


def download(address: str, cache: Path, progress: Progress = QUIET, *, sha256: str | None = None) -> Path:
    """Download an address into `cache` unless it is already there; a second process waits for the first.

    The file keeps its name, in a folder for each address: many are called train.csv. An interrupted download is
    resumed by the next call if the server supports it. With `sha256` (hex) the content is checked, and deleted if it
    differs. Raises NotFoundError if the server has no such file, and UserError if it cannot be downloaded completely or
    differs.
    """
    shown = public_address(address)
    target = download_path(address, cache)
    folder = target.parent
    if target.is_file():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", f"fetching {shown}", progress):
            if not target.is_file():
                _fetch(address, target, progress, sha256)
    except OSError as error:
        reason = "the disk is full: free some space" if error.errno in FULL else str(error)
        raise UserError(f"{shown}: cannot be written to {folder}: {reason}") from error
    return target


def _fetch(address: str, target: Path, progress: Progress, sha256: str | None) -> None:
    """Download to `target`, with several attempts."""
    shown = public_address(address)
    partial = target.with_name(f".{target.name}.partial")
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        wait = None
        try:
            _receive(address, partial, progress)
            _check(partial, sha256, shown)
            partial.replace(target)
            _note(partial).unlink(missing_ok=True)
            return
        except urllib.error.HTTPError as error:
            reason = f"{STATUS.get(error.code, 'cannot be downloaded')} ({error.code})"
            wait = error.headers["Retry-After"]
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)  # it is not a part of the present file
            elif error.code not in TRANSIENT:
                raise _refusal(error, shown) from error
        except http.client.InvalidURL as error:
            raise UserError(f"{shown}: not a valid address") from error  # the text of the error contains the query
        except (_IncompleteError, http.client.IncompleteRead):
            reason = "interrupted; run the command again to resume"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            reason = f"cannot be downloaded: {getattr(error, 'reason', error)}"
        if attempt < ATTEMPTS:
            time.sleep(min(float(wait) if wait and wait.isdecimal() else 2.0**attempt, MAX_WAIT))
    raise UserError(f"{shown}: {reason}")


def _receive(address: str, partial: Path, progress: Progress) -> None:
    """Download what `partial` lacks. Raises _IncompleteError if it is not complete afterwards."""
    validator, size = _read_note(partial)
    have = partial.stat().st_size if partial.is_file() else 0
    if have and have == size:  # complete, but the process ended before renaming it
        return
    with urllib.request.urlopen(_request(address, have, validator), timeout=TIMEOUT) as reply:  # noqa: S310 - http(s) only
        if reply.status == http.HTTPStatus.PARTIAL_CONTENT:
            size = _continued(reply.headers, have, validator, partial) or size
        else:
            have = 0
            length = reply.headers["Content-Length"] or ""
            size = int(length) if length.isdecimal() else None
            partial.write_bytes(b"")  # before the note, which must not describe other content
            _note(partial).write_text(json.dumps([_strong(reply.headers), size]), encoding="utf-8")
        name = partial.name.removeprefix(".").removesuffix(".partial")
        total = None if size is None else -(-(size - have) // CHUNK)
        with partial.open("ab") as file:
            for chunk in progress.track(_chunks(reply), f"download {name}, MiB", total):
                file.write(chunk)
    if size is not None and partial.stat().st_size != size:
        raise _IncompleteError


def _check(partial: Path, expected: str | None, shown: str) -> None:
    """Raise a UserError and delete the file if its content is not the expected one."""
    if expected is None:
        return
    digest = file_hash(partial)
    if digest != expected:
        partial.unlink()
        _note(partial).unlink(missing_ok=True)
        raise UserError(
            f"{shown}: expected SHA-256 {expected}, received {digest}: run the command again; if that does not help, "
            "the file at this address has changed: name another copy in the recipe"
        )


def _continued(headers: Any, have: int, validator: str, partial: Path) -> int | None:
    """The size of the whole file, from a reply that should continue from byte `have`.

    Some servers support Range but not If-Range: a reply with another file, or another part, deletes `partial`.
    """
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers["Content-Range"] or "")
    if match is None or int(match[1]) != have or _strong(headers) not in ("", validator):
        partial.unlink(missing_ok=True)
        raise _IncompleteError
    return None if match[2] == "*" else int(match[2])


def _request(address: str, have: int, validator: str) -> urllib.request.Request:
    """A request for the rest of the file, from byte `have`, if it has not changed since."""
    parts = urllib.parse.urlsplit(urllib.parse.quote(address, safe="!#$%&'()*+,/:;=?@[]~"))  # spaces, other scripts
    login, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)))  # noqa: S310
    if login:
        secret = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    if have and validator:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    return request


def _strong(headers: Any) -> str:
    """What identifies the content: a strong ETag, else the time of the last change; "" if the server sends neither."""
    etag = headers["ETag"] or ""
    return etag if etag.startswith('"') else headers["Last-Modified"] or ""


def _chunks(reply: Any) -> Iterator[bytes]:
    while chunk := reply.read(CHUNK):
        yield chunk


def _note(partial: Path) -> Path:
    return partial.with_suffix(".note")


def _read_note(partial: Path) -> tuple[str, int | None]:
    """Validator and size of the file that `partial` is the beginning of, as the server stated them."""
    try:
        validator, size = json.loads(_note(partial).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a full disk may have truncated it
        return "", None
    return validator, size
