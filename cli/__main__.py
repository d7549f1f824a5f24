"""`python -m lrl_adapt.cli`: the program, for launchers that start modules."""

from ..training.launch import end_with_launcher
from .app import main

end_with_launcher()
main()
