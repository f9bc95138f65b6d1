"""The engine: one step takes a bar, fills the orders, decides, stores the tick, and carries out the instructions of the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Protocol

import orjson
from threadpoolctl import threadpool_limits

from engine import broker, units
from engine.commands.handlers.trading import Resume, TradingArguments
from engine.commands.router import read_arguments
from engine.domain.decision import Fill, Instruction, Outcome, Phase
from engine.domain.market import Account, Inputs, MarketSnapshot
from engine.domain.model import PLUGIN_ERRORS, Catalog, ServingModel
from engine.domain.optimization import MemoryBlock
from engine.domain.orders import Order
from engine.domain.ports import Clock, Feed
from engine.domain.record import DigestMemo, Floats
from engine.domain.state import State
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import Command, Event, TradingConfig
from engine.evidence import declined_trades, execution_quality, liquidity_forecast, skill
from engine.evolution import events
from engine.live.recorder import ParquetRecorder
from engine.orchestrator import decide
from engine.phases import learning, risk
from engine.run import FallbackFailed, PhaseRunner, axis_lengths
from engine.service import clock_skew, feeds, live_feed, model_registry, session_controls, training
from engine.service.challengers import Challengers
from engine.service.drift_check import DriftCheck
from engine.service.parameter_controls import ParameterControls
from engine.service.plugin_files import NO_QUARANTINE, Quarantine, select_families
from engine.service.version_controls import VersionControls, VersionMemory
from engine.service.windows import MarketWindow, TrainingRows, build_row
from engine.settings import Settings, build_trading_config

CHECKPOINT_EVERY = 100  # ticks
PHASE_ORDER = {phase: place for place, phase in enumerate(Phase)}
SKILL_EVERY = 20  # ticks between refreshes of the table of skill


class TickStore(Protocol):
    """Stores ticks: the store's writer; a backtest has none."""

    def save(self, tick: Tick) -> None: ...

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None: ...

    def remember(self, key: str, value: str) -> None: ...


