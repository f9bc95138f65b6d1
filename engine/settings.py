"""What Podium is set to: frozen records, and the forms their values are written in."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace

from engine.domain.addresses import label_addresses
from engine.domain.ports import FeedInfo
from engine.domain.rules import Rule
from engine.domain.texts import shorten
from engine.domain.trading_config import TradingConfig

FEED_NAMES = ("simulated", "recorded")
SECOND = 1_000_000_000  # ns
DAY = 86_400 * SECOND
MAX_DURATION = 2**62  # ns: what is added to a time still fits in 64 bits
_SPANS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY}
_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class SettingsError(ValueError):
    """A setting that cannot be used: one line with the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, resolved. Costs left at None are the feed's own."""

    home: str  # folder of the store, models and logs
    database_url: str
    feed: str = "simulated"  # of FEEDS
    feed_path: str | None = None  # folder of a recording
    symbols: tuple[str, ...] = ()  # () for all the feed has
    interval: int | None = None  # ns, None for the feed's own
    seed: int = 7
    capital: float = 100_000.0
    # costs of the paper broker
    fee_bps: float | None = None  # taker, one way
    spread_bps: float | None = None
    impact_coefficient: float = 0.1
    participation: float = 0.1  # largest share of a bar's volume an order may take
    latency_ms: float = 250.0
    # the simulated market
    sim_signal: float = 0.05  # one-bar R2 of the best forecast from public data; 0 is a martingale
    sim_persistence: float = 0.95  # of the signal, from bar to bar
    sim_volatility_bps: float = 20.0  # of a bar
    sim_symbols: int = 8
    # the engine
    models: tuple[str, ...] = ()  # () for all
    train_days: float = 30.0
    train_rows: int = 0  # rows in one training at most, 0 for all
    warmup_bars: int = 0  # bars decided at once on a fresh store
    tick_interval_seconds: float = 0.0  # wall time between ticks, 0 for as fast as it goes
    threads: int = 3  # that phases 1 to 3 run beside each other on while live, 0 for one after the other (a backtest always is)
    trading: TradingConfig = field(default_factory=TradingConfig)
    # retention
    retention_days: float | None = 30.0
    retention_bytes: int | None = 2_000_000_000
    # the optimizer
    rules: tuple[Rule, ...] = ()  # in the place of the defaults of the same name, or besides them
    modes: tuple[tuple[str, str], ...] = ()  # of actions, by name
    trial_seconds: float = 10.0  # measured before a run and after it
    trial_rest_seconds: float = 20.0  # between two runs
    # alerts; the addresses are secret and stand in no text that is made of the settings
    alert_urls: tuple[str, ...] = field(default=(), repr=False)  # Apprise addresses
    escalate_urls: tuple[str, ...] = field(default=(), repr=False)  # what nobody acknowledges is sent here again; () for the same
    escalate_minutes: float = 15.0
    drill_hours: float = 24.0  # between two drills, 0 for by hand only
    # the server
    address: str = "127.0.0.1"
    port: int = 8501


def build_trading_config(settings: Settings, info: FeedInfo) -> TradingConfig:
    """The knobs a feed is traded with: its venue's rules, and its fees and spread unless the settings say otherwise."""
    return replace(
        settings.trading,
        fee_bps=info.fee_bps if settings.fee_bps is None else settings.fee_bps,
        fees_bps=info.fees_bps if settings.fee_bps is None else (),
        maker_fee_bps=info.maker_fee_bps if settings.fee_bps is None else None,
        maker_fees_bps=info.maker_fees_bps if settings.fee_bps is None else (),
        spread_bps=info.spread_bps if settings.spread_bps is None else settings.spread_bps,
        trading_hours=info.trading_hours,
        impact_coefficient=settings.impact_coefficient,
        participation=settings.participation,
        latency_ms=settings.latency_ms,
        rules=replace(info.rules, ticks=info.tick_size if any(info.tick_size) else ()),
    )


def identify_session(settings: Settings, info: FeedInfo, models: tuple[str, ...], columns: tuple[str, ...], layout: str) -> str:
    """What makes two runs the same session: the market, what is asked of it and how it is kept (store.codec.layout), as JSON."""
    told = {
        "feed": info.name, "path": settings.feed_path, "symbols": info.symbols, "interval": info.interval,
        "seed": settings.seed, "models": models, "horizons": settings.trading.horizons, "columns": columns, "layout": layout,
    }  # fmt: skip
    return json.dumps(told, sort_keys=True)


def serialize_settings(settings: Settings) -> str:
    """The settings as kept with a session."""
    masked = {"alert_urls": label_addresses(settings.alert_urls), "escalate_urls": label_addresses(settings.escalate_urls)}
    return json.dumps(asdict(settings) | masked, sort_keys=True)


def parse_duration(text: str) -> int:
    """'5m', '1s', '2h', '1d' as ns."""
    found = re.fullmatch(r"(\d{1,9})\s*([smhd])", text.strip(), re.ASCII)
    if not found or not 0 < int(found[1]) * _SPANS[found[2]] < MAX_DURATION:
        raise SettingsError(f"{shorten(text)} is not a span of time: write it as 1s, 5m, 1h or 1d")
    return int(found[1]) * _SPANS[found[2]]


def format_duration(ns: int) -> str:
    """ns as '5m'."""
    for unit in ("d", "h", "m", "s"):
        if ns % _SPANS[unit] == 0:
            return f"{ns // _SPANS[unit]}{unit}"
    return f"{ns / SECOND:g}s"


def parse_retention(text: str) -> tuple[float | None, int | None]:
    """'30d', '500MB' or '30d,2GB' as days and bytes."""
    days: float | None = None
    size: int | None = None
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-zA-Z]{1,2})", part.strip(), re.ASCII)
        unit = found[2] if found else ""
        if found and unit.lower() in {"d", "h", "m"} and float(found[1]) > 0 and days is None:
            days = float(found[1]) * _SPANS[unit.lower()] / DAY
        elif found and unit.upper() in _SIZES and float(found[1]) > 0 and size is None:
            size = round(float(found[1]) * _SIZES[unit.upper()])
        else:
            raise SettingsError(f"{shorten(text)} is not an age or a size: write it as 30d, 500MB or 30d,2GB")
    return days, size
