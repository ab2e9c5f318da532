"""Notes of people who sign in: by a session cookie on ``/``, by tokens on ``/token/``.

``flask --app app add-user ann`` adds somebody, ``flask --app app run`` starts it. An app takes one of the two
ways: what is for tokens alone is in ``tokens.py``.
"""

import os
import secrets
from pathlib import Path

from flask import Flask, jsonify, redirect, render_template, request, session, url_for
from flask_login import LoginManager, current_user, login_required, login_user, logout_user
from flask_nightferry import Nightferry, Principal
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from tokens import routes as token_routes
from tokens import user_of_token
from users import add_user, db, end_sessions, user_of_key, user_of_password

# All that a page with Nightferry has to allow. No other site may show the page in a frame.
POLICY = (
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; default-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def authenticate(request):
    """Returns whose request it is. One with a token is judged by that alone, whatever the session says."""
    if "Authorization" in request.headers:
        user = user_of_token(request.authorization)
    else:
        user = current_user if current_user.is_authenticated else None
    # Every user has items of their own.
    return Principal(tenant=str(user.id), user=str(user.id)) if user else None


def create_app():
    app = Flask(__name__)
    Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    app.config.from_mapping(
        NIGHTFERRY_CREATE_TABLES=True,
        NIGHTFERRY_SLICES=["notes"],
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
        SQLALCHEMY_DATABASE_URI="sqlite:///users.sqlite3",  # in the instance folder
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a page may be open for days
    )
    app.config.from_prefixed_env()  # FLASK_SECRET_KEY is SECRET_KEY, and so on
    app.config["SECRET_KEY"] = app.config["SECRET_KEY"] or kept_secret(Path(app.instance_path, "secret_key"))
    db.init_app(app)
    with app.app_context():
        db.create_all()
    csrf = CSRFProtect(app)
    login_manager = LoginManager(app)
    login_manager.login_view = "sign_in"
    login_manager.login_message = None
    login_manager.user_loader(user_of_key)
    Nightferry(app, authenticate=authenticate)
    app.add_url_rule("/", view_func=notes)
    app.add_url_rule("/sign-in", view_func=sign_in, methods=["GET", "POST"])
    app.add_url_rule("/session", view_func=whose_session)
    app.add_url_rule("/sign-out", view_func=sign_out, methods=["POST"])
    app.register_blueprint(token_routes)
    csrf.exempt(token_routes)  # they take JSON only, which no page of another site can send
    app.cli.command("add-user")(add_user)
    app.cli.command("end-sessions")(end_sessions)
    app.register_error_handler(CSRFError, old_form)
    app.after_request(add_headers)
    return app


def kept_secret(path):
    """Returns the secret key of this file, which is made on the first start. Only its owner can read it."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text()


@login_required
def notes():
    return render_template("notes.html", entry="cookie", user=current_user, sign_in_page="/sign-in")


def sign_in():
    if request.method == "GET":
        return sign_in_page()
    user = user_of_password(request.form.get("name"), request.form.get("password"))
    if user is None:
        return sign_in_page("Name and password do not fit together. Try again."), 403
    session.clear()  # nothing of whoever was here before
    login_user(user)
    generate_csrf()  # before there are two requests at once, of which each would make another
    return redirect(url_for("notes"))


def sign_in_page(problem=""):
    return render_template("sign_in.html", entry="cookie", problem=problem)


def old_form(error):
    """Answers a form that another tab's sign-in has made out of date with a new one."""
    return sign_in_page("This page was out of date, and nothing was changed. Try again."), 400


def whose_session():
    """Returns who is signed in, and what a form has to send to prove that it is a page of this site."""
    user = str(current_user.id) if current_user.is_authenticated else None
    return jsonify(user=user, csrf=generate_csrf())


def sign_out():
    logout_user()
    session.clear()
    return "", 204


def add_headers(response):
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if request.blueprint != "nightferry" and request.endpoint != "static":
        # The page has somebody's name in it.
        response.headers["Cache-Control"] = "no-store"
    return response
