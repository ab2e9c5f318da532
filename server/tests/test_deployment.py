"""f67: the files of docs/deployment.md, started as they are."""

from __future__ import annotations

import contextlib
import http.client
import http.cookies
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import put
from deployed import Project, Site, bare, documented
from simple_websocket import Client
from sqlalchemy.engine import URL


@dataclass
class Browser:
    """A browser of somebody, with its cookies and one device."""

    site: Site
    client: str
    #: What the browser says of each request that a page of the app makes.
    says: dict[str, str] = field(default_factory=dict)
    cookies: http.cookies.SimpleCookie = field(default_factory=http.cookies.SimpleCookie)
    principal: str = ""
    n: int = 0

    def ask(
        self, method: str, path: str, body: Any = None, chunked: bool = False, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()} | self.cookie()
        with contextlib.closing(self.site.open()) as connection:
            connection.request(method, path, body, named, encode_chunked=chunked)
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie", []):
                self.cookies.load(line)
            return response.status, response.read(), dict(response.getheaders())

    def cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={one.value}" for name, one in self.cookies.items())}

    def sign_in(self, name: str, password: str) -> None:
        _, page, _ = self.ask("GET", "/sign-in")
        [token] = re.findall(rb'name="csrf_token" value="([^"]+)"', page)
        form = f"name={name}&password={password}&csrf_token={token.decode()}"
        form_type = "application/x-www-form-urlencoded"
        headers = {"Referer": f"{self.site.origin}/sign-in", "Content_Type": form_type}
        status, page, _ = self.ask("POST", "/sign-in", form.encode(), **headers)
        assert status == 302, page
        status, page, _ = self.ask("GET", "/")
        assert status == 200, page
        self.principal = json.loads(self.api("pull", {"slices": {}})[1])["principal"]

    def api(self, path: str, body: dict[str, Any], *, chunked: bool = False) -> tuple[int, bytes]:
        """A request of the worker, which is of the page's origin."""
        data: Any = json.dumps({"protocol": 1, "client": self.client} | body).encode()
        if chunked:
            data = iter([data[start : start + 1000] for start in range(0, len(data), 1000)])
        says = {"Origin": self.site.origin, "Content_Type": "application/json"} | self.says
        status, answer, _ = self.ask("POST", f"/nightferry/{path}", data, chunked, **says)
        return status, answer

    def push(self, *mutations: dict[str, Any], chunked: bool = False) -> tuple[int, Any]:
        self.n += 1
        body = {"principal": self.principal, "n": self.n, "tag": f"{self.n}", "mutations": list(mutations)}
        status, answer = self.api("push", body, chunked=chunked)
        return status, json.loads(answer) if answer.startswith(b"{") else answer

    def everything(self) -> dict[str, Any]:
        cursors: dict[str, Any] = {"notes": None}
        found: dict[str, Any] = {}
        while True:
            status, answer = self.api("pull", {"principal": self.principal, "slices": cursors})
            page = json.loads(answer)
            assert status == 200, page
            found |= {change["id"]: change.get("value") for change in page["changes"]}
            cursors = page["cursors"]
            if not page["more"]:
                return found


class Ear(Client):
    """A WebSocket that names the port in its Host, as browsers do."""

    def handshake(self) -> None:
        self.host = f"{self.host}:{self.port}"
        super().handshake()

    def newest(self, version: int) -> int:
        """Waits for a poke of this version, or of a newer one."""
        newest = 0
        while newest < version:
            newest = json.loads(self.receive(timeout=20))["version"]
        return newest


@contextlib.contextmanager
def listening(browser: Browser) -> Iterator[Ear]:
    """A live connection of the browser, which has heard its first poke."""
    # Chromium says no Sec-Fetch-Site here: the Host decides.
    ear = Ear.connect(
        f"wss://127.0.0.1:{browser.site.port}/nightferry/live",
        headers=browser.cookie() | {"Origin": browser.site.origin},
        ssl_context=browser.site.tls,
    )
    try:
        ear.send(json.dumps({"protocol": 1, "client": browser.client}))
        assert json.loads(ear.receive(timeout=20)).keys() == {"version"}
        yield ear
    finally:
        ear.close()
        ear.thread.join()


def note(id_: str, value: Any) -> dict[str, Any]:
    return put(id_, value, slice="notes")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, postgresql_server: URL) -> Project:
    made = Project(tmp_path_factory.mktemp("deployment"), postgresql_server)
    made.prepare()
    return made


