"""Free text: GlotCC and local files, cut into clean lines without repeats, split by document."""
