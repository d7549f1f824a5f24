"""The command line: one file per command, which parses, prints and calls; no logic of its own."""