@pytest.fixture(scope="module", name="documented")
def documented_site(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with documented(project, tmp_path_factory.mktemp("nginx")) as site:
        yield site


@pytest.fixture(scope="module", name="bare")
def bare_site(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with bare(project, tmp_path_factory.mktemp("nginx")) as site:
        yield site


def browser(site: Site, client: str, name: str = "ann", **says: str) -> Browser:
    made = Browser(site, client, {key.replace("_", "-"): value for key, value in says.items()})
    made.sign_in(name, "secret")
    return made


def test_f67_nginx_as_documented_lets_sign_in_push_and_pull_through(documented: Site) -> None:
    phone, laptop, eve = (
        browser(documented, "phone"),
        browser(documented, "laptop"),
        browser(documented, "eve's", name="eve"),
    )
    status, answer = phone.push(note("a", {"id": "a", "text": "Hello"}))
    assert (status, answer["results"][0]["status"]) == (200, "applied")
    assert laptop.everything()["a"] == {"id": "a", "text": "Hello"}
    assert eve.everything() == {}
    status, answer = phone.push(put("a", 1, slice="other"))
    assert answer["results"][0]["code"] == "unknown_slice"
    stranger = Browser(documented, "stranger")
    assert stranger.api("pull", {"slices": {}})[0] == 401
    foreign = Browser(documented, "foreign", {"Origin": "https://evil.example"}, cookies=phone.cookies)
    assert foreign.api("pull", {"slices": {}})[0] == 403


def test_f67_nginx_as_documented_leaves_csrf_protection_of_the_apps_own_forms_on(documented: Site) -> None:
    phone = browser(documented, "phone")
    assert phone.ask("POST", "/sign-out", Referer=f"{documented.origin}/")[0] == 400
    assert phone.api("pull", {"slices": {}})[0] == 200


def test_f67_nginx_as_documented_passes_large_and_chunked_bodies(documented: Site) -> None:
    phone = browser(documented, "large")
    large = "x" * (2 * 1024 * 1024)
    status, answer = phone.push(note("large", large))
    assert (status, answer["results"][0]["status"]) == (200, "applied")
    status, answer = phone.push(note("chunked", "y" * 50_000), chunked=True)
    assert (status, answer["results"][0]["status"]) == (200, "applied")
    found = phone.everything()
    assert (found["large"], found["chunked"]) == (large, "y" * 50_000)


def test_f67_nginx_as_documented_passes_pokes_between_all_processes(documented: Site) -> None:
    phone = browser(documented, "poker")
    with contextlib.ExitStack() as stack:
        laptops = [browser(documented, f"laptop-{number}") for number in range(6)]
        ears = [stack.enter_context(listening(laptop)) for laptop in laptops]
        _, answer = phone.push(note("poked", 1))
        for ear in ears:
            assert ear.newest(answer["version"]) >= answer["version"]


def test_f67_nginx_as_documented_lets_devices_hear_at_once_of_what_a_command_has_erased(
    documented: Site, project: Project
) -> None:
    phone, laptop = (browser(documented, client, name="kim") for client in ("kims-phone", "kims-laptop"))
    _, pushed = phone.push(note("secret", "what Kim typed"))
    assert laptop.everything() == {"secret": "what Kim typed"}
    tenant = phone.principal.partition("/")[0]
    with listening(laptop) as ear:
        output = project.flask("nightferry", "forget", "--tenant", tenant, "--yes")
        assert "1 items are deleted" in output
        assert ear.newest(pushed["version"] + 1) > pushed["version"]
    assert laptop.everything() == {"secret": None}
    assert phone.push(note("new", 1))[1]["results"][0]["status"] == "applied"


def test_f67_nginx_with_its_defaults_works_for_a_browser_of_today(bare: Site) -> None:
    phone = browser(bare, "today", Sec_Fetch_Site="same-origin")
    status, answer = phone.push(note("b", 1), chunked=True)
    assert (status, answer["results"][0]["status"]) == (200, "applied")
    assert phone.everything()["b"] == 1


def test_f67_nginx_with_its_defaults_is_named_where_the_browser_does_not_say_same_origin(bare: Site) -> None:
    older = Browser(bare, "older")
    status, answer = older.api("pull", {"slices": {}})
    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (403, "origin_refused")
    assert "127.0.0.1" not in error["message"]
    log = bare.log.read_text()
    assert f"origin '{bare.origin}' refused at Host '127.0.0.1:" in log
    assert "proxy_set_header Host $http_host;" in log


def test_f67_nginx_with_its_defaults_answers_413_itself_and_keeps_no_live_connection(bare: Site) -> None:
    phone = browser(bare, "large", Sec_Fetch_Site="same-origin")
    status, answer = phone.push(note("large", "x" * (2 * 1024 * 1024)))
    assert status == 413
    assert b"nginx" in answer
    # Half of it passes, which is what the device sends next.
    status, answer = phone.push(note("half", "x" * 900_000))
    assert (status, answer["results"][0]["status"]) == (200, "applied")
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    status, body, _ = phone.ask("GET", "/nightferry/live", Sec_WebSocket_Key="x" * 22 + "==", **upgrade)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")


def test_f69_nginx_or_not_the_migration_of_the_sample_leaves_nightferrys_tables_alone(
    project: Project,
) -> None:
    [migration] = (project.folder / "migrations" / "versions").glob("*.py")
    assert "create_table('users'" in migration.read_text()
    assert "nightferry" not in migration.read_text()
    assert "clients" in project.flask("nightferry", "stats")
