"""What clients send and get, as pydantic models, and errors about it in one line."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..eval.inference.choose_adapters import NONE
from ..eval.inference.fill_mask import MaskPrediction
from ..recipes.validation_messages import EXPECTED, expected
from .limits import MAX_CANDIDATES, MAX_COMPARED

LONGEST_SHOWN = 200  # characters of an error that clients get


class PredictRequest(BaseModel):
    """Texts to label, and the task adapter to use: by name, or the newest one for a task."""

    model_config = ConfigDict(extra="forbid", strict=True)
    texts: Annotated[
        list[str], Field(min_length=1, description="Texts to label; pairs of texts with a tab between them.")
    ]
    adapter: Annotated[str | None, Field(description="Name of a task adapter, from /adapters.")] = None
    task: Annotated[
        str | None, Field(description="Use the newest adapter for this task instead: topic, sentiment, ner.")
    ] = None
    language: Annotated[str | None, Field(description="With task: only adapters in this language, in any code.")] = None


class PredictAnswer(BaseModel):
    """The predictions, as `lrl-adapt predict` prints them."""

    adapter: Annotated[str, Field(description="Name of the task adapter.")]
    predictions: Annotated[
        list[dict[str, Any]],
        Field(
            description="For each text, in order: its text with label, probability and probabilities; with labels and "
            "probabilities; with score; with entities (text, type, start, end, probability); or with words (text, "
            "label, start, end, probability). start and end count Unicode characters."
        ),
    ]


class FillMaskRequest(BaseModel):
    """Texts with masks, and the adapters to compare."""

    model_config = ConfigDict(extra="forbid", strict=True)
    texts: Annotated[list[str], Field(min_length=1, description="Texts with one or more of [MASK], <mask> or {mask}.")]
    adapters: Annotated[
        list[str] | None,
        Field(
            min_length=1,
            max_length=MAX_COMPARED,
            description=f"Names of language adapters, from /adapters, and {NONE} for the base alone; default: {NONE} "
            "and the newest adapter.",
        ),
    ] = None
    top: Annotated[int, Field(ge=1, le=MAX_CANDIDATES, description="Candidates for each mask.")] = 5


class FillMaskAnswer(BaseModel):
    """The candidates, as `lrl-adapt fill-mask --json` prints them."""

    predictions: Annotated[
        list[MaskPrediction], Field(description="One for each distinct text, mask (from 1) and adapter, in this order.")
    ]


class AdapterDescription(BaseModel):
    """An adapter that requests may name."""

    name: str
    kind: Literal["language", "task"]
    language: Annotated[str | None, Field(description="Code such as swh_Latn; null if unknown.")]
    language_name: str | None
    task: Annotated[str | None, Field(description="Of a task adapter; null if unknown.")]
    system: Annotated[
        str | None,
        Field(description="Type and source of the language adapter, as in reports: seq_bn/text; null if unknown."),
    ]
    seed: Annotated[int | None, Field(description="Of the adapter's training; null if unknown.")]
    loaded: Annotated[bool, Field(description="Whether it is in memory.")]


class AdaptersAnswer(BaseModel):
    """The base and its adapters, the newest first."""

    base: str
    base_fills_masks: Annotated[bool, Field(description="Whether the base alone has a trained LM head.")]
    adapters: list[AdapterDescription]


class Health(BaseModel):
    """The state of the server."""

    status: Literal["ok"] = "ok"
    waiting: Annotated[int, Field(description="Requests in the queue.")]
    loaded: Annotated[int, Field(description="Adapters in memory.")]


class Problem(BaseModel):
    """Why a request was refused."""

    error: str


def validation_message(errors: Sequence[Any]) -> str:
    """The first of pydantic's errors about a request in one line."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid":
        message = f"the body is not JSON: {first.get('ctx', {}).get('error', '')} at character {where}"
    elif first["type"] == "missing" and not where:
        message = "the request has no body: send a JSON object"
    elif not where:
        message = "send a JSON object, with the header Content-Type: application/json"
    elif first["type"] == "extra_forbidden":
        message = f"{where}: unknown field"
    elif first["type"] == "missing":
        message = f"{where}: is required"
    elif first["type"] in EXPECTED:
        message = f"{where}: expected {expected(first)}"
    else:
        message = f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return printable(message)


def printable(message: str) -> str:
    r"""The message on one line of readable length; half of a surrogate pair is written as \ud800."""
    return " ".join(message[:LONGEST_SHOWN].split()).encode("utf-8", "backslashreplace").decode()
