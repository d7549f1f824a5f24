"""Tables of values that commands share."""

from lrl_adapt.cli.steps import values_rows


def test_values_are_formatted_and_missing_ones_left_out() -> None:
    values = {"base_commit": None, "parameters": 7469440, "validation_loss": 4.07172464672985, "devices": "1 x cpu"}
    assert values_rows(values) == [("parameters", "7,469,440"), ("validation loss", "4.072"), ("devices", "1 x cpu")]
    assert values_rows({"resumed": True, "parts": [1, 2]}) == [("resumed", "true"), ("parts", "[1, 2]")]
