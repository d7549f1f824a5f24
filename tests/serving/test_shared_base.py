"""Copies of a base share its weights, and no adapter changes them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.find_adapters import BaseReference
from lrl_adapt.eval.inference.mask_models import MaskModel
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.eval.inference.predictor import Predictor
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.serving.catalogue import Catalogue, LanguageEntry, make_catalogue
from lrl_adapt.serving.model_pool import Labelling, MaskFilling, ModelPool, Question
from lrl_adapt.serving.shared_base import SharedBase
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.vocabulary.extend import count_words, read_state, with_pieces
from lrl_adapt.training.vocabulary.files import save_new_pieces
from lrl_adapt.training.vocabulary.layers import split_vocabulary
from lrl_adapt.training.vocabulary.pieces import learn_new_pieces
from lrl_adapt.training.vocabulary.splitter import Splitter
from lrl_adapt.workspace.progress import QUIET

from ..eval.made import TEXTS, TOPICS, make_adapter, make_base, make_scores

BASE_MINI = Path(__file__).parents[2] / "recipes" / "quickstart" / "base" / "base-mini"
TIBETAN = ["བོད་ཀྱི་སྐད་ཡིག་སྦྱོང་བ་ནི་གལ་ཆེན་པོ་ཡིན།", "དེ་རིང་ཆར་པ་བབས་པས་ལམ་ལ་ཆུ་མང་པོ་འདུག"]
TYPES = ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each type a language adapter and a task adapter on it."""
    folder = tmp_path_factory.mktemp("runs")
    base = make_base(folder)
    for kind in TYPES:
        adapter = make_adapter(folder, base, kind)
        make_scores(folder, base, adapter, f"{kind}-topic", TOPICS, per_token=False)
    return folder


def only_answer(pool: ModelPool, question: Question, text: str) -> Any:
    """What the pool answers to one question about one text."""
    ((answer,),) = pool.answer([(question, [text])])
    return answer


def bytes_of(model: Any) -> dict[int, int]:
    """Bytes of the memory that parameters and buffers are in, by address."""
    storages = [tensor.untyped_storage() for tensor in [*model.parameters(), *model.buffers()]]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def bytes_in(pool: ModelPool) -> int:
    """Bytes of all models in the pool, its copies of the base included."""
    models: list[Any] = [one._model for one in pool._side_by_side.values()]
    models += [one.model for one in pool._models.values() if isinstance(one, Predictor | MaskModel)]
    return sum({place: size for model in models for place, size in bytes_of(model).items()}.values())


def test_every_type_of_adapter_leaves_the_base_as_it_was(made: Path) -> None:
    catalogue = make_catalogue(None, None, made, None, QUIET)
    base = SharedBase.load(catalogue.base)
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    pool = ModelPool(catalogue, base, max_loaded=2)
    for _ in range(2):  # the second time they are loaded anew
        for name, task in catalogue.tasks.items():
            assert [only_answer(pool, Labelling(name), TEXTS[0])] == predict(
                TEXTS[0], adapter=task.adapter.folder.parent, progress=QUIET
            )
        for name, language in catalogue.languages.items():
            answer = only_answer(pool, MaskFilling(name, 3), "Amina [MASK]")
            (wanted,) = fill_mask("Amina [MASK]", adapters=language.folder, top=3, progress=QUIET)
            assert answer[0].candidates == wanted.candidates
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())


def test_a_model_needs_memory_for_its_adapter_alone(made: Path) -> None:
    catalogue = make_catalogue(None, None, made, None, QUIET)
    base = SharedBase.load(catalogue.base)
    pool = ModelPool(catalogue, base, max_loaded=20)
    of_base = sum(bytes_of(base.model).values())
    for name in catalogue.tasks:
        before = bytes_in(pool)
        only_answer(pool, Labelling(name), TEXTS[0])
        more = bytes_in(pool) - before
        is_merged = "lora" in name or "ia3" in name  # into matrices of its own
        assert 0 < more < (0.7 if is_merged else 0.3) * of_base, name
    decoder = base.copy().get_output_embeddings()
    assert decoder.weight.data_ptr() == base.model.get_input_embeddings().weight.data_ptr()


def test_an_adapter_with_new_pieces_needs_memory_for_its_rows_alone(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    model: Any = load_masked_lm(str(base.folder), None, "base")
    tokenizer = load_tokenizer(str(base.folder), None, "base")
    words, state = count_words(tokenizer, TIBETAN), read_state(tokenizer)
    pieces = learn_new_pieces(Splitter.of_tokenizer(state, words), tokenizer.get_vocab().keys(), words, 200)
    split_vocabulary(model, model.config.vocab_size, 0.2 * torch.randn(len(pieces), 32), trained=True)
    folder = tmp_path / "tibetan"
    folder.mkdir()
    adapted = language_adapter(model, Adapter(type="seq_bn", reduction_factor=4))
    save_adapter(adapted, folder)
    save_new_pieces(adapted, with_pieces(tokenizer, state, pieces), folder)
    catalogue = make_catalogue([folder], str(base.folder), tmp_path, None, QUIET)
    shared = SharedBase.load(catalogue.base)
    before = {name: tensor.clone() for name, tensor in shared.model.state_dict().items()}
    pool = ModelPool(catalogue, shared, max_loaded=1)
    (answer,) = only_answer(pool, MaskFilling("tibetan", 3), "བོད་[MASK]")
    (wanted,) = fill_mask("བོད་[MASK]", adapters=folder, base=base.folder, top=3, progress=QUIET)
    assert answer.candidates == wanted.candidates
    loaded: Any = pool._models[MaskFilling, "tibetan"]
    of_base, of_adapter = bytes_of(shared.model), sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    more = sum(size for place, size in bytes_of(loaded.model).items() if place not in of_base)
    assert 0.5 * of_adapter < more < 1.1 * of_adapter
    assert all(torch.equal(before[name], tensor) for name, tensor in shared.model.state_dict().items())


def test_adapters_on_the_bundled_base(tmp_path: Path) -> None:
    folder = tmp_path / "my-swahili"
    folder.mkdir()
    model: Any = language_adapter(load_masked_lm(str(BASE_MINI), None, "base"), Adapter(type="seq_bn"))
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    save_adapter(model, folder)
    reference = BaseReference(str(BASE_MINI))
    entry = LanguageEntry("my-swahili", folder, reference, None)
    pool = ModelPool(Catalogue(reference, {"my-swahili": entry}), SharedBase.load(reference), max_loaded=1)
    text = "Watoto wanakwenda [MASK]"
    wanted = fill_mask(text, adapters=["none", folder], top=3, progress=QUIET)
    for name, want in zip(("none", "my-swahili"), wanted, strict=True):
        (answer,) = only_answer(pool, MaskFilling(name, 3), text)
        assert [one.token for one in answer.candidates] == [one.token for one in want.candidates]
        values = [one.probability for one in answer.candidates]
        assert values == pytest.approx([one.probability for one in want.candidates], abs=2e-6)
    assert wanted[0].candidates != wanted[1].candidates
