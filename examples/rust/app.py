"""The server of the packing list: Nightferry, and the page. `cargo run` starts it."""

from flask import Flask
from flask_nightferry import Nightferry

app = Flask(__name__)

# For this machine only, while you try it. An app with users passes `authenticate` instead: see the README.
app.config["NIGHTFERRY_ALLOW_ANONYMOUS"] = True
Nightferry(app)


@app.get("/")
def index():
    return app.send_static_file("index.html")
