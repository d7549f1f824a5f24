"""What the tests with random inputs share: how many they try, and random values and changes.

LRL_ADAPT_FUZZ is the number of seeds (`make fuzz`: 100; otherwise 1). A failure names its test with the seed, which
repeats it: LRL_ADAPT_FUZZ=100 pytest "tests/recipes/test_fuzz.py::test_NAME[17]"
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

each_seed = pytest.mark.parametrize("seed", range(int(os.environ.get("LRL_ADAPT_FUZZ", "1"))))

CHARACTERS = "\"'\\/{}[]:,;#&*!|>%@`$~-_ \t\r\n\0\x7f\x85\u200f\u2028\ufeffaħ܀😀9."
WORDS = (
    *("", "no", "null", "~", "1e3", "-0", "0x1F", "1:30", "2024-05-01", "a" * 300, "ħ\u0301", "\ufeffx", "\u202ex"),
    *("../../x", "/etc/passwd", "~nobody/x", "${HOME}/x", "${NO_SUCH}", "{language}", "{recipes}/x", "{", "x\0y"),
    *("hf://", "hf://datasets/a/b@c/*", "https://[", "https://h:x/", "file:///etc/passwd", "a/b/c", "*", "[", "\ud800"),
)
NUMBERS = (-1, 0, 1, 3, 10**30, -(2**64), 1e308, 1e-320, 0.5, float("inf"), float("nan"))


@contextmanager
def shown_on_failure(content: object) -> Iterator[None]:
    """Add the input to an error inside `with`."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the input: {content!r}"[:20_000])
        raise


def text(rng: random.Random) -> str:
    """A short odd text, which may hold half a surrogate pair."""
    if rng.random() < 0.5:
        return rng.choice(WORDS)
    return "".join(rng.choice(CHARACTERS) for _ in range(rng.randrange(12)))


def value(rng: random.Random, depth: int = 2) -> Any:
    """A scalar, list or mapping, as JSON may hold."""
    way = rng.random()
    if way < 0.4 or depth == 0:
        return text(rng)
    if way < 0.6:
        return rng.choice(NUMBERS)
    if way < 0.7:
        return rng.choice((None, True, False))
    if way < 0.85:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {text(rng): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def changed(rng: random.Random, whole: Any, words: tuple[str, ...]) -> Any:
    """A copy of a nested value with one part replaced, removed, moved or added; `words` are likely keys and values."""
    if not isinstance(whole, dict | list) or not whole or rng.random() < 0.1:
        return rng.choice(words) if rng.random() < 0.3 else value(rng)
    if isinstance(whole, list):
        place = rng.randrange(len(whole))
        return [*whole[:place], changed(rng, whole[place], words), *whole[place + 1 :]]
    key = rng.choice(list(whole))
    way = rng.random()
    if way < 0.1:
        return {name: part for name, part in whole.items() if name != key}
    if way < 0.2:
        return {(rng.choice([text(rng), *words]) if name == key else name): part for name, part in whole.items()}
    if way < 0.3:
        return {**whole, rng.choice([text(rng), *words]): rng.choice([value(rng), whole[key]])}
    return {**whole, key: changed(rng, whole[key], words)}


def damaged(rng: random.Random, content: bytes, pieces: tuple[bytes, ...] = ()) -> bytes:
    """Bytes with a few changes: overwritten, removed, inserted (`pieces`, too), repeated, moved or cut off."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice((1, 1, 4, 40)))
        other = rng.randrange(len(content) + 1)
        inserted = rng.choice((*pieces, rng.randbytes(2), text(rng).encode(errors="replace")))
        content = rng.choice(
            (
                content[:start] + rng.randbytes(end - start) + content[end:],
                content[:start] + content[end:],
                content[:start] + inserted + content[start:],
                content[:end] + content[start:end] * rng.randrange(1, 4) + content[end:],
                content[:start] + content[other : other + 40] + content[end:],
                content[:start] if rng.random() < 0.3 else content,
            )
        )
    return content
