"""The server's answers, equal to those of `predict` and `fill_mask`; limits, the token, and messages for mistakes."""

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lrl_adapt.eval.inference.choose_adapters import newest_adapter
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.serving.limits import ServerLimits
from lrl_adapt.serving.model_pool import ModelPool, UnavailableError
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET

from ..eval.made import TEXTS
from .served import client_of, make_workspace

LONG = " ".join(TEXTS * 12)
GAPS = ["Amina anaishi [MASK]", "<mask> kubwa {mask} kesho"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[TestClient]:
    with client_of(workspace, limits=ServerLimits(max_loaded=2, max_texts=8, max_characters=1000)) as running:
        yield running


def answered(client: TestClient, path: str, body: dict[str, Any]) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def names(client: TestClient, kind: str) -> list[str]:
    return [one["name"] for one in client.get("/adapters").json()["adapters"] if one["kind"] == kind]


def assert_equal(ours: Any, theirs: Any, path: str = "") -> None:
    """Equal up to the rounding of probabilities: another batch sums in another order."""
    if isinstance(theirs, float):
        assert ours == pytest.approx(theirs, abs=2e-6), path
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), path
        for key, value in theirs.items():
            assert_equal(ours[key], value, f"{path}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), path
        for number, value in enumerate(theirs):
            assert_equal(ours[number], value, f"{path}.{number}")
    else:
        assert ours == theirs, path


@pytest.mark.parametrize("task", ["topic", "sentiment", "ner", "pos"])
def test_labels_are_those_of_predict(task: str, client: TestClient, workspace: Path) -> None:
    texts = [*TEXTS, LONG[:900], " ", "مەن 😀 Nairobi"]
    answer = answered(client, "/predict", {"texts": texts, "task": task, "language": "sw"})
    folder = workspace / "scores" / answer["adapter"]
    assert_equal(answer["predictions"], predict(texts, adapter=folder, progress=QUIET))
    assert answered(client, "/predict", {"texts": texts[:1], "adapter": answer["adapter"]})["predictions"] == predict(
        texts[:1], adapter=folder, progress=QUIET
    )


@pytest.mark.parametrize("language", ["swh_Latn", "zul_Latn", "uig_Arab"])
def test_candidates_are_those_of_fill_mask(language: str, client: TestClient, workspace: Path) -> None:
    folder = newest_adapter(workspace, language)
    name = f"{language}/{folder.name}"
    body = {"texts": [*GAPS, GAPS[0]], "adapters": ["none", name], "top": 3}
    answer = answered(client, "/fill-mask", body)["predictions"]
    wanted = [asdict(one) for one in fill_mask(GAPS, adapters=["none", folder], top=3, progress=QUIET)]
    assert [one["adapter"] for one in answer] == ["none", name] * 3
    assert_equal(answer, [{**one, "adapter": one["adapter"].replace(str(folder), name)} for one in wanted])
    default = answered(client, "/fill-mask", {"texts": GAPS})["predictions"]
    assert {one["adapter"] for one in default} == {"none", names(client, "language")[0]}
    assert all(len(one["candidates"]) == 5 for one in default)


def test_the_least_recently_used_adapter_is_dropped(client: TestClient) -> None:
    first, second, third = names(client, "task")[:3]
    for adapter in (first, second, first, third):
        answered(client, "/predict", {"texts": TEXTS[:1], "adapter": adapter})
    loaded = {one["name"] for one in client.get("/adapters").json()["adapters"] if one["loaded"]}
    assert loaded == {first, third}
    assert client.get("/healthz").json() == {"status": "ok", "waiting": 0, "loaded": 2}


def test_the_adapters_and_the_base_are_named_without_paths(client: TestClient, workspace: Path) -> None:
    answer = client.get("/adapters").text
    assert str(workspace) not in answer
    shown = json.loads(answer)
    assert shown["base"].startswith("scratch-")
    assert len(shown["adapters"]) == 9
    one = next(one for one in shown["adapters"] if one["task"] == "topic")
    assert (one["language"], one["language_name"], one["kind"], one["seed"]) == ("swh_Latn", "Swahili", "task", 1)
    assert one["system"] == "seq_bn/text"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/predict", {"texts": ["a"]}, "name either an adapter or a task"),
        ("/predict", {"texts": ["a"], "task": "topic", "adapter": "x"}, "name either an adapter or a task"),
        (
            "/predict",
            {"texts": ["a"], "task": "topik"},
            "no task adapter for 'topik'; tasks: ner, pos, sentiment, topic",
        ),
        ("/predict", {"texts": ["a"], "task": "topic", "language": "mlt"}, "no task adapter for 'topic' in mlt_Latn"),
        ("/predict", {"texts": ["a"], "task": "topic", "language": "xx"}, "language: unknown language 'xx'"),
        ("/predict", {"texts": ["a"], "adapter": "x", "language": "mt"}, "language: goes with task, not with adapter"),
        (
            "/predict",
            {"texts": ["a"], "adapter": "../../../etc/passwd"},
            "no task adapter called '../../../etc/passwd'",
        ),
        ("/predict", {"texts": ["a"], "adapter": "swh_Latn/topic-scratch"}, "did you mean swh_Latn/topic-scratch-"),
        ("/predict", {"texts": [], "task": "topic"}, "texts: expected at least one value"),
        ("/predict", {"texts": "a", "task": "topic"}, "texts: expected a list"),
        ("/predict", {"texts": ["a", 1], "task": "topic"}, "texts.1: expected text"),
        ("/predict", {"texts": ["a"], "task": "topic", "top": 2}, "top: unknown field"),
        ("/predict", {"texts": ["a"] * 9, "task": "topic"}, "texts: 9 texts; at most 8 per request"),
        ("/predict", {"texts": ["a", "b" * 1001], "task": "topic"}, "texts.1: 1,001 characters; at most 1,000"),
        ("/predict", {"texts": ["\ud800"], "task": "topic"}, "texts.0: half of a surrogate pair"),
        ("/predict", {"texts": ["a"], "a\nb": 1}, "a b: unknown field"),
        ("/predict", [], "send a JSON object"),
        ("/fill-mask", {"texts": ["x"]}, "there is no mask in 'x'"),
        ("/fill-mask", {"texts": ["[MASK]"], "adapters": ["/etc"]}, "no language adapter called '/etc'"),
        ("/fill-mask", {"texts": ["[MASK]"], "adapters": []}, "adapters: expected at least one value"),
        ("/fill-mask", {"texts": ["[MASK]"], "top": 0}, "top: expected a number of at least 1"),
        ("/fill-mask", {"texts": ["[MASK]"], "top": "3"}, "top: expected a whole number"),
        ("/fill-mask", {"texts": ["[MASK]" * 33]}, "66 masks to fill, counted for each adapter; at most 64"),
        ("/fill-mask", {"texts": ["[MA\u00adSK]<mask>" * 20]}, "80 masks to fill"),  # the soft hyphen is removed later
    ],
)
def test_mistakes_are_told_in_one_line(path: str, body: Any, message: str, client: TestClient) -> None:
    response = client.post(path, content=json.dumps(body), headers=JSON)
    assert response.status_code == 422, response.text
    assert list(response.json()) == ["error"]
    assert message in response.json()["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 422, "the request has no body: send a JSON object"),
        (b"{", 422, "the body is not JSON"),
        (b"\xff\xfe", 422, "the body is not JSON"),
        (b"[" * 100_000, 400, "There was an error parsing the body"),
        (b"9" * 5000, 400, "There was an error parsing the body"),
        (b'{"texts": ["' + b"a" * 200_000, 413, "the body of the request exceeds 161,536 bytes"),
    ],
)
def test_bodies_that_are_no_request(content: bytes, status: int, message: str, client: TestClient) -> None:
    response = client.post("/predict", content=content, headers=JSON)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert message in response.json()["error"]


