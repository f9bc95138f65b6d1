"""The settings of Podium: one declarative schema, and the forms of durations and sizes."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Literal

from msgspec import Meta

from engine.domain.addresses import HIDDEN, label_addresses
from engine.domain.exchange_options import mask_exchange_options
from engine.domain.identity import ProviderSettings
from engine.domain.ports import FeedInfo
from engine.domain.record import DIGEST_FORMAT
from engine.domain.rules import Rule
from engine.domain.texts import shorten
from engine.domain.trading_config import TradingConfig
from engine.domain.webhooks import Webhook
from engine.schema import MAX_INTEGER, limits

FEED_NAMES = ("simulated", "recorded", "live", "push")
LIVE_FEEDS = frozenset({"live", "push"})  # whose bars come as time passes
FEED_CHOICE = f"{', '.join(FEED_NAMES[:-1])} or {FEED_NAMES[-1]}"
SECOND = 1_000_000_000  # ns
DAY = 86_400 * SECOND
MAX_DURATION = 2**62  # ns: a sum with a time still fits in 64 bits
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY}
_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class SettingsError(ValueError):
    """A setting that cannot be used: one line with the value and the remedy."""


def _names(about: str) -> Meta:
    return limits(form="names", help=about, remedy="names separated by commas")


def _written(form: str, about: str, remedy: str) -> Meta:
    return limits(form=form, help=about, remedy=remedy)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, resolved; the annotations are its schema. A cost of None is the feed's own."""

    home: Annotated[str, _written("text", "folder of the store, models, logs, backtests and temporary files", "the path of a folder")]
    database_url: Annotated[str, _written("database", "address of the store; HOME/podium.db unless set", "sqlite:///FILE")]
    feed: Annotated[str, _written("feed", "market to decide on", FEED_CHOICE)] = "simulated"
    feed_path: Annotated[str, _written("path", "folder of a recording", "the path of a folder")] | None = None
    symbols: Annotated[tuple[str, ...], _names("some of the feed's symbols; all unless set")] = ()
    interval: Annotated[int, _written("duration", "length of a bar; the feed's own unless set", "a length such as 5m")] | None = None
    seed: Annotated[int, limits(0, MAX_INTEGER, help="seed of every random draw")] = 7
    capital: Annotated[float, limits(1.0, help="equity of the paper account at its start", unit="account currency")] = 100_000.0
    # costs of the paper broker
    fee_bps: Annotated[float, limits(0.0, 1_000.0, "bps", "taker fee, one way; the feed's own unless set")] | None = None
    spread_bps: Annotated[float, limits(0.0, 1_000.0, "bps", "full spread where there is no book; the feed's own unless set")] | None = None
    impact_coefficient: Annotated[
        float, limits(0.0, 100.0, "bar volatilities", "impact of an order as large as the bar's volume; grows with the root of its share")
    ] = 0.1
    participation: Annotated[float, limits(0.0001, 1.0, "share", "largest share of a bar's volume that an order may take")] = 0.1
    latency_ms: Annotated[float, limits(0.0, 60_000.0, "ms", "time from a decision to its order at the venue")] = 250.0
    # the simulated market
    sim_signal: Annotated[float, limits(0.0, 0.5, "R²", "one-bar R² of the best forecast from public data; 0 is a martingale")] = 0.05
    sim_persistence: Annotated[float, limits(0.0, 0.999, help="autocorrelation of the signal from bar to bar")] = 0.95
    sim_volatility_bps: Annotated[float, limits(1.0, 1_000.0, "bps", "volatility of one bar")] = 20.0
    sim_symbols: Annotated[int, limits(1, 500, "symbols", "symbols of the simulated market")] = 8
    sim_changes: Annotated[
        str,
        _written(
            "changes",
            "changes of the relation between past and next returns: flip, none, interaction or other, each from a bar on",
            "`3000:flip,6000:none`, with rising bars",
        ),
    ] = ""
    # a live market
    exchange: Annotated[str, _written("text", "exchange of the live market, by its name in ccxt", "a name such as kraken")] | None = None
    exchange_options: Annotated[
        str,
        _written("json", "options of ccxt's constructor as JSON, such as urls and proxies; the table [exchange] of podium.toml is the same", "JSON"),
    ] = field(default="", repr=False)
    book_levels: Annotated[int, limits(1, 50, "levels", "levels of the order books of a live market, or of posted ones")] = 5
    settle_ms: Annotated[
        float, limits(0.0, 60_000.0, "ms", "time that a tick waits after the close of a live bar for the last messages of that bar")
    ] = 500.0
    # a market that a program posts
    push_data: Annotated[
        Literal["bars", "bars+books", "trades", "trades+books"],
        limits(help="what a program posts to the push feed: bars, or trades to build them from"),
    ] = "bars"
    push_terms: str = ""  # the table [push] as JSON: contracts of the symbols, written like recording.toml
    record: Annotated[str, _written("path", "folder that a running engine records its feed in", "the path of a folder")] | None = None
    record_retention: Annotated[str, _written("retention", "age or size at which the oldest parts of a recording are deleted", "30d or 20GB")] = (
        "30d,20GB"
    )
    # the engine
    models: Annotated[tuple[str, ...], _names("models to train; all unless set")] = ()
    evolution: (
        Annotated[
            Literal["off", "refresh", "full"],
            limits(help="change of models: off trains once, refresh trains the same recipes on newer data, full also searches other recipes"),
        ]
        | None
    ) = None
    train_days: Annotated[float, limits(0.01, 3_650.0, "days", "history that a training uses")] = 30.0
    train_rows: Annotated[int, limits(0, MAX_INTEGER, "rows", "rows in one training at most; 0 for all")] = 0
    warmup_bars: Annotated[int, limits(0, 1_000_000, "bars", "bars decided at once on a fresh store")] = 0
    tick_interval_seconds: Annotated[float, limits(0.0, 3_600.0, "s", "wall time between ticks; 0 for as fast as possible")] = 0.0
    threads: Annotated[int, limits(0, 64, "threads", "threads for phases 1 to 3 while live; 0 for one phase after the other, as in a backtest")] = 3
    trading: TradingConfig = field(default_factory=TradingConfig)
    search_cpu_share: Annotated[
        float, limits(0.0, 64.0, "cores", "processor time that searches for better recipes may use, a mean over an hour; 0 for any; live only")
    ] = 0.25
    certify_cpu_share: Annotated[
        float, limits(0.0, 1.0, "cores", "processor time that checks for look-ahead may use while the engine is idle, on average; 0 for none")
    ] = 0.05
    # retention
    retention_days: float | None = 30.0
    retention_bytes: int | None = 2_000_000_000
    # the optimizer
    rules: tuple[Rule, ...] = ()  # replace the defaults of the same name, or add to them
    modes: tuple[tuple[str, str], ...] = ()  # of actions, by name
    trial_seconds: Annotated[float, limits(4.0, 600.0, "s", "time measured before and after a run of an optimization")] = 10.0
    trial_rest_seconds: Annotated[float, limits(1.0, 3_600.0, "s", "pause between two such runs")] = 20.0
    # alerts; the addresses are secret: no text made from the settings contains them
    alert_urls: Annotated[tuple[str, ...], _written("addresses", "Apprise addresses, separated by commas", "kind://...")] = field(
        default=(), repr=False
    )
    escalate_urls: Annotated[
        tuple[str, ...], _written("addresses", "addresses for alerts that nobody acknowledges; alert_urls unless set", "kind://...")
    ] = field(default=(), repr=False)
    escalate_minutes: Annotated[float, limits(1.0, 10_080.0, "min", "time after which an alert that nobody acknowledges is escalated")] = 15.0
    drill_hours: Annotated[float, limits(0.0, 8_760.0, "h", "time between two drills; 0 for drills by command only")] = 24.0
    webhooks: tuple[Webhook, ...] = field(default=(), repr=False)
    # the server
    address: Annotated[
        str, _written("address", "IP address to listen on; other than loopback only with log-in, and with TLS or behind a proxy", "127.0.0.1")
    ] = "127.0.0.1"
    port: Annotated[int, limits(1, 65_535, help="port of the dashboard")] = 8501
    # who may use it
    login: Annotated[
        Literal["off", "local", "oidc", "both"],
        limits(help="how people log in: off for everybody on this machine, local for accounts, oidc for the provider of [auth], both for either"),
    ] = "off"
    provider: ProviderSettings | None = None  # of the table [auth]; its secret is in no text made from the settings
    session_idle_hours: Annotated[float, limits(0.01, 720.0, "h", "time without use after which a log-in ends")] = 12.0
    session_days: Annotated[float, limits(0.01, 365.0, "days", "time after which a log-in ends in any case")] = 7.0
    tls_cert: Annotated[str, _written("path", "certificate of the server with its chain, PEM", "the path of a file")] | None = None
    tls_key: Annotated[str, _written("path", "private key of the certificate, PEM", "the path of a file")] | None = None
    behind_proxy: Annotated[
        tuple[str, ...], _written("proxies", "addresses of the proxies that visitors come through, over HTTPS", "10.0.0.2,10.0.0.3")
    ] = ()


