"""An example's app behind the layer of the end-to-end tests' own server, which logs, and fails on demand.

In a copy of the example this stands as ``app.py``, and the example's own is ``example.py`` beside it. The log
and the faults are in the folder ``faults``. ``E2E_APP`` names the server's file.
"""

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import example

spec = spec_from_file_location("e2e_app", os.environ["E2E_APP"])
e2e = module_from_spec(spec)
spec.loader.exec_module(e2e)

app = example.app if hasattr(example, "app") else example.create_app()
for name in ("models", "notes", "things"):
    app.extensions["nightferry"].hooks.setdefault(name, []).append(e2e.refuse)
data = Path(__file__).parent / "faults"
data.mkdir(exist_ok=True)
app.wsgi_app = e2e.Layer(app, data)
