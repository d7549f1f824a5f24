"""Downloads from https addresses: under a lock, resumed where they broke off, whole or not there."""

import base64
import errno
import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from .errors import UserError
from .progress import QUIET, Progress

CHUNK = 1 << 20
ATTEMPTS = 3
LONGEST_WAIT = 30.0  # seconds before another attempt
TIMEOUT = 60  # seconds without a byte
PASSING = (429, 500, 502, 503, 504)
STATUS = {
    401: "wants a login",
    403: "refuses access",
    404: "no such file",
    410: "the file is no longer there",
    429: "too many requests; wait some minutes",
}


def public_address(location: str) -> str:
    """An address without user, password and query, which may hold secrets; other locations as they are."""
    if "://" not in location:
        return location
    parts = urllib.parse.urlsplit(location)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(address: str, cache: Path, progress: Progress = QUIET) -> Path:
    """Fetch an address into `cache` under its own name unless it is there; a second process waits for the first.

    Each address has a folder of its own: many are called train.csv. Raises UserError when the file cannot be had whole;
    what has come stays, and the next call goes on from there if the server lets it.
    """
    folder = cache / hashlib.sha256(address.encode()).hexdigest()[:8]
    target = folder / (urllib.parse.unquote(urllib.parse.urlsplit(address).path).rsplit("/", 1)[-1] or "file")
    if target.is_file():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not target.is_file():
                _fetch(address, target, progress)
    except OSError as error:
        reason = "the disk is full: make room" if error.errno == errno.ENOSPC else str(error)
        raise UserError(f"{public_address(address)}: cannot be written to {folder}: {reason}") from error
    return target


def _fetch(address: str, target: Path, progress: Progress) -> None:
    """Try, and try again after a wait where that may help."""
    partial = target.with_name(f".{target.name}.partial")
    told = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if _receive(address, partial, progress):
                partial.replace(target)
                _validator(partial).unlink(missing_ok=True)
                return
            told, wait = "broke off; run the command again to go on from there", None
        except urllib.error.HTTPError as error:
            told, wait = (
                f"{STATUS.get(error.code, 'cannot be downloaded')} ({error.code})",
                error.headers["Retry-After"],
            )
            if error.code == 416:  # what has come is no part of what is there now
                partial.unlink(missing_ok=True)
            elif error.code not in PASSING:
                raise UserError(f"{public_address(address)}: {told}") from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            told, wait = f"cannot be downloaded: {getattr(error, 'reason', error)}", None
        if attempt < ATTEMPTS:
            time.sleep(min(float(wait) if wait and wait.isdecimal() else 2.0**attempt, LONGEST_WAIT))
    raise UserError(f"{public_address(address)}: {told}")


def _receive(address: str, partial: Path, progress: Progress) -> bool:
    """Add to `partial` what it lacks; True when it is whole then."""
    have = partial.stat().st_size if partial.is_file() else 0
    kept = _validator(partial)
    with urllib.request.urlopen(_request(address, have, kept), timeout=TIMEOUT) as reply:  # noqa: S310 - http(s) only
        if reply.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0
        kept.write_text(_strong(reply.headers), encoding="utf-8")
        length = reply.headers["Content-Length"]
        expected = have + int(length) if length is not None else None
        name = partial.name.removeprefix(".").removesuffix(".partial")
        total = None if expected is None else -(-(expected - have) // CHUNK)
        with partial.open("ab" if have else "wb") as file:
            for chunk in progress.track(_chunks(reply), f"download {name}, MiB", total):
                file.write(chunk)
    return expected is None or partial.stat().st_size == expected


def _request(address: str, have: int, kept: Path) -> urllib.request.Request:
    """A request for what is lacking: from byte `have` on, if the file is still the one that was begun."""
    parts = urllib.parse.urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)))  # noqa: S310
    if login:
        secret = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    validator = kept.read_text(encoding="utf-8") if have and kept.is_file() else ""
    if validator:
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


def _validator(partial: Path) -> Path:
    return partial.with_suffix(".validator")
