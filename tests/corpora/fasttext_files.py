"""Writes fastText models that know the language of given words, in fastText's own format (version 12)."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy

MAGIC, VERSION = 793712314, 12
SOFTMAX, SUPERVISED = 3, 3  # of fastText's enumerations of losses and models
WORD, LABEL = 0, 1
END_OF_LINE = "</s>"
CERTAINTY = 8.0  # the score of a word's own language; the others have 0


def write_model(path: Path, words: Mapping[str, str]) -> Path:
    """A model without subwords, of words and their labels: a line's scores are the mean of those of its words.

    As in fastText, the end of the line counts as a word; it has a score of 0 for every label.
    """
    labels = sorted(set(words.values()))
    dimension = len(labels)
    words = {**words, END_OF_LINE: ""}
    vectors = numpy.array([[CERTAINTY * (label == own) for label in labels] for own in words.values()])
    entries = [(word, WORD) for word in words] + [(f"__label__{label}", LABEL) for label in labels]
    with path.open("wb") as file:
        file.write(struct.pack("<2i", MAGIC, VERSION))
        # dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t
        file.write(struct.pack("<12id", dimension, 5, 1, 1, 0, 1, SOFTMAX, SUPERVISED, 0, 0, 0, 100, 1e-4))
        file.write(struct.pack("<3i2q", len(entries), len(words), len(labels), len(words), -1))
        for text, kind in entries:
            file.write(text.encode() + b"\0" + struct.pack("<qb", 1, kind))
        for matrix in (vectors, numpy.eye(dimension)):
            file.write(b"\0" + struct.pack("<2q", *matrix.shape) + matrix.astype("<f4").tobytes())
    return path
