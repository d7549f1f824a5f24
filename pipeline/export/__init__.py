"""Adapters in other formats: one module for each, and `formats` with the table of them."""
