"""Builds the quickstart's sample data from recipes/quickstart/data/sources.

    python benchmarks/quickstart/make_data.py [OUT_DIR]

The sources are sentences and sentence templates written for this project. The files have the formats of the real data
sources (GlotCC-V1, ConceptNet 5.7, SIB-200, a sentiment set, MasakhaNER 2), so that a recipe reads both alike.
The same sources always give the same files.

Template notation: ``[a|b]`` chooses one; ``<name>`` takes an entry of a lexicon (another one each time);
``noun/7`` gives a noun's agreement class, and the marks after it follow the last such noun:
``{S}`` subject prefix, ``{N}`` the same negative, ``{O}`` object prefix, ``{A}`` of, ``{P}`` possessive consonant,
``{D}`` this, ``{V}`` that, ``{ko}`` is at, ``{ingine}`` another, ``{-kubwa}`` an adjective.
"""

import csv
import gzip
import io
import json
import random
import re
import string
import sys
import uuid
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

SEED = 20240501
DRAWS_PER_TEMPLATE = 17
LANGUAGE = "swh_Latn"
SOURCES = Path(__file__).resolve().parents[2] / "recipes" / "quickstart" / "data" / "sources"

TOPIC_LABELS = {
    "science_technology": "science/technology",
    "travel": "travel",
    "politics": "politics",
    "sports": "sports",
    "health": "health",
    "entertainment": "entertainment",
    "geography": "geography",
}
TOPIC_SPLITS = {"train": 30, "validation": 10, "test": 15}  # for each of the seven categories
SENTIMENT_SPLITS = {"train": 80, "validation": 30, "test": 50}  # for each of the two labels
NER_SPLITS = {"train": 180, "validation": 60, "test": 90}
HELD_OUT_PER_TOPIC = 10
PAGE_SIZES = (3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 8)

# Agreement by noun class: one column for each of the classes 1 to 11.
CLASS_COLUMNS = {
    "S": "a wa u i li ya ki vi i zi u",
    "N": "ha hawa hau hai hali haya haki havi hai hazi hau",
    "O": "m wa u i li ya ki vi i zi u",
    "A": "wa wa wa ya la ya cha vya ya za wa",
    "P": "w w w y l y ch vy y z w",
    "D": "huyu hawa huu hii hili haya hiki hivi hii hizi huu",
    "V": "yule wale ule ile lile yale kile vile ile zile ule",
    "ko": "yuko wako uko iko liko yako kiko viko iko ziko uko",
    "ingine": "mwingine wengine mwingine mingine jingine mengine kingine vingine nyingine nyingine mwingine",
    "-ingi": "mwingi wengi mwingi mingi jingi mengi kingi vingi nyingi nyingi mwingi",
    "-ote": "wote wote wote yote lote yote chote vyote yote zote wote",
    "-pya": "mpya wapya mpya mipya jipya mapya kipya vipya mpya mpya mpya",
}
CONCORDS = {mark: dict(enumerate(row.split(), start=1)) for mark, row in CLASS_COLUMNS.items()}
ADJECTIVE_PREFIXES = {1: "m", 2: "wa", 3: "m", 4: "mi", 5: "", 6: "ma", 7: "ki", 8: "vi", 11: "m"}
NASAL_ADJECTIVES = {"dogo": "ndogo", "zuri": "nzuri", "refu": "ndefu", "baya": "mbaya", "kubwa": "kubwa"}

DATASETS = {
    "wiktionary": ("cc:by-sa/4.0", {"process": "/s/process/wikiparsec/2"}, "/s/resource/wiktionary/{name}"),
    "wordnet": ("cc:by/4.0", {}, "/s/resource/wordnet/rdf/{name}"),
    "conceptnet": ("cc:by/4.0", {"activity": "/s/activity/omcs/vote"}, "/s/contributor/omcs/example"),
    "dbpedia": ("cc:by-sa/4.0", {}, "/s/resource/dbpedia/2015/{name}"),
}
SURFACE_PHRASES = {
    "RelatedTo": "[[{start}]] is related to [[{end}]]",
    "IsA": "[[{start}]] is a type of [[{end}]]",
    "UsedFor": "[[{start}]] is used for [[{end}]]",
    "AtLocation": "You are likely to find [[{start}]] in [[{end}]]",
}


