import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lrl_adapt.training import launch
from lrl_adapt.training.wordpiece import train_tokenizer
from transformers import BertConfig, BertForMaskedLM

from .processes import prepare, words


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without dropout, which is drawn in each process for itself."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = train_tokenizer(["watoto wanacheza mpira uwanjani na mwalimu anaandika ubaoni"] * 20, 200)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes, **none)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace where one process has trained."""
    workspace = tmp_path_factory.mktemp("alone")
    prepare(base, workspace)
    subprocess.run([sys.executable, "-m", launch.MODULE, *words(base, workspace), "--cpu"], check=True, timeout=120)
    return workspace
