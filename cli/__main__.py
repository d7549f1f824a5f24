"""`python -m lrl_adapt.cli`: the program, for launchers that start modules."""

from .app import main

main()
