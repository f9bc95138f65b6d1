"""MetaTrader 4 and 5, HistData and Dukascopy."""

from engine.importers._format import Format, Importer, names_of

_NUMBER = r"[\d.,]+"
_DATE, _CLOCK = r"\d{4}\.\d\d\.\d\d", r"\d\d:\d\d(:\d\d)?"
_ROW = ("date", "time", "open", "high", "low", "close", "volume")
_BARS = names_of(ts="date", clock="time", open="open", high="high", low="low", close="close")
_EASTERN = "Etc/GMT+5"  # New York's winter time all year
_TICKS = "counts of ticks are no volume, which is unknown"
_ONE = {"open": "open", "high": "high", "low": "low", "close": "close"}

IMPORTER = Importer(
    "foreign exchange",
    (
        Format(
            "metatrader4", "MetaTrader 4 history", "bars", _BARS, layout=_ROW, cells={"date": _DATE, "time": _CLOCK, "open": _NUMBER},
            file_name=r"^(?P<symbol>[A-Za-z.#]+)(?P<interval>1|5|15|30|60|240|1440)\.csv", zone=None, remark=_TICKS,
        ),
        Format(
            "metatrader5", "MetaTrader 5 bars", "bars", _BARS, frozenset({"date", "time", "open", "tickvol", "spread"}),
            file_name=r"^(?P<symbol>[A-Za-z.#]+)_(?P<interval>[MH]\d+)_", zone=None, remark=_TICKS,
        ),
        Format(
            "metatrader5-daily", "MetaTrader 5 daily bars", "bars", names_of(ts="date", **_ONE), frozenset({"date", "open", "tickvol", "spread"}),
            file_name=r"^(?P<symbol>[A-Za-z.#]+)_Daily_", remark=_TICKS,
        ),
        Format(
            "histdata-metatrader", "HistData (MetaTrader)", "bars", _BARS, layout=_ROW, cells={"date": _DATE, "time": _CLOCK},
            file_name=r"^DAT_MT_(?P<symbol>[A-Z]+)_(?P<interval>M1)_", needs_name=True, zone=_EASTERN,
        ),
        Format(
            "histdata", "HistData (ASCII)", "bars", names_of(ts="ts", **_ONE), layout=("ts", "open", "high", "low", "close", "volume"),
            cells={"ts": r"\d{8} \d{6}", "open": _NUMBER, "volume": r"\d+"}, file_name=r"^DAT_ASCII_(?P<symbol>[A-Z]+)_(?P<interval>M1)_",
            zone=_EASTERN, remark="its volume is always 0 and is left out",
        ),
        Format(
            "dukascopy", "Dukascopy candles", "bars", names_of(ts="gmt time|utc|time (utc)|local time|utc time", **_ONE, volume="volume|volume "),
            frozenset({"gmt time", "open"}), file_name=r"^(?P<symbol>[A-Z]+)_Candlestick_(?P<interval>\d+_[MHD])", is_day_first=True,
        ),
        Format(
            "dukascopy-local", "Dukascopy candles in local time", "bars", names_of(ts="local time", **_ONE, volume="volume"),
            frozenset({"local time", "open"}), file_name=r"^(?P<symbol>[A-Z]+)_Candlestick_", is_day_first=True, zone=None,
        ),
        Format(
            "dukascopy-ticks", "Dukascopy ticks", "books",
            names_of(ts="gmt time|time (utc)|utc", bid_px_0="bid", ask_px_0="ask", bid_sz_0="bidvolume|bid volume", ask_sz_0="askvolume|ask volume"),
            frozenset({"ask", "bid"}), file_name=r"^(?P<symbol>[A-Z]+)_Ticks_", is_day_first=True,
        ),
    ),
)  # fmt: skip
