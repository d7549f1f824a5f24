"""Subtitles: timings and markup removed, sentences joined over cues."""

from pathlib import Path

import pytest
from lrl_adapt.corpora.documents import read_document
from lrl_adapt.workspace.errors import UserError

SRT = """\
1
00:00:01,000 --> 00:00:02,500
- Uko wapi?
- Niko <i>hapa</i>.

2
00:00:03,000 --> 00:00:04,000
{\\an8}Nilikuwa nikienda

3
00:00:04,000 --> 00:00:06,000
sokoni,
lakini mvua ilinyesha.

4
00:00:20,000 --> 00:00:21,000
[muziki]

5
00:00:30,000 --> 00:00:31,000
Baadaye 2010
nilirudi
"""
VTT = """\
WEBVTT - Habari

STYLE
::cue { color: white }

NOTE
Maelezo ya mtafsiri.

mwanzo
00:01.000 --> 00:02.000 align:start position:0%
<v Asha>Habari za <00:01.500><c>asubuhi &amp; jioni

00:02.000 --> 00:04.000
Habari za asubuhi & jioni
kwa wote.
"""


def test_srt(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT.replace("\n", "\r\n"), encoding="utf-8-sig")
    extracted = read_document(tmp_path / "a.srt")
    assert extracted.paragraphs == [
        "Uko wapi?",
        "Niko hapa.",
        "Nilikuwa nikienda sokoni, lakini mvua ilinyesha.",
        "Baadaye 2010 nilirudi",
    ]
    assert +extracted.changes == {"subtitle timings removed": 5, "sound descriptions removed": 1}


def test_vtt_with_captions_that_roll(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(VTT)
    extracted = read_document(tmp_path / "a.vtt")
    assert extracted.paragraphs == ["Habari za asubuhi & jioni kwa wote."]
    assert +extracted.changes == {"subtitle timings removed": 2, "repeated subtitle lines removed": 1}


def test_cues_without_blank_lines_between_them(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:01:00,0 --> 00:01:01,0\nMoja.\n2\n00:01:02,0 --> 00:01:03,0\nMbili.\n")
    assert read_document(tmp_path / "a.srt").paragraphs == ["Moja.", "Mbili."]


def test_a_legacy_encoding_is_reported(tmp_path: Path) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,500\nГде ты был вчера?\n"
    (tmp_path / "a.srt").write_text(text, encoding="cp1251")
    extracted = read_document(tmp_path / "a.srt", script="Cyrl")
    assert extracted.paragraphs == ["Где ты был вчера?"]
    assert extracted.notes[0].startswith("not UTF-8: read as cp1251")


def test_a_file_without_cues(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("Habari\n")
    with pytest.raises(UserError, match=r"a\.srt: no subtitles"):
        read_document(tmp_path / "a.srt")
