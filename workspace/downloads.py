"""Downloads from https addresses: under a lock, resumed where they broke off, whole or not there."""

import base64
import errno
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
from .locks import locked
from .progress import QUIET, Progress

CHUNK = 1 << 20
ATTEMPTS = 3
LONGEST_WAIT = 30.0  # seconds before another attempt
TIMEOUT = 60  # seconds without a byte
HEAD_TIMEOUT = 10  # seconds
PASSING = (408, 416, 429, 500, 502, 503, 504)
NOT_THERE = (404, 410)
REFUSES_HEAD = (401, 403, 405, 501)  # addresses signed for GET alone answer 403 to HEAD; others do not know HEAD
STATUS = {
    401: "wants a login",
    403: "refuses access",
    404: "no such file",
    410: "the file is no longer there",
    429: "too many requests; wait some minutes",
    500: "the server has a fault; try again later",
    502: "the server is down; try again later",
    503: "the server is down; try again later",
    504: "the server is down; try again later",
}
FULL = (errno.ENOSPC, errno.EDQUOT)


class _BrokeOffError(http.client.HTTPException):
    """What has come is not the whole file."""


def public_address(location: str) -> str:
    """An address without user, password and query, which may hold secrets; local and hub locations as they are."""
    scheme, mark, rest = location.partition("://")
    if not mark or scheme == "hf":
        return location
    # no urlsplit: this must not fail on an address that is none
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def download_path(address: str, cache: Path) -> Path:
    """Where `download` puts the file at an address. Raises UserError for what is not an address."""
    shown = public_address(address)
    try:
        parts = urllib.parse.urlsplit(address)
        if not parts.hostname or parts.port == 0:  # asking for the port checks that it is a number
            raise UserError(f"{shown}: not an address")
    except ValueError as error:
        raise UserError(f"{shown}: not an address") from error
    folder = cache / hashlib.sha256(address.encode()).hexdigest()[:8]
    return folder / (urllib.parse.unquote(parts.path).rsplit("/", 1)[-1] or "file")


class UnreachableError(UserError):
    """A server does not answer, or is busy, so that nothing is known of what it has."""


class NotThereError(UserError):
    """The server answers that it has no such file."""


@lru_cache(maxsize=1024)
def remote_size(address: str) -> int | None:
    """Size in bytes of the file at an https address, without downloading it; None where the server does not tell.

    Each address is asked once in a process. Raises NotThereError where the file does not exist, UnreachableError where
    the server cannot be reached or is busy, and UserError where it refuses.
    """
    shown = public_address(address)
    try:
        try:
            return _size_told(address, "HEAD")
        except urllib.error.HTTPError as error:
            if error.code not in REFUSES_HEAD:
                raise
            return _size_told(address, "GET")
    except urllib.error.HTTPError as error:
        raise _refusal(error, shown) from error
    except http.client.InvalidURL as error:
        raise UserError(f"{shown}: not an address") from error  # the error's text holds the query
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{shown}: cannot be reached ({getattr(error, 'reason', error)})") from error


def _size_told(address: str, method: str) -> int | None:
    """The size in the headers of an answer; a GET asks for one byte, and where all are sent, they are not read."""
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
    if error.code in NOT_THERE:
        return NotThereError(message)
    return UnreachableError(message) if error.code in PASSING else UserError(message)


