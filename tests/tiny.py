"""A base that tests can afford: made on the spot, with random weights."""

SIZES = (
    "hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 512, vocab_size: 3000, "
    "initializer_range: 0.09"
)
CHANGES = ("base.model=null", f"base.from_scratch={{{SIZES}}}")
OPTIONS = [word for change in CHANGES for word in ("--set", change)]
SECTION = f"base: {{model: null, from_scratch: {{{SIZES}}}}}\n"
