"""`python -m lrl_adapt.cli`: the program where a launcher wants a module."""

from .app import main

main()
