"""The audit trail finds every changed, deleted, swapped, added or cut-off row, and names the first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from engine.domain.audit import AuditEntry, AuditHead, chain_digest, parse_head
from engine.service.lease import Lease
from engine.store import retention
from engine.store.connection import Store, driver_connection
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from engine.store.write import audit
from engine.store.write.writer import Writer
from tests.store import made

ROWS, DAY = 12, 86_400 * 10**9
COLUMNS = ("at", "who", "origin", "kind", "subject", "why", "before", "after", "digest")


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def attacking(url: str) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who may write to the file and knows of the triggers."""
    with closing(sqlite3.connect(path_of(url))) as store, store:
        for name in ("audit_unchanged", "audit_undeleted"):
            store.execute(f"DROP TRIGGER IF EXISTS {name}")
        yield store


def entry(number: int) -> AuditEntry:
    after = None if number % 3 else "{}"
    return AuditEntry(made.WALL + number * DAY, "ada", "command line", "setting", f"setting {number}", "to see", '{"a":1}', after)


def append(url: str, *entries: AuditEntry) -> AuditHead:
    store = Store(url, None)
    for each in entries:
        with store.write(fenced=False) as connection:
            head = audit.append_entry(driver_connection(connection), each)
    store.close()
    return head


@pytest.fixture
def trail(tmp_path: Path) -> str:
    url = made.empty(tmp_path)
    append(url, *map(entry, range(ROWS)))
    return url


def fault(url: str, anchor: AuditHead | None = None) -> str:
    return verify_trail(Reader(url), anchor).fault or "sound"


def test_a_trail_that_nobody_touched_is_sound(trail: str) -> None:
    verdict = verify_trail(Reader(trail))
    assert (verdict.rows, verdict.first, verdict.fault) == (ROWS, 1, None)
    assert verdict.head is not None
    assert parse_head(str(verdict.head)) == verdict.head
    assert fault(made.empty(path_of(trail).parent / "new")) == "sound"


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", range(1, ROWS + 1))
def test_every_change_of_a_single_value_is_found(trail: str, row: int, column: str) -> None:
    with attacking(trail) as store:
        changed = f"coalesce(\"{column}\", '') || '0'" if column != "at" else "at + 1"
        store.execute(f'UPDATE audit SET "{column}" = {changed} WHERE id = ?', (row,))
    assert fault(trail).startswith(f"row {row} is changed")


@pytest.mark.parametrize(
    "change",
    ["who = CAST(who AS BLOB)", "who = x'ff'", "why = ''", "at = 'now'", '"before" = NULL', "\"after\" = 'null'", "who = origin, origin = who"],
)
def test_a_change_of_kind_or_of_nothing_but_the_place_is_found(trail: str, change: str) -> None:
    with attacking(trail) as store:
        store.execute(f"UPDATE audit SET {change} WHERE id = 5")
    assert fault(trail).startswith("row 5 is changed")


@pytest.mark.parametrize("row", range(1, ROWS + 1))
def test_every_deleted_row_is_found(trail: str, row: int) -> None:
    with attacking(trail) as store:
        store.execute("DELETE FROM audit WHERE id = ?", (row,))
    assert fault(trail).startswith(f"row {row} is {'cut off' if row == ROWS else 'missing'}")


def test_a_head_that_was_missing_once_is_told_of_for_good(trail: str) -> None:
    with attacking(trail) as store:  # the newest rows are cut off with the head, and Podium goes on
        store.execute("DELETE FROM meta WHERE key = 'audit head'")
        store.execute(f"DELETE FROM audit WHERE id > {ROWS - 3}")
    append(trail, entry(20), entry(21))
    assert fault(trail) == f"row {ROWS - 2} says that the head was missing: rows after row {ROWS - 3} may have been cut off then"
    frame = Reader(trail).view("audit")
    assert list(frame["kind"])[-3:] == ["fault", "setting", "setting"]
    with attacking(trail) as store:
        store.execute("UPDATE audit SET why = 'x' WHERE id = 2")
    assert fault(trail).startswith("row 2 is changed")