class DataError(RuntimeError):
    """The sources do not give the data they should."""


def concord(mark: str, noun_class: int) -> str:
    """The form that ``mark`` takes with a noun of that class."""
    if mark in CONCORDS:
        return CONCORDS[mark][noun_class]
    stem = mark.removeprefix("-")
    if stem == mark or stem not in NASAL_ADJECTIVES:
        raise DataError(f"unknown agreement mark {{{mark}}}")
    if noun_class in (9, 10):
        return NASAL_ADJECTIVES[stem]
    return ADJECTIVE_PREFIXES[noun_class] + stem


def agree(text: str) -> str:
    """Removes the class marks of nouns and resolves each agreement mark by the last noun before it."""
    noun_class: int | None = None

    def resolve(match: re.Match[str]) -> str:
        nonlocal noun_class
        if match["noun_class"]:
            noun_class = int(match["noun_class"])
            return ""
        if noun_class is None:
            raise DataError(f"no noun before {match[0]} in: {text}")
        return concord(match["mark"], noun_class)

    return re.sub(r"/(?P<noun_class>\d+)|\{(?P<mark>[^}]+)\}", resolve, text)


def expand(template: str, lexica: dict[str, list[str]], rng: random.Random) -> str:
    """One sentence of a template: innermost choices first, no lexicon entry twice while others are left."""
    used: dict[str, set[str]] = {}

    def choose(match: re.Match[str]) -> str:
        if match[1] is not None:
            return rng.choice(match[1].split("|"))
        name = match[2]
        if name not in lexica:
            raise DataError(f"no lexicon <{name}> for: {template}")
        taken = used.setdefault(name, set())
        entry = rng.choice([entry for entry in lexica[name] if entry not in taken] or lexica[name])
        taken.add(entry)
        return entry

    text, count = template, 1
    while count:
        text, count = re.subn(r"\[([^\[\]<>]*)\]|<(\w+)>", choose, text, count=1)
    text = re.sub(r"\s+([.,?!])", r"\1", " ".join(agree(text).split()))
    return text if text.startswith("@") else text[0].upper() + text[1:]


def read_sentences(path: Path, lexica: dict[str, list[str]]) -> list[str]:
    """All distinct sentences of a source file: the plain lines, and up to DRAWS_PER_TEMPLATE of each template."""
    sentences: dict[str, None] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        rng = random.Random(f"{SEED}:{path.name}:{line}")
        drawn: set[str] = set()
        for _ in range(DRAWS_PER_TEMPLATE * 6 if re.search(r"[\[<{]", line) else 1):
            sentence = expand(line, lexica, rng)
            if sentence not in drawn and len(drawn) < DRAWS_PER_TEMPLATE:
                drawn.add(sentence)
                sentences[sentence] = None
    return list(sentences)


def deal(sentences: list[str], splits: dict[str, int], rng: random.Random) -> dict[str, list[str]]:
    """Takes each split's number of sentences off ``sentences`` at random."""
    rng.shuffle(sentences)
    if len(sentences) < sum(splits.values()):
        raise DataError(f"{len(sentences)} sentences, but {sum(splits.values())} are needed")
    return {split: [sentences.pop() for _ in range(size)] for split, size in splits.items()}


