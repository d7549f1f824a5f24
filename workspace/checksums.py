"""Checksums of files on the web that do not change."""

CONCEPTNET_DUMP = "https://s3.amazonaws.com/conceptnet/downloads/2019/edges/conceptnet-assertions-5.7.0.csv.gz"

SHA256 = {CONCEPTNET_DUMP: "accd65fe94038584295574ddc26e1500c1919c8c4532bf771811cafd0948af7e"}
"""SHA-256 by https address; the dump has 497,963,447 bytes."""