def count_order_delay_ms(settings: Settings) -> float:
    """Count the ms from a bar's close to its order at the venue: on a market that is live a decision waits for the last messages first."""
    return settings.latency_ms + (settings.settle_ms if settings.feed in LIVE_FEEDS else 0.0)


def build_trading_config(settings: Settings, info: FeedInfo) -> TradingConfig:
    """Build the configuration for one feed: its venue's rules, and its fees and spread unless the settings replace them."""
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
        evolution=settings.evolution or settings.trading.evolution,
        rules=replace(info.rules, ticks=info.tick_size if any(info.tick_size) else ()),
    )


def identify_session(
    settings: Settings, info: FeedInfo, models: tuple[str, ...], columns: tuple[str, ...], layout: str, quarantine: tuple[str, ...] = ()
) -> str:
    """Identify a session by its market, models, horizons and columns, the layout of its records (store.codec.layout) and the rules of deciding.

    The result is JSON.

    Scheduled changes of the simulated market make another market of it; without them the identity is that of earlier versions. A live market
    is that of its exchange. The names in quarantine are part of it: a kind of model may have served at a place of another name.
    """
    identity = {
        "feed": info.name, "path": settings.feed_path, "symbols": info.symbols, "interval": info.interval,
        "seed": settings.seed, "models": models, "horizons": settings.trading.horizons, "columns": columns, "layout": layout,
        "rules": DIGEST_FORMAT,
    }  # fmt: skip
    if info.simulated and settings.sim_changes:
        identity["changes"] = settings.sim_changes
    if info.name == "live":
        identity["exchange"] = settings.exchange
    if info.name == "push":
        identity |= {"data": str(settings.push_data), "levels": info.levels}
    if quarantine:
        identity["quarantine"] = quarantine
    return json.dumps(identity, sort_keys=True)


