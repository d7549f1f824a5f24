"""Reasons for which text is left out, and the fields that decide them."""

from lrl_adapt.corpora.reasons import FIELDS, REASONS, Outcome, left_out
from lrl_adapt.recipes.schema import Corpus


def test_every_reason_names_fields_of_the_recipe() -> None:
    fields = {name for names in FIELDS.values() if names for name in names.split(", ")}
    assert fields <= set(Corpus.model_fields)


def test_counts_are_told_with_their_fields() -> None:
    text = left_out({"religious": 2, "kept": 9}, {"too short": 0, "duplicate": 3, "over the cap": 1, "kept": 5})
    assert text == (
        "documents: religious 2 (corpus.drop_religious), duplicate 3, over the cap 1 (corpus.max_bytes, max_documents)"
    )


def test_every_outcome_has_a_reason_and_every_reason_a_field() -> None:
    assert set(REASONS) == set(Outcome)
    assert {reason for outcome, reason in REASONS.items() if outcome != Outcome.KEPT} <= set(FIELDS)
