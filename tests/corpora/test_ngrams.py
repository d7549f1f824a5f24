import random
from collections import Counter

import numpy
import pytest
from lrl_adapt.corpora.ngrams import (
    BUCKETS,
    SMOOTHING,
    NgramModel,
    _log_probabilities,
    count_ngrams,
    split_in_two,
    train_ngrams,
    words_of,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

SWAHILI = "habari ya leo ni njema sana watoto wanacheza nje ya nyumba yetu kila siku asubuhi na jioni"
INDONESIAN = "kabar hari ini baik sekali anak bermain di luar rumah kami setiap pagi dan sore bersama"


def sentences(words: str, number: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words.split(), k=8)) for _ in range(number)]


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return train_ngrams({"swh_Latn": sentences(SWAHILI, 200), "ind_Latn": sentences(INDONESIAN, 200)})


def test_the_ngrams_are_those_of_scikit_learn() -> None:
    texts = ["habari ya leo", "", "ñandú", "ភាសាខ្មែរ", "a"]
    expected = CountVectorizer(analyzer="char_wb", ngram_range=(1, 4)).build_analyzer()
    counts = count_ngrams(texts)
    for row, text in enumerate(texts):
        ngrams = Counter(expected(text))
        del ngrams[" "]  # a space alone says nothing
        ours = Counter(counts[row].indices.tolist())
        assert sorted(ours.values()) == sorted(ngrams.values()), text
    assert counts.shape == (5, BUCKETS)


def test_equal_ngrams_have_equal_hashes_wherever_they_are() -> None:
    first, second = (count_ngrams([*texts])[len(texts) - 1] for texts in (["ya"], ["leo habari", "ya"]))
    assert sorted(first.indices) == sorted(second.indices)
    assert len({*count_ngrams(["ab"]).indices} & {*count_ngrams(["ba"]).indices}) == 2  # a and b, in no other n-gram


def test_naive_bayes_is_that_of_scikit_learn() -> None:
    texts = sentences(SWAHILI, 20) + sentences(INDONESIAN, 30)
    labels = numpy.array([0] * 20 + [1] * 30)
    counts = count_ngrams(texts)
    ours = _log_probabilities(counts, labels, 2)
    theirs = MultinomialNB(alpha=SMOOTHING).fit(counts, labels).feature_log_prob_.T
    assert numpy.allclose(ours, theirs, atol=1e-5)


def test_lines_are_told_apart_and_nothing_is_known_without_evidence(model: NgramModel) -> None:
    probabilities, no_half = model.probabilities([*sentences(SWAHILI, 50, 1), *sentences(INDONESIAN, 50, 1)])
    assert (probabilities[:50, 0] > 0.95).all()
    assert (probabilities[50:, 0] < 0.05).all()
    assert no_half.tolist() == [False] * 50 + [True] * 50
    unknown, _ = model.probabilities(["", "1999", "Nairobi DODOMA"])
    assert unknown[:, 0] == pytest.approx([0.5] * 3)


def test_a_half_in_the_language_speaks_for_a_line(model: NgramModel) -> None:
    own, other = "watoto wanacheza nje", "anak bermain di luar rumah kami setiap pagi dan sore bersama"
    _, no_half = model.probabilities([other, f"{own} ya nyumba yetu kila siku {other}"])
    assert no_half.tolist() == [True, False]


def test_lines_in_the_wrong_file_do_not_harm() -> None:
    own, other = sentences(SWAHILI, 300), sentences(INDONESIAN, 300)
    mixed = train_ngrams({"swh_Latn": own[15:] + other[:15], "ind_Latn": other[15:] + own[:15]})
    clean = train_ngrams({"swh_Latn": own[15:], "ind_Latn": other[15:]})
    assert numpy.allclose(mixed.weights, clean.weights)  # exactly the lines in the wrong file were left out
    probabilities, _ = mixed.probabilities(sentences(INDONESIAN, 50, 1))
    assert probabilities[:, 0].max() < 0.05


def test_names_are_no_evidence() -> None:
    assert words_of("Rais Joko Widodo alizuru Dodoma, 12 ng'ombe na o‘zbek") == ["alizuru", "ng'ombe", "na", "o‘zbek"]
    assert words_of("ภาษาไทย 123") == ["ภาษาไทย"]


@pytest.mark.parametrize(
    ("text", "halves"),
    [("moja mbili tatu", ("moja mbili", "tatu")), ("ภาษาไทย", ("ภาษ", "าไทย")), ("", ("", "")), ("a", ("", "a"))],
)
def test_two_halves(text: str, halves: tuple[str, str]) -> None:
    assert split_in_two(text) == halves
