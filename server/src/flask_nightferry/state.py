"""The state of the extension for one app, in `app.extensions["nightferry"]`."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Flask

from .admission import Admission
from .auth import Authenticate
from .config import Config
from .pokes import Pokes
from .push import Hooks
from .sightings import Sightings
from .sockets import Sockets
from .store import Store
from .tenancy import SharedTenantWarning


@dataclass(frozen=True)
class State:
    """One app's configuration, database, and ways to sign in and to validate."""

    config: Config
    store: Store
    authenticate: Authenticate | None
    hooks: Hooks
    shared_tenant_warning: SharedTenantWarning
    sockets: Sockets
    pokes: Pokes
    sightings: Sightings
    admission: Admission = field(default_factory=Admission)

    @property
    def anonymous(self) -> bool:
        """True if this machine's own browser is answered without signing in."""
        return self.authenticate is None

    def close(self) -> None:
        """Ends threads and connections. Apps need not: they end with their process."""
        self.pokes.close()
        self.sightings.close()
        self.sockets.close()
        self.store.engine.dispose()

    def make_ready(self, app: Flask) -> None:
        """Before the database is used. Raises ApiError."""
        wanted = False if self.config.read_replica else self.config.create_tables
        self.store.make_ready(app.debug or app.testing or self.anonymous if wanted is None else wanted)


def state_of(app: Flask) -> State:
    """The state of an app that was initialised. Raises KeyError for another."""
    state: State = app.extensions["nightferry"]
    return state
