"""AdapterHub's form of adapters (the library `adapters`, 1.3.0 and earlier): reading and writing it."""

from .export import export_adapterhub
from .importing import import_adapterhub

__all__ = ["export_adapterhub", "import_adapterhub"]
