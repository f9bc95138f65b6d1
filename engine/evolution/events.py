"""The events of a tick that concern evolution: versions that were trained, searches that ended, and what people have done by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from engine.domain.evolution import RUNNING, Arm, EvolutionRow, EvolutionState, Search
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.trading_config import Event
from engine.evolution import verdicts
from engine.evolution.arms import CHALLENGER, WATCH
from engine.evolution.progress import (
    ALL,
    REFRESH,
    Progress,
    arm_row,
    begin_contest,
    begin_search,
    end_contests,
    end_search,
    find_search,
    search_row,
)

BY_HAND = "by hand"
BRINGING = frozenset({"refreshed", "challenger_entered", "challenger_refreshed"})  # kinds of event with digests of versions in shadow
Detail = dict[str, Any]


def build_event(kind: str, subject: str, **detail: object) -> Event:
    """An event with its detail as compact JSON."""
    return Event(kind, subject, json.dumps(detail, separators=(",", ":")))


def follow_events(progress: Progress, inputs: Inputs, catalog: Catalog) -> Progress:
    """The progress after the events before this tick."""
    for event in inputs.events:
        follow = FOLLOWERS.get(event.kind)
        if follow is not None:
            progress = follow(progress, event, inputs, catalog)
    return progress


def _refreshed(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    """End the refresh that began at the tick of its rows, and put the versions before it in shadow."""
    detail: Detail = json.loads(event.detail)
    search = next((search for search in progress.evolution.searches if search.place == ALL and search.began == detail["until"]), None)
    if search is None:
        return progress
    serving = ", ".join(served.version for served in catalog.serving if served is not None and served.trained_to == detail["until"])
    state, reason = ("promoted", "") if serving else ("retired", "versions by another recipe have come into service meanwhile")
    progress = end_search(progress, search.number).report(search_row(search, state, version=serving, reason=reason, tick=inputs.tick))
    places, config = tuple(detail["places"]), inputs.config
    if not places or not config.watch_bars or config.evolution == "off":
        return progress
    watch = Arm(
        search.number, WATCH, places, tuple(detail["versions"]), tuple(detail["digests"]), "", search.trigger, search.detail, REFRESH, serving,
        inputs.tick, 0.0,
    )  # fmt: skip
    before = [place for place, arm in enumerate(progress.evolution.arms) if arm.kind == WATCH and arm.strategy == REFRESH]
    if before and verdicts.is_mounting(progress, before[0]):
        return progress  # evidence against the refresh before is mounting: the versions before that one remain the measure
    dropped = {(progress.evolution.arms[place].number, WATCH) for place in before}
    return begin_contest(end_contests(progress, dropped), watch, config)


def _entered(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    detail: Detail = json.loads(event.detail)
    search = find_search(progress, detail["number"])
    if search is None:
        return progress
    places = tuple(detail["places"])
    parent = ", ".join(catalog_version(catalog, place) for place in places)
    arm = Arm(
        search.number, CHALLENGER, places, tuple(detail["versions"]), tuple(detail["digests"]), "", search.trigger, search.detail, search.strategy,
        parent, search.began, 0.0,
    )  # fmt: skip
    progress = begin_contest(end_search(progress, search.number), arm, inputs.config)
    return progress.report(arm_row(progress, len(progress.evolution.arms) - 1, catalog.names, "racing", RUNNING, None))


def _challenger_refreshed(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    del inputs, catalog
    detail: Detail = json.loads(event.detail)
    return progress.evolve(
        arms=tuple(
            replace(arm, versions=tuple(detail["versions"]), digests=tuple(detail["digests"]))
            if (arm.number, arm.kind) == (detail["number"], CHALLENGER)
            else arm
            for arm in progress.evolution.arms
        )
    )


def _search_ended(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    """End a search without a challenger: it failed, or it found nothing that is better."""
    del catalog
    detail: Detail = json.loads(event.detail)
    search = find_search(progress, detail["number"])
    if search is None:
        return progress
    state = "failed" if event.kind == "search_failed" else "retired"
    return end_search(progress, search.number).report(search_row(search, state, reason=str(detail["reason"]), tick=inputs.tick))


def _training_failed(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    """End a refresh of which no model could be trained."""
    del catalog
    refreshed = {json.loads(other.detail)["until"] for other in inputs.events if other.kind == "refreshed"}
    search = next((search for search in progress.evolution.searches if search.place == ALL and str(search.began) == event.subject), None)
    if search is None or search.began in refreshed:
        return progress
    return end_search(progress, search.number).report(search_row(search, "failed", reason=event.detail, tick=inputs.tick))


def _promoted_by_hand(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    number = json.loads(event.detail)["number"]
    for place, arm in enumerate(progress.evolution.arms):
        if (arm.number, arm.kind) == (number, CHALLENGER):
            return verdicts.promote(progress, place, inputs, catalog, by_hand=True)
    return progress


def _reverted_by_hand(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    """Record a return to an earlier version; contests about the same place have lost their subject."""
    detail: Detail = json.loads(event.detail)
    number, place = progress.evolution.begun + 1, catalog.names.index(event.subject)
    row = EvolutionRow(
        number, inputs.tick, BY_HAND, str(detail["reason"]), REFRESH, event.subject, str(detail["version"]), str(detail["before"]), "reverted", None,
        None, inputs.tick,
    )  # fmt: skip
    progress = progress.evolve(begun=number).report(row)
    about = [index for index, arm in enumerate(progress.evolution.arms) if place in arm.places]
    return verdicts.abandon(progress, about, inputs, catalog, "the version in service was replaced by hand")


def _search_requested(progress: Progress, event: Event, inputs: Inputs, catalog: Catalog) -> Progress:
    del catalog
    detail: Detail = json.loads(event.detail)
    progress = begin_search(progress, event.subject, detail["strategy"], BY_HAND, str(detail["reason"]), inputs.tick)
    search = progress.evolution.searches[-1]
    return progress.instruct("search", search.place, search_to_json(search))


def list_shadows(evolution: EvolutionState, events: tuple[Event, ...], serving: Collection[str]) -> tuple[str, ...]:
    """Digests of the versions that must predict in shadow at the tick of these events: those of all arms, and those that the events bring."""
    entering = [digest for event in events if event.kind in BRINGING for digest in json.loads(event.detail)["digests"]]
    digests = (*(digest for arm in evolution.arms for digest in arm.digests), *entering)
    return tuple(digest for digest in dict.fromkeys(digests) if digest not in serving)


def unfollowed_events(events: tuple[Event, ...]) -> list[Event]:
    """Those of a tick whose phase 10 has failed that must be followed at the next, so that no search or training waits for ever."""
    return [event for event in events if event.kind in FOLLOWERS]


def search_to_json(search: Search) -> str:
    """The detail of the instruction to begin a search."""
    return json.dumps({"number": search.number, "strategy": search.strategy, "began": search.began}, separators=(",", ":"))


def describe_origin(evolution: EvolutionState, number: int) -> str:
    """The trigger of a training, with the number of the evolution that it belongs to; "" where that has ended."""
    triggers = {arm.number: arm.trigger for arm in evolution.arms} | {search.number: search.trigger for search in evolution.searches}
    trigger = triggers.get(number, "")
    return f"{trigger}, evolution {number}" if trigger else ""


def describe_refresh_origin(evolution: EvolutionState, until: int) -> str:
    """The trigger and number of the refresh whose rows end with tick `until`; "" where it has ended."""
    number = next((search.number for search in evolution.searches if search.place == ALL and search.began == until), -1)
    return describe_origin(evolution, number)


def catalog_version(catalog: Catalog, place: int) -> str:
    """The version that serves at a place, "" where none does."""
    served = catalog.serving[place]
    return "" if served is None else served.version


FOLLOWERS: Mapping[str, Callable[[Progress, Event, Inputs, Catalog], Progress]] = {
    "refreshed": _refreshed,
    "training_failed": _training_failed,
    "challenger_entered": _entered,
    "challenger_refreshed": _challenger_refreshed,
    "search_failed": _search_ended,
    "search_empty": _search_ended,
    "search_requested": _search_requested,
    "promoted": _promoted_by_hand,
    "reverted": _reverted_by_hand,
}
