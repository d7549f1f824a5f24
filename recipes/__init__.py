"""Recipes: the settings of a run, in one typed YAML file."""
