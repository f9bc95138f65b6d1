"""Divides tables of yfinance with several tickers into a table for each."""

from __future__ import annotations

from dataclasses import replace

from engine.importers._sample import Sample

_FIELDS = frozenset({"open", "high", "low", "close", "adj close", "volume", "dividends", "stock splits", "capital gains"})


def split_tickers(sample: Sample) -> tuple[Sample, ...]:
    """Divide a table with two lines of header, fields and tickers in either order, by ticker; any other table is returned as it is.

    In each part the columns of the other tickers have names that no format knows.
    """
    if not sample.header or not sample.extra or len(sample.extra[0]) != len(sample.header):
        return (sample,)
    first, second = (tuple(name.partition(".")[0] for name in sample.header[1:]), tuple(cell.lower() for cell in sample.extra[0][1:]))
    if set(first) <= _FIELDS and all(second):
        fields, tickers = first, second
    elif set(second) <= _FIELDS and all(sample.header[1:]):
        fields, tickers = second, _restore_names(sample.header[1:])
    else:
        return (sample,)
    names = list(dict.fromkeys(tickers))
    return tuple(
        replace(
            sample,
            header=("price", *(field if ticker == name else f"{field} of {ticker}" for field, ticker in zip(fields, tickers, strict=True))),
            extra=(("ticker", name.upper()), *sample.extra[1:]),  # Yahoo's tickers have no lower case
        )
        for name in names
    )


def _restore_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Take off the numbers that a header's repeated names were given: a name that is there without its number is a repetition."""
    return tuple(base if (base := name.rpartition(".")[0]) in names and name.rpartition(".")[2].isdecimal() else name for name in names)
