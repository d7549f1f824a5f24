"""The recipe: every setting of a run with its type, description and default. Defaults are stated nowhere else.

Numbers that no recipe changes (sizes of splits, thresholds of duplicates, masking fractions) are constants of the
module that uses them.
"""

import json
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from ..workspace.checksums import CONCEPTNET_DUMP
from ..workspace.errors import UserError, shown
from .base_names import unknown_base
from .control import Control, LanguageControl, check_control, control_name
from .corpus import Corpus
from .evaluation import TASKS, Eval
from .field_types import Count, FrozenPart, Location, Section, Seed
from .languages import find_language
from .slurm import Slurm
from .training import Training, Vocabulary

Source = Literal["text", "graph", "both", "fusion"]
AdapterType = Literal["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3", "full", "none"]
NonLinearity = Literal["relu", "gelu", "gelu_new", "swish", "silu", "tanh", "leaky_relu"]


def _none_word(value: Any) -> Any:
    return None if value == "none" else value


def _factors(value: Any) -> Any:
    """Give one error for what is neither a factor nor a mapping of factors; pydantic would give one for each type."""
    factors = value if isinstance(value, dict) and value else {"default": value}
    blocks = all(key == "default" or (str(key).isdigit() and not isinstance(key, bool)) for key in factors)
    whole = all(isinstance(factor, int) and not isinstance(factor, bool) and factor > 0 for factor in factors.values())
    if value is not None and not (blocks and whole):
        raise ValueError(
            f"expected a whole number above 0, or one for each block ({{0: 8, default: 16}}), got {shown(value)}"
        )
    return value


class FromScratch(Section):
    """A small BERT with random weights and a WordPiece vocabulary trained on the prepared text."""

    hidden_size: Count = Field(
        default=128, description="Width of the hidden states; a multiple of num_attention_heads."
    )
    num_hidden_layers: Count = Field(default=2, description="Number of transformer blocks.")
    num_attention_heads: Count = Field(default=4, description="Attention heads per block.")
    intermediate_size: Count = Field(default=512, description="Width of the feed-forward layers.")
    vocab_size: Annotated[int, Field(ge=64)] = Field(default=4000, description="Size of the vocabulary, in subwords.")
    alphabet: str = Field(
        default="",
        description="Characters to add to the vocabulary that the text lacks, such as those of other languages.",
    )
    initializer_range: Annotated[float, Field(gt=0)] = Field(
        default=0.02, description="Standard deviation of the random weights. (BERT has 0.02 at a width of 768.)"
    )
    seed: Seed = Field(default=0, description="Seed of the random weights.")

    @model_validator(mode="after")
    def _heads_divide(self) -> "FromScratch":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self


class Base(Section):
    """The frozen model that adapters are trained on."""

    model: Location | None = Field(
        default=None,
        description="Hub id (FacebookAI/xlm-roberta-base) or local folder (./my-base) of a masked language model.",
    )
    revision: str = Field(default="main", description="Branch, tag or commit of the hub model.")
    from_scratch: FromScratch | None = Field(
        default=None, description="Make a small BERT with random weights instead of loading a model."
    )
    new_head: bool = Field(
        default=False,
        description="Add a masked-LM head to an encoder that has none (multilingual-e5, LaBSE, MiniLM) and train it "
        "with the adapter.",
    )

    @field_validator("revision")
    @classmethod
    def _as_the_hub_names_it(cls, revision: str) -> str:
        """Decode %2F, as hf:// addresses write the / in the name of a branch."""
        return unquote(revision)

    @field_validator("model")
    @classmethod
    def _may_exist(cls, model: str | None) -> str | None:
        if model is not None and (problem := unknown_base(model)):
            raise ValueError(problem)
        return model

    @model_validator(mode="after")
    def _one_of(self) -> "Base":
        if (self.model is None) == (self.from_scratch is None):
            raise ValueError("give either model or from_scratch, and set the other to null")
        if self.new_head and self.model is None:
            raise ValueError("new_head is for a model without a masked-LM head; from_scratch makes one")
        return self


