"""Kraken: the archives of OHLCVT and of trades, without header, in seconds."""

from engine.importers._format import Format, Importer, names_of

_SECONDS, _NUMBER = r"\d{9,10}(\.\d+)?", r"[\d.]+(e-?\d+)?"
_BARS = names_of(ts="timestamp", open="open", high="high", low="low", close="close", volume="volume")

IMPORTER = Importer(
    "Kraken",
    (
        Format(
            "kraken-ohlcvt", "Kraken OHLCVT", "bars", _BARS,
            layout=("timestamp", "open", "high", "low", "close", "volume", "trades"),
            cells={"timestamp": _SECONDS, "open": _NUMBER, "volume": _NUMBER, "trades": r"\d+"},
            file_name=r"^(?P<symbol>[A-Z0-9.]+)_(?P<interval>1|5|15|30|60|240|720|1440|10080)\.csv$",
            remark="minutes without a trade have no row",
        ),
        Format(
            "kraken-trades", "Kraken trades", "trades", names_of(ts="timestamp", price="price", size="volume"),
            layout=("timestamp", "price", "volume"), cells={"timestamp": _SECONDS, "price": _NUMBER, "volume": _NUMBER},
            file_name=r"^(?P<symbol>[A-Z0-9.]+)\.csv$", remark="without the side of the aggressor and without ids",
        ),
        Format(
            "kraken-api-trades", "Kraken trades as its API lists them", "trades",
            names_of(ts="timestamp", price="price", size="volume", side="side", id="id"),
            layout=("price", "volume", "timestamp", "side", "kind", "misc", "id"),
            cells={"price": _NUMBER, "volume": _NUMBER, "timestamp": _SECONDS, "side": "b|s", "kind": "m|l"},
        ),
    ),
)  # fmt: skip