@pytest.mark.parametrize("last", range(ROWS))
def test_every_cut_is_found_and_stays_so_while_rows_are_added(trail: str, last: int) -> None:
    with attacking(trail) as store:
        store.execute("DELETE FROM audit WHERE id > ?", (last,))
    assert fault(trail).startswith(f"row {last + 1} is cut off")
    append(trail, entry(20))
    assert fault(trail).startswith(f"row {last + 1 if last else ROWS} is missing")


@pytest.mark.parametrize("row", range(1, ROWS))
def test_two_rows_that_change_places_are_found(trail: str, row: int) -> None:
    with attacking(trail) as store:
        for old, new in ((row, -1), (row + 1, row), (-1, row + 1)):
            store.execute("UPDATE audit SET id = ? WHERE id = ?", (new, old))
    assert fault(trail).startswith(f"row {row} is changed")


def test_a_row_that_was_added_around_podium_is_found(trail: str) -> None:
    head = verify_trail(Reader(trail)).head
    assert head is not None
    false = entry(99)
    with attacking(trail) as store:
        row = (head.row + 1, false.at, false.who, false.origin, false.kind, false.subject, false.why, false.before, false.after,
               chain_digest(head.digest, head.row + 1, false))  # fmt: skip
        store.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(row))})", row)
    assert fault(trail).startswith(f"row {ROWS + 1} is changed: it was not added by Podium")


def test_a_head_that_was_removed_or_changed_is_found(trail: str) -> None:
    with attacking(trail) as store:
        store.execute("DELETE FROM meta WHERE key = 'audit head'")
    assert "may be cut off" in fault(trail)
    with closing(sqlite3.connect(path_of(trail))) as store, store:
        store.execute("INSERT INTO meta VALUES ('audit head', ?)", (f"{ROWS}:{'0' * 64}",))
    assert fault(trail) == f"row {ROWS} is changed: its digest is not that of the head"


@pytest.mark.parametrize("last", [0, 6])
def test_a_trail_that_was_written_anew_differs_from_the_head_in_the_report(trail: str, last: int) -> None:
    """Somebody who knows the code can write rows and head anew; what left the store with a report does not change with them."""
    anchor = verify_trail(Reader(trail)).head
    assert anchor is not None
    with attacking(trail) as store:
        store.execute("DELETE FROM audit WHERE id > ?", (last,))
        digest = store.execute("SELECT digest FROM audit ORDER BY id DESC LIMIT 1").fetchone()
        store.execute("DELETE FROM meta WHERE key = 'audit head'")
        if digest:
            store.execute("INSERT INTO meta VALUES ('audit head', ?)", (f"{last}:{digest[0]}",))
    assert fault(trail) == "sound"
    assert fault(trail, anchor).startswith(f"row {ROWS} is cut off: the report has it")
    append(trail, *(entry(number + 50) for number in range(ROWS + 3)))
    assert fault(trail) == "sound"
    assert fault(trail, anchor) == f"row {ROWS} is changed: its digest is not the one in the report"


def test_an_older_head_stays_in_a_sound_trail(trail: str) -> None:
    anchor = verify_trail(Reader(trail)).head
    append(trail, entry(30), entry(31))
    assert fault(trail, anchor) == "sound"