def test_only_json_is_read_so_that_other_sites_cannot_post(client: TestClient) -> None:
    body = json.dumps({"texts": TEXTS, "task": "topic"})
    for headers in ({"content-type": "text/plain"}, {}):
        response = client.post("/predict", content=body, headers=headers)
        assert response.status_code == 422
        assert response.json()["error"] == "send a JSON object, with the header Content-Type: application/json"


@pytest.mark.slow
def test_a_thousand_mixed_requests_over_nine_adapters(workspace: Path) -> None:
    """From eight clients at once: every request gets the answer that it gets alone."""
    with client_of(workspace) as client, ThreadPoolExecutor(8) as threads:
        task_names, language_names = names(client, "task"), names(client, "language")
        assert len(task_names) + len(language_names) == 9
        kinds = [("/predict", {"texts": [text], "adapter": name}) for name in task_names for text in TEXTS]
        kinds += [("/fill-mask", {"texts": [text], "adapters": [name]}) for name in language_names for text in GAPS]
        alone = [answered(client, path, body) for path, body in kinds]
        chosen = random.Random(2).choices(range(len(kinds)), k=1000)
        answers = threads.map(lambda number: client.post(kinds[number][0], json=kinds[number][1]), chosen)
        for number, answer in zip(chosen, answers, strict=True):
            assert answer.status_code == 200, answer.text
            assert_equal(answer.json(), alone[number])
        assert client.get("/healthz").json() == {"status": "ok", "waiting": 0, "loaded": 9}


