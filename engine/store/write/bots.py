"""Judges outside bots within the transaction of each tick, so that an intent is in force at its bar or was refused, whatever crashes."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.bots import design_contest, open_bot, step_bot
from engine.domain.bots import BOT_VERDICTS, BotMarket, BotState, Intent
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.tick import Tick
from engine.evidence import contest
from engine.store import codec

_WAITING = """
SELECT i.id, i.bot, i.symbol, i.target, i.bar FROM bot_intents i JOIN bots b ON b.id = i.bot
WHERE i.tick IS NULL AND i.bar <= ? AND b.session = ? AND b.state = 'active' ORDER BY i.bar, i.id
"""
_UPDATE = """
UPDATE bots SET tick = ?, equity = ?, own_gain = coalesce(own_gain, 0.0) + ?, engine_gain = coalesce(engine_gain, 0.0) + ?, pairs = pairs + ?,
    mean_gain = ?, log_e_better = ?, log_e_worse = ?, log_threshold = ?, verdict = ?, verdict_tick = ?, data = ? WHERE id = ?
"""
_TICK = "INSERT INTO bot_ticks (tick, bot, equity, gain, log_e_better) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class EngineMark:
    """What the next tick compares the engine's equity with."""

    session: int
    tick: int
    equity: float
    is_paused: bool


@dataclass(frozen=True, slots=True)
class JudgedTick:
    """What a tick made of the bots; in force once it is stored."""

    states: Mapping[int, BotState]  # by number
    mark: EngineMark


class BotReferee:
    """Holds the bots of a session between ticks. For the writer's thread alone."""

    def __init__(self, capital: float = 100_000.0) -> None:
        self._capital, self._is_loaded = capital, False
        self._states: dict[int, BotState] = {}
        self._mark: EngineMark | None = None
        self.problem: str | None = None  # why the bots of the last tick were not judged, in one line

    def reload(self) -> None:
        """Read the bots from the store again at the next tick: what was stored last is not known here."""
        self._is_loaded = False

    def judge(self, driver: sqlite3.Connection, tick: Tick) -> JudgedTick:
        """Step every bot and store the results, inside the transaction of the tick; a failure is noted, and nothing of it is stored."""
        number, paused = tick.inputs.tick, tick.inputs.config.paused or tick.inputs.config.flatten
        mark = EngineMark(tick.session, number, tick.inputs.account.equity, paused)
        unreadable = None if self._is_loaded else self._load(driver, tick)
        active = [row[0] for row in driver.execute("SELECT id FROM bots WHERE session = ? AND state = 'active'", (tick.session,))]
        if not active:
            return JudgedTick({}, mark)
        driver.execute("SAVEPOINT bots")
        try:
            states = self._step_all(driver, tick, active)
            driver.execute("INSERT OR REPLACE INTO meta VALUES ('bots.paused', ?)", (str(int(paused)),))
            self.problem = unreadable
        except (*PLUGIN_ERRORS, sqlite3.IntegrityError) as error:
            driver.execute("ROLLBACK TO bots")
            states, self.problem = self._states, f"the bots of tick {number} were not judged: {type(error).__name__}: {' '.join(str(error).split())}"
        driver.execute("RELEASE bots")
        return JudgedTick(states, mark)

    def _load(self, driver: sqlite3.Connection, tick: Tick) -> str | None:
        """Continue from what is stored before this tick; a line about a state that cannot be read, which begins anew, without its evidence."""
        rows = driver.execute("SELECT id, data FROM bots WHERE session = ? AND state = 'active' AND data IS NOT NULL", (tick.session,)).fetchall()
        last = driver.execute(
            "SELECT t.tick, t.equity, coalesce((SELECT value FROM meta WHERE key = 'bots.paused'), '0') FROM ticks t "
            "WHERE t.session = ? AND t.tick < ? ORDER BY t.tick DESC LIMIT 1", (tick.session, tick.inputs.tick),
        ).fetchone()  # fmt: skip
        self._states, unreadable = {}, None
        for number, data in rows:
            try:
                self._states[number] = codec.unpack(BotState, data)
            except ValueError as error:
                unreadable = f"bot {number} begins anew: {error}"
        self._mark = None if last is None else EngineMark(tick.session, last[0], last[1], last[2] == "1")
        self._is_loaded = True
        return unreadable

    def accept(self, judged: JudgedTick) -> None:
        """Continue from a tick that is stored."""
        self._states, self._mark = dict(judged.states), judged.mark

    def _step_all(self, driver: sqlite3.Connection, tick: Tick, active: list[int]) -> dict[int, BotState]:
        intents, columns = defaultdict[int, list[Intent]](list), {symbol: column for column, symbol in enumerate(tick.inputs.symbols)}
        waiting = driver.execute(_WAITING, (tick.snapshot.at, tick.session)).fetchall()
        for row, bot, symbol, target, bar in waiting:
            if symbol in columns:
                intents[bot].append(Intent(row, columns[symbol], target, bar))
        market = self._describe_market(tick)
        states = {}
        for bot in active:
            state = self._states.get(bot)
            if state is None and bot not in intents:
                continue
            if state is None:
                state = open_bot(design_contest(bot, tick.inputs.interval, tick.inputs.config), self._capital, len(columns))
            states[bot] = after = step_bot(state, intents[bot], market)
            _store_bot(driver, bot, after, market)
        number = tick.inputs.tick
        driver.executemany("UPDATE bot_intents SET tick = ? WHERE id = ?", [(number, row[0]) for row in waiting])
        return states

    def _describe_market(self, tick: Tick) -> BotMarket:
        before, outcome = self._mark, tick.outcome
        follows = before is not None and (before.session, before.tick) == (tick.session, tick.inputs.tick - 1) and before.equity > 0.0
        gives_pair = follows and before is not None and not (before.is_paused or tick.is_warmup)
        engine_return = tick.inputs.account.equity / before.equity - 1.0 if gives_pair and before is not None else None
        return BotMarket(
            tick.snapshot, tick.inputs, outcome.decisions, outcome.liquidity, outcome.market_state, self._capital, engine_return
        )  # fmt: skip


def _store_bot(driver: sqlite3.Connection, bot: int, state: BotState, market: BotMarket) -> None:
    evidence = contest.e_values(state.contest)[0, :, 0]
    better, worse = float(evidence[contest.NOT_BETTER]), float(evidence[contest.NOT_WORSE])
    blocks, tick = float(state.contest.blocks[0, 0]), market.inputs.tick
    mean = float(state.contest.gain[0, 0]) / blocks if blocks else None
    is_pair, engine_return = state.gain is not None, market.engine_return or 0.0
    own = state.gain + engine_return if state.gain is not None else 0.0
    driver.execute(_UPDATE, (
        tick, state.account.equity, own, engine_return if is_pair else 0.0, int(is_pair), mean, better, worse, -float(np.log(state.design.alpha)),
        BOT_VERDICTS[state.verdict], state.verdict_tick, codec.pack(replace(state, gain=None)), bot,
    ))  # fmt: skip
    driver.execute(_TICK, (tick, bot, state.account.equity, state.gain, better))
