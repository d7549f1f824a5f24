"""Trained adapters used on new text: labels of texts, entities, and words for gaps."""
