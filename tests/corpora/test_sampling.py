import numpy
from lrl_adapt.corpora.sampling import file_passes


def test_passes_of_files_of_all_sizes() -> None:
    assert file_passes(numpy.array([4e6, 1e6, 0.0]), 0.5).tolist() == [1, 2, 1]
    assert file_passes(numpy.array([1e10, 1.0]), 0.1).tolist() == [1, 100]