# --- task sets ------------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 with bare newlines, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def write_topic(out: Path, pools: dict[str, list[str]], rng: random.Random) -> dict[str, list[str]]:
    """The topic task (SIB-200's shape); returns each split's sentences."""
    rows: dict[str, list[tuple[str, str]]] = {split: [] for split in TOPIC_SPLITS}
    for topic, label in TOPIC_LABELS.items():
        for split, sentences in deal(pools[topic], TOPIC_SPLITS, rng).items():
            rows[split] += [(label, sentence) for sentence in sentences]
    indices = list(range(sum(map(len, rows.values()))))
    rng.shuffle(indices)
    for split, pairs in rows.items():
        rng.shuffle(pairs)
        lines = [f"{indices.pop()}\t{label}\t{text}\n" for label, text in pairs]
        write_text(out / "topic" / f"{split}.tsv", "index_id\tcategory\ttext\n" + "".join(lines))
    return {split: [text for _, text in pairs] for split, pairs in rows.items()}


def write_sentiment(out: Path, lexica: dict[str, list[str]], rng: random.Random) -> dict[str, list[str]]:
    """The sentiment task (a CSV of text and label); returns each split's sentences."""
    rows: dict[str, list[tuple[str, str]]] = {split: [] for split in SENTIMENT_SPLITS}
    for label in ("positive", "negative"):
        reviews = read_sentences(SOURCES / f"sentiment_{label}.txt", lexica)
        for split, sentences in deal(reviews, SENTIMENT_SPLITS, rng).items():
            rows[split] += [(sentence, label) for sentence in sentences]
    for split, pairs in rows.items():
        rng.shuffle(pairs)
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\r\n").writerows([("text", "label"), *pairs])
        write_text(out / "sentiment" / f"{split}.csv", buffer.getvalue())
    return {split: [text for text, _ in pairs] for split, pairs in rows.items()}


def tag_tokens(marked: str) -> list[tuple[str, str]]:
    """Tokens and IOB2 tags of a sentence whose entities are marked as ``@TYPE(...)``."""
    tagged: list[tuple[str, str]] = []
    for part in re.finditer(r"@(?P<type>[A-Z]+)\((?P<span>[^)]*)\)|(?P<plain>[^@]+)", marked):
        tokens = re.findall(r"\w+(?:['-]\w+)*|[^\w\s]", part["span"] or part["plain"])
        for position, token in enumerate(tokens):
            tag = "O" if part["type"] is None else f"{'I' if position else 'B'}-{part['type']}"
            tagged.append((token, tag))
    return tagged


def write_ner(out: Path, lexica: dict[str, list[str]], rng: random.Random) -> dict[str, list[str]]:
    """The named-entity task (MasakhaNER's CoNLL shape); returns each split's sentences."""
    splits = deal(read_sentences(SOURCES / "ner.txt", lexica), NER_SPLITS, rng)
    for split, sentences in splits.items():
        tagged = [tag_tokens(sentence) for sentence in sentences]
        starts = Counter(tag for tokens in tagged for _, tag in tokens if tag.startswith("B-"))
        if min(starts[f"B-{kind}"] for kind in ("PER", "ORG", "LOC", "DATE")) < len(sentences) // 4:
            raise DataError(f"an entity type is too rare in ner/{split}: {dict(starts)}")
        blocks = ["".join(f"{token} {tag}\n" for token, tag in tokens) for tokens in tagged]
        write_text(out / "ner" / f"{split}.txt", "\n".join(blocks))
    return {split: [re.sub(r"@[A-Z]+\(([^)]*)\)", r"\1", text) for text in texts] for split, texts in splits.items()}


# --- web pages ------------------------------------------------------------------------------------------------------


def page_content(sentences: list[str], topic: dict, lines: dict, rng: random.Random) -> tuple[str, list[str]]:
    """A page's text and quality warnings: its sentences, and at times a title, a menu, a footer, a short line."""
    content, warnings = list(sentences), []
    if rng.random() < 0.35:
        content.insert(0, rng.choice(topic["titles"]))
    if rng.random() < 0.12:
        content.insert(0, rng.choice(lines["menus"]))
        warnings += ["header"] if rng.random() < 0.7 else []
    if rng.random() < 0.15:
        content.insert(rng.randrange(1, len(content) + 1), rng.choice(lines["short"]))
        warnings += ["short_sentences"] if rng.random() < 0.3 else []
    if rng.random() < 0.12:
        content.append(rng.choice(lines["footers"]))
        warnings += ["footer"] if rng.random() < 0.7 else []
    text = "\n".join(content)
    warnings += ["tiny"] if len(text) < 150 else []
    warnings += ["noisy"] if rng.random() < 0.02 else []
    return text, warnings


