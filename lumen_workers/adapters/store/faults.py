"""Foreign database errors in this project's terms."""

from __future__ import annotations

import sqlite3

from lumen_workers.domain.errors import EnvironmentFault, LumenError, StoreUnavailable

_SQLITE_AWAY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL}
_SQLITE_MACHINE = {
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_READONLY: "it is read-only for this user",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; is its folder there, and writable?",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a copy",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
}

# SQLSTATE classes and codes: connection, lock and resource trouble that passes by itself, or with the server.
_POSTGRES_AWAY = ("08", "40001", "40P01", "53", "55P03", "57P", "25006", "25P03", "58")
_POSTGRES_DISK_FULL = "53100"


def translate(error: BaseException, store: str) -> LumenError | None:
    """What ``error`` (a DB-API error) means for callers; None: it is a mistake of ours and stays as it is.

    ``store`` names the store in the message; it must hold no password.
    """
    reason = str(error).strip().partition("\n")[0]
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code; the rest says more than a caller can use.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if code in _SQLITE_MACHINE:
            return EnvironmentFault(f"store {store}: {_SQLITE_MACHINE[code]}")
        return StoreUnavailable(f"store {store}: {reason}") if code in _SQLITE_AWAY else None
    state = getattr(error, "sqlstate", None)
    if state == _POSTGRES_DISK_FULL:
        return EnvironmentFault(f"store {store}: the server's disk is full")
    if state is None:
        # libpq gives no code for what happens outside a statement: it could not connect, or the connection broke.
        outside = {"OperationalError", "InterfaceError"} & {base.__name__ for base in type(error).__mro__}
        return StoreUnavailable(f"store {store}: {reason}") if outside else None
    return StoreUnavailable(f"store {store}: {reason}") if state.startswith(_POSTGRES_AWAY) else None
