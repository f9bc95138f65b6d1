"""Certifies the running session in idle time, one tick after the other, and quarantines the file of a feature family or a model that looks ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import Protocol

from engine.certify.certificate import NOT_REPRODUCIBLE, Certificate, LookAhead
from engine.certify.stored_bars import CheckResult, SessionCheck, check_session
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.ports import Clock, FeedInfo
from engine.files import temporary_files
from engine.files.temporary_files import TemporaryItem
from engine.service import training
from engine.service.logging import LOG
from engine.service.plugin_files import MODELS, PluginFile, Quarantine, digest_files, list_plugin_files, quarantine_files
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from engine.store.errors import StoreError
from engine.store.read.certified import AHEAD, CERTIFIED_KEY, CLEAN, CertifiedFile, IdleCertificate, decode_certificate
from engine.store.read.history import TickHistory

FIRST_SECONDS = 60.0  # from the start of the engine to the first check
RETRY_SECONDS = 60.0  # after a check that was given up or could not be made
LONGEST_SECONDS = 3_600.0  # of a check, which yields to everything else on the machine, after which it is given up


class FactStore(Protocol):
    """The part of the store's writer that stores a fact."""

    def remember(self, key: str, value: str) -> None: ...


class CheckPool(Protocol):
    """A worker process of one check."""

    def submit(self, work: Callable[[SessionCheck], CheckResult], check: SessionCheck, /) -> Future[CheckResult]: ...

    def close(self) -> None: ...


