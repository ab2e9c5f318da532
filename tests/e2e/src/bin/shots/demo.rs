//! The demo.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Fault, Server, Tab, testid};
use serde_json::{Value, json};

use crate::album::{Album, decision, long_texts, lose_the_worker, press, wait_for_text};

const STATE: &str = "#connection-text";

const FILES: [(&str, &str); 9] = [
    ("README.md", "# Harbour\n\nTimes of the night ferries.\n"),
    (
        "harbour/ferry.py",
        "from datetime import time\n\nNIGHT = (time(22), time(5))\n\n\ndef departs(at):\n    \"\"\"Returns true if a ferry of this hour is a night ferry.\"\"\"\n    begin, end = NIGHT\n    return at >= begin or at < end\n",
    ),
    ("harbour/timetable.json", "{\"lisbon\": \"22:40\", \"porto\": \"23:55\"}\n"),
    ("harbour/crew/captain.md", "# Captain\n\nAnn\n"),
    ("harbour/crew/mate.md", "# Mate\n\nBob\n"),
    ("hello.txt", "Good evening.\n"),
    ("notes/arrival.txt", "Pier 4.\n"),
    ("notes/crossing.txt", "Calm sea, twelve knots.\n"),
    ("notes/weather.txt", "Clear.\n"),
];

pub async fn shoot(album: &Album) -> Result<()> {
    let server = Server::start().await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.open_demo(&server).await?;
    wait_for_text(&tab, STATE, "Up to date").await?;
    album.add(&tab, "demo-empty").await?;

    // Another tab makes the changes, and the page shows them.
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({})).await?;
    tab.show().await?;
    other.dispatch(&FILES.map(|(path, content)| add(path, path, content))).await?;
    tab.wait_for_all_synced(FILES.len()).await?;
    tab.wait_until("document.querySelector('#choose').checkVisibility()").await?;
    album.add(&tab, "demo-sent").await?;
    tab.open_file("harbour/ferry.py", FILES[1].1).await?;
    album.add(&tab, "demo-open").await?;

    tab.click(&testid("delete")).await?;
    wait_for_text(&tab, "[data-testid=undo] p", "Deleted ferry.py.").await?;
    album.add(&tab, "demo-undo").await?;
    tab.click(&testid("undo-action")).await?;
    tab.wait_for_all_synced(FILES.len()).await?;

    server.fault(&[Fault::on("/nightferry/push").silent()])?;
    let many: Vec<Value> = (0..40)
        .map(|number| add(&format!("many-{number}"), &format!("import/{number}.md"), "Many.\n"))
        .collect();
    other.dispatch(&many).await?;
    wait_for_text(&tab, STATE, "Sending 40").await?;
    tab.wait_until("document.querySelector('[data-testid=file-list]').dataset.sending === '40'").await?;
    album.add(&tab, "demo-sending").await?;
    server.heal()?;
    let gone: Vec<Value> = many
        .iter()
        .map(|made| json!({"type": "files/removeItem", "payload": made["payload"]["id"]}))
        .collect();
    other.dispatch(&gone).await?;
    tab.click(&testid("sync-now")).await?;
    tab.wait_for_all_synced(FILES.len()).await?;

    // One is on its way and others are only here when the server goes.
    server.stop()?;
    other.dispatch(&[edit("notes/arrival.txt", "Pier 5.\n"), edit("notes/weather.txt", "Fog.\n")]).await?;
    tab.wait_until_within("document.querySelector('#connection').dataset.state === 'saved'", 3 * DEADLINE)
        .await?;
    album.add(&tab, "demo-offline").await?;
    server.start_again().await?;
    tab.click(&testid("sync-now")).await?;
    wait_for_text(&tab, STATE, "Up to date").await?;

    conflict_and_refusals(album, &server, &tab, &other).await?;

    server.fault(&[Fault::on("/nightferry/push").status(401)])?;
    other.dispatch(&[edit("hello.txt", "Good night.\n")]).await?;
    wait_for_text(&tab, STATE, "Paused").await?;
    album.add(&tab, "demo-signed-out").await?;
    server.heal()?;
    tab.click(&testid("sync-now")).await?;
    tab.wait_until("document.querySelector('#error-banner').hidden").await?;

    lose_the_worker(&browser, &tab).await?;
    server.kill()?;
    other.dispatch(&[edit("hello.txt", "Good morning.\n")]).await?;
    tab.wait_until_within(
        "document.querySelector('#sync-detail').textContent.startsWith('This page cannot save now')",
        3 * DEADLINE,
    )
    .await?;
    album.add(&tab, "demo-error").await?;
    drop(browser);

    // A browser that never had the page, at a server that has lost Nightferry's files.
    server.start_again().await?;
    server.fault(&[Fault::on("/nightferry/client.wasm").status(404)])?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&server.url("/")).await?;
    tab.wait_until("document.body.dataset.phase === 'refused'").await?;
    album.add(&tab, "demo-not-started").await
}

