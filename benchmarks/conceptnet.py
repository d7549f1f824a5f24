"""Extracting five languages from a ConceptNet dump: rows/s, compared with unpacking alone and a plain Python loop.

    python benchmarks/conceptnet.py              # 2 million rows, about 3 minutes, with writing the dump
    python benchmarks/conceptnet.py --rows 200000  # with fewer, the smallest language may have no edge

The dump is synthetic: rows of ConceptNet's format and length, with languages as frequent as in ConceptNet 5.7.
"""

import gzip
import json
import random
import sys
import tempfile
from pathlib import Path

from measure import Contender, compare, parser_of

LANGUAGES = ("swh_Latn", "mlt_Latn", "jav_Latn", "uig_Arab", "amh_Ethi")
# Edges by the language they start in, in ConceptNet 5.7 (counts published with arXiv 2502.10140); the rest is "xx".
SIZES = {
    "en": 5_123_286, "fr": 3_871_820, "de": 1_682_740, "ja": 1_473_713, "la": 1_103_644, "zh": 1_040_323, "it": 975_877,
    "es": 945_036, "ru": 672_836, "fi": 589_931, "pt": 502_566, "xx": 6_300_000, "sw": 17_048, "mt": 4_933, "jv": 5_949,
    "ug": 2_151, "am": 2_273,
}  # fmt: skip
RELATIONS = ("RelatedTo", "Synonym", "FormOf", "DerivedFrom", "IsA", "HasContext")
LETTERS = "abcdefghijklmnopqrstuvwxyz"

OURS = """
import sys
from pathlib import Path
from lrl_adapt.graphs.edges import extract_edges
from lrl_adapt.recipes.schema import Recipe
recipe = {"base": {"from_scratch": {}}, "graph": {"conceptnet": sys.argv[1]}, "source": "graph"}
extract_edges([Recipe.model_validate(recipe | {"language": name}) for name in sys.argv[3:]], Path(sys.argv[2]))
"""
LOOP = """
import gzip, json, sys
triples = {}
with gzip.open(sys.argv[1], "rt", encoding="utf-8") as file:
    for line in file:
        _, relation, start, end, details = line.rstrip("\\n").split("\\t")
        if end.startswith("http"):
            continue
        weight = json.loads(details)["weight"]
        triples.setdefault(start.split("/")[2], []).append((start, relation, end, weight))
print({language: len(edges) for language, edges in triples.items()})
"""


def main() -> None:
    arguments = parser_of(__doc__, rows=2_000_000, rounds=3).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder, "dump.csv.gz")
        write_dump(dump, arguments.rows)
        print(f"{arguments.rows:,} rows, {dump.stat().st_size / 1e6:.0f} MB packed; five languages\n")
        fresh = f'rm -rf {folder}/runs && exec "$0" "$@"'  # else the artifact of the round before would be reused
        ours = ["bash", "-c", fresh, sys.executable, "-c", OURS, str(dump), f"{folder}/runs", *LANGUAGES]
        contenders = [
            Contender("lrl-adapt", ours),
            Contender("zcat \\| wc -l", ["bash", "-c", f"zcat {dump} | wc -l"]),
            Contender("Python loop, all triples in a dict", [sys.executable, "-c", LOOP, str(dump)]),
        ]
        compare(contenders, arguments.rows / 1000, "thousand rows", arguments.rounds)


def write_dump(path: Path, rows: int) -> None:
    """Write a gzip'd dump of `rows` rows, the same every time."""
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(3, 12))) for _ in range(200_000)]
    source = {"contributor": "/s/resource/wiktionary/en", "process": "/s/process/wikiparsec/2"}
    details = [
        json.dumps({"dataset": "/d/wiktionary/en", "license": "cc:by-sa/4.0", "sources": [source], "weight": weight})
        for weight in (0.5, 1.0, 2.0)
    ]
    starts = rng.choices(list(SIZES), list(SIZES.values()), k=rows)
    with gzip.open(path, "wt", compresslevel=6, encoding="utf-8", newline="\n") as file:
        for language in starts:
            relation = f"/r/{rng.choice(RELATIONS)}"
            start = f"/c/{language}/{rng.choice(words)}{rng.choice(('', '/n', '/v', '/n/wn/animal'))}"
            end = f"/c/{rng.choice(('en', 'fr', language))}/{rng.choice(words)}"
            if rng.random() < 0.1:
                relation, end = "/r/ExternalURL", f"http://dbpedia.org/resource/{rng.choice(words)}"
            file.write(f"/a/[{relation}/,{start}/,{end}/]\t{relation}\t{start}\t{end}\t{rng.choice(details)}\n")


if __name__ == "__main__":
    main()
