"""Pushes a second of one tenant whose hook takes 50 ms, beside the same with its lock held from the start.

    ../target/nightferry/venv/bin/python benchmarks/push_rate.py

Four gunicorn processes on a private PostgreSQL, eight devices; both in turns, in one run. Compare the ratio:
the rest depends on the machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psycopg
from conftest import put, within_schema
from postgresql import plain, private_server
from servers import Address, Remote, gunicorn

DEVICES = 8
HOOK_SECONDS = 0.05
RUN_SECONDS = 5.0
ROUNDS = 2


def main() -> None:
    rates: dict[bool, list[float]] = {True: [], False: []}
    with private_server() as server, psycopg.connect(plain(server), autocommit=True) as connection:
        for round_ in range(ROUNDS):
            for lock_first in (True, False):
                schema = f"round_{round_}_{'first' if lock_first else 'last'}"
                connection.execute(f"CREATE SCHEMA {schema}")
                config = {"NIGHTFERRY_DATABASE_URL": within_schema(server, schema)}
                config |= {"NIGHTFERRY_CREATE_TABLES": True}
                with (
                    tempfile.TemporaryDirectory() as folder,
                    gunicorn(Path(folder), config, processes=4, lock_first=lock_first) as address,
                ):
                    Remote(address, "first").push(put("first", 1))
                    rates[lock_first].append(measure("lock first" if lock_first else "lock last ", address))
    print(f"ratio: {statistics.mean(rates[False]) / statistics.mean(rates[True]):.1f}")


def measure(name: str, address: Address) -> float:
    """Runs all devices for a while, prints what they had, and returns the pushes a second."""
    ends = time.monotonic() + RUN_SECONDS

    def run(device: int) -> list[float]:
        remote, taken = Remote(address, f"device-{device}"), []
        while (began := time.monotonic()) < ends:
            remote.push(put(f"{device}-{len(taken)}", {"hook": HOOK_SECONDS}))
            taken.append(time.monotonic() - began)
        return taken

    began = time.monotonic()
    with ThreadPoolExecutor(DEVICES) as threads:
        taken = sorted(seconds for made in threads.map(run, range(DEVICES)) for seconds in made)
    rate = len(taken) / (time.monotonic() - began)
    median, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    print(f"{name}: {rate:6.1f} pushes/s, median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    return rate


if __name__ == "__main__":
    main()
