"""Signing in by tokens.

The access token is in the page's memory and in every request to Nightferry's API, and is good for minutes.
The refresh token is in a cookie that no script can read and that goes to ``/api/`` alone. For weeks, it buys
new access tokens.
"""

from flask import Blueprint, abort, current_app, jsonify, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from users import user_of_key, user_of_password

ACCESS_SECONDS = 5 * 60
REFRESH_SECONDS = 30 * 24 * 60 * 60
COOKIE = {"path": "/api/", "httponly": True, "samesite": "Strict"}

routes = Blueprint("tokens", __name__)


def signed(use):
    """Returns what signs tokens of one use: a refresh token is no access token."""
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"{use} token")


def user_of(use, token, max_age):
    """Returns the user whose token it is; None where it is none, has another use, or is over."""
    try:
        key = signed(use).loads(token, max_age=max_age)
    except BadSignature:
        return None
    return user_of_key(key)


def user_of_token(authorization):
    """Returns the user of a request's header ``Authorization: Bearer …``, or None."""
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        return None
    return user_of("access", authorization.token, ACCESS_SECONDS)


@routes.before_request
def take_json_only():
    """A page of another site cannot send JSON without being asked for permission, which nobody gives."""
    if request.method == "POST" and not request.is_json:
        abort(415)


@routes.get("/token/")
def notes():
    return render_template("notes.html", entry="token", user=None, sign_in_page="/token/sign-in")


@routes.get("/token/sign-in")
def sign_in_page():
    return render_template("sign_in.html", entry="token")


@routes.post("/api/sign-in")
def sign_in():
    """Takes ``{name, password}``. Answers an access token and sets the cookie, or answers 401."""
    given = request.get_json()
    user = user_of_password(given.get("name"), given.get("password")) if isinstance(given, dict) else None
    if user is None:
        return jsonify(message="Name and password do not fit together. Try again."), 401
    response = access(user)
    secure = current_app.config["SESSION_COOKIE_SECURE"]
    token = signed("refresh").dumps(user.key)
    response.set_cookie("refresh", token, max_age=REFRESH_SECONDS, secure=secure, **COOKIE)
    return response


@routes.post("/api/token")
def renew():
    """Answers a new access token to whoever has the cookie, or 401."""
    user = user_of("refresh", request.cookies.get("refresh", ""), REFRESH_SECONDS)
    return access(user) if user else (jsonify(message="Nobody is signed in."), 401)


@routes.post("/api/sign-out")
def sign_out():
    response = current_app.make_response(("", 204))
    response.delete_cookie("refresh", **COOKIE)
    return response


def access(user):
    """Returns the answer with a user's new access token, and for how many seconds it is good."""
    token = signed("access").dumps(user.key)
    return jsonify(user=str(user.id), name=user.name, token=token, seconds=ACCESS_SECONDS)