class Engine(VersionControls, ParameterControls):
    """The only owner of the state between ticks. For one thread at a time."""

    training_error: str | None = None  # models that the last training did not give, with the reasons
    newest_features: Floats | None = None  # (S, F) of the newest tick
    recorder: ParquetRecorder | None = None  # of a feed that does not record its own messages
    continue_feed: Callable[[Feed], None] = staticmethod(lambda _: None)  # called with a live feed that was opened again, before it is waited for

    def __init__(
        self, settings: Settings, feed: Feed, clock: Clock, *, training_pool: Executor | None, phase_pool: Executor | None = None,
        store: TickStore | None = None, session: int = 0, first_tick: int = 0, waits_for_training: bool = True,
        quarantine: Quarantine = NO_QUARANTINE,
    ) -> None:  # fmt: skip
        """Without `training_pool` nothing is trained.

        `waits_for_training` waits for a training that is due; else the old models serve on, and the delay is an event.
        """
        threadpool_limits(1)  # permanently: x @ w differs in bits with the number of threads
        self.settings, self.clock = settings, clock
        self._connect(feed)
        self.waits_for_training = waits_for_training
        self.config: TradingConfig = build_trading_config(settings, feed.info)
        self._training_pool, self.phase_pool, self._store, self._session = training_pool, phase_pool, store, session
        self._model_names = tuple(model.name for model in training.select_models(settings.models))
        self.catalog = Catalog(select_families(quarantine.families), self._model_names, (None,) * len(self._model_names))
        self.fitted_models = self.catalog.serving  # including resting models
        self.resting_models: frozenset[str] = frozenset()
        self.registry = model_registry.ModelRegistry()
        symbols = len(feed.info.symbols)
        self.tick = first_tick
        self.state: State = learning.blank_state(symbols, self._model_names, self.config.horizons)
        self.account: Account = broker.open_account(settings.capital, symbols)
        self.window = MarketWindow(feed.info)
        self.rows = TrainingRows(symbols, self.catalog.columns, training.count_training_bars(settings, feed))
        self.challengers = Challengers(
            settings, self.config, self._model_names, training_pool, training.count_training_bars(settings, feed), is_limited=not waits_for_training,
            excluded=quarantine.models,
        )  # fmt: skip
        self.drift_check = DriftCheck(training_pool, settings.home, feed.info.interval)
        self._postponed: list[Instruction] = []
        self.training_jobs: list[training.TrainingJob] = []
        self.trained_artifacts: list[Artifact] = []
        self._orders, self._events, self._digests = tuple[Order, ...](), list[Event](), DigestMemo()
        self._switches: list[tuple[float, int]] = []
        self._unsaved: Tick | None = None
        self._slices: Iterator[MarketSnapshot] | None = None
        self.last_bar_at: int | None = None  # ns UTC, the last bar taken
        self.read_machine: Callable[[], str | None] = lambda: None  # the machine as it is now, as JSON: stored with a tick, never decided on
        self.save_ms: float | None = None  # to store the last tick

    def _connect(self, feed: Feed) -> None:
        self.feed, self.live = feed, live_feed.find_live_source(feed)
        self.tick_interval_seconds = live_feed.choose_tick_interval(self.settings, feed)
        self._clock_lags = clock_skew.find_clock_lags(feed)

    @property
    def has_unsaved_tick(self) -> bool:
        """Whether the next step first stores a tick that the store refused."""
        return self._unsaved is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Bars of the warm-up that are decided, and all of them; of a live market's history one more than are decided, until its end."""
        if self.live is not None:
            return self.state.decided, self.state.decided + live_feed.expects_history(self.live, self.last_bar_at)
        return min(self.state.decided, self.settings.warmup_bars), self.settings.warmup_bars

    @property
    def is_training(self) -> bool:
        """Whether the current tick waits for the models of a training."""
        jobs = tuple(self.training_jobs)
        return bool(jobs) and jobs[0].serves_from <= self.tick and self._waits_for_models and not jobs[0].is_done()

    @property
    def _waits_for_models(self) -> bool:
        if self.live is not None:
            return live_feed.expects_history(self.live, self.last_bar_at)
        return self.waits_for_training or self.state.decided < self.settings.warmup_bars

    def step(self) -> Tick | None:
        """Decides the next bar and keeps it; None when the feed has ended. A tick that could not be saved is saved first, by the next call."""
        if self._unsaved is not None:
            return self._save(self._unsaved)
        slices, self._slices = self._slices, None  # the next step reopens a feed that fails
        bar, slices = feeds.take_bar(partial(self.window.read, self.feed), slices, self.last_bar_at)
        if bar is None:
            self._slices = slices
            return None
        self._adopt()  # before the bar is taken: where the store does not take the models, the next step begins again with this bar
        self._events += self.challengers.adopt(self.tick, self.state.evolution, self._save_artifact, self.clock.tick(), waits=self._waits_for_models)
        self._events += self.drift_check.adopt(self.tick, waits=self._waits_for_models)
        self._slices = slices
        if self.recorder is not None:
            self.recorder.add_snapshot(bar, self.clock.now())
        return self._decide(bar)

    def reopen(self, feed: Feed) -> None:
        """Take further bars from a reopened feed of the same market; raises ValueError where the market differs."""
        feed, before = feeds.prepare_reopened_feed(feed, self.feed, self._switches), self.live
        try:
            if before is not None and feed is not self.feed:
                before.close()
                self.continue_feed(feed)
        finally:  # another thread waits for the feed that is connected, which starts it
            self._slices = None
            self._connect(feed)

    def handle_command(self, command: Command) -> str:
        """Carry out a command from the next tick on; a line on its effect. Raises ValueError in one line."""
        arguments = read_arguments(command.name, dict(command.args))
        if not isinstance(arguments, TradingArguments):
            raise ValueError(f"{command.name} is not a trading command")
        if isinstance(arguments, Resume):
            self._lift_drawdown_stop(command.reason)
        message = arguments.apply(self, command.reason)
        self._events.append(session_controls.build_command_event(command))
        return message

    def configure(self, *, paused: bool, flatten: bool | None = None) -> None:
        """Pause or flatten from the next tick on; the store remembers it first, so that it outlives this process."""
        config = replace(self.config, paused=paused, flatten=self.config.flatten if flatten is None else flatten)
        if self._store is not None:
            self._store.remember(session_controls.halt_key(self._session), orjson.dumps((config.paused, config.flatten)).decode())
        self.config = config

    def _lift_drawdown_stop(self, reason: str) -> None:
        """Reset the peak to today's equity where the drawdown limit has been passed; raises ValueError without a reason."""
        lost, limit = risk.compute_drawdown(self.account), self.config.max_drawdown
        if lost <= limit:
            return
        if not reason.strip():
            passed = f"the drawdown of {units.format_percent(lost)} has passed its limit of {units.format_percent(limit)}"
            raise ValueError(f"{passed}: to resume, give a reason (reason=...)")
        before, after = self.account.peak_equity, self.account.equity
        if self._store is not None:  # stored before it holds: a person's decision outlives this process
            self._store.remember(session_controls.peak_key(self._session), orjson.dumps((self.tick, before, after)).decode())
        self.restart_peak(before, after)

    def repeat_events(self, events: Sequence[Event]) -> None:
        """Let the next tick follow these events, which the last has not."""
        self._events = [*events, *self._events]

    def restart_peak(self, before: float, after: float) -> None:
        """Measure drawdown from today's equity, from the next tick on."""
        self.account = broker.reset_peak(self.account)
        self._events.append(Event("peak_restarted", f"{before:.2f}", f"{after:.2f}"))

    def switch_signal(self, signal: float, at: int) -> str:
        """Set the simulated signal for bars after `at`, and store it for a restart. Raises ValueError where the feed has none."""
        self.feed.switch_signal(signal, at)
        self._switches.append((signal, at))
        if self.window.bars_ahead:  # of the market before the switch: the next step reads them again
            self._slices = None
        if self._store is not None:
            self._store.remember(session_controls.signal_switches_key(self._session), orjson.dumps(self._switches).decode())
        return f"the simulated signal is {signal:g} from the next bar"

    def restore_halt(self, paused: bool, flatten: bool) -> None:
        """Restore a pause or a flattening from before this process that no tick has seen yet."""
        if (paused, flatten) != (self.config.paused, self.config.flatten):
            self.config = replace(self.config, paused=paused, flatten=flatten)
            self._events.append(Event("command", "pause" if paused else "flatten" if flatten else "resume", "before the restart"))

    def rest_models(self, names: frozenset[str]) -> None:
        """Let these models rest from the next tick on, and no others; training continues. A replay sees which models served a tick."""
        if names != self.resting_models:
            self.resting_models = names
            self._events.append(Event("models_rest", ",".join(sorted(names)), ""))
            self.serve(self.fitted_models)

    def serve(self, fitted: tuple[ServingModel | None, ...]) -> None:
        """Let these models serve from the next tick on; their agreement with those before is an event that limits sizes."""
        before = self.catalog.serving
        self._put_in_service(fitted)
        self._events += self.registry.compare_with_record(before, self.catalog.serving, self.state, self.rows)

    def _put_in_service(self, fitted: tuple[ServingModel | None, ...]) -> None:
        self.fitted_models = fitted
        serving = tuple(None if model is None or model.place in self.resting_models else model for model in fitted)
        self.catalog = replace(self.catalog, serving=serving)

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        """The blocks of memory that grow with the market and with time."""
        played = (self.feed.played(self.last_bar_at),) if isinstance(self.feed, feeds.ReleasesBars) and self.last_bar_at is not None else ()
        return (self.rows.memory_block(), self.window.memory_block(), *played)

    def compact(self) -> None:
        """Free the unneeded parts of these blocks, between two ticks; decisions stay the same."""
        self.rows.compact()
        self.window.compact()
        if isinstance(self.feed, feeds.ReleasesBars) and self.last_bar_at is not None:
            self._slices = None  # reopened after the last bar
            self.feed.forget(self.last_bar_at)

    def restore(
        self,
        state: State,
        account: Account,
        orders: tuple[Order, ...],
        config: TradingConfig,
        serving: tuple[ServingModel | None, ...],
        memory: VersionMemory | None = None,
    ) -> None:
        """Restore the state after a stored tick and what was under way then; the caller fills windows and rows."""
        self.state, self.account, self._orders = state, account, orders
        self.config = replace(build_trading_config(self.settings, self.feed.info), paused=config.paused, flatten=config.flatten)
        self.tick = state.tick + 1
        self._put_in_service(serving)
        self.resume_versions(memory or VersionMemory(), self.clock.tick())

    def _decide(self, bar: MarketSnapshot) -> Tick:
        begun = self.clock.tick()
        # over a gap, before trading
        account = broker.accrue_carry(self.account, bar.at - self.feed.info.interval, self.account.mark_price, self.config, bar.funding)
        account, fills = broker.fill_orders(account, self._orders, bar, self.config, self.tick)
        account = broker.mark_to_market(account, bar, self.settings.capital, self.config)
        self.window.append(bar)
        self.last_bar_at = bar.at
        lags = self._clock_lags(bar.at) if self._clock_lags is not None else None
        if lags is not None:
            self._events += clock_skew.detect_skew(lags, self.feed.info.symbols, self.state.incident_state.open)
        inputs = self.window.build_inputs(self.tick, account, self.config, tuple(self._events))
        if (shadows := self.challengers.select(self.state.evolution, inputs.events, self.catalog.serving)) or self.catalog.shadows:
            self.catalog = replace(self.catalog, shadows=shadows)
        run = PhaseRunner(axis_lengths(inputs, self.catalog), self.clock.tick, self.phase_pool, self.config.phase_deadline_ms)
        try:
            outcome = decide(inputs, session_controls.discard_unscorable(self.state, inputs.events), self.catalog, run)
        except FallbackFailed:
            self.window.drop_last()
            self._events.append(Event("tick_lost", str(self.tick), "a fallback failed"))
            raise
        ms = (self.clock.tick() - begun) * 1e3
        tick = self._record(bar, inputs, outcome, run, fills, ms)
        left = events.unfollowed_events(inputs.events) if Phase.EVOLUTION in outcome.degraded else []
        self.account, self._orders, self.state, self._events, self.tick = account, outcome.orders, outcome.state, left, self.tick + 1
        self._unsaved = tick  # decided: whatever fails from here on, the next step stores it
        self.rows.append(tick.training_row)
        self.newest_features, self.registry.newest_features = outcome.features.values, outcome.features.values[outcome.features.usable]
        self._events += self.drift_check.begin(inputs.tick, self.config, self.rows, self.catalog.serving)
        if Phase.VALIDATION in outcome.degraded:
            self.replace_failing_models()
        self._carry_out(outcome.instructions, inputs.tick, ms)
        return self._save(tick)

    def _carry_out(self, instructions: tuple[Instruction, ...], tick: int, ms: float) -> None:
        """Carry out the instructions of a tick, which took `ms`."""
        for instruction in instructions:
            if instruction.kind == "retrain":
                self.train(tick, self.fitted_models)
            elif instruction.kind in {"promote", "revert"}:
                self.replace_versions(tuple(instruction.detail.split(",")))
            elif instruction.kind == "search":
                self._postponed.append(instruction)
        self.begin_searches(ms, self.clock.tick())

    def _save_artifact(self, artifact: Artifact) -> None:
        if self._store is not None:
            self._store.save_artifact(artifact, self._session, self.clock.now())
        self.challengers.artifacts.append(replace(artifact, data=b""))

    def _record(self, bar: MarketSnapshot, inputs: Inputs, outcome: Outcome, run: PhaseRunner, fills: tuple[Fill, ...], ms: float) -> Tick:
        stored = self._store is not None
        self._digests.begin_tick()
        decided = outcome.decisions.digest(self._digests)
        refresh = stored and inputs.tick % SKILL_EVERY == SKILL_EVERY - 1
        is_warmup = outcome.state.decided <= self.settings.warmup_bars if self.live is None else live_feed.is_history(self.live, bar.at)
        return Tick(
            session=self._session,
            decided_at=self.clock.now(),
            training_row=build_row(inputs.tick, outcome),
            snapshot=bar,
            inputs=inputs,
            outcome=outcome,
            fills=fills,
            spans=tuple(sorted(run.spans, key=lambda span: PHASE_ORDER[span.phase])) if stored else tuple(run.spans),
            ms=ms,
            decisions_digest=decided,
            phase_digests=run.digest_results(self._digests, outcome.decisions, decided) if stored else (),
            serving=tuple(None if model is None else model.digest for model in self.catalog.serving),
            is_warmup=is_warmup,
            checkpoint=stored and (inputs.tick % CHECKPOINT_EVERY == 0 or outcome.state.decided == 1),
            skill=(*skill.skill_table(outcome.state, self.config.horizons), *skill.recent_skill_table(outcome.state, self.config)) if refresh else (),
            declined=declined_trades.declined_table(outcome.state.declined_trades, outcome.decisions.gates.names) if refresh else (),
            liquidity_forecast=liquidity_forecast.liquidity_table(outcome.state.liquidity_forecast) if refresh else (),
            execution=execution_quality.execution_table(outcome.state.execution) if refresh else (),
            machine=self.read_machine(),
            evolution=replace(outcome.evolution, shadows=tuple(shadow.digest for shadow in self.catalog.shadows)),
            no_data=self.live is not None and not bar.fresh.any(),
            timing=None if self.live is None else self.live.read_timing(bar.at),
        )

    def _save(self, tick: Tick) -> Tick:
        self._unsaved = tick
        if self._store is not None:
            begun = self.clock.tick()
            self._store.save(tick)
            self.save_ms = (self.clock.tick() - begun) * 1e3
        self._unsaved = None
        return tick

    def train(self, until: int, fitted: tuple[ServingModel | None, ...]) -> None:
        """Submit a training on data up to a tick, by the recipes of these versions and of the challengers that raced then."""
        if self._training_pool is None:
            return
        try:
            rows = self.rows.training_set(until, self.config.horizons, self.settings.train_rows)
            due = until + self.config.deployment_lag_bars
            recipes = training.recipes_in_service(self._model_names, fitted)
            self.training_jobs.append(training.submit_training(self._training_pool, rows, recipes, self.settings.seed, due, self.settings.home))
            self.challengers.refresh(self.state.evolution, until, self.state.tick, self.rows)
        except PLUGIN_ERRORS as error:  # no memory, no room for a file, no process: the current tick is not affected
            self.training_error = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._events.append(Event("training_failed", str(until), self.training_error))

    def _adopt(self) -> None:
        """Adopt the models of a training that is due from this tick on, as events that a replay repeats."""
        while self.training_jobs and self.training_jobs[0].serves_from <= self.tick:
            job = self.training_jobs[0]
            if not (self._waits_for_models or job.is_done()):
                if job.serves_from == self.tick:
                    self._events.append(Event("training_late", str(job.until), ""))
                return
            adopted = self.registry.adopt(job, self.fitted_models)
            origin = events.describe_refresh_origin(self.state.evolution, job.until)
            for artifact in adopted.artifacts:
                if self._store is not None:
                    self._store.save_artifact(replace(artifact, origin=origin), self._session, self.clock.now())
            self.training_jobs.pop(0)  # only now: the next step adopts what the store refused
            self.training_error = adopted.error
            if adopted.error is not None:
                self._events.append(Event("training_failed", str(job.until), adopted.error))
            self._events += [Event("model_adopted", artifact.model, artifact.data_digest) for artifact in adopted.artifacts]
            self.trained_artifacts.extend(replace(artifact, data=b"") for artifact in adopted.artifacts)
            if adopted.artifacts or adopted.error is None:  # none where other recipes have come into service since
                self._events.append(self.challengers.describe_refresh(job.until, self.fitted_models, adopted.serving))
            self.serve(adopted.serving)

    def replace_failing_models(self) -> tuple[model_registry.ModelReplacement, ...]:
        """Replace each model that fails on the newest features by its previous version. A replay sees which models served a tick."""
        fitted, replacements = self.registry.replace_failing(self.fitted_models)
        if replacements:
            self._events += [Event("model_replaced", replacement.model, replacement.how) for replacement in replacements]
            self.serve(fitted)
        return replacements
