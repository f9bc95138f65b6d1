"""The metric families of outside bots, by name: at most as many as are judged at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.store.read.metrics import BotSample

LARGEST = 700.0  # of a logarithm whose power is finite


def collect_bots(bots: Sequence[BotSample]) -> Iterator[Metric]:
    """Equity, evidence against the engine, and intents of each bot."""
    equity = GaugeMetricFamily("podium_bot_equity", "Equity of an outside bot at the newest tick, in the account's currency.", labels=("bot",))
    evidence = GaugeMetricFamily("podium_bot_e_value", "Evidence that an outside bot is better than the engine.", labels=("bot",))
    threshold = GaugeMetricFamily("podium_bot_e_value_threshold", "Threshold of podium_bot_e_value.", labels=("bot",))
    intents = CounterMetricFamily("podium_bot_intents", "Intents of an outside bot: accepted, late or refused.", labels=("bot", "result"))
    for bot in bots:
        for family, value in ((equity, bot.equity), (evidence, _power(bot.log_e_better)), (threshold, _power(bot.log_threshold))):
            if value is not None:
                family.add_metric([bot.name], value)
        for result, count in (("accepted", bot.intents), ("late", bot.late), ("refused", bot.refused)):
            intents.add_metric([bot.name, result], float(count))
    yield from (equity, evidence, threshold, intents)


def _power(logarithm: float | None) -> float | None:
    return None if logarithm is None else math.exp(min(logarithm, LARGEST))
