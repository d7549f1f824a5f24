"""Preparing a corpus (clean, drop duplicates, split): MB/s, compared with `wc` and a plain loop over the lines.

    LRL_DATA=~/data python benchmarks/corpus.py
    LRL_DATA=~/data python benchmarks/corpus.py --pages   # lines of the same files joined to web-page length
    LRL_DATA=~/data python benchmarks/corpus.py --megabytes 10000 --rounds 1 --alone   # takes 50 GB of disk

Reads every file of $LRL_DATA/text in turn until --megabytes are reached; from the second time on with its letters
exchanged for each other, so that its lines are no near-duplicates of those before.
"""

import gzip
import json
import random
import sys
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path

from measure import Contender, compare, data_folder, parser_of

OURS = """
import os, sys
from pathlib import Path
from lrl_adapt.corpora.prepare import prepare_corpus
from lrl_adapt.recipes.schema import Recipe
corpus = {"files": [sys.argv[1]], "min_script": 0}
recipe = {"language": "eng_Latn", "base": {"from_scratch": {}}, "corpus": corpus}
prepare_corpus(Recipe.model_validate(recipe), Path(sys.argv[2]), workers=os.cpu_count() or 1)
"""
LOOP = """
import sys
seen = set()
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        line = " ".join(line.split())
        if len(line) >= 10:
            seen.add(line)
"""


def main() -> None:
    parser = parser_of(__doc__, megabytes=100, rounds=3)
    parser.add_argument("--pages", action="store_true")
    parser.add_argument(
        "--alone", action="store_true", help="only lrl-adapt: the memory of the loop grows with the text"
    )
    parser.add_argument("--folder", type=Path, help="where the text and the workspace are written; default: /tmp")
    arguments = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        text = Path(folder, "text.jsonl" if arguments.pages else "text.txt")
        size = write_text(data, text, arguments.megabytes * 1_000_000, pages=arguments.pages)
        print(f"{size / 1e6:.0f} MB of text\n")
        fresh = f'rm -rf {folder}/runs && exec "$0" "$@"'  # else the artifact of the round before would be reused
        contenders = [
            Contender("lrl-adapt", ["bash", "-c", fresh, sys.executable, "-c", OURS, str(text), f"{folder}/runs"]),
            Contender("wc", ["wc", str(text)]),
            Contender("Python loop, all lines in a set", [sys.executable, "-c", LOOP, str(text)]),
        ]
        compare(contenders[:1] if arguments.alone else contenders, size / 1e6, "MB", arguments.rounds)


def write_text(data: Path, path: Path, wanted: int, *, pages: bool) -> int:
    """Write about `wanted` bytes of real text, a line or (`pages`) 40 lines a document; returns the bytes written."""
    files = sorted((data / "text").glob("*.txt.gz"))
    size = turn = 0
    with path.open("w", encoding="utf-8") as file:
        while size < wanted:
            for source in files:
                text = gzip.decompress(source.read_bytes()).decode()
                lines = (text.translate(other_letters(text, turn)) if turn else text).splitlines()
                if pages:
                    groups = ["\n".join(lines[start : start + 40]) for start in range(0, len(lines), 40)]
                    lines = [json.dumps({"text": group}, ensure_ascii=False) for group in groups]
                file.writelines(f"{line}\n" for line in lines)
                size += sum(len(line.encode()) + 1 for line in lines)
                if size >= wanted:
                    break
            turn += 1
    return size


def other_letters(text: str, seed: int) -> dict[int, int]:
    """For `str.translate`: another letter of the same script and category for each letter of the text."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for character in sorted(set(text)):
        if (category := unicodedata.category(character)).startswith("L"):
            groups[category, unicodedata.name(character, "").partition(" ")[0]].append(character)
    order, table = random.Random(seed), {}
    for letters in groups.values():
        table |= zip(letters, order.sample(letters, len(letters)), strict=True)
    return str.maketrans(table)


if __name__ == "__main__":
    main()
