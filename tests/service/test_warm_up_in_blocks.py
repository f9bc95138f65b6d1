"""A warm-up in blocks: the same ticks as bar by bar, nothing read ahead beyond its end, and a switch of the market's signal takes effect at once."""

from __future__ import annotations

from pathlib import Path

from engine.domain.tick import Tick
from engine.service.blocks import BlockWindow
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.service.windows import MarketWindow
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import Drawer, StoppedClock, engine, settings, simulated

WARM_UP, BARS = 40, 50


def start(*, in_blocks: bool) -> Engine:
    """An engine on a simulated market with books and order flow."""
    made = engine(simulated(None, symbols=3), keeper=Drawer(), trains=False)
    if in_blocks:
        made.window = BlockWindow(made.feed.info, made.catalog.families, made.config.volatility_halflife, WARM_UP)
    return made


def play(made: Engine, bars: int) -> list[Tick]:
    return [tick for _ in range(bars) if (tick := made.step()) is not None]


def digests(ticks: list[Tick]) -> list[tuple[str, ...]]:
    return [(tick.snapshot.digest(), *tick.phase_digests) for tick in ticks]


def test_a_warm_up_in_blocks_decides_the_same_and_then_reads_no_bar_ahead() -> None:
    made, ahead, ticks = start(in_blocks=True), list[int](), list[Tick]()
    for _ in range(BARS):
        ticks += play(made, 1)
        ahead.append(made.window.bars_ahead)
    assert digests(ticks) == digests(play(start(in_blocks=False), BARS))
    assert ahead == [*range(WARM_UP)][::-1] + [0] * (BARS - WARM_UP)


def test_a_new_session_warms_up_in_blocks_and_a_resumed_session_goes_on_bar_by_bar(tmp_path: Path) -> None:
    url, windows = f"sqlite:///{tmp_path / 'podium.db'}", []
    own = settings(home=str(tmp_path), database_url=url, warmup_bars=WARM_UP)
    database.prepare(url)
    for _ in range(2):
        writer, history = Writer(url), TickHistory(url)
        made, _session = resume_engine(own, simulated(None, symbols=2), StoppedClock(), writer, history, training_pool=None)
        play(made, 2)
        windows.append((type(made.window), made.window.bars_ahead))
        history.close()
        writer.close()
    assert windows == [(BlockWindow, WARM_UP - 2), (MarketWindow, 0)]


def test_a_switch_of_the_signal_applies_to_the_next_bar_of_a_block_that_was_read_ahead() -> None:
    played = []
    for in_blocks in (True, False):
        made = start(in_blocks=in_blocks)
        before = play(made, 10)
        made.switch_signal(0.0, before[-1].snapshot.at)
        played.append(digests(before + play(made, 10)))
    unchanged = digests(play(start(in_blocks=True), 20))
    assert played[0] == played[1]
    assert played[0][:10] == unchanged[:10]
    assert played[0][10][0] != unchanged[10][0]
