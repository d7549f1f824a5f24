"""Which adapters a server offers, and what is said of those that it does not."""

import shutil
from pathlib import Path

import pytest
import torch
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.serving.catalogue import make_catalogue
from lrl_adapt.serving.model_pool import Labelling, MaskFilling, ModelPool, UnavailableError
from lrl_adapt.serving.shared_base import SharedBase
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET

from ..eval.made import TEXTS, TOPICS, change_manifest, make_adapter, make_base, make_scores
from ..said import Said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    base = make_base(folder)
    make_scores(folder, base, make_adapter(folder, base, "seq_bn"), "topic", TOPICS, per_token=False)
    make_scores(folder, base, make_adapter(folder, base, "full", language="xho_Latn"), "ner", TOPICS, per_token=True)
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "moved")


def test_a_workspace_is_served_with_its_full_models(workspace: Path) -> None:
    said = Said()
    catalogue = make_catalogue(None, None, workspace, None, said)
    ((adapter,), (full,)) = ((workspace / "adapters" / code).glob("scratch-*") for code in ("swh_Latn", "xho_Latn"))
    ((topic,), (ner,)) = ((workspace / "scores" / "swh_Latn").glob(f"{task}-*") for task in ("topic", "ner"))
    assert set(catalogue.languages) == {f"swh_Latn/{adapter.name}", f"xho_Latn/{full.name}"}
    assert set(catalogue.tasks) == {f"swh_Latn/{topic.name}", f"swh_Latn/{ner.name}"}
    assert catalogue.tasks[f"swh_Latn/{topic.name}"].task == "topic"
    assert Path(catalogue.base.name).parent.parent.name == "bases"
    assert said.lines == []
    assert make_catalogue(None, catalogue.base.name, workspace, None, said) == catalogue
    (only_full,) = make_catalogue(None, None, workspace, "xho_Latn", said).languages.values()
    assert only_full.is_full


def test_adapters_are_described_as_in_reports(workspace: Path) -> None:
    (adapter,) = (workspace / "adapters" / "swh_Latn").glob("scratch-*")
    settings = {"adapter": {"type": "seq_bn"}, "source": "text", "training": {"seed": 3}}
    sections = {
        "seq_bn/text": settings,
        "seq_bn+pieces/text": settings | {"vocabulary": {}},
        "control:untrained seq_bn+latin/text": settings | {"transliterate": [], "control": "untrained"},
    }
    for system, section in sections.items():
        change_manifest(adapter, section=section)
        (entry,) = make_catalogue([adapter], None, workspace, None, QUIET).languages.values()
        assert (entry.system, entry.seed) == (system, 3)
    tasks = make_catalogue(None, None, workspace, None, QUIET).tasks.values()
    assert {(task.system, task.seed) for task in tasks} == {("seq_bn/text", 1)}


def test_a_full_model_answers_beside_the_adapters(workspace: Path) -> None:
    (full,) = (workspace / "adapters" / "xho_Latn").glob("scratch-*")
    (ner,) = (workspace / "scores" / "swh_Latn").glob("ner-*")
    text = "Amina [MASK]"
    for language in (None, "xho_Latn"):  # beside an adapter on the base, and alone, as the base of the server
        catalogue = make_catalogue(None, None, workspace, language, QUIET)
        base = SharedBase.load(catalogue.base)
        before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
        pool = ModelPool(catalogue, base, 4)
        (((answer,),),) = pool.answer([(MaskFilling(f"xho_Latn/{full.name}", 3), [text])])
        assert answer.candidates == fill_mask(text, adapters=full, top=3, progress=QUIET)[0].candidates
        if language is None:
            wanted = predict(TEXTS, adapter=ner, progress=QUIET)
            assert pool.answer([(Labelling(f"swh_Latn/{ner.name}"), TEXTS)]) == [wanted]
        assert all(torch.equal(before[name], tensor) for name, tensor in base.model.state_dict().items())


def test_a_task_adapter_without_its_language_adapter_is_left_out(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    adapter = make_adapter(tmp_path, base, "seq_bn")
    make_scores(tmp_path, base, adapter, "topic", TOPICS, per_token=False)
    shutil.rmtree(adapter.folder)
    said = Said()
    with pytest.raises(UserError, match="contains no adapter that can be served"):
        make_catalogue(None, None, tmp_path, None, said)
    (line,) = said.lines
    assert line.startswith("left out: ")
    assert line.endswith("which is missing: give it with --language-adapter")


def test_a_server_holds_one_base(workspace: Path) -> None:
    other = make_base(workspace, seed=1)
    make_adapter(workspace, other, "seq_bn", seed=2, language="zul_Latn")
    with pytest.raises(UserError, match="belong to several bases, and a server holds one: choose with --base from "):
        make_catalogue(None, None, workspace, None, QUIET)
    said = Said()
    catalogue = make_catalogue(None, str(other.folder), workspace, None, said)
    assert [entry.language for entry in catalogue.languages.values()] == ["zul_Latn"]
    assert not catalogue.tasks
    assert f"left out: 4 adapters of another base than {other.folder}" in said.lines
    assert list(make_catalogue(None, None, workspace, "swh_Latn", QUIET).tasks)
    with pytest.raises(UserError, match="no adapter for mlt_Latn that can be served: run `lrl-adapt train`"):
        make_catalogue(None, None, workspace, "mlt_Latn", QUIET)


def test_folders_are_named_by_themselves(workspace: Path, tmp_path: Path) -> None:
    (adapter,) = (workspace / "adapters" / "swh_Latn").glob("scratch-*")
    (topic,) = (workspace / "scores" / "swh_Latn").glob("topic-*")
    mine = shutil.copytree(adapter, tmp_path / "my-swahili")
    base = str(next((workspace / "bases" / "swh_Latn").glob("scratch-*")))
    catalogue = make_catalogue([mine, topic / "task-adapter"], base, workspace, None, QUIET)
    assert list(catalogue.languages) == ["my-swahili"]
    assert list(catalogue.tasks) == [topic.name]
    assert catalogue.base_name == Path(base).name
    assert catalogue.tasks[topic.name].language == "swh_Latn"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere", "no such folder: "),
        ("scores", "contains no adapter: adapter_config.json is missing"),
    ],
)
def test_a_named_folder_that_cannot_be_served_is_an_error(pattern: str, message: str, workspace: Path) -> None:
    folder = next(workspace.glob(pattern), workspace / pattern)
    with pytest.raises(UserError, match=message):
        make_catalogue([folder], "base", workspace, None, QUIET)


def test_two_folders_with_one_name_are_an_error(workspace: Path, tmp_path: Path) -> None:
    (adapter,) = (workspace / "adapters" / "swh_Latn").glob("scratch-*")
    copy = shutil.copytree(adapter, tmp_path / "other" / adapter.name)
    with pytest.raises(UserError, match="several adapters are called scratch-text-seq_bn-"):
        make_catalogue([adapter, copy], "base", workspace, None, QUIET)


def test_an_adapter_that_is_deleted_while_the_server_runs_cannot_be_loaded(workspace: Path) -> None:
    catalogue = make_catalogue(None, None, workspace, None, QUIET)
    said = Said()
    pool = ModelPool(catalogue, SharedBase.load(catalogue.base), 2, said)
    name = next(iter(catalogue.tasks))
    shutil.rmtree(workspace / "scores")
    with pytest.raises(UnavailableError, match=name):
        pool.answer([(Labelling(name), TEXTS)])
    assert said.lines[0].startswith(f"cannot load {name}: ")
    assert pool.loaded == []
