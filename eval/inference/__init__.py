"""Trained adapters used on new text: labels of texts, entities, and predictions for masked words."""
