"""Free text: files and sources on the hub in; clean lines without duplicates out, split by document into parquet files.

The files in the order in which text passes through them:

    origins.py         which files, local or downloaded one by one, and what is recorded of them
    readers.py         the documents in a file
    clean.py           a batch of documents to lines: parallel.py runs it in several processes
    encoding.py          repairs broken encoding
    filters.py           which pages and lines are dropped
    line_features.py     the features for the filters, and the key of exact duplicates
    minhash.py           the hashes for finding near-duplicates
    staged_lines.py    lines on disk until all are read; then which of them stay
    sampling.py          the sample of pages under max_bytes and max_documents, by origin; repeats of small files
    duplicates.py        exact and near-duplicates
    disk_array.py        arrays on disk
    task_texts.py      the texts of the recipe's tasks, which must not be trained on
    write_splits.py    train, validation and test files
    card.py            the data card; reasons.py names what was dropped and by which field of the recipe
    prepare.py         all of it together: the corpus artifact
"""
