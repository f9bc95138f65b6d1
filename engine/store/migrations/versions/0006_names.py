"""Renames what 0.3 and 0.4 stored under private names: tables, columns, gates, features, models, settings and an alert rule."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from typing import Any

from alembic import op
from sqlalchemy import Connection

revision = "0006"
down_revision = "0005"

GATES = {
    "sound phases": "no degraded phase", "sane book": "valid book", "models heard": "active models", "known territory": "in distribution",
    "edge over cost": "edge above cost", "worth trading": "minimum trade", "room in limits": "risk limits",
}  # fmt: skip
MODELS = {"fourier": "random_fourier_features", "prototypes": "kmeans_prototypes"}
FEATURES = {
    "book.imbalance_best": "book.queue_imbalance", "book.imbalance_levels": "book.depth_imbalance", "book.best_share": "book.best_depth_share",
    "book.micro_offset": "book.micro_price_offset", "book.spread": "book.relative_spread",
    "cross_section.rank_1": "cross_section.return_rank_1", "cross_section.rank_12": "cross_section.return_rank_12",
    "cross_section.rank_48": "cross_section.return_rank_48", "cross_section.rank_realised_24": "cross_section.realised_variance_rank_24",
    "cross_section.residual_12": "cross_section.idiosyncratic_return_12", "cross_section.residual_48": "cross_section.idiosyncratic_return_48",
    "cross_section.own_share_96": "cross_section.idiosyncratic_share_96", "cross_section.market_1": "cross_section.market_return_1",
    "cross_section.market_12": "cross_section.market_return_12",
    "flow.ofi_last": "flow.ofi_1", "flow.ofi_levels_12": "flow.multi_level_ofi_12", "flow.signed_last": "flow.trade_imbalance_1",
    "flow.signed_12": "flow.trade_imbalance_12", "flow.one_sided_48": "flow.vpin_48", "flow.trades_ratio_48": "flow.trade_count_ratio_48",
    "flow.above_vwap": "flow.vwap_distance_1",
    "returns.last": "returns.return_1", "returns.before_last": "returns.lagged_return_1", "returns.sum_3": "returns.return_3",
    "returns.sum_6": "returns.return_6", "returns.sum_12": "returns.return_12", "returns.sum_24": "returns.return_24",
    "returns.sum_48": "returns.return_48", "returns.sum_144": "returns.return_144", "returns.mean_4": "returns.ewma_return_4",
    "returns.mean_8": "returns.ewma_return_8", "returns.mean_20": "returns.ewma_return_20",
    "technical.bollinger_20": "technical.bollinger_z_20", "technical.place_96": "technical.range_position_96",
    "technical.stochastic_14": "technical.stochastic_k_14", "technical.directional_14": "technical.di_difference_14",
    "technical.balance_last": "technical.balance_of_power", "technical.ultimate_28": "technical.ultimate_oscillator_28",
    "technical.macd_signal_9": "technical.macd_histogram_9", "technical.aroon_25": "technical.aroon_oscillator_25",
    "technical.width_20": "technical.bollinger_width_20",
    "volatility.realised_6": "volatility.realised_variance_6", "volatility.realised_24": "volatility.realised_variance_24",
    "volatility.realised_96": "volatility.realised_variance_96", "volatility.realised_288": "volatility.realised_variance_288",
    "volatility.range_24": "volatility.parkinson_24", "volatility.range_last": "volatility.squared_range_1",
    "volatility.skew_96": "volatility.realised_skewness_96", "volatility.downside_96": "volatility.downside_semivariance_96",
    "volatility.jump_96": "volatility.largest_move_share_96", "volatility.bipower_96": "volatility.bipower_variation_96",
    "volatility.leverage_96": "volatility.leverage_effect_96", "volatility.level": "volatility.log_volatility",
    "volume.surge": "volume.volume_ratio", "volume.mean_48": "volume.volume_ratio_48", "volume.mean_6": "volume.volume_ratio_6",
    "volume.follows_size_48": "volume.volume_volatility_48", "volume.illiquidity_48": "volume.amihud_48", "volume.lean_6": "volume.obv_change_6",
    "volume.lean_24": "volume.obv_change_24", "volume.lean_96": "volume.obv_change_96", "volume.chaikin_3_10": "volume.chaikin_oscillator_3_10",
    "volume.money_flow_14": "volume.money_flow_index_14", "volume.above_paid_48": "volume.vwap_distance_48",
    "volume.quiet_48": "volume.zero_volume_share_48",
}  # fmt: skip
SETTINGS = {
    "knobs": "trading", "warm_up": "warmup_bars", "pace_seconds": "tick_interval_seconds", "keep_age_days": "retention_days",
    "keep_bytes": "retention_bytes", "impact": "impact_coefficient", "adopt_after": "deployment_lag_bars",
    "interval_step": "interval_learning_rate", "lapse_halflife": "recent_skill_halflife", "max_outside": "max_out_of_distribution",
    "prior_rows": "shrinkage_rows", "rebalance": "rebalance_threshold",
}  # fmt: skip
ALERT_RULES = {"honest rate low": "clean rate low"}
GUARDS = {"engine.honest_percent": "engine.clean_percent"}
LAYOUT = ("66e3bae5cbabb79d", "4d8ac8c8369b5f97")  # of the records that a session is resumed from: of 0.4, and under their names of today

_TABLES = {"knobs": "trading_configs", "slices": "market_snapshots", "regret": "declined", "outlook": "liquidity_forecast", "totals": "counters"}
_COLUMNS = (
    ("ticks", "naive", "benchmark"), ("ticks", "mood", "market_state"), ("ticks", "knobs_digest", "config_digest"),
    ("decisions", "flip_bps", "edge_to_flip_bps"), ("market_snapshots", "row", "training_row"),
    ("counters", "one", "name"), ("counters", "two", "detail"),
    ("trials", "also", "guards"), ("trials", "chance", "probability"), ("trials", "compared", "comparison"),
    ("judgements", "honest", "clean"), ("judgements", "honest_low", "clean_low"), ("judgements", "honest_high", "clean_high"),
)  # fmt: skip
_MODEL = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(MODELS)})(?![A-Za-z0-9_])")  # alone, or before the tick in a version's name
_FRAME = struct.Struct("<3s8sBII")  # of a packed record: magic, checksum, squeezed, length of the head, length of the body
_SUMMED_FROM = 11


def upgrade() -> None:
    """Renames tables and columns, then every stored text that is a name. Numbers and packed arrays stay as they are, bit for bit."""
    connection = op.get_bind()
    views = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'view'").scalars().all()
    for view in views:  # they are created anew after the migrations; a view over a column's old name would stop the renaming
        op.execute(f"DROP VIEW {view}")
    for before, after in _TABLES.items():
        op.rename_table(before, after)
    for table, before, after in _COLUMNS:
        op.execute(f'ALTER TABLE {table} RENAME COLUMN "{before}" TO "{after}"')
    _rename_gates(connection)
    _rename_models(connection)
    for table, column in (("alerts", "rule"), ("silences", "rule")):
        _rename_values(connection, table, column, ALERT_RULES)
    _rename_inside(connection, "trials", "guards", GUARDS)
    _rename_in_sessions(connection)


def _rename_gates(connection: Connection) -> None:
    for table, column in (("decisions", "binding_gate"), ("declined", "gate")):
        _rename_values(connection, table, column, GATES)
    for before, after in GATES.items():
        connection.exec_driver_sql("UPDATE counters SET name = ? WHERE kind = 'bound' AND name = ?", (after, before))
    _rename_inside(connection, "sessions", "gates", GATES)
    _rename_inside(connection, "decisions", "gates", GATES, where="gates LIKE '%\"names\"%'")  # ticks whose gates were not the session's


def _rename_models(connection: Connection) -> None:
    _rename_values(connection, "artifacts", "model", MODELS)
    _rename_values(connection, "skill", "model", MODELS)
    for columns in connection.exec_driver_sql("SELECT DISTINCT columns FROM artifacts").scalars().all():
        connection.exec_driver_sql("UPDATE artifacts SET columns = ? WHERE columns = ?", (_replaced(columns, FEATURES), columns))
    for table, key, column in (("artifacts", "id", "version"), ("ticks", "tick", "events"), ("ticks", "tick", "instructions")):
        likely = " OR ".join(f"{column} LIKE '%{name}%'" for name in MODELS)
        for number, text in connection.exec_driver_sql(f"SELECT {key}, {column} FROM {table} WHERE {likely}").fetchall():
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (_renamed(text), number))
    for tick in connection.exec_driver_sql("SELECT tick FROM checkpoints").scalars().all():
        data = connection.exec_driver_sql("SELECT data FROM checkpoints WHERE tick = ?", (tick,)).scalar_one()
        connection.exec_driver_sql("UPDATE checkpoints SET data = ? WHERE tick = ?", (_rename_in_record(bytes(data)), tick))


def _rename_in_sessions(connection: Connection) -> None:
    sessions = connection.exec_driver_sql("SELECT id, identity, models, columns, settings FROM sessions").fetchall()
    for number, identity, models, columns, settings in sessions:
        row = (_identity(identity), _renamed(models), columns and _replaced(columns, FEATURES), _settings(settings), number)
        connection.exec_driver_sql("UPDATE sessions SET identity = ?, models = ?, columns = ?, settings = ? WHERE id = ?", row)
    for number, settings in connection.exec_driver_sql("SELECT id, settings FROM runs").fetchall():
        connection.exec_driver_sql("UPDATE runs SET settings = ? WHERE id = ?", (_settings(settings), number))


def _rename_values(connection: Connection, table: str, column: str, names: dict[str, str]) -> None:
    for before, after in names.items():
        connection.exec_driver_sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (after, before))


def _rename_inside(connection: Connection, table: str, column: str, names: dict[str, str], where: str = "1") -> None:
    """Renames whole strings of a column's JSON."""
    replaced = column
    for before, after in names.items():
        replaced = f"replace({replaced}, '\"{before}\"', '\"{after}\"')"
    connection.exec_driver_sql(f"UPDATE {table} SET {column} = {replaced} WHERE {where} AND {column} IS NOT NULL")


