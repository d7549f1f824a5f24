"""Batched pseudo-perplexity against one forward per masked token with full logits."""

import copy
import math
from dataclasses import asdict

import pytest
import torch
from lrl_adapt.eval.perplexity import SentenceScore, from_row, median_perplexity, perplexity_metrics
from lrl_adapt.eval.pseudo_likelihood import score_sentences
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.wordpiece import train_tokenizer
from transformers import BertConfig, BertForMaskedLM

from ..tiny_tokenizers import unigram

SENTENCES = ["Paka wanalala.", "Mbwa anabweka usiku kucha karibu na nyumba yetu ya zamani.", "Ndege huruka juu."]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(SENTENCES, 80)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), initializer_range=0.2, **sizes)).eval()


def figures(scores: list[SentenceScore]) -> dict[str, float]:
    return {metric.name: metric.value() for metric in perplexity_metrics(scores)}


@torch.no_grad()
def one_by_one(model, tokenizer, sentence: str, max_length: int = 128) -> list[float]:
    """-ln p of each token that is not special, one forward each."""
    ids = torch.tensor(tokenizer(sentence, truncation=True, max_length=max_length)["input_ids"])
    result = []
    for place in range(1, len(ids) - 1):
        masked = ids.clone()
        masked[place] = tokenizer.mask_token_id
        result.append(-float(model(masked[None]).logits[0, place].log_softmax(-1)[ids[place]]))
    return result


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_scores_equal_those_of_one_forward_per_token(model, tokenizer, batch_tokens: int) -> None:
    options = {"max_length": 128, "batch_tokens": batch_tokens}
    scores = score_sentences(MaskedLM(model), tokenizer, SENTENCES, **options)
    want = [one_by_one(model, tokenizer, sentence) for sentence in SENTENCES]
    assert [s.nll for s in scores] == pytest.approx([sum(losses) for losses in want], rel=1e-5)
    assert [s.tokens for s in scores] == [len(losses) for losses in want]
    assert [s.characters for s in scores] == [len(sentence) for sentence in SENTENCES]
    every = [loss for losses in want for loss in losses]
    bits = sum(every) / math.log(2)
    result = figures(scores)
    assert result["pseudo_perplexity"] == pytest.approx(math.exp(sum(every) / len(every)), rel=1e-5)
    assert result["bits_per_character"] == pytest.approx(bits / sum(map(len, SENTENCES)), rel=1e-5)
    assert result["bits_per_byte"] == pytest.approx(bits / sum(len(s.encode()) for s in SENTENCES), rel=1e-5)
    middle = sorted(math.exp(sum(losses) / len(losses)) for losses in want)[1]
    assert median_perplexity(scores)[0] == pytest.approx(middle, rel=1e-5)


@torch.no_grad()
def left_to_right(model, tokenizer, sentence: str) -> tuple[float, float]:
    """Sums of -ln p of a sentence without punctuation: each piece alone masked, and with its word's later ones."""
    encoded = tokenizer(sentence)
    # Metaspace alone has no word_ids, so words are counted by what begins them
    pieces, words = tokenizer.convert_ids_to_tokens(encoded["input_ids"]), [-1]
    for piece in pieces[1:-1]:
        continues = piece.startswith("##") if "[CLS]" in pieces else not piece.startswith("▁")
        words.append(words[-1] if continues else words[-1] + 1)
    totals = [0.0, 0.0]
    for place in range(1, len(pieces) - 1):
        end = place + 1
        for variant in range(2):
            ids = torch.tensor(encoded["input_ids"])
            truth = int(ids[place])
            ids[place:end] = tokenizer.mask_token_id
            totals[variant] -= float(model(ids[None]).logits[0, place].log_softmax(-1)[truth])
            while end < len(words) and words[end] == words[place]:
                end += 1
    return totals[0], totals[1]


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
@pytest.mark.parametrize("batch_tokens", [40, 10_000])
def test_left_to_right_scores_equal_those_of_one_forward_per_token(tokenizer, kind: str, batch_tokens: int) -> None:
    tokenizer = tokenizer if kind == "wordpiece" else unigram(SENTENCES)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), initializer_range=0.2, pad_token_id=tokenizer.pad_token_id, **sizes)
    model = BertForMaskedLM(config).eval().double()
    reference = copy.deepcopy(model)  # MaskedLM replaces layers
    sentences = ["paka wanalala usiku", "nyumba yetu ya zamani kucha", "p", "ndege"]
    options = {"max_length": 64, "batch_tokens": batch_tokens}
    scores = score_sentences(MaskedLM(model), tokenizer, sentences, **options)
    want = [left_to_right(reference, tokenizer, sentence) for sentence in sentences]
    assert [score.nll for score in scores] == pytest.approx([alone for alone, _ in want], rel=1e-6)
    assert [score.nll_l2r for score in scores] == pytest.approx([rest for _, rest in want], rel=1e-6)
    assert scores[0].nll_l2r != pytest.approx(scores[0].nll, rel=1e-3)
    characters, tokens = sum(map(len, sentences)), sum(score.tokens for score in scores)
    nats = sum(rest for _, rest in want)
    values = figures(scores)
    assert values["pseudo_perplexity_l2r"] == pytest.approx(math.exp(nats / tokens), rel=1e-6)
    assert values["bits_per_character_l2r"] == pytest.approx(nats / math.log(2) / characters, rel=1e-6)


