"""MinHash signatures and LSH bands of lines, for finding near-duplicates (Broder 1997).

A line's shingles are its character 5-grams in lower case. Each of PERMUTATIONS hash functions takes the lowest hash
over the shingles; the share of equal values in two signatures estimates the Jaccard similarity s of the two lines.

Comparing every pair of lines is out of the question. So the signature is cut into BANDS bands of ROWS values, and only
lines that agree in a whole band are compared; that happens with probability 1 - (1 - s ** ROWS) ** BANDS. The curve
rises where s is about (1 / BANDS) ** (1 / ROWS) = 0.68 (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
section 3.4). If you change the threshold of near-duplicates (SIMILARITY in duplicates.py), keep the two close.
"""

from array import array

import numpy

from .code_points import Array, code_points, mix_bits, multiplier, numbers_within

PERMUTATIONS = 64  # values of a signature
BANDS = 10
ROWS = 6  # values in a band; the last 4 values of a signature are in none
SHINGLE = 5  # characters
SEED = 42
LINES_AT_ONCE = 200  # the library returns Python integers, 32 bytes each: these fit into the processor's cache


def near_hashes(lines: list[str]) -> tuple[Array, Array]:
    """Band values, uint64 (lines, BANDS), and signatures, uint8 (lines, PERMUTATIONS), of lines without line breaks.

    A signature keeps the lowest 8 bits of each value (b-bit MinHash, Li and König 2010): unequal values agree in them
    once in 256 times.
    """
    shingles, counts = _shingles(lines)
    values = _signatures(shingles, counts)
    bands = values[:, : BANDS * ROWS].reshape(len(lines), BANDS, ROWS)
    factors = numpy.array([multiplier(row) for row in range(ROWS)], dtype=numpy.uint64)
    return mix_bits((bands * factors).sum(axis=2, dtype=numpy.uint64)), values.astype(numpy.uint8)


def _shingles(lines: list[str]) -> tuple[Array, Array]:
    """Hashes of all shingles, line after line, uint64; and how many each line has, int64 (lines,)."""
    _, codes, starts, ends = code_points(lines, gap=SHINGLE)
    wide = codes.astype(numpy.uint64)
    # The hash of the shingle that begins at each position, over the whole text, also across its line breaks.
    hashes = numpy.zeros(len(codes) - SHINGLE + 1, dtype=numpy.uint64)
    for offset in range(SHINGLE):
        hashes += wide[offset : offset + len(hashes)] * multiplier(offset)
    # A line shorter than a shingle is one shingle, filled up with the line breaks behind it.
    counts = numpy.maximum(ends - starts - SHINGLE + 1, 1)
    return mix_bits(hashes[numpy.repeat(starts, counts) + numbers_within(counts)]), counts


def _signatures(shingles: Array, counts: Array) -> Array:
    """The lowest hash of each line under each permutation, uint64 (lines, PERMUTATIONS)."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue] - compiled, without type stubs

    offsets = numpy.concatenate(([0], numpy.cumsum(counts))).astype(numpy.uint64)
    signatures = numpy.empty((len(counts), PERMUTATIONS), dtype=numpy.uint64)
    for first in range(0, len(counts), LINES_AT_ONCE):
        part = offsets[first : first + LINES_AT_ONCE + 1]
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles[int(part[0]) : int(part[-1])], part - part[0], PERMUTATIONS, SEED
        )
        values = array("I")  # the library's values have 32 bits; numpy takes longer to convert lists
        for row in matrix.to_rows():
            values.fromlist(row)
        rows = len(part) - 1
        signatures[first : first + rows] = numpy.frombuffer(values, dtype=numpy.uint32).reshape(rows, PERMUTATIONS)
    return signatures
