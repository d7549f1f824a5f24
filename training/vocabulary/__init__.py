"""New pieces for a base's vocabulary, for text that the base splits badly or cannot read.

`pieces` learns them, `extend` builds the longer tokenizer, `reference` keeps what the base reads well as it is, and
`make` turns a recipe's section into an artifact. `rows` initialises their embeddings, `layers` puts these beside the
base's frozen ones, and `files` saves and loads them with an adapter.
"""
