"""The configuration: `NIGHTFERRY_*` in, one frozen object out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from .wire import slice_fault

OPTIONS = (
    "NIGHTFERRY_ALLOW_ANONYMOUS",
    "NIGHTFERRY_CREATE_TABLES",
    "NIGHTFERRY_DATABASE_URL",
    "NIGHTFERRY_HORIZON_DAYS",
    "NIGHTFERRY_LIVE_SOCKETS",
    "NIGHTFERRY_ORIGINS",
    "NIGHTFERRY_READ_REPLICA",
    "NIGHTFERRY_SHARED_TENANT",
    "NIGHTFERRY_SLICES",
    "NIGHTFERRY_URL_PREFIX",
)


class ConfigurationError(RuntimeError):
    """The app can't start like this. The message says what to change."""


@dataclass(frozen=True)
class Config:
    """The settings `NIGHTFERRY_*`, checked."""

    #: `NIGHTFERRY_DATABASE_URL`, an SQLAlchemy URL; a relative SQLite file is below the app's instance
    #: folder.
    database_url: URL
    #: `NIGHTFERRY_URL_PREFIX`: where the API and the browser's files are, without a slash at the end.
    url_prefix: str
    #: `NIGHTFERRY_ALLOW_ANONYMOUS`: answer this machine's own browser without signing in. For development.
    allow_anonymous: bool
    #: `NIGHTFERRY_CREATE_TABLES`: make missing tables on first use. None: in debug, testing and anonymous
    #: mode.
    create_tables: bool | None
    #: `NIGHTFERRY_ORIGINS`: other origins whose pages may use the API, such as `https://app.example`.
    origins: frozenset[str]
    #: `NIGHTFERRY_SHARED_TENANT`: users of one tenant are meant to share its items, so there is no warning.
    shared_tenant: bool
    #: `NIGHTFERRY_SLICES`: the slices of which changes are taken. None: all.
    slices: frozenset[str] | None
    #: `NIGHTFERRY_LIVE_SOCKETS`: the most WebSockets that a process holds. 0: none, devices ask at intervals.
    live_sockets: int
    #: `NIGHTFERRY_READ_REPLICA`: the database is a copy that follows another one. This process answers pulls.
    read_replica: bool
    #: `NIGHTFERRY_HORIZON_DAYS`, in ms: how long deletions and versions are remembered.
    horizon_ms: int


def read_config(settings: Mapping[str, Any], instance_path: str) -> Config:
    """Read the options from an app's configuration. Raises ConfigurationError."""
    for name in settings:
        if name.startswith("NIGHTFERRY_") and name not in OPTIONS:
            raise ConfigurationError(f"{name} is not an option. The options are {', '.join(OPTIONS)}.")
    return Config(
        database_url=_database_url(settings.get("NIGHTFERRY_DATABASE_URL"), instance_path),
        url_prefix=_url_prefix(settings.get("NIGHTFERRY_URL_PREFIX", "/nightferry")),
        allow_anonymous=_switch("NIGHTFERRY_ALLOW_ANONYMOUS", settings.get("NIGHTFERRY_ALLOW_ANONYMOUS"))
        or False,
        create_tables=_switch("NIGHTFERRY_CREATE_TABLES", settings.get("NIGHTFERRY_CREATE_TABLES")),
        origins=_origins(settings.get("NIGHTFERRY_ORIGINS", ())),
        shared_tenant=_switch("NIGHTFERRY_SHARED_TENANT", settings.get("NIGHTFERRY_SHARED_TENANT")) or False,
        slices=_slices(settings.get("NIGHTFERRY_SLICES")),
        read_replica=_switch("NIGHTFERRY_READ_REPLICA", settings.get("NIGHTFERRY_READ_REPLICA")) or False,
        live_sockets=_count("NIGHTFERRY_LIVE_SOCKETS", settings.get("NIGHTFERRY_LIVE_SOCKETS", 1000)),
        horizon_ms=_days("NIGHTFERRY_HORIZON_DAYS", settings.get("NIGHTFERRY_HORIZON_DAYS", 90)),
    )


def _database_url(value: Any, instance_path: str) -> URL:
    try:
        url = make_url(value or "sqlite:///nightferry.sqlite3")
    except ArgumentError:
        raise ConfigurationError(
            "NIGHTFERRY_DATABASE_URL is not an SQLAlchemy URL. It looks like sqlite:///nightferry.sqlite3."
        ) from None
    if url.get_backend_name() != "sqlite":
        return url
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise ConfigurationError(
            "NIGHTFERRY_DATABASE_URL names no SQLite file. Each thread would see another database in memory; "
            "name a file, such as sqlite:///nightferry.sqlite3."
        )
    return url.set(database=str(Path(instance_path) / str(url.database)))


def _url_prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
        raise ConfigurationError("NIGHTFERRY_URL_PREFIX must be a path such as /nightferry.")
    return value.rstrip("/")


def _days(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number of days, at least 1, not {value!r}.")
    return value * 24 * 60 * 60 * 1000


def _switch(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {value!r}.")
    return value


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"{name} must be a number from 0 on, not {value!r}.")
    return value


def _slices(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"NIGHTFERRY_SLICES must be a list of names, not {value!r}.")
    names = list(value)
    for name in names:
        if not isinstance(name, str) or slice_fault(name) is not None:
            raise ConfigurationError(
                f"NIGHTFERRY_SLICES holds {name!r}. The name of a slice matches [A-Za-z][A-Za-z0-9_-]*."
            )
    return frozenset(names)


def _origins(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        value = [value]
    return frozenset(_origin(origin) for origin in value)


def _origin(value: Any) -> str:
    parts = urlsplit(value if isinstance(value, str) else "")
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or f"{parts.scheme}://{parts.netloc}" != value
    ):
        raise ConfigurationError(
            f"NIGHTFERRY_ORIGINS holds {value!r}. An origin is a scheme and a host, such as "
            f"https://app.example."
        )
    return str(value).lower()