def _identity(text: str) -> str:
    """The identity of a session of 0.4 as this version states it, so that the session goes on; an older one, which no start has, stays as it is."""
    try:
        identity = json.loads(text)
    except ValueError:
        return text
    if not isinstance(identity, dict) or identity.get("layout") != LAYOUT[0]:
        return text
    names = {"layout": LAYOUT[1], "models": [MODELS.get(name, name) for name in identity["models"]]}
    return json.dumps(identity | names | {"columns": [FEATURES.get(name, name) for name in identity["columns"]]}, sort_keys=True)


def _settings(text: str) -> str:
    """The keys of the settings, and the models among their values."""
    try:
        settings = json.loads(text)
    except ValueError:
        return text
    if not isinstance(settings, dict):
        return text
    if isinstance(settings.get("models"), list):
        settings["models"] = [MODELS.get(name, name) for name in settings["models"]]
    return json.dumps(_renamed_keys(settings), sort_keys=True)


def _renamed_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {SETTINGS.get(key, key): _renamed_keys(part) if isinstance(part, dict) and key == "knobs" else part for key, part in value.items()}


def _renamed(text: str) -> str:
    return _MODEL.sub(lambda match: MODELS[match[1]], text)


def _replaced(text: str, names: dict[str, str]) -> str:
    for before, after in names.items():
        text = text.replace(f'"{before}"', f'"{after}"')
    return text


def _rename_in_record(data: bytes) -> bytes:
    """A packed record with its models renamed: only its head, which is JSON, and the checksum change. Damaged bytes stay as they are."""
    if len(data) < _FRAME.size:
        return data
    magic, checksum, squeezed, head_size, body_size = _FRAME.unpack_from(data)
    head, body = data[_FRAME.size : _FRAME.size + head_size], data[_FRAME.size + head_size :]
    if checksum != _sum(data[_SUMMED_FROM:]) or not _MODEL.search(head.decode(errors="replace")):
        return data
    head = _renamed(head.decode()).encode()
    rest = _FRAME.pack(magic, b"", squeezed, len(head), body_size)[_SUMMED_FROM:] + head + body
    return bytes(magic) + _sum(rest) + rest


def _sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()
