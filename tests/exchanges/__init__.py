"""Fake exchanges on loopback, for tests: Binance spot and Kraken as their public documentation describes them, with faults at will."""

from tests.exchanges.binance import FakeBinance
from tests.exchanges.kraken import FakeKraken

__all__ = ["FakeBinance", "FakeKraken"]