def page_row(content: str, warnings: list[str], topic: dict, name: str, rng: random.Random) -> dict:
    """A page in GlotCC-V1's columns."""
    date = "{}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(
        *(rng.randint(*span) for span in ((2021, 2023), (1, 12), (1, 28), (0, 23), (0, 59), (0, 59)))
    )
    host = rng.choice(("example.org", "example.com", "example.net", "habari.example.org", "blogu.example.com"))
    letters = sum(character in string.ascii_letters for character in content)
    return {
        "content": content,
        "warc-target-uri": f"https://{host}/{name}/{rng.randrange(10_000, 99_999)}",
        "warc-date": date,
        "warc-record-id": f"<urn:uuid:{uuid.UUID(int=rng.getrandbits(128), version=4)}>",
        "quality-warnings": warnings,
        "categories": [topic["category"]] if rng.random() < 0.15 else [],
        "identification-language": LANGUAGE,
        "identification-prob": round(1 - rng.betavariate(1, 6) * 0.1, 6),
        "identification-consistency": round(rng.uniform(0.7, 1.0), 6),
        "script-percentage": round(letters / len(content), 4),
        "num-sents": sum(line[-1] in ".?!" for line in content.split("\n")),
        "content-length": len(content),
        "tlsh": f"T1{rng.getrandbits(280):070X}",
    }


def write_pages(out: Path, pools: dict[str, list[str]], rng: random.Random) -> list[str]:
    """The web pages (GlotCC-V1's shape); returns their contents."""
    lines = yaml.safe_load((SOURCES / "page_lines.yaml").read_text(encoding="utf-8"))
    rows = []
    for name, pool in pools.items():
        rng.shuffle(pool)
        start = 0
        while len(pool) - start >= 3:
            size = rng.choice([size for size in PAGE_SIZES if size <= len(pool) - start])
            sentences = pool[start : start + size]
            start += size
            if rng.random() < 0.08 and size < 8:
                sentences.append(rng.choice(pool[:start]))  # a line that other pages have too
            content, warnings = page_content(sentences, lines["topics"][name], lines, rng)
            rows.append(page_row(content, warnings, lines["topics"][name], name, rng))
    rng.shuffle(rows)
    strings, doubles = pa.string(), pa.float64()
    kinds = [strings] * 4 + [pa.list_(strings)] * 2 + [strings] + [doubles] * 3 + [pa.int64()] * 2 + [strings]
    schema = pa.schema(list(zip(rows[0], kinds, strict=True)))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out / "glotcc.parquet", compression="zstd")
    return [row["content"] for row in rows]


# --- graph ----------------------------------------------------------------------------------------------------------


def term_uri(term: str, language: str) -> str:
    """A ConceptNet node: ``maji/n`` in ``sw`` is ``/c/sw/maji/n``; ``*`` reads ``pt/mesa``; addresses stay."""
    if language == "-":
        return term
    return f"/c/{term}" if language == "*" else f"/c/{language}/{term}"


def assertion(relation: str, start: str, end: str, dataset: str, weight: float) -> str:
    """A line of ConceptNet's assertions dump."""
    source, _, name = dataset.partition("/")
    license_name, extra, contributor = DATASETS[source]
    surfaces = {
        side: uri.split("/")[3].replace("_", " ") for side, uri in (("start", start), ("end", end)) if uri[:3] == "/c/"
    }
    info: dict[str, object] = {
        "dataset": f"/d/{dataset}",
        "license": license_name,
        "sources": [{"contributor": contributor.format(name=name), **extra}],
        "weight": weight,
    }
    if len(surfaces) == 2:
        info |= {"surfaceStart": surfaces["start"], "surfaceEnd": surfaces["end"]}
        if source == "conceptnet" and relation in SURFACE_PHRASES:
            info["surfaceText"] = SURFACE_PHRASES[relation].format(**surfaces)
    uri = f"/a/[/r/{relation}/,{start}/,{'' if end[0] == '/' else '/'}{end.rstrip('/')}/]"
    record = json.dumps(info, ensure_ascii=False, sort_keys=True)
    return "\t".join((uri, f"/r/{relation}", start, end, record))


