"""Files on the web that are not expected to change, and their checksums."""

CONCEPTNET_DUMP = "https://s3.amazonaws.com/conceptnet/downloads/2019/edges/conceptnet-assertions-5.7.0.csv.gz"

SHA256 = {CONCEPTNET_DUMP: "accd65fe94038584295574ddc26e1500c1919c8c4532bf771811cafd0948af7e"}
"""Checksums of files at https addresses that are not expected to change; the dump has 497,963,447 bytes."""
