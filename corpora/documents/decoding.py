"""Text in unknown encodings: which one fits, and how sure that is.

UTF-8 is recognised by its form, UTF-16 by its byte-order mark or its zero bytes. Among legacy encodings of a byte per
character the bytes alone do not decide: ħ in ISO 8859-3 is ą in ISO 8859-2. The language's script and signs that do not
belong inside words exclude most of them; where two different readings remain, the file is refused with both.
"""

import codecs
import gzip
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import regex
from fontTools.unicodedata import script as script_of

from ...workspace.contents import binary_content
from ...workspace.errors import UserError
from ...workspace.tables.opening import BYTE_ORDER_MARKS, GZIP
from ..line_features import NO_SCRIPT, SCRIPT_MEMBERS

# By script, the encodings of the WHATWG's Encoding Standard (encoding.spec.whatwg.org), Windows' first. Those of the
# second tuple are rare: they are tried only if none of the first fits.
BY_SCRIPT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Latn": (
        ("cp1252", "cp1250", "cp1254", "cp1257", "cp1258", "iso8859-2", "iso8859-3", "iso8859-15"),
        ("iso8859-4", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-16", "mac_roman"),
    ),
    "Cyrl": (("cp1251", "koi8-r", "koi8-u"), ("iso8859-5", "cp866", "mac_cyrillic")),
    "Grek": (("cp1253", "iso8859-7"), ()),
    "Arab": (("cp1256",), ("iso8859-6",)),
    "Hebr": (("cp1255", "iso8859-8"), ()),
    "Thai": (("cp874",), ()),
    "Jpan": (("shift_jis", "euc_jp"), ()),
    "Hani": (("gb18030", "big5"), ()),
    "Hans": (("gb18030",), ("big5",)),
    "Hant": (("big5",), ("gb18030",)),
    "Kore": (("cp949",), ()),
}
UTF16_FITS = 0.8  # share of assigned characters, times that of the language's script
FITS = 0.03  # share of misplaced characters up to which a reading fits
CLEAR = 0.01  # the same for common encodings; if they do not fit as well, the rare ones are tried, too
IN_SCRIPT = 0.7  # share of the letters beyond ASCII that belong to the language's script
MARGIN = 0.02  # readings whose shares differ by less are equally good
SAMPLE = 200_000  # bytes of lines with others than ASCII, which decide
CHUNK = 1 << 20
HEAD = 512  # bytes: a zero among them is a sign of UTF-16
WORD = regex.compile(r"[\p{L}\p{M}]+")
ASCII_RUN = regex.compile(r"[\x00-\x7f]+")
LETTER, SMALL, CAPITAL = regex.compile(r"[\p{L}\p{M}]"), regex.compile(r"\p{Ll}"), regex.compile(r"\p{Lu}")
# Signs beside letters, Latin-1's ª µ º among them; control characters; a capital after a small letter.
MISPLACED = regex.compile(
    r"(?<=[\p{L}\p{M}])[\p{S}\p{No}ªµº--[\x00-\x7f]]|[\p{S}\p{No}ªµº--[\x00-\x7f]](?=[\p{L}\p{M}])"
    r"|[\x80-\x9f\ufffd\p{Co}\p{Cn}]|(?<=\p{Ll})[\p{Lu}--[\x00-\x7f]]",
    regex.V1,
)


@dataclass(frozen=True)
class Encoding:
    """How to decode a file."""

    codec: str
    note: str | None = None
    """What to tell about it: nothing if it is UTF-8."""


@dataclass(frozen=True)
class _Reading:
    """A sample as one encoding reads it."""

    codec: str
    text: str
    in_script: float
    """Share of the language's script among its letters beyond ASCII."""
    misplaced: float
    """Characters that are unlikely where they stand, per character beyond ASCII."""


