"""Everything that touches disk or network: artifacts, locks, downloads, the hub, data files."""