class Graph(Section):
    """A ConceptNet dump, turned into sentences."""

    conceptnet: Location = Field(
        default=CONCEPTNET_DUMP, description="Path or https address of the gzipped dump of assertions."
    )
    languages: Literal["all", "own", "own+pivot"] = Field(
        default="all",
        description="Languages at the other end of an edge: all; own: the recipe's; own+pivot: that and English.",
    )
    linearisation: Literal["paper", "english", "native", "walk"] = Field(
        default="english",
        description="english: English sentences; native: sentences in the recipe's language; walk: passages of several "
        "edges; paper: the 33 predicates of arXiv 2502.10140.",
    )
    templates: Location | None = Field(
        default=None, description="Your own YAML file of templates, RELATION: a sentence with {start} and {end}."
    )
    walk_length: Annotated[int, Field(ge=2)] = Field(
        default=4, description="walk: maximum number of edges per passage."
    )
    seed: Seed = Field(default=0, description="walk: seed of the random paths.")

    @model_validator(mode="after")
    def _paper_is_fixed(self) -> "Graph":
        if self.linearisation == "paper" and self.templates is not None:
            raise ValueError("linearisation: paper has fixed templates; with templates use english or walk")
        return self


_BOTTLENECK = ("reduction_factor", "leave_out", "non_linearity", "dropout", "scaling", "sparse_groups", "train_head")
_READ_BY: dict[str, tuple[str, ...]] = {
    "seq_bn": _BOTTLENECK,
    "double_seq_bn": _BOTTLENECK,
    "par_bn": _BOTTLENECK,
    "seq_bn_inv": (*_BOTTLENECK, "coupling_reduction_factor", "invert_before_head"),
    "lora": ("r", "lora_alpha", "dropout", "train_head"),
    "ia3": ("train_head",),
    "full": ("freeze",),
    "none": (),
}
FUSED_TYPES = ("seq_bn", "seq_bn_inv", "double_seq_bn")


class Adapter(Section):
    """The type and sizes of the adapter. Fields that do not apply to the type are ignored."""

    type: AdapterType = Field(
        default="seq_bn",
        description="seq_bn: bottleneck after each feed-forward layer; seq_bn_inv: with an invertible coupling on the "
        "embeddings; double_seq_bn: after attention too; par_bn: parallel to the feed-forward layer; lora and ia3: "
        "PEFT's; full: all weights; none: the base without an adapter.",
    )
    reduction_factor: Annotated[
        Count | dict[Annotated[int, Field(ge=0)] | Literal["default"], Count] | None, BeforeValidator(_factors)
    ] = Field(
        default=None,
        description="Bottlenecks: hidden size divided by their width, for all blocks or by block, {0: 8, default: 16}; "
        "null: 16 (par_bn: 2).",
    )
    leave_out: list[Annotated[int, Field(ge=0)]] = Field(
        default=[], description="Bottlenecks: blocks without one, counted from 0."
    )
    non_linearity: NonLinearity | None = Field(
        default=None, description="Bottlenecks: activation function; null: relu (double_seq_bn: swish)."
    )
    scaling: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Bottlenecks: factor on their output; null: 1 (par_bn: 4)."
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Bottlenecks: dropout on their output; lora: on its input."
    )
    sparse_groups: Count = Field(
        default=1, description="Bottlenecks: number of groups, of which each training step uses a random one; 1: off."
    )
    coupling_reduction_factor: Count = Field(
        default=2,
        description="seq_bn_inv: half the width of the embeddings divided by the inner width of the coupling.",
    )
    invert_before_head: bool = Field(
        default=True, description="seq_bn_inv: invert the coupling before the LM head; false: as the paper trained."
    )
    r: Count = Field(default=8, description="lora: rank of the update matrices.")
    lora_alpha: Count = Field(default=8, description="lora: numerator of the scaling lora_alpha / r.")
    fusion_coupling: Literal["text", "graph", "none"] = Field(
        default="text", description="Fusion of seq_bn_inv: the adapter whose coupling is used."
    )
    train_head: bool = Field(default=True, description="Also train the dense layer and LayerNorm of the LM head.")
    freeze: list[FrozenPart] = Field(
        default=[],
        description="full: parts that stay frozen: embeddings (and the decoder that is tied to them), and blocks, "
        "counted from 0.",
    )

    def settings(self) -> dict[str, Any]:
        """The type and the fields that apply to it, JSON-ready, as they enter the key of an artifact."""
        unread = set() if self.freeze else {"freeze"}
        return self.artifact_settings(include={"type", *_READ_BY[self.type]}, exclude=unread)