def find_encoding(path: Path, chosen: str | None, script: str | None) -> Encoding:
    """The encoding of a file, plain or gzipped: `chosen`, or UTF-8, UTF-16 or UTF-32, or the only one that fits.

    `script` is the ISO 15924 code of the language's script. Raises UserError where no encoding or several fit, and
    where UTF-8 is damaged.
    """
    first = next(_chunks(path), b"")
    if what := binary_content(path, first):
        raise UserError(f"{path} is {what}")
    if chosen is not None:
        return Encoding("utf-8-sig" if codecs.lookup(chosen).name == "utf-8" else chosen)
    for mark, codec, name in BYTE_ORDER_MARKS:
        if first.startswith(mark):
            return Encoding(codec, f"in {name}")
    if b"\0" not in first[:HEAD] and _is_utf8(path):  # text may hold a stray zero
        return Encoding("utf-8-sig")
    if b"\0" in first:
        return _utf16(path, first, script)
    return _legacy(path, script)


def decode_file(path: Path, chosen: str | None, script: str | None) -> tuple[str, list[str]]:
    """The text of a file and notes on its encoding. Raises UserError as `find_encoding`, and for undecodable bytes."""
    return decode_bytes(path, b"".join(_chunks(path)), find_encoding(path, chosen, script))


def decode_bytes(path: Path, data: bytes, encoding: Encoding) -> tuple[str, list[str]]:
    """The text of `data` and notes on its encoding. Raises UserError, naming `path`, if it cannot be decoded."""
    try:
        return data.decode(encoding.codec), [encoding.note] if encoding.note else []
    except UnicodeError as error:
        raise UserError(undecodable(path, encoding.codec, error)) from error