def test_the_token_is_needed_and_never_shown(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    with client_of(workspace, token="s3cret") as client:
        for headers in (
            {},
            {"authorization": "Bearer no"},
            {"authorization": "s3cret"},
            {"authorization": "Basic s3cret"},
        ):
            for response in (client.get("/adapters", headers=headers), client.post("/predict", headers=headers)):
                assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
                assert response.json()["error"] == "send the server's token in the header Authorization: Bearer TOKEN"
        assert client.post("/predict", content=b"x" * 10_000_000).status_code == 401  # before the body is read
        assert client.get("/nowhere").status_code == 401
        for headers in ({"authorization": "Bearer s3cret"}, {"Authorization": "bearer s3cret"}):
            assert client.get("/adapters", headers=headers).status_code == 200
        for path in ("/", "/page.js", "/page.css", "/docs", "/openapi.json", "/healthz"):
            response = client.get(path)
            assert response.status_code == 200
            assert "s3cret" not in response.text
        assert "Authorization: Bearer TOKEN" in client.get("/docs").text
    assert "s3cret" not in caplog.text


def test_a_full_queue_refuses_and_a_slow_answer_is_given_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, proceed = threading.Event(), threading.Event()
    answer = ModelPool.answer

    def slow_answer(*arguments: Any) -> list[Any]:
        started.set()
        proceed.wait(60)
        return answer(*arguments)

    monkeypatch.setattr(ModelPool, "answer", slow_answer)
    body = {"texts": TEXTS[:1], "task": "topic"}
    with client_of(workspace, limits=ServerLimits(max_waiting=2)) as client, ThreadPoolExecutor(8) as threads:
        computed = threads.submit(client.post, "/predict", json=body)
        assert started.wait(60)
        waiting = [threads.submit(client.post, "/predict", json=body) for _ in range(2)]
        while client.get("/healthz").json()["waiting"] < 2:
            pass
        refused = client.post("/predict", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json() == {"error": "the server is busy: try again in a moment"}
        proceed.set()
        assert [one.result().status_code for one in (computed, *waiting)] == [200, 200, 200]
    proceed.clear()
    with client_of(workspace, limits=ServerLimits(timeout=0.2)) as client:
        response = client.post("/predict", json=body)
        proceed.set()
    assert (response.status_code, response.json()) == (
        504,
        {"error": "the answer took too long: send less text, or try again later"},
    )


def test_what_fails_inside_is_logged_and_not_shown(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("/home/somebody/secret")

    def missing(*_: Any) -> None:
        raise UnavailableError("swh_Latn/topic")

    body = {"texts": TEXTS[:1], "task": "topic"}
    for function, status, error in (
        (broken, 500, "internal error; the server's log says more"),
        (missing, 503, "swh_Latn/topic cannot be loaded; the server's log says why"),
    ):
        monkeypatch.setattr(ModelPool, "answer", function)
        with client_of(workspace) as client:
            response = client.post("/predict", json=body)
        assert (response.status_code, response.json()) == (status, {"error": error})


def test_the_description_shows_every_field_and_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs").text
    for word in (
        "POST /predict",
        "POST /fill-mask",
        "GET /adapters",
        "GET /healthz",
        "adapters",
        "list of string",
        "429",
    ):
        assert word in page
    for path in ("/", "/page.css", "/page.js", "/docs"):
        response = client.get(path)
        assert "//" not in response.text.replace("// ", "") or path == "/page.css"
        assert response.headers["content-security-policy"].startswith("default-src 'self'")
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/fill-mask", "/adapters", "/healthz"}


def test_limits_must_let_something_through() -> None:
    with pytest.raises(UserError, match="max_texts: expected a number above 0, not 0"):
        ServerLimits(max_texts=0)