class Recipe(Section):
    """A run: language, base model, data, adapter, training and evaluation."""

    name: str = Field(default="", description="Name in messages; default: the name of the file.")
    language: str = Field(description="Language, by any of its codes: mt, mlt, mlt-Latn or mlt_Latn.")
    base: Base = Field(description="The frozen model; as a string, its hub id or folder.")
    corpus: Annotated[Corpus | None, BeforeValidator(_none_word)] = Field(
        default=None, description="Text of the language, or none."
    )
    graph: Annotated[Graph | None, BeforeValidator(_none_word)] = Field(
        default=None, description="Knowledge graph, or none."
    )
    source: Source = Field(
        default="text",
        description="Train the adapter on text, graph, both mixed, or fusion: attention over an adapter for each.",
    )
    vocabulary: Vocabulary = Field(
        default=Vocabulary(), description="New pieces for a script that the base cannot read."
    )
    adapter: Adapter = Field(default=Adapter(), description="The language adapter.")
    control: Control = Field(
        default=None,
        description="Evaluate a control instead of the adapter. untrained: the adapter with random weights; head: the "
        "LM head alone, trained on the same text; text-fusion: two text adapters fused; {language: CODE}: the adapter "
        "of another language. null: the adapter.",
    )
    training: Training = Field(default=Training(), description="Training of the language adapter.")
    eval: Eval = Field(default=Eval(), description="Evaluation.")
    slurm: Slurm = Field(default=Slurm(), description="What `lrl-adapt run --slurm` asks of a cluster.")
    _other_language: "Recipe | None" = PrivateAttr(default=None)
    """For `control: {language: ...}`, the same recipe in that language."""

    @property
    def system(self) -> str:
        """Name of what is evaluated beside the base: seq_bn/text, control:head seq_bn/text.

        seq_bn+pieces/text has new pieces in the vocabulary, seq_bn+latin/text reads romanised text.
        """
        reading = "+pieces" if self.vocabulary.pieces else "+latin" if self.transliterates else ""
        adapter = f"{self.adapter.type}{reading}/{self.source}"
        return adapter if self.control is None else f"control:{control_name(self.control)} {adapter}"

    @property
    def run_name(self) -> str:
        """What is trained, for messages: seq_bn on text; seq_bn with new pieces on text, control untrained."""
        control = "" if self.control is None else f", control {control_name(self.control)}"
        pieces = " with new pieces" if self.vocabulary.pieces else ""
        romanised = "romanised " if self.transliterates else ""
        return f"{self.adapter.type}{pieces} on {romanised}{self.source}{control}"

    @property
    def transliterates(self) -> bool:
        """Whether the adapter reads romanised text."""
        return self.corpus is not None and self.corpus.transliterate is not None

    @property
    def trained(self) -> "Recipe":
        """The recipe whose adapter is trained and evaluated: this one, or the one of the control's language."""
        if not isinstance(self.control, LanguageControl):
            return self
        if self._other_language is None:
            raise UserError("a recipe with control: {language: ...} has to be read by load_recipe")
        return self._other_language

    def with_other_language(self, other: "Recipe") -> "Recipe":
        """A copy whose `trained` is `other`, the recipe of the control's language."""
        copy = self.model_copy()
        copy._other_language = other
        return copy

    @field_validator("language", mode="before")
    @classmethod
    def _known_language(cls, value: Any) -> str:
        return find_language(str(value)).code

    @model_validator(mode="after")
    def _neighbours_are_others(self) -> "Recipe":
        identify = self.corpus.identify if self.corpus else None
        if identify is not None and self.language in identify.neighbours:
            raise ValueError(
                f"corpus.identify.neighbours: {self.language} is the recipe's language: its text goes under trusted"
            )
        return self

    @model_validator(mode="after")
    def _transfer_is_from_elsewhere(self) -> "Recipe":
        if self.eval.transfer_from is None:
            return self
        if self.eval.transfer_from == self.language:
            raise ValueError(f"eval.transfer_from: {self.language} is the recipe's language; name another one")
        for name in self.eval.tasks or self.eval.configured:
            task = self.eval.with_data.get(name)
            if task is not None and task.transfer_train in (None, task.train):
                raise ValueError(
                    f"eval.{name}.transfer_train: name the training file in {self.eval.transfer_from}, or write "
                    "{language} in train instead of the language's code"
                )
        return self

    @model_validator(mode="after")
    def _new_head_is_trained(self) -> "Recipe":
        if self.base.new_head and self.adapter.type not in ("none", "full") and not self.adapter.train_head:
            raise ValueError("base.new_head: the new head has to be trained: leave adapter.train_head at true")
        return self

    @model_validator(mode="after")
    def _new_pieces_are_trained(self) -> "Recipe":
        if not self.vocabulary.pieces:
            return self
        if self.base.model is None:
            raise ValueError("vocabulary.pieces: base.from_scratch makes its vocabulary from the text: set pieces to 0")
        if self.adapter.type == "full" and "embeddings" in self.adapter.freeze:
            raise ValueError("vocabulary.pieces: new pieces have to be trained: remove embeddings from adapter.freeze")
        if self.vocabulary.train == "all" and self.adapter.type == "full":
            raise ValueError("vocabulary.train: all rows are trained anyway with adapter.type full: set train to new")
        if self.vocabulary.train == "all" and self.source == "fusion":
            raise ValueError("vocabulary.train: the adapters of a fusion would train different rows: set train to new")
        return self

    @model_validator(mode="after")
    def _romanised_text_fits(self) -> "Recipe":
        if self.transliterates and self.vocabulary.pieces:
            raise ValueError("corpus.transliterate: romanised text needs no new pieces: remove vocabulary.pieces")
        if self.transliterates and self.base.model is None:
            raise ValueError("corpus.transliterate: base.from_scratch learns the script itself: remove one of the two")
        return self

    @model_validator(mode="after")
    def _softmax_fits(self) -> "Recipe":
        if self.training.softmax == "language" and self.adapter.type == "full":
            raise ValueError(
                "training.softmax: adapter.type full trains the decoder, which language needs frozen: set it to full"
            )
        return self

    @model_validator(mode="after")
    def _control_fits(self) -> "Recipe":
        kind, from_scratch = self.adapter.type, self.base.model is None
        check_control(self.control, self.language, kind, self.source, from_scratch=from_scratch)
        return self

    @model_validator(mode="after")
    def _source_has_data(self) -> "Recipe":
        if self.source != "graph" and self.corpus is None:
            raise ValueError(f"source: {self.source} needs a corpus section")
        if self.source != "text" and self.graph is None:
            raise ValueError(f"source: {self.source} needs a graph section")
        if self.source == "fusion" and self.adapter.type not in FUSED_TYPES:
            *first, last = FUSED_TYPES
            raise ValueError(
                f"source: fusion works only with {', '.join(first)} and {last}, not with {self.adapter.type}"
            )
        return self


