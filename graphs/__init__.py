"""Knowledge graphs: ConceptNet's edges of one language, read, described and turned into sentences."""
