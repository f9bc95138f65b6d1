"""Generates the tables in docs/ whose texts stand in the code. Run `python -m engine.cli._reference` to write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client.core import Metric

from engine.alerting import rules as alerting
from engine.domain.optimization import Action
from engine.health import Health, HealthInputs, parse_clock_step
from engine.importers._format import Format
from engine.importers._recognition import list_formats
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import RULE_KEYS, RuleWords
from engine.plugins import discover_plugins
from engine.schema import Parameter, parameters_of
from engine.service import settings_loader as loader
from engine.settings import Settings
from engine.store.read.api_views import list_api_views, list_controls
from engine.store.read.metrics import MetricsSnapshot
from engine.trading_parameters import SET_ELSEWHERE, TradingParameters
from engine.web import families

_DEFAULTS = {  # of settings whose default is not a constant
    "home": "`~/.local/share/podium`",
    "database_url": "`podium.db` in `home`",
    "warmup_bars": "{simulated}; {recorded} for recordings, {live} on a live market".format(**loader.DEFAULT_WARMUP_BARS),
    "evolution": f"`{loader.DEFAULT_EVOLUTION['simulated']}`; `{loader.BACKTEST_EVOLUTION}` on recordings and in backtests",
    "tick_interval_seconds": f"{loader.DEFAULT_TICK_INTERVAL_SECONDS:g}; 0 on a live market and for recordings without a dashboard",
}


def fill_blocks(text: str) -> str:
    """The page with every generated block written again; raises KeyError for a block that is not known."""
    return re.sub(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", lambda match: match[1] + BLOCKS[match[2]]() + match[3], text, flags=re.DOTALL)


def format_settings() -> str:
    """Every setting of podium.toml and the environment, but for the tables and the reserved names."""
    rows = [_setting(name, parameter) for name, parameter in parameters_of(Settings).items() if name in loader.SETTING_NAMES and parameter.help]
    rows.append(("`retention`", "`PODIUM_RETENTION`", "", "`30d,2GB`", "an age, a size or both", "how much of the store is kept"))
    return _table(("setting", "variable", "unit", "default", "values", "meaning"), rows)


def format_alert_settings() -> str:
    """The keys of [alerts]."""
    schema = parameters_of(Settings)
    keys = [(key, schema[name]) for key, name in loader.ALERT_KEYS.items()]
    rows = [(f"`{key}`", row.unit, _default(row), row.wanted, row.help) for key, row in keys]
    return _table(("key", "unit", "default", "values", "meaning"), rows)


def format_trading_parameters() -> str:
    """The parameters that [knobs] sets."""
    rows = [(f"`{row.name}`", row.unit, _default(row), row.wanted, row.help) for row in parameters_of(TradingParameters).values()]
    return _table(("parameter", "unit", "default", "values", "meaning"), rows)


def format_parameters_set_elsewhere() -> str:
    """The parameters that [knobs] refuses."""
    return _table(("parameter", "why it is refused"), ((f"`{name}`", reason) for name, reason in SET_ELSEWHERE.items()))


def format_reserved_settings() -> str:
    """Names that are kept for a later version."""
    return _table(("setting", "why it is refused"), ((f"`{name}`", reason) for name, reason in loader.RESERVED_SETTINGS.items()))


def format_rule_words() -> str:
    """The keys of [rules.NAME]."""
    schema = parameters_of(RuleWords)
    return _table(("key", "unit", "values", "meaning"), ((f"`{key}`", schema[key].unit, schema[key].wanted, schema[key].help) for key in RULE_KEYS))


def format_rules() -> str:
    """The default rules of the optimizer."""
    rows = []
    for rule in DEFAULT_RULES:
        level = "" if rule.level is None else f"{'above' if rule.above else 'below'} {_number(rule.level)}{' per hour' if rule.growth else ''}"
        condition = rule.cron or level or "a change of the mean"
        rows.append((f"`{rule.name}`", rule.kind, f"`{rule.metric}`" if rule.metric else "", condition, _codes(rule.candidates), rule.about))
    return _table(("rule", "kind", "metric", "fires", "actions", "meaning"), rows)


def format_actions() -> str:
    """The actions of the optimizer."""
    actions: tuple[Action, ...] = discover_plugins("engine.actions", "ACTION")
    rows = [(f"`{row.name}`", row.kind, f"`{row.metric}`", row.cost, "yes" if row.undo else "", row.description) for row in actions]
    return _table(("action", "kind", "metric to improve", "load", "reverts", "meaning"), rows)


def format_alert_rules() -> str:
    """The rules of alerts."""
    rows = [(f"`{row.name}`", row.severity, f"{row.fire_after:g}", f"{row.resolve_after:g}", row.about) for row in alerting.RULES]
    return _table(("rule", "severity", "raised after, s", "resolved after, s", "remedy"), rows)


def format_metrics() -> str:
    """Every metric family but the readings, whose names follow from the machine's."""
    rows = []
    for family in list_families():
        labels = [name for name in getattr(family, "_labelnames", ()) if name]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((f"`{name}`", family.type, _codes(labels), family.documentation))
    return _table(("metric", "type", "labels", "meaning"), rows)