RESOLVED = ("extends", "grid", "by_language")  # keys that loading resolves; a `Recipe` has none of them
_GRID = {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}}


def json_schema() -> str:
    """The JSON schema of a recipe file as text, with `extends`, `grid` and `by_language`, which loading resolves."""
    schema = Recipe.model_json_schema(by_alias=False)
    schema["title"] = "lrl-adapt recipe"
    schema["properties"] |= {
        "extends": {"type": "string", "description": "Name or path of a recipe to start from."},
        "grid": {
            "description": "Fields with several values, {adapter.type: [none, lora]}, or a list of such mappings; "
            "`lrl-adapt run` runs every combination.",
            "anyOf": [_GRID, {"type": "array", "items": _GRID}],
        },
        "by_language": {
            "description": "Settings for one language only: {swh_Latn: {eval: {ner: ...}}}.",
            "type": "object",
            "additionalProperties": {"$ref": "#"},
        },
    }
    schema["properties"]["base"] = {"anyOf": [{"type": "string"}, schema["properties"]["base"]]}
    for field in ("corpus", "graph"):
        schema["properties"][field]["anyOf"].append({"const": "none"})
    sources = schema["$defs"]["Corpus"]["properties"]["sources"]
    sources["items"] = {"anyOf": [{"type": "string"}, sources["items"]]}
    evaluation = schema["$defs"]["Eval"]["properties"]
    for task in TASKS:
        evaluation[task]["anyOf"].append({"type": "string"})
    others = evaluation["others"]
    others["additionalProperties"] = {"anyOf": [{"type": "string"}, others["additionalProperties"]]}
    # a file that extends another may leave out required fields
    schema.pop("required", None)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
