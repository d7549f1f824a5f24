"""Knowledge graphs: ConceptNet's dump in; the sentences of one language out, split by pair of terms, in parquet files.

The files in the order in which data pass through them:

    dump.py              one pass over the dump, for the rows of some languages
    conceptnet.py          a row to an edge, or the reason why there is none
    edges.py             the edges artifact: a language's edges on disk
    linearise.py         edges to sentences, divided into splits
    templates.py           the sentence for each relation, from templates/*.yaml
    walks.py               edges that share terms, joined into passages
    graph_statistics.py  the statistics in the data card
    card.py              the data card
    prepare.py           all of it together: the graph artifact
"""