def test_both_variants_agree_where_no_word_has_several_tokens(model, tokenizer) -> None:
    (score,) = score_sentences(MaskedLM(model), tokenizer, ["p a k"], max_length=64, batch_tokens=64)
    assert score.tokens == 3
    assert score.nll_l2r == score.nll


def test_without_left_to_right_it_has_no_metric(model, tokenizer) -> None:
    options = {"max_length": 128, "batch_tokens": 1000}
    both = score_sentences(MaskedLM(model), tokenizer, SENTENCES, **options)
    alone = score_sentences(MaskedLM(model), tokenizer, SENTENCES, within_word_l2r=False, **options)
    assert [score.nll_l2r for score in alone] == [None] * 3
    assert [score.nll for score in alone] == pytest.approx([score.nll for score in both], rel=1e-5)
    assert figures(both).keys() - figures(alone).keys() == {"pseudo_perplexity_l2r", "bits_per_character_l2r"}


def test_rows_written_before_left_to_right_existed_are_read() -> None:
    row = asdict(SentenceScore(10.0, 2, 0, 5, 5, 10.0, 2))
    del row["nll_l2r"]
    assert from_row(row).nll_l2r is None
    assert from_row(row | {"nll_l2r": 12.0}).nll_l2r == 12.0


def test_a_cut_sentence_counts_only_what_was_scored(model, tokenizer) -> None:
    (score,) = score_sentences(MaskedLM(model), tokenizer, SENTENCES[1:2], max_length=8, batch_tokens=64)
    assert score.tokens == 6
    assert score.characters < len(SENTENCES[1])
    assert score.nll == pytest.approx(sum(one_by_one(model, tokenizer, SENTENCES[1], 8)), rel=1e-5)


def test_unknown_tokens_are_counted(model, tokenizer) -> None:
    scores = score_sentences(MaskedLM(model), tokenizer, ["Paka 猫 wanalala."], max_length=64, batch_tokens=64)
    assert scores[0].unknown == 1
    assert figures(scores)["unknown_share"] == 1 / scores[0].tokens


@torch.no_grad()
def test_the_papers_figure_is_that_of_its_script(model, tokenizer) -> None:
    """As arXiv 2502.10140 computes it: every token masked, [CLS] and [SEP] too, mean of exp over the sentences."""
    of_sentences = []
    for sentence in SENTENCES:
        tokens = tokenizer.encode(sentence, truncation=True, max_length=512)
        total = 0.0
        for place, token in enumerate(tokens):
            masked = torch.tensor([[*tokens[:place], tokenizer.mask_token_id, *tokens[place + 1 :]]])
            total += float(torch.softmax(model(masked).logits[0, place], -1)[token].log())
        of_sentences.append(math.exp(-total / len(tokens)))
    scores = score_sentences(MaskedLM(model), tokenizer, SENTENCES, max_length=512, batch_tokens=512)
    assert figures(scores)["pseudo_perplexity_paper"] == pytest.approx(sum(of_sentences) / 3, rel=1e-4)


def test_likelihoods_beyond_what_a_float_can_tell_stay_finite() -> None:
    assert math.isfinite(figures([SentenceScore(5000.0, 2, 0, 5, 5, 10.0, 2)])["pseudo_perplexity"])


def test_bits_per_byte_count_the_bytes_of_the_script(model, tokenizer) -> None:
    (score,) = score_sentences(MaskedLM(model), tokenizer, ["ሰላም ነው"], max_length=64, batch_tokens=64)
    assert (score.characters, score.bytes) == (6, 16)


def test_a_sentence_without_tokens_weighs_nothing(model, tokenizer) -> None:
    part = score_sentences(MaskedLM(model), tokenizer, SENTENCES, max_length=128, batch_tokens=1000)
    more = score_sentences(MaskedLM(model), tokenizer, [*SENTENCES, "\u200b"], max_length=128, batch_tokens=1000)
    assert more[-1].tokens == 0
    wanted, result = figures(part), figures(more)
    for metric in ("pseudo_perplexity", "pseudo_perplexity_paper", "unknown_share"):
        assert result[metric] == pytest.approx(wanted[metric])
    assert median_perplexity(part)[0] == pytest.approx(median_perplexity(more)[0])
