"""Reads the aggressor's side of each trade in the spellings that venues and vendors use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.record import Floats

_BUY = frozenset({"buy", "b", "bid", "bought", "buyer", "+1", "+1.0"})
_SELL = frozenset({"sell", "s", "ask", "a", "sold", "seller", "offer", "-1", "-1.0"})
_ONE, _ZERO = frozenset({"1", "1.0"}), frozenset({"0", "0.0"})  # 1 and -1 are sides; 1 and 0 may stand for either
_UNTOLD = frozenset({"", "none", "n", "null", "nan", "na", "n/a", "unknown", "u", "undefined", "-", "?"})
_TRUE, _FALSE = frozenset({"true", "t", "1", "1.0", "yes", "y"}), frozenset({"false", "f", "0", "0.0", "no", "n"})
_MAKER_COLUMNS = frozenset({"isbuyermaker", "buyermaker", "buyerismaker", "isbuyerthemaker"})
_SHOWN = 4  # values named


def trade_signs(table: pa.Table) -> Floats:
    """(n,) +1 where the aggressor bought, -1 where it sold, 0 where that is not told. Raises ValueError in words that follow the file's name."""
    if "side" in table.column_names:
        words, places = _words(table["side"])
        return _looked_up(_signs_of_sides(words), words, places)
    maker = next((name for name in table.column_names if _plain(name) in _MAKER_COLUMNS), None)
    if maker is None:
        raise ValueError(f"lacks side (or is_buyer_maker): its columns are {', '.join(table.column_names[:12])}")
    words, places = _words(table[maker])
    return _looked_up(_signs_of_makers(maker, words), words, places)


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace(" ", "")


def _words(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The distinct values as trimmed lower-case texts, null as the empty one, and where each row's stands among them."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    coded = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks().dictionary_encode()
    return [value.strip().lower() for value in coded.dictionary.to_pylist()], coded.indices.to_numpy()


def _signs_of_sides(words: list[str]) -> Mapping[str, float]:
    signs = dict.fromkeys(_BUY, 1.0) | dict.fromkeys(_SELL, -1.0) | dict.fromkeys(_UNTOLD, 0.0)
    used = set(words)
    if used & {"-1", "-1.0"} or not used & (_ZERO | {"2"}):
        signs |= dict.fromkeys(_ONE, 1.0) | dict.fromkeys(_ZERO, 0.0)
    unknown = [word for word in words if word not in signs]
    sides = {signs[word] for word in words if word in signs} - {0.0}
    if unknown and len(sides) < 2:
        shown = ", ".join(repr(word) for word in unknown[:_SHOWN])
        raise ValueError(
            f"has a column side whose {shown} cannot be understood: write buy, sell or none for the side of the aggressor, "
            "or name the column is_buyer_maker where it says that"
        )
    return signs


def _signs_of_makers(name: str, words: list[str]) -> Mapping[str, float]:
    """Where the buyer was the maker, the aggressor sold."""
    signs = dict.fromkeys(_UNTOLD, 0.0) | dict.fromkeys(_TRUE, -1.0) | dict.fromkeys(_FALSE, 1.0)
    unknown = [word for word in words if word not in signs]
    if unknown:
        raise ValueError(f"has the {name} {unknown[0]!r}: write true or false")
    return signs


def _looked_up(signs: Mapping[str, float], words: list[str], places: np.ndarray) -> Floats:
    table = np.array([signs.get(word, 0.0) for word in words], dtype=np.float64)
    return np.asarray(table[places]) if len(table) else np.zeros(len(places))
