import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.corpora.minhash import BANDS, PERMUTATIONS, ROWS, SHINGLE, near_hashes

TEXT = st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1, max_size=30)


@settings(max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_the_hashes_of_a_line_do_not_depend_on_its_neighbours(lines: list[str]) -> None:
    bands, signatures = near_hashes(lines)
    for number, line in enumerate(lines):
        alone = near_hashes([line])
        assert bands[number].tolist() == alone[0][0].tolist()
        assert signatures[number].tolist() == alone[1][0].tolist()


def test_no_lines() -> None:
    assert [values.shape for values in near_hashes([])] == [(0, BANDS), (0, PERMUTATIONS)]


def test_near_duplicates_are_found_as_often_as_the_formula_says() -> None:
    """Shared bands and equal values at several similarities, which are measured exactly."""
    rng = numpy.random.default_rng(0)
    letters = numpy.array(list("abcdefghijklmnopqrstuvwxyz"))
    for changes in (1, 3, 6):
        ones, others = [], []
        for _ in range(300):
            line = rng.choice(letters, 150)
            other = line.copy()
            other[rng.choice(150, changes, replace=False)] = "-"
            ones.append("".join(line))
            others.append("".join(other))
        similar = numpy.array([jaccard(one, other) for one, other in zip(ones, others, strict=True)])
        (bands, signatures), (other_bands, other_signatures) = near_hashes(ones), near_hashes(others)
        assert signatures.shape == (300, PERMUTATIONS)
        assert (signatures == other_signatures).mean() == pytest.approx(similar.mean(), abs=0.02)
        shared = (bands == other_bands).any(axis=1)
        expected = 1 - (1 - similar**ROWS) ** BANDS
        assert shared.mean() == pytest.approx(expected.mean(), abs=0.06)


def jaccard(one: str, other: str) -> float:
    grams = [{text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1)} for text in (one, other)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])