def download(address: str, cache: Path, progress: Progress = QUIET, *, sha256: str | None = None) -> Path:
    """Fetch an address into `cache` under its own name unless it is there; a second process waits for the first.

    Each address has a folder of its own: many are called train.csv. Raises NotThereError where the server has no such
    file, and UserError when it cannot be had whole; what has come stays, and the next call goes on from there if the
    server lets it. With `sha256` (hex) the content is checked before it gets its name; UserError where it differs, and
    nothing of it stays.
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
        reason = "the disk is full: make room" if error.errno in FULL else str(error)
        raise UserError(f"{shown}: cannot be written to {folder}: {reason}") from error
    return target


def _fetch(address: str, target: Path, progress: Progress, sha256: str | None) -> None:
    """Try, and try again after a wait where that may help."""
    shown = public_address(address)
    partial = target.with_name(f".{target.name}.partial")
    told = ""
    for attempt in range(1, ATTEMPTS + 1):
        wait = None
        try:
            _receive(address, partial, progress)
            _check(partial, sha256, shown)
            partial.replace(target)
            _note(partial).unlink(missing_ok=True)
            return
        except urllib.error.HTTPError as error:
            told = f"{STATUS.get(error.code, 'cannot be downloaded')} ({error.code})"
            wait = error.headers["Retry-After"]
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)  # it is no part of what is there now
            elif error.code not in PASSING:
                raise _refusal(error, shown) from error
        except http.client.InvalidURL as error:
            raise UserError(f"{shown}: not an address") from error  # the error's text holds the query
        except (_BrokeOffError, http.client.IncompleteRead):
            told = "broke off; run the command again to go on from there"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            told = f"cannot be downloaded: {getattr(error, 'reason', error)}"
        if attempt < ATTEMPTS:
            time.sleep(min(float(wait) if wait and wait.isdecimal() else 2.0**attempt, LONGEST_WAIT))
    raise UserError(f"{shown}: {told}")


def _receive(address: str, partial: Path, progress: Progress) -> None:
    """Add to `partial` what it lacks. Raises _BrokeOffError when it is not whole then."""
    validator, size = _read_note(partial)
    have = partial.stat().st_size if partial.is_file() else 0
    if have and have == size:  # killed before it got its name
        return
    with urllib.request.urlopen(_request(address, have, validator), timeout=TIMEOUT) as reply:  # noqa: S310 - http(s) only
        if reply.status == http.HTTPStatus.PARTIAL_CONTENT:
            size = _continued(reply.headers, have, validator, partial) or size
        else:
            have = 0
            length = reply.headers["Content-Length"] or ""
            size = int(length) if length.isdecimal() else None
            partial.write_bytes(b"")  # before the note, which must never speak of other bytes
            _note(partial).write_text(json.dumps([_strong(reply.headers), size]), encoding="utf-8")
        name = partial.name.removeprefix(".").removesuffix(".partial")
        total = None if size is None else -(-(size - have) // CHUNK)
        with partial.open("ab") as file:
            for chunk in progress.track(_chunks(reply), f"download {name}, MiB", total):
                file.write(chunk)
    if size is not None and partial.stat().st_size != size:
        raise _BrokeOffError


def _check(partial: Path, expected: str | None, shown: str) -> None:
    """Raise a UserError where the content is not the expected one, and drop it, so that the next call begins anew."""
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
    """The whole file's size, by a reply that is to go on from byte `have`.

    Some servers know Range and not If-Range: a reply about another file, or another part of it, drops `partial`.
    """
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers["Content-Range"] or "")
    if match is None or int(match[1]) != have or _strong(headers) not in ("", validator):
        partial.unlink(missing_ok=True)
        raise _BrokeOffError
    return None if match[2] == "*" else int(match[2])


def _request(address: str, have: int, validator: str) -> urllib.request.Request:
    """A request for what is lacking: from byte `have` on, if the file is still the one that was begun."""
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
    """What tells this content from another: a strong ETag, else the time of change; "" if the server gives neither."""
    etag = headers["ETag"] or ""
    return etag if etag.startswith('"') else headers["Last-Modified"] or ""


def _chunks(reply: Any) -> Iterator[bytes]:
    while chunk := reply.read(CHUNK):
        yield chunk


def _note(partial: Path) -> Path:
    return partial.with_suffix(".note")


def _read_note(partial: Path) -> tuple[str, int | None]:
    """What the server said of the file that `partial` is the beginning of: its validator, its bytes."""
    try:
        validator, size = json.loads(_note(partial).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a full disk may have cut it short
        return "", None
    return validator, size