def load_certificate(text: str | None, files: Sequence[PluginFile], session: int, *, is_on: bool) -> IdleCertificate:
    """The stored totals, where they are of this session and these files, else new ones; a file keeps its result until its content changes."""
    stored = decode_certificate(text)
    known = {} if stored is None else {(file.part, file.digest): file for file in stored.files}
    results = tuple(known.get((file.part, file.digest)) or CertifiedFile(file.part, file.digest, file.name) for file in files)
    code = digest_files(files)
    if stored is None or (stored.session, stored.code) != (session, code):
        return IdleCertificate(session, code, is_on=is_on, files=results)
    return replace(stored, files=results, is_on=is_on)


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The files of feature families and models, and what the store knows about them."""

    files: tuple[PluginFile, ...]
    stored: str | None  # the fact of the engine before
    quarantine: Quarantine


def read_known_files(history: TickHistory) -> KnownFiles:
    """Read the files that this process runs; those whose content is known to look ahead are in quarantine. Closes the history. Raises StoreError."""
    files = list_plugin_files()
    try:
        text = history.fact(CERTIFIED_KEY)
    finally:
        history.close()
    stored = decode_certificate(text)
    ahead = set() if stored is None else {(file.part, file.digest) for file in stored.files if file.state == AHEAD}
    return KnownFiles(files, text, quarantine_files([file for file in files if (file.part, file.digest) in ahead]))


def describe_look_ahead(certificate: IdleCertificate) -> str | None:
    """What looks ahead, in one line; None where nothing is known to."""
    lines = [f"{file.part} looks ahead ({file.detail}): it is not used until the file changes" for file in certificate.files if file.state == AHEAD]
    parts = {file.part for file in certificate.files if file.state == AHEAD}
    if certificate.first is not None and certificate.first not in parts:
        lines.append(f"{certificate.first} moved with the future: run python -m engine certify on a recording")
    return "; ".join(lines) or None


class IdleCertifier:
    """The checks of one engine. `run` starts one where the engine is idle and the budget allows it, and never waits for it."""

    def __init__(
        self, settings: Settings, info: FeedInfo, session: int, known: KnownFiles, store: FactStore, clock: Clock, *,
        has_time: Callable[[], bool], is_late: Callable[[], bool], make_pool: Callable[[], CheckPool] = WorkerPool,
    ) -> None:  # fmt: skip
        self._settings, self._info, self._session, self._files, self._store, self._clock = settings, info, session, known.files, store, clock
        self._has_time, self._is_late, self._make_pool = has_time, is_late, make_pool
        self._serving = tuple(model.name for model in training.select_models(settings.models))
        self.share = settings.certify_cpu_share
        self.certificate = load_certificate(known.stored, known.files, session, is_on=self.share > 0.0)
        self._next = clock.tick() + FIRST_SECONDS
        self._tries = 0
        self._begun = 0.0
        self._pool: CheckPool | None = None
        self._future: Future[CheckResult] | None = None
        self._folder: TemporaryItem | None = None
        self._unsaved = True
        self._at_start = self.quarantine

    def run(self) -> None:
        """Take one step: store what is known, begin a check, take its result, or give it up because a tick is late. Raises StoreError."""
        if self._future is not None:
            self._follow(self._future)
        elif self.share > 0.0 and self._clock.tick() >= self._next and self._has_time():
            self._begin()
        if self._unsaved:
            self._store.remember(CERTIFIED_KEY, self.certificate.encode())
            self._unsaved = False

    @property
    def is_restart_due(self) -> bool:
        """Whether a file that this engine uses is known to look ahead, and the store holds that."""
        return not self._unsaved and self.quarantine != self._at_start

    @property
    def quarantine(self) -> Quarantine:
        """What is known to look ahead."""
        ahead = {(file.part, file.digest) for file in self.certificate.files if file.state == AHEAD}
        return quarantine_files([file for file in self._files if (file.part, file.digest) in ahead])

    def close(self) -> None:
        """End a check under way at once."""
        if self._pool is not None:
            self._pool.close()
        if self._folder is not None:
            self._folder.delete()
        self._pool = self._future = self._folder = None

    def _begin(self) -> None:
        self._begun, self._tries = self._clock.tick(), self._tries + 1
        try:
            self._folder = temporary_files.create_folder(self._settings.home, "certify")
            number = self.certificate.checks * 1_000 + self._tries  # another tick after a check that was given up
            settings = replace(self._settings, home=str(self._folder.path), models=self._choose_models())
            check = SessionCheck(settings, self._info, self._session, number, self.quarantine, code=self.certificate.code)
            self._pool = self._make_pool()
            self._future = self._pool.submit(check_session, check)
        except PLUGIN_ERRORS as error:  # no room for a folder, no process
            self._give_up(f"{type(error).__name__}: {error}")

    def _choose_models(self) -> tuple[str, ...]:
        """Every model that may be used, as long as a file of one is unchecked; else those of the settings."""
        states = {(file.part, file.digest): file.state for file in self.certificate.files}
        models = [file for file in self._files if file.package == MODELS and states[file.part, file.digest] != AHEAD]
        if all(states[file.part, file.digest] == CLEAN for file in models):
            return self._serving
        return tuple(file.name for file in models)

    def _follow(self, future: Future[CheckResult]) -> None:
        if not future.done():
            if self._is_late():
                self._give_up("a tick was late")
            elif self._clock.tick() - self._begun > LONGEST_SECONDS:
                self._give_up("it took too long")
            return
        try:
            result = future.result()
        except (*PLUGIN_ERRORS, StoreError, CancelledError) as error:
            self._give_up(" ".join(str(error).split())[:300] or type(error).__name__)
            return
        self.close()
        self._add(result)

    def _give_up(self, reason: str) -> None:
        self.close()
        now = self._clock.tick()
        self._next = now + max(RETRY_SECONDS, (now - self._begun) / self.share)
        LOG.debug("the check for look-ahead was not made: %s", reason)
        if self.certificate.note != reason:
            self.certificate, self._unsaved = replace(self.certificate, note=reason), True

    def _add(self, result: CheckResult) -> None:
        """Add a check to the totals."""
        now = self._clock.tick()
        self._next = max(now, self._begun + result.cpu_seconds / self.share)
        checked, first, before = result.certificate, result.certificate.first, self.certificate
        if first is not None and first.future == NOT_REPRODUCIBLE:
            place = f"{first.part}, {first.phase}" + (f", {first.column}" if first.column else "")
            self._give_up(f"{place} differs where the same bars are decided twice, so nothing can be compared")
            return
        self.certificate = replace(
            before, checks=before.checks + 1, decisions=before.decisions + checked.decisions, changed=before.changed + checked.changed,
            checked_at=self._clock.now(), first=before.first or (None if first is None else first.part), note=None, source=result.source,
            files=self._judge_files(checked, first),
        )  # fmt: skip
        self._unsaved = True
        if first is not None:
            LOG.error("%s", describe_look_ahead(self.certificate))

    def _judge_files(self, checked: Certificate, first: LookAhead | None) -> tuple[CertifiedFile, ...]:
        """The files after a check: the first that looked ahead is named; where one did, nothing is proven about the others.

        Neither is anything about a model that a training did not fit.
        """
        chosen = checked.fitted.intersection(self._choose_models())
        places = {(file.part, file.digest): file for file in self._files}
        judged: list[CertifiedFile] = []
        for file in self.certificate.files:
            place = places[file.part, file.digest]
            took_part = place.package != MODELS or place.name in chosen
            if file.state == AHEAD:
                judged.append(file)
            elif first is not None:
                detail = f"{first.phase}, {first.column or first.future}"
                judged.append(replace(file, state=AHEAD, detail=detail) if first.part == file.part else file)
            else:
                judged.append(replace(file, state=CLEAN, decisions=file.decisions + checked.decisions) if took_part else file)
        return tuple(judged)
