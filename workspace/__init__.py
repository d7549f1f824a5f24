"""Where things live: artifacts, locks, downloads, the hub, tables; everything that touches disk or network."""
