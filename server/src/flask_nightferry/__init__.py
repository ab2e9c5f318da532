"""The server side of Nightferry as a Flask extension.

    from flask import Flask
    from flask_nightferry import Nightferry, Principal

    app = Flask(__name__)
    nightferry = Nightferry(app, authenticate=lambda request: Principal(tenant="ann", user="ann"))

See README.md for the configuration, and ``api.py`` for the path of a request through this package.
"""

from .auth import Principal
from .compare import Conflict
from .config import ConfigurationError
from .extension import Nightferry
from .hooks import Change, Refused, item_applied
from .migrations import include_object
from .python_api import Item, StoreUnavailable

__all__ = [
    "Change",
    "ConfigurationError",
    "Conflict",
    "Item",
    "Nightferry",
    "Principal",
    "Refused",
    "StoreUnavailable",
    "include_object",
    "item_applied",
]
