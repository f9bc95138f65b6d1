"""The engine on recorded real markets: halts open nothing, gaps are no bars, books of every kind are decided on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine.domain.decision import SPREAD_SOURCES
from engine.domain.tick import Tick
from engine.feeds.recorded import RecordedFeed
from engine.service.engine import Engine
from tests.makers import KNOBS, MINUTE, Drawer, engine, grew, play
from tests.phases.situations import sums

pytestmark = pytest.mark.recordings
SECOND = 10**9
HALT, BACK = "2023-03-24T11:30", "2023-03-24T14:00"


def moment(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def between(ticks: list[Tick], since: str, until: str) -> list[Tick]:
    """Ticks that close after the first moment and by the second."""
    return [tick for tick in ticks if moment(since) < tick.inputs.at <= moment(until)]


EAGER = replace(
    KNOBS, first_training=330, retrain_every=200, edge_margin=0.0, min_agreement=0.0, cooldown_bars=0, max_out_of_distribution=1.0, min_models=1
)


def emboldened(one: Engine) -> list[Tick]:
    """Plays to the end with models that are believed in at every tick, whatever they have shown."""
    ticks: list[Tick] = []
    while True:
        one.state = replace(one.state, weights=np.full_like(one.state.weights, 0.5), recent=sums(0.02, 0.04))
        tick = one.step()
        if tick is None:
            return ticks
        ticks.append(tick)


@cache
def halted(folder: Path) -> list[Tick]:
    """Two days round the halt, with gates so wide that it trades wherever it may."""
    since, until = moment("2023-03-23T00:00"), moment("2023-03-24T18:00")
    feed = RecordedFeed(
        folder / "binance_spot_5m_2022_2023", symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "LTCUSDT"), since=since, until=until
    )
    return emboldened(engine(feed, keeper=Drawer(), trading=EAGER, fee_bps=0.0, spread_bps=0.0, impact_coefficient=0.0))


def test_the_halt_opens_nothing_and_closes_nothing(recordings: Path) -> None:
    ticks = halted(recordings)
    # the first halted bar opens at 11:40 and is known at 11:45: until then nobody can know
    quiet = [tick for tick in between(ticks, HALT, BACK) if not tick.inputs.fresh.any()]
    assert len(quiet) == 14 + 13
    for tick in quiet:
        assert tick.outcome.orders == ()
        assert not any(fill.units for fill in tick.fills)
        assert {tick.outcome.decisions.gates[index].name for index in tick.outcome.decisions.binding_gate} == {"fresh data"}
    assert all(not grew(tick.outcome, tick.inputs.account).any() for tick in quiet)


def test_with_the_same_gates_it_trades_before_and_after_the_halt(recordings: Path) -> None:
    ticks = halted(recordings)
    assert any(fill.units for tick in between(ticks, "2023-03-24T05:00", HALT) for fill in tick.fills)
    assert any(tick.outcome.orders for tick in between(ticks, BACK, "2023-03-24T18:00"))


def test_forecasts_over_the_gap_are_not_scored(recordings: Path) -> None:
    ticks = halted(recordings)
    rows = [float(tick.outcome.state.skill.rows[0, 0, -1]) for tick in ticks]
    for before, tick, after in zip(rows, ticks[1:], rows[1:], strict=False):
        previous = ticks[tick.inputs.tick - 1]
        if not (tick.inputs.fresh.any() and previous.inputs.fresh.any()):
            assert after == before, tick.inputs.at
    assert rows[-1] > 0
    longest = [float(tick.outcome.state.skill.rows[0, 2, -1]) for tick in ticks]
    gap = next(index for index, tick in enumerate(ticks) if index > 30 and tick.inputs.fresh.any() and not ticks[index - 1].inputs.fresh.any())
    assert longest[gap + 11] == longest[gap - 27]  # twelve bars after the gap began nothing reaches across it
    assert longest[gap + 12] > longest[gap + 11]


def test_no_phase_failed_round_the_halt(recordings: Path) -> None:
    assert [tick.outcome.degraded for tick in halted(recordings) if tick.outcome.degraded] == []


def test_minutes_without_a_trade_are_never_decided_on(recordings: Path) -> None:
    since = moment("2018-11-19T12:00")
    feed = RecordedFeed(recordings / "bitfinex_1m_2018q4", since=since, until=since + 700 * MINUTE)
    ticks = emboldened(engine(feed, keeper=Drawer(), trading=EAGER, fee_bps=0.0, spread_bps=0.0, impact_coefficient=0.0))
    fresh = np.stack([tick.inputs.fresh for tick in ticks])
    assert 0.4 < fresh.mean() < 0.995
    traded = 0
    for tick in ticks:
        gone = ~tick.inputs.fresh
        assert (tick.outcome.decisions.delta[gone] == 0).all()
        assert np.isnan(tick.inputs.bars.close[gone, -1]).all()
        names = np.array([gate.name for gate in tick.outcome.decisions.gates])
        assert set(names[tick.outcome.decisions.binding_gate[gone]]) <= {"fresh data"}
        assert (tick.inputs.view.returns[gone, -1] == 0).all()
        assert tick.outcome.degraded == ()
        traded += len(tick.outcome.orders)
    assert traded > 0


@pytest.mark.parametrize(
    ("folder", "symbols", "interval", "bars"),
    [
        ("nasdaq_20120621", (), 1 * SECOND, 360),
        ("nasdaq_20120621", (), MINUTE, 200),
        ("binance_l2_20240808", (), 1 * SECOND, 360),
        ("binance_l2_20240808", (), MINUTE, 12),
        ("bitstamp_20150501", (), 1 * SECOND, 360),
        ("bitstamp_20150501", (), MINUTE, 250),
        ("btc_perp_1m_202201", (), None, 300),
    ],
)  # fmt: skip
def test_books_bars_and_trades_of_every_kind_are_decided_without_a_fallback(
    recordings: Path, folder: str, symbols: tuple[str, ...], interval: int | None, bars: int
) -> None:
    one = _engine(recordings / folder, symbols, interval)
    ticks = play(one, bars)
    assert len(ticks) >= min(bars, 11)
    assert {span.error for tick in ticks for span in tick.spans} == {None}
    last = ticks[-1].outcome
    if one.feed.info.levels:
        sane = np.isfinite(last.liquidity.micro_price)
        assert sane.any()
        assert (last.liquidity.spread_bps[sane] > 0).all()
        assert (last.liquidity.spread_source[sane] == SPREAD_SOURCES.index("book")).all()
        assert np.isfinite(last.liquidity.imbalance[sane]).all()


def _engine(folder: Path, symbols: tuple[str, ...], interval: int | None) -> Engine:
    return engine(RecordedFeed(folder, symbols=symbols, interval=interval), keeper=Drawer(), trading=replace(KNOBS, first_training=200))


def test_no_two_columns_say_the_same_on_a_real_market(recordings: Path) -> None:
    since = moment("2022-11-06T00:00")
    feed = RecordedFeed(recordings / "binance_spot_5m_2022_2023", since=since, until=since + 900 * 5 * MINUTE)
    rows = [tick.outcome.features.values[tick.outcome.features.usable] for tick in play(engine(feed, trains=False))]
    x = np.concatenate([part for part in rows if len(part)])
    columns = one_of(feed)
    known = np.where(np.isfinite(x).all(axis=0), x, 0.0)
    moving = known.std(axis=0) > 0
    matrix = np.abs(np.corrcoef(x[:, moving].T)) - 2 * np.eye(int(moving.sum()))
    names = np.array(columns)[moving]
    assert [(names[i], names[j], matrix[i, j]) for i, j in np.argwhere(np.triu(matrix) > 0.995)] == []
    assert len(names) >= 30


def one_of(feed: RecordedFeed) -> tuple[str, ...]:
    return engine(feed, trains=False).catalog.columns
