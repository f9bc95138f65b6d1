"""Tardis, Databento and LOBSTER: books, trades and bars as CSV."""

from engine.importers._format import Format, Importer, names_of

_NANO = 1e-9  # Databento's prices are whole numbers of 1e-9 where they have no point
_NONE = ("9223372036854775807",)  # Databento's missing price
_DATABENTO_BOOK = {"bid_px_#": "bid_px_##", "bid_sz_#": "bid_sz_##", "ask_px_#": "ask_px_##", "ask_sz_#": "ask_sz_##"}
_TARDIS_BOOK = {
    "bid_px_#": "bids[#].price", "bid_sz_#": "bids[#].amount", "ask_px_#": "asks[#].price", "ask_sz_#": "asks[#].amount",
}  # fmt: skip

_LOBSTER_BOOK = {f"{side}_{kind}_#": f"lobster_{side}_{kind}_#" for side in ("bid", "ask") for kind in ("px", "sz")}
_LOBSTER_NAME = r"^(?P<symbol>.+)_lobster_(books|trades)\.csv"

IMPORTER = Importer(
    "vendors",
    (
        Format(
            "tardis-books", "Tardis book snapshots", "books", names_of(ts="timestamp", symbol="symbol", **_TARDIS_BOOK),
            frozenset({"exchange", "symbol", "local_timestamp", "bids[0].price"}), remark="ts is the exchange's time, local_timestamp is not used",
        ),
        Format(
            "tardis-trades", "Tardis trades", "trades", names_of(ts="timestamp", symbol="symbol", price="price", size="amount", side="side", id="id"),
            frozenset({"exchange", "symbol", "timestamp", "local_timestamp", "side", "price", "amount"}),
        ),
        Format(
            "databento-mbp", "Databento MBP", "books", names_of(ts="ts_recv|ts_event", symbol="symbol", **_DATABENTO_BOOK),
            frozenset({"ts_event", "rtype", "action", "side", "price", "size", "bid_px_00", "ask_px_00"}), price_unit=_NANO, missing=_NONE,
            remark="ts is ts_recv, when the book was known",
        ),
        Format(
            "databento-trades", "Databento trades", "trades", names_of(ts="ts_event", price="price", size="size", side="side", symbol="symbol"),
            frozenset({"ts_event", "rtype", "action", "side", "price", "size"}), price_unit=_NANO, missing=_NONE,
        ),
        Format(
            "databento-ohlcv", "Databento OHLCV", "bars",
            names_of(ts="ts_event", open="open", high="high", low="low", close="close", volume="volume", symbol="symbol"),
            frozenset({"ts_event", "rtype", "open", "high", "low", "close"}), price_unit=_NANO, missing=_NONE,
        ),
        Format(
            "lobster-books", "LOBSTER books", "books", names_of(ts="lobster_ns", **_LOBSTER_BOOK), frozenset({"lobster_ns", "lobster_bid_px_0"}),
            file_name=_LOBSTER_NAME, price_unit=1e-4, missing=("9999999999", "-9999999999"), remark="a day's messages and books joined",
        ),
        Format(
            "lobster-trades", "LOBSTER executions", "trades",
            names_of(ts="lobster_ns", price="lobster_price", size="lobster_size", maker="lobster_resting"),
            frozenset({"lobster_ns", "lobster_price"}), file_name=_LOBSTER_NAME, price_unit=1e-4,
        ),
    ),
)  # fmt: skip
