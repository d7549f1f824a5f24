"""Importing and exporting adapters in the format of AdapterHub (the library `adapters`, 1.3.0 and earlier)."""

from .export import export_adapterhub
from .importing import import_adapterhub

__all__ = ["export_adapterhub", "import_adapterhub"]