def test_the_store_itself_refuses_to_change_or_delete_a_row(trail: str) -> None:
    with closing(sqlite3.connect(path_of(trail))) as store:
        for statement in ("UPDATE audit SET why = ''", "DELETE FROM audit WHERE id = 3", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                store.execute(statement)


def test_a_text_that_is_no_unicode_is_stored_as_it_is_digested(trail: str) -> None:
    append(trail, AuditEntry(1, "a\udcffb\0c", "", "command", "\N{SNOWMAN}", "'; DROP TABLE audit; --"))
    assert fault(trail) == "sound"


@pytest.mark.parametrize("text", ["", "12", "x:" + "0" * 64, "12:" + "0" * 63, "12:" + "G" * 64, "-1:" + "0" * 64, "9" * 30 + ":" + "0" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the head of an audit trail"):
        parse_head(text)


# ------------------------------------------------------------------ retention


def test_retention_says_which_rows_it_deletes_and_the_rest_stays_sound(trail: str) -> None:
    anchor = verify_trail(Reader(trail)).head
    store = Store(trail, None)
    assert retention.prune_audit(store, made.WALL + 5 * DAY, days=0) == 5
    verdict = verify_trail(Reader(trail), anchor)
    assert (verdict.first, verdict.rows, verdict.fault) == (6, ROWS - 5 + 1, None)
    last = Reader(trail).view("audit").iloc[-1]
    assert (last["kind"], last["subject"], orjson.loads(last["before"])["last"]) == ("retention", "audit", 5)
    assert retention.prune_audit(store, made.WALL + 60 * DAY, days=900, most=4, safe_days=0) == 4
    assert retention.prune_audit(store, made.WALL + 60 * DAY, days=900, most=100, safe_days=0) == 0
    assert fault(trail) == "sound"
    store.close()


def test_rows_deleted_as_if_by_retention_are_missing(trail: str) -> None:
    store = Store(trail, None)
    retention.prune_audit(store, made.WALL + 5 * DAY, days=0)
    store.close()
    with attacking(trail) as attacked:
        attacked.execute("INSERT OR REPLACE INTO meta VALUES ('audit pruned', '8')")
        attacked.execute("DELETE FROM audit WHERE id <= 8")
    assert fault(trail).startswith("row 8 is missing: the trail begins with row 9")


def test_a_false_row_of_retention_covers_nothing(trail: str) -> None:
    with attacking(trail) as store:
        store.execute("DELETE FROM audit WHERE id <= 3")
        digest = store.execute("SELECT digest FROM audit WHERE id = 4").fetchone()[0]
        store.execute("UPDATE audit SET kind = 'retention', subject = 'audit', \"before\" = ? WHERE id = 5", (f'{{"last":3,"digest":"{digest}"}}',))
    assert fault(trail).startswith("row 4 is changed")


def test_a_pruning_longer_than_a_transaction_is_sound_after_each_part(trail: str) -> None:
    append(trail, *(entry(20 + number % 3) for number in range(audit.ROWS_PER_BATCH)))
    store = Store(trail, None)
    assert retention.prune_audit(store, made.WALL + 60 * DAY, days=900, most=5, safe_days=0) > audit.ROWS_PER_BATCH
    store.close()
    assert fault(trail) == "sound"


def test_nobody_pushes_a_row_out_by_adding_many(trail: str) -> None:
    now = made.WALL + 95 * DAY  # the first five rows are 90 days old
    store = Store(trail, None)
    assert retention.prune_audit(store, now, days=900, most=2) == 5
    store.close()
    assert verify_trail(Reader(trail)).first == 6


def test_what_strangers_repeat_is_entered_once_in_a_minute(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    store = Store(url, None)

    def refuse(who: str, command: str, seconds: int) -> bool:
        entered = AuditEntry(made.WALL + seconds * 10**9, who, "API, 10.0.0.9", "refusal", command, "no right")
        with store.write(fenced=False) as connection:
            return audit.append_limited(driver_connection(connection), entered, 1)

    start = -made.WALL // 10**9 % 60  # of a minute
    assert [refuse("ann", "pause", start + second) for second in (0, 1, 59, 60, 61)] == [True, False, False, True, False]
    assert [refuse("ann", "resume", start + 61), refuse("ben", "pause", start + 61), refuse("b\0en", "pause", start + 62)] == [True, True, False]
    store.close()
    assert len(Reader(url).view("audit")) == 4
    assert fault(url) == "sound"


# ------------------------------------------------------------------ what is entered


def rows(url: str) -> list[tuple[str, str, str, str, str]]:
    frame = Reader(url).view("audit")
    return [(str(row.kind), str(row.subject), str(row.who), str(row.origin), str(row.why)) for row in frame.itertuples()]


def test_a_command_and_its_result_are_entered_with_what_it_changed(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    number = inbox.submit("configure", {"parameter": "edge_margin", "value": "1.5"}, "ada", "costs rose", made.WALL, "command line")
    inbox.claim(made.WALL)
    inbox.finish(number, True, {"message": "done", "before": {"edge_margin": 1.0}, "after": {"edge_margin": 1.5}}, made.WALL + 1)
    assert rows(url) == [(kind, "configure", "ada", "command line", "costs rose") for kind in ("command", "result", "setting")]
    stored = Reader(url).view("audit")
    assert orjson.loads(stored["after"][0]) == {"id": number, "args": {"parameter": "edge_margin", "value": "1.5"}}
    assert orjson.loads(stored["after"][1]) == {"id": number, "status": "done", "message": "done"}
    assert (stored["before"][2], stored["after"][2]) == ('{"edge_margin":1.0}', '{"edge_margin":1.5}')
    assert fault(url) == "sound"


def test_a_command_that_failed_changed_no_setting(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    number = inbox.submit("pause", {}, "ada", "", made.WALL)
    inbox.claim(made.WALL)
    inbox.finish(number, False, {"error": "it failed", "before": {"a": 1}, "after": {"a": 2}}, made.WALL + 1)
    assert [kind for kind, *_ in rows(url)] == ["command", "result"]
    assert orjson.loads(Reader(url).view("audit")["after"][1])["error"] == "it failed"


def test_a_command_whose_engine_died_has_a_result_too(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    inbox.submit("pause", {}, "ada", "", made.WALL)
    inbox.claim(made.WALL)
    assert Lease(url).acquire(made.WALL + 60 * made.SECOND, 0.0)
    assert [kind for kind, *_ in rows(url)] == ["command", "result"]
    assert "the engine stopped" in Reader(url).view("audit")["after"][1]


def test_a_command_that_is_not_stored_is_not_entered(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    with closing(sqlite3.connect(path_of(url))) as store, store:
        store.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(StoreError):
        Inbox(url).submit("pause", {}, "ada", "", made.WALL)
    assert Inbox(url).count_queued() == 0


def test_settings_that_changed_between_two_starts_are_entered(tmp_path: Path) -> None:
    url, market = made.empty(tmp_path), made.info()
    begin: Callable[[str, int], int] = lambda settings, now: Writer(url).begin_session(  # noqa: E731
        "one", market, ("ridge",), made.HORIZONS, settings, {}, now
    )
    begin('{"fee_bps": 10.0, "seed": 1}', made.WALL)
    begin('{"fee_bps": 10.0, "seed": 1}', made.WALL + 1)
    begin('{"fee_bps": 7.5, "seed": 1, "port": 8502}', made.WALL + 2)
    assert [(kind, subject) for kind, subject, *_ in rows(url)] == [("setting", "all settings"), ("setting", "fee_bps"), ("setting", "port")]
    changed = Reader(url).view("audit").iloc[1]
    assert (changed["before"], changed["after"]) == ('{"fee_bps":10.0}', '{"fee_bps":7.5}')


def test_retention_of_other_tables_is_entered(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    for number in range(3):
        inbox.submit("pause", {}, "ada", "", made.WALL + number)
        inbox.claim(made.WALL)
        inbox.finish(number + 1, True, {"message": "done"}, made.WALL)
    store = Store(url, None)
    assert retention.prune_optimizer_rows(store, made.WALL + 2_000 * DAY) == 3
    store.close()
    last = Reader(url).view("audit").iloc[-1]
    assert (last["kind"], last["subject"], orjson.loads(last["before"])["rows"]) == ("retention", "commands", 3)
