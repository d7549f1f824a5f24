"""The three splits, their sizes, and the one rule by which hashed data are divided among them.

Documents of a corpus and pairs of terms of a graph fall to a split by a hash of their own content. So equal items stay
together, and an item keeps its split when other data are added. The callers turn the hash into a fraction in [0, 1),
each from the part of the digest that it has used from the start: another derivation would move items of data prepared
before from one split to another. The single file of a task may be so small that this would miss the shares by far: its
texts are ordered by the hash, and the fraction is the place in that order.
"""

from bisect import bisect_right
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

# Where the validation split and where the test split begin. Raise `CACHE_VERSION` in corpora/prepare.py or
# graphs/prepare.py with the first two, so that data split otherwise are not reused.
CORPUS_BOUNDS = (0.8, 0.9)  # 80% train, 10% validation, 10% test
GRAPH_BOUNDS = (0.8, 0.9)  # in tenths: the fraction of a pair of terms is one decimal digit
TASK_BOUNDS = (0.7, 0.8)  # a task of one file: 70% train, 10% validation, 20% test, since it is small
TASK_SPLIT_VERSION = 2  # raise it with another way to split one file, so that scores made before are not reused


def split_of(fraction: float, bounds: tuple[float, float]) -> Split:
    """The split of an item whose hash is this `fraction` of the highest hash, in [0, 1)."""
    return SPLITS[bisect_right(bounds, fraction)]
