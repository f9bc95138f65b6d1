"""The aggressor's side of a trade, in the spellings of venues and vendors; ambiguous sides are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.feeds._recording_files import BadRecording, read_trades
from tests.feeds.recordings import SECOND, START, write

DOCS = Path(__file__).parents[2] / "docs" / "recordings.md"


def signs(folder: Path, values: Sequence[object], column: str = "side") -> list[float]:
    """Of trades whose column has these values, written as CSV and read back."""
    file = write(folder, "A", "trades", f"ts,price,size,{column}", [(START + at * SECOND, 10, 1, value) for at, value in enumerate(values)])
    read: list[float] = read_trades(file).sign.tolist()
    return read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["buy", "sell", "none"], [1, -1, 0]),
        (["b", "s", ""], [1, -1, 0]),
        (["bid", "ask", "N"], [1, -1, 0]),
        (["B", "A", "b"], [1, -1, 1]),  # Databento: bid and ask
        (["BUY", " Sell ", "BUY"], [1, -1, 1]),
        (["+1", "-1", "+1"], [1, -1, 1]),
        ([1, -1, 0], [1, -1, 0]),
        (["1.0", "-1.0", "1.0"], [1, -1, 1]),
        (["1.0", "", "-1.0"], [1, 0, -1]),
        (["buy", "buy", "buy"], [1, 1, 1]),
        (["buy", "sell", "auction"], [1, -1, 0]),
        (["", "none", "unknown"], [0, 0, 0]),
        (["", "", ""], [0, 0, 0]),
    ],
)
def test_a_side_is_read_in_its_usual_spellings(tmp_path: Path, values: list[object], read: list[float]) -> None:
    assert signs(tmp_path, values) == read


@pytest.mark.parametrize("column", ["is_buyer_maker", "isBuyerMaker", "Is Buyer Maker"])
@pytest.mark.parametrize("values", [["true", "false", ""], ["True", "False", ""], [1, 0, ""]])
def test_where_the_buyer_was_the_maker_the_aggressor_sold(tmp_path: Path, column: str, values: list[object]) -> None:
    assert signs(tmp_path, values, column) == [-1, 1, 0]


@pytest.mark.parametrize(
    "column", [pa.array([True, False, None]), pa.array(["true", "false", None]).dictionary_encode(), pa.array([1.0, 0.0, np.nan])]
)
def test_a_parquet_column_is_read_whatever_its_type(tmp_path: Path, column: pa.Array) -> None:
    times = pa.array([START, START + 1, START + 2])
    prices = pa.array([1.0, 1.0, 1.0])
    pyarrow.parquet.write_table(pa.table({"ts": times, "price": prices, "size": prices, "is_buyer_maker": column}), tmp_path / "trades.parquet")
    assert read_trades(tmp_path / "trades.parquet").sign.tolist() == [-1, 1, 0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["maker", "taker"], "'maker', 'taker'"),
        (["true", "false"], "'true', 'false'"),  # of what, the column does not say
        ([1, 0], "'1', '0'"),  # either may be the buyer
        ([0, 0], "'0'"),
        ([1, 2], "'1', '2'"),
        (["buy", "sel"], "'sel'"),  # what is not understood would be every sale
    ],
)
def test_a_column_that_may_mean_either_side_is_refused(tmp_path: Path, values: list[object], words: str) -> None:
    with pytest.raises(BadRecording, match=re.escape(f"trades.csv has a column side whose {words} cannot be understood: write buy, sell or none")):
        signs(tmp_path, values)


def test_a_maker_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=r"trades\.csv has the is_buyer_maker 'perhaps': write true or false"):
        signs(tmp_path, ["true", "perhaps"], "is_buyer_maker")


def test_the_spellings_in_the_documentation_are_those_that_are_read(tmp_path: Path) -> None:
    listed = dict(re.findall(r"^\| (bought|sold|not known) \| (.+) \|$", DOCS.read_text(), re.MULTILINE))
    assert list(listed) == ["bought", "sold", "not known"]
    for name, sign in (("bought", 1.0), ("sold", -1.0), ("not known", 0.0)):
        words = [word.strip("` ") for word in listed[name].split(",")]
        assert len(words) > 3
        for word in words:
            assert signs(tmp_path, [word, "buy", "sell"])[0] == sign, word
