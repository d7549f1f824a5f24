"""Trained adapters over HTTP: one process and one base, whose weights all adapters share."""
