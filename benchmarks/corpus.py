"""Preparing a corpus (clean, drop duplicates, split): MB/s, compared with `wc` and a plain loop over the lines.

    LRL_DATA=~/data python benchmarks/corpus.py
    LRL_DATA=~/data python benchmarks/corpus.py --pages   # lines of the same files joined to web-page length

Reads every file of $LRL_DATA/text in turn until --megabytes are reached; from the second time on with the words of each
line in another order, so that they are no near-duplicates.
"""

import gzip
import json
import sys
import tempfile
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
    arguments = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.jsonl" if arguments.pages else "text.txt")
        size = write_text(data, text, arguments.megabytes * 1_000_000, pages=arguments.pages)
        print(f"{size / 1e6:.0f} MB of text\n")
        fresh = f'rm -rf {folder}/runs && exec "$0" "$@"'  # else the artifact of the round before would be reused
        contenders = [
            Contender("lrl-adapt", ["bash", "-c", fresh, sys.executable, "-c", OURS, str(text), f"{folder}/runs"]),
            Contender("wc", ["wc", str(text)]),
            Contender("Python loop, all lines in a set", [sys.executable, "-c", LOOP, str(text)]),
        ]
        compare(contenders, size / 1e6, "MB", arguments.rounds)


def write_text(data: Path, path: Path, wanted: int, *, pages: bool) -> int:
    """Write about `wanted` bytes of real text, a line or (`pages`) 40 lines a document; returns the bytes written."""
    files = sorted((data / "text").glob("*.txt.gz"))
    size = turn = 0
    with path.open("w", encoding="utf-8") as file:
        while size < wanted:
            for source in files:
                lines = gzip.decompress(source.read_bytes()).decode().splitlines()
                if turn:  # words in another order: no near-duplicates of the first turn
                    lines = [" ".join(line.split()[turn % 7 :: 2] + line.split()[::2]) for line in lines]
                if pages:
                    groups = ["\n".join(lines[start : start + 40]) for start in range(0, len(lines), 40)]
                    lines = [json.dumps({"text": group}, ensure_ascii=False) for group in groups]
                file.writelines(f"{line}\n" for line in lines)
                size += sum(len(line.encode()) + 1 for line in lines)
                if size >= wanted:
                    break
            turn += 1
    return size


if __name__ == "__main__":
    main()