def serialize_settings(settings: Settings) -> str:
    """Serialize the settings for the session's row in the store, with the addresses and the texts of the exchange's options masked."""
    masked: dict[str, object] = {
        "alert_urls": label_addresses(settings.alert_urls),
        "escalate_urls": label_addresses(settings.escalate_urls),
        "webhooks": [{"name": webhook.name, "events": webhook.events} for webhook in settings.webhooks],
        "exchange_options": mask_exchange_options(settings.exchange_options),
    }
    if settings.provider is not None:
        masked["provider"] = asdict(replace(settings.provider, client_secret=HIDDEN if settings.provider.client_secret else ""))
    return json.dumps(asdict(settings) | masked, sort_keys=True)


def parse_duration(text: str) -> int:
    """Parse '5m', '1s', '2h' or '1d' as ns; raises SettingsError."""
    match = re.fullmatch(r"(\d{1,9})\s*([smhd])", text.strip(), re.ASCII)
    if not match or not 0 < int(match[1]) * _UNITS[match[2]] < MAX_DURATION:
        raise SettingsError(f"{shorten(text)} is not a duration: write it as 1s, 5m, 1h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(ns: int) -> str:
    """Format ns as '5m'."""
    for unit in ("d", "h", "m", "s"):
        if ns % _UNITS[unit] == 0:
            return f"{ns // _UNITS[unit]}{unit}"
    return f"{ns / SECOND:g}s"


def parse_retention(text: str) -> tuple[float | None, int | None]:
    """Parse '30d', '500MB' or '30d,2GB' as days and bytes; raises SettingsError."""
    days: float | None = None
    size: int | None = None
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-zA-Z]{1,2})", part.strip(), re.ASCII)
        amount, unit = (float(match[1]), match[2]) if match else (0.0, "")
        if amount > 0 and unit.lower() in {"d", "h", "m"} and days is None:
            days = amount * _UNITS[unit.lower()] / DAY
        elif amount > 0 and unit.upper() in _SIZES and size is None:
            size = round(amount * _SIZES[unit.upper()])
        else:
            raise SettingsError(f"{shorten(text)} is not an age or a size: write it as 30d, 500MB or 30d,2GB")
    return days, size
