"""Damaged and hostile AdapterHub folders: each is imported or refused in one line, and no code in one is executed."""

import io
import json
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.training.adapters.adapterhub import import_adapterhub
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.workspace.errors import UserError

from ..fuzz import changed, damaged, each_seed, shown_on_failure
from ..recipes.test_fuzz import names

FIXTURES = Path(__file__).parents[1] / "parity" / "fixtures" / "bert"
KINDS = ("seq_bn/seq_bn", "seq_bn_inv/seq_bn_inv", "lora/lora", "ia3/ia3", "fusion/fusion")
FOLDERS = 30  # for each seed


class Payload:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


def payloads(made: Path) -> list[Payload]:
    """Calls that would create a file `made`."""
    command = f"open({str(made)!r}, 'w').close()"
    return [
        Payload(Path.touch, made),
        Payload(exec, command),
        Payload(eval, command),
        Payload(open, str(made), "w"),
        Payload(torch.save, {}, str(made)),
        Payload(getattr, Payload(open, str(made), "w"), "close"),
    ]


def with_code(rng: random.Random, content: Any, payload: Payload) -> bytes:
    """A pickle in one of torch's two forms, or a plain one, that holds tensors and a payload."""
    sink = io.BytesIO()
    hostile = rng.choice(({**content, "x": payload}, payload, [payload, content], {payload: 1}))
    way = rng.random()
    if way < 0.3:
        return pickle.dumps(hostile, protocol=rng.randrange(6))
    torch.save(hostile, sink, pickle_protocol=rng.randrange(2, 6), _use_new_zipfile_serialization=way < 0.6)
    if way < 0.9:
        return sink.getvalue()
    torch.save(content, sink := io.BytesIO())  # the tensors' archive with another pickle in it
    with zipfile.ZipFile(sink) as archive, zipfile.ZipFile(other := io.BytesIO(), "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, pickle.dumps(payload) if name.endswith("data.pkl") else archive.read(name))
        copy.writestr("../../made", "x")
    return other.getvalue()


def spoil(rng: random.Random, file: Path, made: Path) -> None:
    """Change the content of one file of an adapter's folder."""
    if file.suffix == ".json":
        raw = json.loads(file.read_text(encoding="utf-8"))
        whole = changed(rng, raw, names(raw))
        file.write_text(json.dumps(whole), encoding="utf-8", errors="replace")
        return
    content = file.read_bytes()
    if rng.random() < 0.6 and file.suffix == ".bin":
        file.write_bytes(with_code(rng, torch.load(file, weights_only=True), rng.choice(payloads(made))))
    elif rng.random() < 0.5:
        file.write_bytes(damaged(rng, content, (pickle.dumps(payloads(made)[0]), b"cposix\nsystem\n(S'x'\ntR.")))
    else:
        start = rng.choice((0, 0, 0, rng.randrange(len(content))))
        file.write_bytes(content[:start] + damaged(rng, content[start : start + 2000]) + content[start + 2000 :])


@each_seed
@pytest.mark.slow
def test_no_folder_runs_code(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    refused, made = 0, tmp_path / "made"
    for number in range(FOLDERS):
        kind, name = rng.choice(KINDS).split("/")
        folder = Path(shutil.copytree(FIXTURES / kind, tmp_path / str(number))) / name
        file = rng.choice(
            sorted(path for path in folder.parent.rglob("*.*") if path.suffix in (".json", ".bin", ".safetensors"))
        )
        spoil(rng, file, made)
        with shown_on_failure((kind, file.name, file.read_bytes())):
            try:
                import_adapterhub(load_masked_lm(str(FIXTURES / "base"), None, "--base"), folder)
            except UserError as error:
                refused += 1
                assert "\n" not in str(error)
                assert len(str(error)) < 2000
            assert not made.exists()
        shutil.rmtree(tmp_path / str(number))
    assert refused  # else nothing was damaged


@pytest.mark.parametrize("number", range(6))
def test_the_payloads_do_create_a_file_where_they_are_unpickled(number: int, tmp_path: Path) -> None:
    payload = payloads(tmp_path / "made")[number]
    pickle.loads(pickle.dumps(payload))
    assert (tmp_path / "made").exists()
