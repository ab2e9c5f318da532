"""A notes list on Nightferry, without a build step. Run it with ``flask --app app run``."""

from flask import Flask
from flask_nightferry import Nightferry

app = Flask(__name__)

# For this machine only, while you try it. An app with users passes `authenticate` instead: see the README.
app.config["NIGHTFERRY_ALLOW_ANONYMOUS"] = True
Nightferry(app)

# All that a page with Nightferry has to allow. Without a policy nothing has to be allowed.
POLICY = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; default-src 'self'"


@app.get("/")
def index():
    return app.send_static_file("index.html")


@app.after_request
def add_policy(response):
    response.headers["Content-Security-Policy"] = POLICY
    return response
