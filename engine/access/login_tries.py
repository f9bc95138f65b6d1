"""Failed tries to log in: counted by name and address, and slowed down, however somebody proves who they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from sqlalchemy import Connection

from engine.domain.audit import AuditEntry
from engine.store.connection import driver_connection
from engine.store.write import counters
from engine.store.write.audit import append_limited

SECOND = 10**9  # ns
HOUR = 3_600 * SECOND
FREE_TRIES = {"pair": 3, "address": 10, "name": 100}  # failed tries before the first wait: of a name from an address, of either alone
MAX_ENTERED = 5  # failed tries of a name that are entered in the audit trail in a minute
MAX_WAIT_SECONDS = 300


def build_keys(name: str, address: str) -> dict[str, str]:
    """What a try is counted under. The pair alone has few free tries: with the name's, anybody could keep its owner out."""
    return {"pair": f"pair {_network(address)} {name[:80]}", **build_address_key(address), "name": f"name {name[:80]}"}


def build_address_key(address: str) -> dict[str, str]:
    """What a try is counted under whose name is not known yet."""
    return {"address": f"address {_network(address)}"}


def count_try(connection: Connection, keys: Mapping[str, str], now: int) -> int:
    """Count a try as failed before it is looked at; gives the seconds to wait where it is not to be looked at, and 0 else."""
    wait = max(_find_wait(connection, key, FREE_TRIES[kind], now) for kind, key in keys.items())
    if wait > 0:
        counters.add_counts(connection, [("logins", "delayed", "", 1)])
        return wait
    for key in keys.values():
        _store_failures(connection, key, _read_failures(connection, key, now)[0] + 1, now)
    return 0


def enter_failure(connection: Connection, who: str, address: str, why: str, now: int) -> None:
    """Count and enter a try that failed, a few times a minute for each name."""
    counters.add_counts(connection, [("logins", "failed", "", 1)])
    append_limited(driver_connection(connection), AuditEntry(now, who, address, "log-in", "failed", why), MAX_ENTERED)


def forgive_try(connection: Connection, keys: Mapping[str, str], now: int) -> None:
    """Take back the try that was right: the pair begins anew, and what others failed from the same address, or with the name, stays counted."""
    counters.add_counts(connection, [("logins", "ok", "", 1)])
    take_back_try(connection, keys, now)


def take_back_try(connection: Connection, keys: Mapping[str, str], now: int) -> None:
    """Take back a try that was neither right nor wrong."""
    for kind, key in keys.items():
        if kind == "pair":
            connection.exec_driver_sql("DELETE FROM login_tries WHERE key = ?", (key,))
        else:
            _store_failures(connection, key, max(0, _read_failures(connection, key, now)[0] - 1), now)


def _find_wait(connection: Connection, key: str, free: int, now: int) -> int:
    """Seconds until the next try of this name or address is looked at: doubling after each failed one."""
    failures, last_at = _read_failures(connection, key, now)
    if failures < free:
        return 0
    pause = min(MAX_WAIT_SECONDS, 2 ** min(20, failures - free))
    passed = (now - last_at) / SECOND
    return max(0, -int(-(pause - passed) // 1)) if passed >= 0 else pause


def _network(address: str) -> str:
    """The address, of IPv6 the network that one household is given: who has one address there has 2^64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:80]
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _read_failures(connection: Connection, key: str, now: int) -> tuple[int, int]:
    """Failed tries, half of which are forgotten in each hour without another one, and the time of the last (ns UTC)."""
    row = connection.exec_driver_sql("SELECT failures, last_at FROM login_tries WHERE key = ?", (key,)).first()
    if row is None:
        return 0, 0
    failures, last_at = int(row[0]), int(row[1])
    return failures >> max(0, min(62, (now - last_at) // HOUR)), last_at


def _store_failures(connection: Connection, key: str, failures: int, now: int) -> None:
    connection.exec_driver_sql("INSERT OR REPLACE INTO login_tries (key, failures, last_at) VALUES (?, ?, ?)", (key, failures, now))
