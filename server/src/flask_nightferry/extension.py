"""The extension itself: it checks the configuration and gives an app its routes."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from .api import make_blueprint, refuse_unknown_routes
from .auth import Authenticate
from .cli import add_commands
from .config import ConfigurationError, read_config
from .hooks import Hook
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
        app.extensions["nightferry"] = State(
            config,
            Store(config.database_url),
            self._authenticate,
            self._hooks,
            SharedTenantWarning(config.shared_tenant),
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
