"""Binance: files of data.binance.vision, in ms or us, with and without header."""

from engine.importers._format import Format, Importer, names_of

_ID, _NUMBER, _COUNT, _BOOL = r"\d{1,12}", r"[\d.]+(e-?\d+)?", r"\d{13}|\d{16}", "true|false"
_KLINES = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
_AGGREGATED = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
_TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"

_BARS = names_of(ts="open_time", open="open", high="high", low="low", close="close", volume="volume")
_AGGREGATED_COLUMNS = names_of(ts="transact_time", price="price", size="quantity", maker="is_buyer_maker", id="agg_trade_id")
_TRADE_COLUMNS = names_of(ts="time", price="price", size="qty", maker="is_buyer_maker", id="id")


def _headerless(name: str, label: str, kind: str, columns: dict[str, tuple[str, ...]], layout: str, cells: dict[str, str], file_name: str) -> Format:
    return Format(name, label, kind, columns, frozenset(), tuple(layout.split(",")), cells, file_name)


_KLINE_NAME = r"^(?P<symbol>[A-Z0-9]+(_PERP|_\d{6})?)-(?P<interval>\d+(s|m|h|d|w|mo))-\d{4}"
_AGGREGATED_NAME, _TRADE_NAME = (rf"^(?P<symbol>[A-Z0-9]+(_PERP|_\d{{6}})?)-{kind}-\d{{4}}" for kind in ("aggTrades", "trades"))
_AGGREGATED_CELLS = {
    "agg_trade_id": _ID, "price": _NUMBER, "quantity": _NUMBER, "first_trade_id": _ID, "last_trade_id": _ID, "transact_time": _COUNT,
    "is_buyer_maker": _BOOL,
}  # fmt: skip
_TRADE_CELLS = {"id": _ID, "price": _NUMBER, "qty": _NUMBER, "quote_qty": _NUMBER, "time": _COUNT, "is_buyer_maker": _BOOL}

IMPORTER = Importer(
    "Binance",
    (
        Format(
            "binance-klines", "Binance klines", "bars", _BARS, frozenset({"open_time", "close_time", "taker_buy_quote_volume"}),
            tuple(_KLINES.split(",")), {"open_time": _COUNT, "close_time": _COUNT, "open": _NUMBER, "count": r"\d+"}, _KLINE_NAME,
        ),
        Format(
            "binance-aggtrades", "Binance aggregated trades", "trades", _AGGREGATED_COLUMNS,
            frozenset({"agg_trade_id", "transact_time", "is_buyer_maker"}),
            tuple(_AGGREGATED.split(",")), _AGGREGATED_CELLS, _AGGREGATED_NAME,
        ),
        _headerless(
            "binance-aggtrades-spot", "Binance aggregated trades (spot)", "trades", _AGGREGATED_COLUMNS, f"{_AGGREGATED},is_best_match",
            _AGGREGATED_CELLS | {"is_best_match": _BOOL}, _AGGREGATED_NAME,
        ),
        Format(
            "binance-trades", "Binance trades", "trades", _TRADE_COLUMNS, frozenset({"qty", "quote_qty", "time", "is_buyer_maker"}),
            tuple(_TRADES.split(",")), _TRADE_CELLS, _TRADE_NAME,
        ),
        _headerless(
            "binance-trades-spot", "Binance trades (spot)", "trades", _TRADE_COLUMNS, f"{_TRADES},is_best_match",
            _TRADE_CELLS | {"is_best_match": _BOOL}, _TRADE_NAME,
        ),
    ),
)  # fmt: skip
