"""Recipes: what is to be done, in one typed YAML file."""