def format_api_views() -> str:
    """The views that the API serves."""
    rows = [
        (f"`/api/v1/{view.name}`", f"`v_{view.name}`" if view.name != "rules" else "rules that were changed at run time",
         _codes(column.name for column in view.filters), _codes(list_controls(view.name)))
        for view in list_api_views().values()
    ]  # fmt: skip
    return _table(("address", "answers", "filters", "parameters"), rows)


def list_families() -> tuple[Metric, ...]:
    """Every metric family, of a store without a tick."""
    inputs = HealthInputs(0, None, None, 0.0, None, None, (), 0, 0, 0, clock_step=parse_clock_step('{"at": 0, "seconds": 0}'))
    figures = MetricsSnapshot(
        last=None, feed=("", "", True), positions=(), counters=(), phases=(), clean_ticks=(0, 0, 0), clean_band=None, queued=0, skill=(), declined=(),
        actions=(), judgements=(), alerts=(), components=(), readings=(), store_bytes=0,
    )  # fmt: skip
    return (
        families.collect_store_readable(True),
        *families.collect_engine_health(inputs, Health("down", False, ())),
        *families.collect_figures(figures),
        *families.collect_savings(()),
    )


def _setting(name: str, parameter: Parameter) -> tuple[str, ...]:
    default = _DEFAULTS.get(name, _default(parameter))
    return f"`{name}`", f"`PODIUM_{name.upper()}`", parameter.unit, default, parameter.wanted, parameter.help


def format_import_formats() -> str:
    """The formats that import recognises."""
    rows = ((f"`{row.name}`", row.label, row.kind, _describe_zone(row), row.remark) for row in list_formats())
    return _table(("format", "files", "becomes", "times without a zone", "remark"), rows)


def _describe_zone(row: Format) -> str:
    zone = row.zone or "`--timezone` needed"
    return f"{zone}; ends of bars" if row.is_stamped_at_close else zone


def _default(parameter: Parameter) -> str:
    value = parameter.default
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value)
        case (int(), *_):
            return str(list(value))
        case str() if value:
            return f"`{value}`"
        case _:
            return ""


def _number(value: float) -> str:
    return f"{value:.10g}"


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": format_settings, "alert_settings": format_alert_settings, "reserved_settings": format_reserved_settings,
    "trading_parameters": format_trading_parameters, "parameters_set_elsewhere": format_parameters_set_elsewhere,
    "rule_words": format_rule_words, "rules": format_rules, "actions": format_actions, "alert_rules": format_alert_rules, "metrics": format_metrics,
    "import_formats": format_import_formats, "api_views": format_api_views,
}  # fmt: skip


if __name__ == "__main__":
    for page in sorted((Path(__file__).parents[2] / "docs").glob("*.md")):
        page.write_text(fill_blocks(page.read_text(encoding="utf-8")), encoding="utf-8")
