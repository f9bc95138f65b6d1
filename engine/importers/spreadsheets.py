"""Bars with a header: yfinance, Stooq, TradingView, CryptoDataDownload, Nautilus, backtrader, and any table with the usual names."""

from engine.importers._format import Format, Importer, names_of

_TIME = "ts|timestamp|datetime|date|time|open time|open_time|opentime|unix|gmt time|t|start|bar|__index_level_0__|unnamed: 0|"
_OHLC = {"open": "open|o", "high": "high|h", "low": "low|l", "close": "close|c|last"}
_PLAIN = names_of(ts=_TIME, **_OHLC, volume="volume|vol|v|vol.|~volume[ _]\\(?btc\\)?|~volume[ _]\\(?eth\\)?", symbol="symbol|ticker")
_GERMAN = names_of(
    ts="datum|zeit", clock="uhrzeit", open="eröffnung|eröffnungskurs|eröffn.|erster|open", high="hoch|tageshoch|höchst|high",
    low="tief|tagestief|tiefst|low",
    close="schluss|schlusskurs|zuletzt|letzter|close", volume="stuecke|stücke|volumen|vol.|volume",
)  # fmt: skip
_TRADES = names_of(
    ts="ts|timestamp|datetime|time|date", price="price|px|p", size="size|qty|quantity|amount|q", side="side|taker_side|type|direction",
    maker="is_buyer_maker|isbuyermaker|buyer_maker|m", id="id|trade_id|tradeid|tid|trdmatchid", symbol="symbol|ticker",
)  # fmt: skip
_BOOKS = names_of(ts="ts|timestamp", **{"bid_px_#": "bid_px_#", "bid_sz_#": "bid_sz_#", "ask_px_#": "ask_px_#", "ask_sz_#": "ask_sz_#"})

IMPORTER = Importer(
    "tables",
    (
        Format("table-bars", "bars with the usual names of columns", "bars", _PLAIN, remark="times are taken as opens of bars"),
        Format("table-trades", "trades with the usual names of columns", "trades", _TRADES),
        Format("table-books", "books as of a recording", "books", _BOOKS, frozenset({"bid_px_0", "ask_px_0"})),
        Format("table-clock", "bars with date and time apart", "bars", {**_PLAIN, **names_of(ts="date", clock="time")}, frozenset({"date", "time"})),
        Format(
            "table-german", "bars with German names of columns", "bars", _GERMAN, frozenset({"datum"}), is_day_first=True,
            remark="Stücke are the volume where they are there, Volumen is then the turnover",
        ),
        Format(
            "nasdaq", "Nasdaq.com", "bars", names_of(ts="date", open="open", high="high", low="low", close="close/last", volume="volume"),
            frozenset({"date", "close/last"}), is_day_first=False,
        ),
        Format(
            "yfinance", "yfinance (columns by price)", "bars", names_of(ts="price", **_OHLC, volume="volume"),
            frozenset({"price", "open", "high", "low", "close"}), remark="the first column has the dates",
        ),
        Format(
            "investing", "Investing.com", "bars", names_of(ts="date", open="open", high="high", low="low", close="price", volume="vol."),
            frozenset({"date", "price", "open", "high", "low", "change %"}), remark="Price is the close",
        ),
        Format(
            "yfinance-adjusted", "yfinance", "bars", _PLAIN, frozenset({"adj close", "open", "high", "low", "close"}),
            remark="prices as traded, Adj Close is not used",
        ),
        Format(
            "yfinance-history", "yfinance Ticker.history", "bars", _PLAIN, frozenset({"dividends", "stock splits", "open", "close"}),
            remark="prices are adjusted for dividends where auto_adjust was on",
        ),
        Format(
            "stooq", "Stooq", "bars", names_of(ts="date", clock="time", **_OHLC, volume="vol", symbol="ticker"),
            frozenset({"ticker", "per", "date", "time", "open", "vol"}), remark="times as written; give --timezone where they are not UTC",
        ),
        Format(
            "cryptodatadownload", "CryptoDataDownload", "bars",
            names_of(ts="unix|date", **_OHLC, volume="~volume {base}|~volume \\w+", symbol="symbol"),
            frozenset({"unix", "symbol", "open"}),
            file_name=r"^[A-Za-z0-9]+_(?P<symbol>[A-Z0-9]+)_(?P<interval>\d+m|\d*h|d|minute|1min|hourly|daily)\.csv",
        ),
        Format(
            "tradingview", "TradingView export", "bars", names_of(ts="time", **_OHLC, volume="volume"),
            frozenset({"time", "open", "high", "low", "close"}),
            file_name=r"^[A-Z]+[_ ](?P<symbol>[A-Z0-9.!]+), (?P<interval>\d+[SDWM]?)", needs_name=True,
        ),
        Format(
            "nautilus-bars", "Nautilus bars", "bars", names_of(ts="ts_event", **_OHLC, volume="volume"), frozenset({"ts_event", "ts_init", "open"}),
            file_name=r"^(?P<symbol>[A-Z0-9]+)\.[A-Z]+-(?P<interval>\d+)-MINUTE", is_stamped_at_close=True, remark="ts_event is the bar's end",
        ),
    ),
)  # fmt: skip