async fn conflict_and_refusals(album: &Album, server: &Server, tab: &Tab, other: &Tab) -> Result<()> {
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    tab.open_file("notes/crossing.txt", "Calm sea, twelve knots.\n").await?;
    tab.retype(&testid("editor"), "Rough sea, eight knots.\n").await?;
    tab.wait_until("document.querySelector('[data-testid=file-state]').dataset.state === 'local'").await?;
    let theirs = json!({"id": "notes/crossing.txt", "path": "notes/crossing.txt", "content": "Calm sea, ten knots.\n",
        "size": 21, "modifiedAt": 1_790_000_000_000_u64});
    server.put_from_python("files", "notes/crossing.txt", &theirs).await?;
    server.heal()?;
    tab.click(&testid("sync-now")).await?;
    wait_for_text(tab, STATE, "Needs you (1)").await?;
    tab.wait_until("document.querySelector('#sync-now-text').textContent === 'Sync now'").await?;
    album.add(tab, "demo-conflict").await?;
    let conflicts = decide(tab, "conflicts").await?;
    album.add(tab, "demo-conflict-decide").await?;
    press(tab, &conflicts, &["All theirs", "Save"]).await?;
    tab.click(&testid("decide-close")).await?;
    wait_for_text(tab, STATE, "Up to date").await?;

    tab.open_file("notes/crossing.txt", "Calm sea, ten knots.\n").await?;
    other.dispatch(&[rename("notes/crossing.txt", "forbidden")]).await?;
    wait_for_text(tab, STATE, "Needs you (1)").await?;
    tab.wait_until("document.querySelector('[data-testid=file-state]').dataset.state === 'rejected'").await?;
    album.add(tab, "demo-refused").await?;
    let refusals = decide(tab, "refusals").await?;
    album.add(tab, "demo-refused-decide").await?;
    press(tab, &refusals, &["Discard", "Yes, discard it"]).await?;
    tab.click(&testid("decide-close")).await?;
    wait_for_text(tab, STATE, "Up to date").await?;

    let [words, letters] = long_texts();
    let path = format!("long/{}/{}.md", "n".repeat(400), "n".repeat(400));
    other.dispatch(&[add("long", &path, &format!("{words}\n{letters}\n"))]).await?;
    tab.wait_for_all_synced(FILES.len() + 1).await?;
    tab.open_file(&path, &format!("{words}\n{letters}\n")).await?;
    other.dispatch(&[rename("long", "forbidden at length")]).await?;
    tab.wait_until("document.querySelector('[data-testid=file-state]').dataset.state === 'rejected'").await?;
    album.add(tab, "demo-long").await?;
    let refusals = decide(tab, "refusals").await?;
    album.add(tab, "demo-long-decide").await?;
    press(tab, &refusals, &["Discard", "Yes, discard it"]).await?;
    tab.click(&testid("decide-close")).await?;
    other.dispatch(&[json!({"type": "files/removeItem", "payload": "long"})]).await?;
    tab.open_file("hello.txt", "Good evening.\n").await?;
    tab.wait_for_all_synced(FILES.len()).await
}

fn add(id: &str, path: &str, content: &str) -> Value {
    let payload = json!({"id": id, "path": path, "content": content, "size": content.len(),
        "modifiedAt": 1_790_000_000_000_u64});
    json!({"type": "files/addItem", "payload": payload})
}

fn edit(id: &str, content: &str) -> Value {
    json!({"type": "files/updateItem", "payload": {"id": id, "content": content, "size": content.len()}})
}

/// Gives a file a name, which the demo does not know: the tests' server refuses some.
fn rename(id: &str, name: &str) -> Value {
    json!({"type": "files/updateItem", "payload": {"id": id, "name": name}})
}

/// Opens the decisions. Returns the JavaScript of the element's shadow root.
async fn decide(tab: &Tab, element: &str) -> Result<String> {
    tab.click(&testid("to-decide")).await?;
    decision(tab, element).await
}
