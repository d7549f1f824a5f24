"""Model cards: metadata that the hub takes, no paths of this machine, and code that runs or says what to fill in."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.recipes.schema import Adapter, Recipe
from lrl_adapt.training.adapters import language_adapter, load_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.import_adapter import import_adapter
from lrl_adapt.training.model_card import CardBase, trained_card
from lrl_adapt.workspace.artifacts import Artifact

from ..hub import COMMIT, Hub
from .models import batch, shake, tiny

FACTS = {"trainable_parameters": 10, "training_tokens": 9, "steps": 8, "validation_loss": 1.5, "best_step": 4}
HUB_ID = "FacebookAI/xlm-roberta-base"


def front_matter(card: str) -> dict:
    metadata = yaml.safe_load(card.split("---")[1])
    assert ModelCard(card).data.to_dict().items() >= metadata.items()
    return metadata


def code_of(card: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    return code


def run_in(folder: Path, code: str) -> dict:
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, names)
    return names


def card_of(kind: str, base: str, revision: str = "main", commit: str | None = None) -> str:
    model = {"model": base, "revision": revision}
    given = {"language": "swh", "base": model, "corpus": {"files": ["x.txt"]}, "adapter": {"type": kind}}
    artifact = Artifact(Path("/home/someone/runs"), "adapter", "adapter", {})
    return trained_card(Recipe.model_validate(given), FACTS | {"base_commit": commit}, artifact, base)


def test_an_adapter_for_a_hub_model() -> None:
    card = card_of("seq_bn", HUB_ID, commit=COMMIT)
    assert front_matter(card) == {
        "library_name": "peft",
        "base_model": HUB_ID,
        "base_model_relation": "adapter",
        "language": "sw",
        "tags": ["lrl-adapt"],
    }
    assert f"- base: {HUB_ID}, commit {COMMIT}\n" in card
    assert f'base = AutoModelForMaskedLM.from_pretrained("{HUB_ID}")\n' in code_of(card)
    assert "fill in" not in card
    assert "/home" not in card


def test_a_pinned_revision_is_named_and_loaded() -> None:
    card = card_of("lora", HUB_ID, "v2", COMMIT)
    assert front_matter(card)["base_model"] == HUB_ID
    assert f"- base: {HUB_ID}, revision v2, commit {COMMIT}\n" in card
    assert f'from_pretrained("{HUB_ID}", revision="v2")\n' in code_of(card)


def test_a_full_model_is_transformers_own(tmp_path: Path) -> None:
    card = card_of("full", HUB_ID)
    assert front_matter(card)["library_name"] == "transformers"
    assert front_matter(card)["base_model_relation"] == "finetune"
    assert "# Model fine-tuned on Swahili (swh_Latn)" in card
    tiny("bert").save_pretrained(tmp_path)
    loaded = run_in(tmp_path, code_of(card))["model"]
    torch.testing.assert_close(loaded.eval()(**batch()).logits, tiny("bert")(**batch()).logits)


@pytest.mark.parametrize("kind", ["seq_bn", "full"])
def test_a_local_base_is_named_by_its_folder(kind: str, tmp_path: Path) -> None:
    (tmp_path / "my base").mkdir()
    card = card_of(kind, str(tmp_path / "my base"))
    assert "base_model" not in front_matter(card)
    assert "base_model_relation" not in front_matter(card)
    assert "- base: my base (a local folder)\n" in card
    assert str(tmp_path) not in card
    assert ('path/to/my base")  # fill in: the path of the base my base' in code_of(card)) == (kind == "seq_bn")


def test_a_relative_folder_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CardBase("models/mine").hub_id == "models/mine"
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert CardBase("models/mine").hub_id is None
    assert str(CardBase("models/mine")) == "mine (a local folder)"
    assert CardBase("/gone/mine").hub_id is None
    assert CardBase("bert-base-multilingual-cased").hub_id == "bert-base-multilingual-cased"


@pytest.mark.parametrize("kind", ["seq_bn", "lora"])
@pytest.mark.parametrize("bits", [None, 8])
@pytest.mark.slow
def test_an_exported_adapters_lines_load_it(hub: Hub, kind: str, bits: int | None, tmp_path: Path) -> None:
    tiny("bert").save_pretrained(hub.folder / "models" / "owner" / "small")
    model = language_adapter(
        load_masked_lm("owner/small", None, "base"),
        Adapter(type=kind),
    )
    shake(model)
    (tmp_path / "trained").mkdir()
    save_adapter(model, tmp_path / "trained")
    export(tmp_path / "trained", tmp_path / "out", format="peft", bits=bits)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert front_matter(card) == {
        "library_name": "peft",
        "base_model": "owner/small",
        "base_model_relation": "adapter",
        "tags": ["lrl-adapt"],
    }
    assert str(tmp_path) not in card
    loaded = run_in(tmp_path / "out", code_of(card))["model"].eval()(**batch()).logits
    expected = load_adapter(load_masked_lm("owner/small", None, "base"), tmp_path / "out").eval()(**batch()).logits
    torch.testing.assert_close(loaded, expected)


def test_an_unknown_base_is_to_be_filled_in(tmp_path: Path) -> None:
    model = language_adapter(
        tiny("bert"),
        Adapter(),
    )
    (tmp_path / "trained").mkdir()
    save_adapter(model, tmp_path / "trained")  # on a base that came from nowhere
    export(tmp_path / "trained", tmp_path / "out", format="peft")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "base_model" not in front_matter(card)
    assert "- base: unknown\n" in card
    assert 'from_pretrained("unknown")' not in card
    assert 'from_pretrained("BASE")  # fill in: the hub id or folder of the base, which is unknown' in code_of(card)


def test_an_imported_adapters_card_does_not_tell_where_its_base_lay(tmp_path: Path) -> None:
    fixtures = Path(__file__).parents[1] / "parity" / "fixtures" / "bert"
    import_adapter(fixtures / "seq_bn" / "seq_bn", str(fixtures / "base"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "- base: base (a local folder)" in card
    assert str(fixtures) not in card
    code = code_of(card)
    assert "# fill in: the path of the base base" in code
    loaded = run_in(tmp_path / "out", code.replace("path/to/base", str(fixtures / "base")))["model"]
    expected = load_adapter(load_masked_lm(str(fixtures / "base"), None, "base"), tmp_path / "out")
    ids = torch.arange(5, 15).unsqueeze(0)
    torch.testing.assert_close(loaded.eval()(input_ids=ids).logits, expected.eval()(input_ids=ids).logits)
