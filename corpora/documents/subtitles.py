"""SubRip (.srt) and WebVTT (.vtt) subtitles: timings, numbers and markup removed, sentences joined over cues.

SubRip has no standard; a cue is a number, a line of times and lines of text (as ffmpeg and VLC read it). WebVTT:
https://www.w3.org/TR/webvtt1/.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from ...workspace.errors import UserError
from .extracted import Extracted
from .paragraphs import ends_sentence

TIMES = re.compile(r"\s*((?:\d+:)?\d{1,2}:\d{1,2}[,.]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{1,2}[,.]\d{1,3})(?:\s.*)?")
NOT_CUES = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)(\s|$)")
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")  # <i>, <v Speaker>, <00:01.5>; {\an8} of SubStation Alpha
SOUND = re.compile(r"[\[(（][^\[\]()（）]*[\])）]|[♪♫#\s]+")
SPEAKER_DASH = re.compile(r"[-‐–—]\s*(?=\S)")
BEGINNING = 20  # lines among which the first cue of a file is looked for, after the header of WebVTT
PAUSE = 3.0  # seconds without text after which a sentence is taken as over


@dataclass
class _Cue:
    start: float
    end: float
    lines: list[str] = field(default_factory=list)


def read_subtitles(path: Path, text: str) -> Extracted:
    """The sentences of a subtitle file. Raises UserError if it has no cues."""
    extracted = Extracted()
    cues = _cues(text)
    if not cues:
        raise UserError(f"{path}: no subtitles: expected lines such as 00:00:01,000 --> 00:00:04,000")
    extracted.changes["subtitle timings removed"] = len(cues)
    sentence, previous, end = "", [], 0.0
    for cue in cues:
        lines = [line for line in cue.lines if not SOUND.fullmatch(line)]
        extracted.changes["sound descriptions removed"] += len(cue.lines) - len(lines)
        repeated = _repeated(previous, lines)
        extracted.changes["repeated subtitle lines removed"] += repeated
        if cue.start - end > PAUSE:
            extracted.add(sentence)
            sentence = ""
        for line in lines[repeated:]:
            spoken = SPEAKER_DASH.sub("", line, count=1) if SPEAKER_DASH.match(line) else line
            if ends_sentence(sentence) or spoken != line:
                extracted.add(sentence)
                sentence = ""
            sentence = f"{sentence} {spoken}"
        previous, end = lines or previous, max(end, cue.end)
    extracted.add(sentence)
    return extracted


def refuse_subtitles(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """The lines of a text file. Raises UserError if they are subtitles under another name, by the first ones."""
    beginning, rest = [], iter(lines)
    for line in islice(rest, BEGINNING):
        beginning.append(line)
        if TIMES.fullmatch(line.strip()):
            ending = ".vtt" if beginning[0].lstrip("\ufeff").startswith("WEBVTT") else ".srt"
            raise UserError(f"{path} holds subtitles: rename it to end in {ending}")
    return chain(beginning, rest)


def _cues(text: str) -> list[_Cue]:
    cues: list[_Cue] = []
    for block in re.split(r"\n\s*\n", text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        times = [(number, match) for number, line in enumerate(lines) if (match := TIMES.fullmatch(line))]
        if not times:
            # The text of a SubRip cue may hold a blank line.
            if cues and not NOT_CUES.match(block):
                cues[-1].lines.extend(_spoken(lines))
            continue
        for (number, match), following in zip(times, [*times[1:], (len(lines) + 1, None)], strict=True):
            # The line before the next cue's times is its number.
            spoken = _spoken(lines[number + 1 : following[0] - 1])
            cues.append(_Cue(_seconds(match.group(1)), _seconds(match.group(2)), list(spoken)))
    return cues


def _spoken(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if text := html.unescape(MARKUP.sub("", line)).strip():
            yield text


def _repeated(previous: list[str], lines: list[str]) -> int:
    """How many lines at the start repeat the end of the previous cue, as automatic captions that roll do."""
    return max((count for count in range(1, len(lines) + 1) if previous[-count:] == lines[:count]), default=0)


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
