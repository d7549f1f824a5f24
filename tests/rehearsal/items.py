"""What the made-up data sets hold, whatever files they are written to: pages, labelled sentences, tagged words."""

import hashlib
import random
from typing import Any

from .facts import Facts
from .words import sentences, vocabulary

ROWS = {"train": 56, "validation": 21, "test": 28}
PAGES = 60  # in a shard
SHARDS = 2
LINES = 8  # on a page


def labelled(facts: Facts, name: str, language: str, split: str) -> list[tuple[str, str]]:
    """Sentences and their labels: some words of a sentence are of its label's own."""
    labels, words = facts[name]["labels"], vocabulary(language)
    rng = random.Random(f"{name} {language} {split}")
    result = []
    for number in range(ROWS[split]):
        subject = number % len(labels)
        result.append((words.sentence(rng, *rng.sample(words.about(subject), 2)), labels[subject]))
    return result


def tagged(facts: Facts, language: str, split: str, name: str = "wikiann") -> list[tuple[list[str], list[str]]]:
    """Words and their tags, in IOB: each kind of name has words of its own, and most names have two."""
    labels = facts[name]["labels"]
    outside, kinds = labels[0], [(labels[place], labels[place + 1]) for place in range(1, len(labels), 2)]
    words = vocabulary(language)
    rng = random.Random(f"ner {language} {split}")
    result = []
    for number in range(ROWS[split]):
        kind = number % len(kinds)
        begin, inside = kinds[kind]
        tokens = words.sentence(rng).rstrip(".").split()
        place, entity = rng.randrange(len(tokens)), rng.sample(words.about(kind), rng.randint(1, 2))
        tags = [outside] * place + [begin, inside][: len(entity)] + [outside] * (len(tokens) - place)
        result.append((tokens[:place] + [word.capitalize() for word in entity] + tokens[place:], tags))
    return result


def pages(language: str, shard: int) -> list[dict[str, Any]]:
    """Web pages; every tenth has a quality warning, every eighth is religious, every ninth of an uncertain language."""
    lines = sentences(language, PAGES * LINES, f"pages {shard}")
    result = []
    for number in range(PAGES):
        text = "\n".join(lines[number * LINES : (number + 1) * LINES])
        digest = hashlib.md5(text.encode()).hexdigest()
        result.append(
            {
                "text": text,
                "id": f"<urn:uuid:{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}>",
                "warnings": ["repetition"] if number % 10 == 9 else [],
                "religious": number % 8 == 7,
                "probability": 0.3 if number % 9 == 8 else 0.99,
            }
        )
    return result


def source_pages(name: str, language: str, shard: int) -> list[dict[str, str]]:
    """Pages of a text source besides GlotCC, each with an id."""
    lines = sentences(language, PAGES * LINES, f"{name} {shard}")
    return [
        {"id": f"{name}-{shard}-{number}", "text": "\n".join(lines[number * LINES : (number + 1) * LINES])}
        for number in range(PAGES)
    ]


def edges(language: str, count: int = 600) -> list[tuple[str, str, str]]:
    """Relation, start and end of ConceptNet's edges, as terms: `qattus/n` may have a part of speech behind it."""
    own, english = vocabulary(language), vocabulary("eng_Latn")
    rng = random.Random(f"edges {language}")
    result = []
    for number in range(count):
        start = rng.choice(own.words) + ("/n" if number % 3 else "")
        relation = ("Synonym", "RelatedTo", "IsA", "DerivedFrom", "HasContext")[number % 5]
        end = f"{language} {rng.choice(own.words)}" if number % 2 else f"eng_Latn {rng.choice(english.words)}/n"
        result.append((relation, f"{language} {start}", end))
    return result
