"""The extension itself: it checks the configuration and gives an app its routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from flask import Flask
from sqlalchemy import Connection

from . import python_api
from .api import make_blueprint, refuse_unknown_routes
from .auth import Authenticate
from .cli import add_commands
from .config import ConfigurationError, read_config
from .hooks import Hook
from .pokes import pokes_of
from .python_api import HasConnection, Item
from .sightings import Sightings
from .sockets import Sockets
from .state import State
from .store import Store
from .tenancy import SharedTenantWarning


class Nightferry:
    """Nightferry's server side for Flask apps.

    `authenticate(request)` answers the `Principal` behind a request, or None. Give the app here or to
    `init_app`; one object serves any number of apps and keeps none.
    """

    def __init__(self, app: Flask | None = None, authenticate: Authenticate | None = None) -> None:
        self._authenticate = authenticate
        self._hooks: dict[str, list[Hook]] = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add routes and commands to the app, whose configuration is read now. Raises ConfigurationError."""
        config = read_config(app.config, app.instance_path)
        if self._authenticate is None and not config.allow_anonymous:
            raise ConfigurationError(
                "Nightferry needs to know who makes a request. Pass Nightferry(app, authenticate=...), "
                "a function that takes the request and answers Principal(tenant, user) or None. "
                "For development on this machine alone, set NIGHTFERRY_ALLOW_ANONYMOUS = True instead."
            )
        store = Store(config.database_url)
        sockets = Sockets(0 if config.read_replica else config.live_sockets)
        app.extensions["nightferry"] = State(
            config,
            store,
            self._authenticate,
            self._hooks,
            SharedTenantWarning(config.shared_tenant),
            sockets,
            pokes_of(store, sockets),
            Sightings(store, enabled=not config.read_replica),
        )
        routes = make_blueprint(config.url_prefix)
        add_commands(routes)
        app.before_request(refuse_unknown_routes)
        app.register_blueprint(routes)

    def validate(self, slice_: str) -> Callable[[Hook], Hook]:
        """A decorator: ask the function before a change of an item of this slice applies.

        It gets a `Change`, may raise `Refused`, and may set another `change.value`. Hooks run in their order.
        """

        def add(hook: Hook) -> Hook:
            self._hooks.setdefault(slice_, []).append(hook)
            return hook

        return add

    def put(
        self,
        tenant: str,
        slice_: str,
        id_: str,
        value: Any,
        *,
        user: str | None = None,
        base: int | Literal["any"] | None = "any",
        connection: Connection | HasConnection | None = None,
    ) -> int:
        """Stores the whole value of an item, and returns the version that it has now.

        `user` is in whose name, for the people who see the change; None names nobody. `base` is the version
        that the change was made against, None for an item that must be new; by default any state is
        replaced. With `connection`, a connection or session of the app to the same database, the change is
        part of its transaction, and other writers of the tenant wait until that ends.

        Needs an app context. Raises TypeError and ValueError for names and values that Nightferry does not
        keep, Conflict where the item does not have the version `base`, StoreUnavailable, and with
        `connection` whatever SQLAlchemy raises.
        """
        return python_api.put(tenant, slice_, id_, value, user=user, base=base, connection=connection)

    def delete(
        self,
        tenant: str,
        slice_: str,
        id_: str,
        *,
        user: str | None = None,
        base: int | Literal["any"] | None = "any",
        connection: Connection | HasConnection | None = None,
    ) -> int | None:
        """Deletes an item, and returns the version of its tombstone; None where there never was one.

        The arguments and errors are those of `put`.
        """
        return python_api.delete(tenant, slice_, id_, user=user, base=base, connection=connection)

    def get(
        self, tenant: str, slice_: str, id_: str, *, connection: Connection | HasConnection | None = None
    ) -> Item | None:
        """Returns an item; None where there is none, or where its stored text can't be read.

        Needs an app context. Raises TypeError, ValueError and StoreUnavailable.
        """
        return python_api.get(tenant, slice_, id_, connection=connection)

    def items(
        self, tenant: str, slice_: str, *, connection: Connection | HasConnection | None = None
    ) -> Iterator[Item]:
        """Iterates over the items of a slice, in the order of their ids, without those that can't be read.

        They are read page by page, so an item that changes meanwhile is as it was when its page was read;
        with `connection`, as its transaction sees it. Errors are those of `get`, while iterating.
        """
        return python_api.items(tenant, slice_, connection=connection)
