"""Fake exchanges on loopback, for tests: Binance (spot, linear perpetuals) and Kraken as their public documentation describes them, with faults.

What ccxt 4.5.90 does with them, and what follows for a client (test_binance.py and test_kraken.py show each):
- Silence, a halt, a crossed or empty book, a trade sent twice or late, and a level whose removal was lost raise nothing.
- A limit given to Binance's `watch_order_book` drops deeper levels for good: after a move of the price they are missing from the book. Ask for
  many more levels than are used, or for none.
- Kraken's checksum is not checked, and the option for it breaks the reading of the socket: check it by hand, from numbers with all their decimals.
- Kraken refuses a subscription to an unknown symbol and ccxt raises that nowhere; on Binance it is an ExchangeError.
- Binance's error -1008 with status 503 is a plain ExchangeError, not ExchangeNotAvailable; a 503 without JSON is ExchangeNotAvailable.
"""

from tests.exchanges.binance import FakeBinance
from tests.exchanges.binance_futures import FakeBinanceusdm
from tests.exchanges.kraken import FakeKraken
from tests.exchanges.steady import SteadyBinance

__all__ = ["FakeBinance", "FakeBinanceusdm", "FakeKraken", "SteadyBinance"]
