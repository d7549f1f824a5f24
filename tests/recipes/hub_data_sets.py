"""SIB-200 and WikiANN on the stand-in of the hub, at the places where the bundled task files look for them."""

from ..hub import Hub, Repository

SIB200 = "datasets/Davlan/sib200"
SIB200_COMMIT = "38977a667f6fc264d5c26ec57a01e16db040b358"
WIKIANN = "datasets/unimelb-nlp/wikiann"
BYTES = "x" * 100


def put_sib200(hub: Hub, language: str, content: str = BYTES) -> None:
    """Add the three files of a language, such as mlt_Latn, each with this content; `{split}` in it is filled in."""
    hub.known[SIB200] = Repository(commit=SIB200_COMMIT)
    for split in ("train", "dev", "test"):
        hub.put(f"{SIB200}/data/{language}/{split}.tsv", content.format(split=split))


def put_wikiann(hub: Hub, language: str, content: str = BYTES) -> None:
    """Add the three files of a language, such as mt, each with this content."""
    for split in ("train", "validation", "test"):
        hub.put(f"{WIKIANN}/{language}/{split}-00000-of-00001.parquet", content)
