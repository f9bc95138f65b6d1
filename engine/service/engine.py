"""The engine: one step takes a bar, fills what was ordered, decides, keeps the tick, and does what the decision asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol

import numpy as np
import orjson
from threadpoolctl import threadpool_limits

from engine import broker
from engine.domain.decision import Fill, Outcome, Phase
from engine.domain.market import Account, Inputs, MarketSnapshot
from engine.domain.model import Catalog, ServingModel
from engine.domain.optimization import MemoryBlock
from engine.domain.orders import Order
from engine.domain.ports import Clock, Feed
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import Artifact, Tick, TrainingRow
from engine.domain.trading_config import Command, Event, TradingConfig
from engine.evidence import declined_trades, execution_quality, liquidity_forecast, skill
from engine.orchestrator import decide
from engine.phases import learning, risk
from engine.plugins import discover_plugins
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.run import FallbackFailed, PhaseRunner, axis_lengths
from engine.service import clock_skew, feeds, model_registry, session_controls, training
from engine.service.windows import MarketWindow, TrainingRows
from engine.settings import Settings, build_trading_config

CHECKPOINT_EVERY = 100  # ticks
PHASE_ORDER = {phase: place for place, phase in enumerate(Phase)}
SKILL_EVERY = 20  # ticks between refreshes of the table of skill


class TickStore(Protocol):
    """Who keeps ticks: the store's writer, or nobody in a backtest."""

    def save(self, tick: Tick) -> None: ...

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None: ...

    def remember(self, key: str, value: str) -> None: ...