def write_graph(out: Path) -> None:
    """The assertions (ConceptNet 5.7's shape), sorted by their address; checks that there is enough Swahili."""
    rows: list[str] = []
    header: list[str] = []
    for line in (SOURCES / "conceptnet.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            header = line[1:-1].split()
        elif line and not line.startswith("#"):
            relation, start_language, end_language, dataset, weight = header
            start, end = line.split()
            ends = term_uri(start, start_language), term_uri(end, end_language)
            rows.append(assertion(relation, *ends, dataset, float(weight)))
    rows.sort()
    swahili = [row.split("\t") for row in rows if "/c/sw/" in row]
    relations = {row[1] for row in swahili}
    if len(swahili) < 450 or len(relations) < 14:
        raise DataError(f"only {len(swahili)} Swahili assertions with {len(relations)} relations")
    data = "".join(f"{row}\n" for row in rows).encode("utf-8")
    (out / "conceptnet.csv.gz").write_bytes(gzip.compress(data, compresslevel=9, mtime=0))


# --- all ------------------------------------------------------------------------------------------------------------


def check(pages: list[str], held_out: list[str], tasks: dict[str, dict[str, list[str]]]) -> None:
    """Raises DataError if a task repeats a sentence, evaluation text is in the pages, or there are too few pages."""
    for name, splits in tasks.items():
        repeated = [
            text for text, times in Counter(text for texts in splits.values() for text in texts).items() if times > 1
        ]
        if repeated:
            raise DataError(f"repeated in {name}: {repeated[:3]}")
    everything = "\n".join(pages)
    unseen = held_out + [text for splits in tasks.values() for text in splits["validation"] + splits["test"]]
    leaked = [text for text in unseen if text in everything]
    if leaked:
        raise DataError(f"{len(leaked)} evaluation sentences are in the pages: {leaked[:3]}")
    overlap = set(held_out) & {text for splits in tasks.values() for texts in splits.values() for text in texts}
    if overlap:
        raise DataError(f"held-out sentences are in a task: {sorted(overlap)[:3]}")
    distinct = {line for page in pages for line in page.split("\n") if line[-1] in ".?!"}
    if len(set(pages)) < 650 or len(distinct) < 2500:
        raise DataError(f"only {len(set(pages))} pages with {len(distinct)} sentences")


def build(out: Path) -> None:
    """Writes all sets into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    lexica = yaml.safe_load((SOURCES / "lexica.yaml").read_text(encoding="utf-8"))
    pools = {path.stem: read_sentences(path, lexica) for path in sorted((SOURCES / "topics").glob("*.txt"))}
    seen: set[str] = set()
    for name, pool in pools.items():
        pools[name] = [text for text in pool if text not in seen]
        seen.update(pool)
    tasks = {
        "topic": write_topic(out, pools, rng),
        "sentiment": write_sentiment(out, lexica, rng),
        "ner": write_ner(out, lexica, rng),
    }
    held_out = [text for pool in pools.values() for text in deal(pool, {"held": HELD_OUT_PER_TOPIC}, rng)["held"]]
    rng.shuffle(held_out)
    write_text(out / "sentences.txt", "".join(f"{text}\n" for text in held_out))
    write_graph(out)
    check(write_pages(out, pools, rng), held_out, tasks)


def main(arguments: list[str]) -> None:
    """Builds the data in the folder of the first argument, or beside the sources."""
    build((Path(arguments[0]) if arguments else SOURCES.parent) / LANGUAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
