"""Freqtrade, ccxt and Coinbase: candles as lists, and freqtrade's Feather and Parquet."""

from engine.importers._format import Format, Importer, names_of

_COUNT, _NUMBER = r"\d{12,13}|\d{16}", r"[\d.]+(e[-+]?\d+)?"
_BARS = names_of(ts="date|timestamp", open="open", high="high", low="low", close="close", volume="volume")
_PAIR = r"^(?P<symbol>[A-Za-z0-9]+_[A-Za-z0-9]+(_[A-Za-z0-9]+)?)-(?P<interval>\d+[smhdw])(-(futures|mark|spot))?\.(json|feather|parquet)"
_TRADE_NAME = r"^(?P<symbol>[A-Za-z0-9]+_[A-Za-z0-9]+(_[A-Za-z0-9]+)?)-trades\.(json|feather|parquet|csv)"
_LIST = ("timestamp", "open", "high", "low", "close", "volume")
_CELLS = {"timestamp": _COUNT, "open": _NUMBER, "high": _NUMBER, "low": _NUMBER, "close": _NUMBER}
_TRADES = names_of(ts="timestamp", price="price", size="amount", side="side", id="id", symbol="symbol")

IMPORTER = Importer(
    "lists of candles",
    (
        Format(
            "freqtrade", "freqtrade candles", "bars", _BARS, frozenset({"date", "open", "high", "low", "close", "volume"}), _LIST, _CELLS, _PAIR,
            needs_name=True,
        ),
        Format(
            "freqtrade-trades", "freqtrade trades", "trades", _TRADES, frozenset({"timestamp", "id", "type", "side", "price", "amount", "cost"}),
            ("timestamp", "id", "type", "side", "price", "amount", "cost"), {"timestamp": _COUNT, "side": "buy|sell"}, _TRADE_NAME,
        ),
        Format("ccxt", "candles [time, open, high, low, close, volume] as of ccxt", "bars", _BARS, layout=_LIST, cells=_CELLS),
        Format("ccxt-trades", "trades of ccxt", "trades", _TRADES, frozenset({"timestamp", "datetime", "side", "price", "amount", "takerormaker"})),
        Format(
            "coinbase", "Coinbase candles [time, low, high, open, close, volume]", "bars",
            names_of(**{name: name for name in _LIST[1:]} | {"ts": "timestamp"}),
            layout=("timestamp", "low", "high", "open", "close", "volume"), cells={"timestamp": r"\d{9,10}", "low": _NUMBER},
        ),
        Format(
            "plain-list", "columns time, open, high, low, close, volume without header", "bars", _BARS, layout=_LIST,
            cells={"timestamp": r"\d{9,10}(\.\d+)?|\d{4}[-./]\d\d[-./]\d\d.*|\d{5}([.,]\d+)?|\d{2}[-./]\d\d[-./]\d{4}.*"},
        ),
    ),
)  # fmt: skip