def undecodable(path: Path, codec: str, error: UnicodeError) -> str:
    """The message for a file that is not in an encoding."""
    reason = f"byte {error.start}: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)
    return f"{path}: not {codec.removesuffix('-sig')} text ({reason}); set corpus.encoding"


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked, a chunk at a time."""
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(2) == GZIP
        with gzip.open(path) if gzipped else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); download or create it again") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _utf16(path: Path, start: bytes, script: str | None) -> Encoding:
    """UTF-16 without a byte-order mark, if its characters are assigned and in the language's script."""
    scores = {}
    for codec in ("utf-16-le", "utf-16-be"):
        text = start[: len(start) // 2 * 2].decode(codec, "replace")
        strange = sum(
            unicodedata.category(character) in ("Cc", "Cn", "Co") and not character.isspace() for character in text
        )
        scores[codec] = (1 - strange / max(1, len(text))) * _share_in_script(text, script)
    codec = max(scores, key=scores.__getitem__)
    if scores[codec] < UTF16_FITS:
        raise UserError(
            f"{path}: a binary file, or text in an unknown encoding: save it as UTF-8, or set corpus.encoding"
        )
    return Encoding(codec, f"read as {codec} without a byte-order mark (confidence {scores[codec]:.0%})")


def _legacy(path: Path, script: str | None) -> Encoding:
    sample = _sample(path)
    repaired = sample.decode("utf-8", "replace")
    broken = repaired.count("\ufffd")
    if sum(character > "\x7f" for character in repaired) > 2 * broken:
        raise UserError(f"{path}: {_first_broken_line(path)}: not UTF-8 text, although the rest is; save it as UTF-8")
    common, rare = _candidates(script)
    readings = _best(list(_readings(sample, common, script)))
    if not readings or readings[0].misplaced > CLEAR:
        readings = _best(list(_readings(sample, (*common, *rare), script)))
    if not readings:
        line = _first_broken_line(path)
        raise UserError(
            f"{path}: {line}: not UTF-8 text, and no other encoding fits: save it as UTF-8, or set corpus.encoding"
        )
    if len(readings) > 1:
        choices = ", ".join(f"{codec} ({word})" for word, codec in _choices(readings).items())
        raise UserError(
            f"{path}: not UTF-8 text, and several encodings fit: {choices}: save it as UTF-8, or set corpus.encoding"
        )
    reading = readings[0]
    confidence = (1 - reading.misplaced) * reading.in_script
    fit = f"the only encoding that fits ({confidence:.0%}: {_sample_words(reading.text)})"
    return Encoding(reading.codec, f"not UTF-8: read as {reading.codec}, {fit}; set corpus.encoding if that is wrong")


def _sample(path: Path) -> bytes:
    """Lines that are not ASCII, about SAMPLE bytes of them."""
    lines: list[bytes] = []
    size, rest = 0, b""
    for chunk in _chunks(path):
        *complete, rest = (rest + chunk).splitlines(keepends=True)
        for line in [line for line in complete if not line.isascii()]:
            lines.append(line)
            size += len(line)
        if size > SAMPLE:
            return b"".join(lines)
    return b"".join(lines) + rest


def _first_broken_line(path: Path) -> str:
    number, rest = 0, b""
    for chunk in _chunks(path):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            number += 1
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"line {number}"
    return f"line {number + 1}"


def _candidates(script: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The common and the rare encodings of a script; where it is unknown, those of all scripts."""
    if script in BY_SCRIPT:
        return BY_SCRIPT[script]
    if script not in (None, "Zyyy"):
        return (), ()
    common, rare = (dict.fromkeys(chain.from_iterable(names)) for names in zip(*BY_SCRIPT.values(), strict=True))
    return tuple(common), tuple(rare)


def _readings(sample: bytes, names: Iterable[str], script: str | None) -> Iterator[_Reading]:
    for codec in names:
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        beyond = ASCII_RUN.sub("", text)
        small, capital = len(SMALL.findall(beyond)), len(CAPITAL.findall(beyond))
        # Most letters are small; KOI8 and the other Cyrillic encodings exchange the two cases.
        misplaced = len(MISPLACED.findall(text)) + max(0, capital - small)
        yield _Reading(codec, text, _share_in_script(beyond, script), min(1.0, misplaced / max(1, len(beyond))))


def _share_in_script(text: str, script: str | None) -> float:
    if script is None:
        return 1.0
    members = SCRIPT_MEMBERS.get(script, (script,))
    scripts = Counter(script_of(character) for character in LETTER.findall(text))
    with_script = sum(count for name, count in scripts.items() if name not in NO_SCRIPT)
    return sum(scripts[name] for name in members) / with_script if with_script and script != "Zyyy" else 1.0


def _best(readings: list[_Reading]) -> list[_Reading]:
    """The readings that fit and differ from one another, best first; of equal texts, that of the first encoding."""
    fitting = [reading for reading in readings if reading.misplaced <= FITS and reading.in_script >= IN_SCRIPT]
    least = min((reading.misplaced for reading in fitting), default=0.0)
    different: dict[str, _Reading] = {}
    for reading in fitting:
        if reading.misplaced <= least + MARGIN:
            different.setdefault(reading.text, reading)
    return sorted(different.values(), key=lambda reading: reading.misplaced)


def _sample_words(text: str) -> str:
    """The three words with the rarest characters beyond ASCII: a reader of the language sees whether they are right."""
    characters = Counter(ASCII_RUN.sub("", text))
    words = [word for word in dict.fromkeys(WORD.findall(text)) if not word.isascii()]
    words.sort(key=lambda word: min(characters[character] for character in word if character > "\x7f"))
    return ", ".join(words[:3]) or "only in signs"


def _choices(readings: list[_Reading]) -> dict[str, str]:
    """A word as the readings have it, one that has as many forms as possible: form -> first encoding that has it."""
    rows = zip(*(reading.text.split()[:5000] for reading in readings), strict=False)
    texts = tuple(reading.text for reading in readings)
    words = max(rows, key=lambda words: len(set(words)), default=texts)  # one may have no words
    forms: dict[str, str] = {}
    for reading, word in zip(readings, words, strict=True):
        forms.setdefault(word[:30], reading.codec)
    return forms
