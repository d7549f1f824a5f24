"""Evaluation: pseudo-perplexity, tasks, their statistics and the report."""