class Engine:
    """The only owner of the state between ticks. Not for two threads at once."""

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        clock: Clock,
        *,
        training_pool: Executor | None,
        phase_pool: Executor | None = None,
        store: TickStore | None = None,
        session: int = 0,
        first_tick: int = 0,
        waits_for_training: bool = True,
    ) -> None:
        """`trainers` None trains nothing. `patient` waits for a training that is due; else the old model serves on and the delay is an event."""
        threadpool_limits(1)  # for good: x @ w differs in bits with the number of threads
        self.settings, self.feed, self.clock = settings, feed, clock
        self.waits_for_training = waits_for_training
        self.knobs: TradingConfig = build_trading_config(settings, feed.info)
        self._trainers, self.phase_pool, self._keeper, self._session = training_pool, phase_pool, store, session
        self._named = tuple(model.name for model in training.select_models(settings.models))
        self.catalog = Catalog(discover_plugins("engine.features", "FAMILY"), self._named, (None,) * len(self._named))
        self.fitted_models = self.catalog.serving  # also those that rest
        self.resting_models: frozenset[str] = frozenset()
        self.training_error: str | None = None  # which models the newest training did not give, and why
        self.newest_features: Floats | None = None  # (S, F) the columns of the newest tick
        self.registry = model_registry.ModelRegistry()
        symbols = len(feed.info.symbols)
        self.tick = first_tick
        self.state: State = learning.blank_state(symbols, self._named, self.knobs.horizons)
        self.account: Account = broker.open_account(settings.capital, symbols)
        self.window = MarketWindow(feed.info)
        self._clock_lags = clock_skew.find_clock_lags(feed)
        self.rows = TrainingRows(symbols, self.catalog.columns, training.count_training_bars(settings, feed))
        self.training_jobs: list[training.TrainingJob] = []
        self.trained_artifacts: list[Artifact] = []
        self._orders: tuple[Order, ...] = ()
        self._events: list[Event] = []
        self._switches: list[tuple[float, int]] = []
        self._unsaved: Tick | None = None
        self._slices: Iterator[MarketSnapshot] | None = None
        self.last_bar_at: int | None = None  # ns UTC, the last bar taken
        self.read_machine: Callable[[], str | None] = _unwatched  # what the machine is like now, as JSON; kept beside the tick, never decided with
        self.save_ms: float | None = None  # the last tick took to keep

    @property
    def progress(self) -> tuple[int, int]:
        """Bars of the warm-up decided, and all of them."""
        return min(self.state.decided, self.settings.warmup_bars), self.settings.warmup_bars

    @property
    def is_training(self) -> bool:
        """Whether the tick in hand waits for the models of a training."""
        jobs = tuple(self.training_jobs)
        return bool(jobs) and jobs[0].serves_from <= self.tick and self._waits_for_models and not jobs[0].is_done()

    @property
    def _waits_for_models(self) -> bool:
        return self.waits_for_training or self.state.decided < self.settings.warmup_bars

    def step(self) -> Tick | None:
        """Decides the next bar and keeps it; None when the feed has ended. A tick that could not be saved is saved first, by the next call."""
        if self._unsaved is not None:
            return self._keep(self._unsaved)
        slices, self._slices = self._slices, None  # a feed that fails is opened anew by the next step
        bar, slices = feeds.take_bar(self.feed, slices, self.last_bar_at)
        if bar is None:
            self._slices = slices
            return None
        self._adopt()  # before the bar is taken: where the store does not take the models, the next step begins again with this bar
        self._slices = slices
        return self._decide(bar)

    def reopen(self, feed: Feed) -> None:
        """Takes the bars to come from another opening of the same market; raises ValueError where it is another."""
        self.feed, self._slices = feeds.prepare_reopened_feed(feed, self.feed, self._switches), None
        self._clock_lags = clock_skew.find_clock_lags(self.feed)

    def handle_command(self, command: Command) -> str:
        """Carries out a command from the next tick on, and says what will come of it; raises ValueError in one line."""
        if command.name == "resume":
            self._lift_drawdown_stop(command.reason)
        if command.name == "set":
            said = self.switch_signal(session_controls.parse_signal(command), self.last_bar_at or 0)
        else:
            knobs, said = session_controls.apply_trading_command(command, self.knobs)
            if self._keeper is not None and knobs is not self.knobs:  # before it holds: a pause outlives this process, whatever happens to it
                self._keeper.remember(session_controls.halt_key(self._session), orjson.dumps((knobs.paused, knobs.flatten)).decode())
            self.knobs = knobs
        self._events.append(session_controls.build_command_event(command))
        return said

    def _lift_drawdown_stop(self, reason: str) -> None:
        """Restarts the peak at today's equity where the drawdown limit has been passed; raises ValueError where no reason is given."""
        lost, limit = risk.compute_drawdown(self.account), self.knobs.max_drawdown
        if lost <= limit:
            return
        if not reason.strip():
            raise ValueError(f"the drawdown of {lost:.1%} has passed its limit of {limit:.1%}: to resume, give a reason (reason=...)")
        before, after = self.account.peak_equity, self.account.equity
        if self._keeper is not None:  # before it holds: what a person decided outlives this process
            self._keeper.remember(session_controls.peak_key(self._session), orjson.dumps((self.tick, before, after)).decode())
        self.restart_peak(before, after)

    def restart_peak(self, before: float, after: float) -> None:
        """Counts drawdown from today's equity, from the next tick on."""
        self.account = broker.reset_peak(self.account)
        self._events.append(Event("peak_restarted", f"{before:.2f}", f"{after:.2f}"))

    def switch_signal(self, signal: float, at: int) -> str:
        """Sets the simulated signal for bars after `at`; kept, so that a restart sets it again. Raises ValueError where the feed has none."""
        self.feed.switch_signal(signal, at)
        self._switches.append((signal, at))
        if self._keeper is not None:
            self._keeper.remember(session_controls.signal_switches_key(self._session), orjson.dumps(self._switches).decode())
        return f"the simulated signal is {signal:g} from the next bar"

    def restore_halt(self, paused: bool, flatten: bool) -> None:
        """Takes up a pause or a flattening that was asked for before this process, and that no tick has seen yet."""
        if (paused, flatten) != (self.knobs.paused, self.knobs.flatten):
            self.knobs = replace(self.knobs, paused=paused, flatten=flatten)
            self._events.append(Event("command", "pause" if paused else "flatten" if flatten else "resume", "before the restart"))

    def rest_models(self, names: frozenset[str]) -> None:
        """These models do not serve from the next tick on, all others do; they go on being trained. A replay sees who served a tick."""
        if names != self.resting_models:
            self.resting_models = names
            self._events.append(Event("models_rest", ",".join(sorted(names)), ""))
            self.serve(self.fitted_models)

    def serve(self, fitted: tuple[ServingModel | None, ...]) -> None:
        """These serve from the next tick on; how far they agree with those before is an event, by which sizes are limited."""
        before = self.catalog.serving
        self._put_in_service(fitted)
        self._events += self.registry.compare_with_record(before, self.catalog.serving, self.state, self.rows)

    def _put_in_service(self, fitted: tuple[ServingModel | None, ...]) -> None:
        self.fitted_models = fitted
        serving = tuple(None if one is None or one.model.name in self.resting_models else one for one in fitted)
        self.catalog = replace(self.catalog, serving=serving)

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        """The blocks of memory that grow with the market and with time."""
        played = (self.feed.played(self.last_bar_at),) if isinstance(self.feed, feeds.ReleasesBars) and self.last_bar_at is not None else ()
        return (self.rows.memory_block(), self.window.memory_block(), *played)

    def compact(self) -> None:
        """Gives back of them what is not needed; what is decided is the same. Between two ticks."""
        self.rows.compact()
        self.window.compact()
        if isinstance(self.feed, feeds.ReleasesBars) and self.last_bar_at is not None:
            self._slices = None  # opened anew after the last bar
            self.feed.forget(self.last_bar_at)

    def restore(
        self, state: State, account: Account, orders: tuple[Order, ...], knobs: TradingConfig, serving: tuple[ServingModel | None, ...]
    ) -> None:
        """Takes up where a stored tick ended; windows and rows are filled by the caller."""
        self.state, self.account, self._orders = state, account, orders
        self.knobs = replace(build_trading_config(self.settings, self.feed.info), paused=knobs.paused, flatten=knobs.flatten)
        self.tick = state.tick + 1
        self._put_in_service(serving)
        late = [one is None or one.trained_to < state.last_training for one in serving]
        if any(late) and state.last_training >= 0:  # a training cut short is done again; of one that was adopted no version may change
            self._train(state.last_training if all(late) else state.tick)

    def _decide(self, bar: MarketSnapshot) -> Tick:
        begun = self.clock.tick()
        account = broker.accrue_carry(
            self.account, bar.at - self.feed.info.interval, self.account.mark_price, self.knobs
        )  # a gap, before it is traded
        account, fills = broker.fill_orders(account, self._orders, bar, self.knobs, self.tick)
        account = broker.mark_to_market(account, bar, self.settings.capital, self.knobs)
        self.window.append(bar)
        self.last_bar_at = bar.at
        lags = self._clock_lags(bar.at) if self._clock_lags is not None else None
        if lags is not None:
            self._events += clock_skew.detect_skew(lags, self.feed.info.symbols, self.state.incident_state.open)
        inputs = self.window.build_inputs(self.tick, account, self.knobs, tuple(self._events))
        run = PhaseRunner(axis_lengths(inputs, self.catalog), self.clock.tick, self.phase_pool, self.knobs.phase_deadline_ms)
        state = session_controls.discard_unscorable(self.state, inputs.events)
        try:
            outcome = decide(inputs, state, self.catalog, run)
        except FallbackFailed:
            self.window.drop_last()
            self._events.append(Event("tick_lost", str(self.tick), "a fallback failed"))
            raise
        ms = (self.clock.tick() - begun) * 1e3
        tick = self._record(bar, inputs, outcome, run, fills, ms)
        self.account, self._orders, self.state, self._events = account, outcome.orders, outcome.state, []
        self.tick += 1
        self._unsaved = tick  # decided: whatever fails from here on, it is kept by the next step
        self.rows.append(tick.training_row)
        self.newest_features, self.registry.newest_features = outcome.features.values, outcome.features.values[outcome.features.usable]
        if Phase.VALIDATION in outcome.degraded:
            self.replace_failing_models()
        for instruction in outcome.instructions:
            if instruction.kind == "retrain":
                self._train(inputs.tick)
        return self._keep(tick)

    def _record(self, bar: MarketSnapshot, inputs: Inputs, outcome: Outcome, run: PhaseRunner, fills: tuple[Fill, ...], ms: float) -> Tick:
        kept = self._keeper is not None
        decided = outcome.decisions.digest()
        refresh = kept and inputs.tick % SKILL_EVERY == SKILL_EVERY - 1
        return Tick(
            session=self._session,
            decided_at=self.clock.now(),
            training_row=build_row(inputs.tick, outcome),
            snapshot=bar,
            inputs=inputs,
            outcome=outcome,
            fills=fills,
            spans=tuple(sorted(run.spans, key=lambda span: PHASE_ORDER[span.phase])) if kept else tuple(run.spans),
            ms=ms,
            decisions_digest=decided,
            phase_digests=tuple(decided if (one := run.results[phase]) is outcome.decisions else one.digest() for phase in Phase) if kept else (),
            serving=tuple(None if one is None else one.digest for one in self.catalog.serving),
            is_warmup=outcome.state.decided <= self.settings.warmup_bars,
            checkpoint=kept and (inputs.tick % CHECKPOINT_EVERY == 0 or outcome.state.decided == 1),
            skill=(*skill.skill_table(outcome.state, self.knobs.horizons), *skill.recent_skill_table(outcome.state, self.knobs)) if refresh else (),
            declined=declined_trades.declined_table(outcome.state.declined_trades, outcome.decisions.gates.names) if refresh else (),
            liquidity_forecast=liquidity_forecast.liquidity_table(outcome.state.liquidity_forecast) if refresh else (),
            execution=execution_quality.execution_table(outcome.state.execution) if refresh else (),
            machine=self.read_machine(),
        )

    def _keep(self, tick: Tick) -> Tick:
        self._unsaved = tick
        if self._keeper is not None:
            begun = self.clock.tick()
            self._keeper.save(tick)
            self.save_ms = (self.clock.tick() - begun) * 1e3
        self._unsaved = None
        return tick

    def _train(self, until: int) -> None:
        if self._trainers is None:
            return
        try:
            rows = self.rows.training_set(until, self.knobs.horizons, self.settings.train_rows)
            due = until + self.knobs.deployment_lag_bars
            self.training_jobs.append(training.submit_training(self._trainers, rows, self._named, self.settings.seed, due, self.settings.home))
        except PLUGIN_ERRORS as error:  # no memory, no room for a file, no process to be had: the tick in hand is none the worse
            self.training_error = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._events.append(Event("training_failed", str(until), self.training_error))

    def _adopt(self) -> None:
        """Takes the models of a training that is due from this tick on, and notes it as events that a replay repeats."""
        while self.training_jobs and self.training_jobs[0].serves_from <= self.tick:
            job = self.training_jobs[0]
            if not (self._waits_for_models or job.is_done()):
                if job.serves_from == self.tick:
                    self._events.append(Event("training_late", str(job.until), ""))
                return
            adopted = self.registry.adopt(job, self.fitted_models)
            for artifact in adopted.artifacts:
                if self._keeper is not None:
                    self._keeper.save_artifact(artifact, self._session, self.clock.now())
            self.training_jobs.pop(0)  # only now: what the store did not take is adopted by the next step
            self.training_error = adopted.error
            if adopted.error is not None:
                self._events.append(Event("training_failed", str(job.until), adopted.error))
            self._events += [Event("model_adopted", artifact.model, artifact.data_digest) for artifact in adopted.artifacts]
            self.trained_artifacts.extend(replace(artifact, data=b"") for artifact in adopted.artifacts)
            self.serve(adopted.serving)

    def replace_failing_models(self) -> tuple[model_registry.ModelReplacement, ...]:
        """Puts the previous version of each model that fails on the newest columns in its place. A replay sees who served a tick."""
        fitted, found = self.registry.replace_failing(self.fitted_models)
        if found:
            self._events += [Event("model_replaced", one.model, one.how) for one in found]
            self.serve(fitted)
        return found


def _unwatched() -> None:
    """Nobody watches the machine, as in a backtest."""


def build_row(tick: int, outcome: Outcome) -> TrainingRow:
    """What a tick adds to the rows that models are trained on."""
    pending = outcome.state.pending
    return TrainingRow(tick, outcome.features.values.astype(np.float32), pending.price[0], pending.sigma[0])
