//! The demo itself, by hand and eye.

use anyhow::Result;
use nightferry_e2e::{Browser, Fault, Profile, Server, Tab, shoot, shows, start, testid};
use serde_json::{Value, json};

/// Notes every state that a row of the list shows, by path: `window.seen[path]`, without repeats.
const WATCH_ROWS: &str = "
    window.seen = {};
    const note = () => {
        for (const row of document.querySelectorAll('[data-testid=\"file-row\"]')) {
            const states = (seen[row.dataset.path] ??= []);
            if (row.dataset.state && states.at(-1) !== row.dataset.state) states.push(row.dataset.state);
        }
    };
    addEventListener('DOMContentLoaded', () => new MutationObserver(note).observe(document.body,
        {subtree: true, childList: true, attributes: true, attributeFilter: ['data-state']}));
";

fn only(files: &std::collections::BTreeMap<String, Value>) -> Option<&Value> {
    files.values().next().filter(|_| files.len() == 1)
}

async fn row_is(tab: &Tab, path: &str, state: &str) -> Result<()> {
    let row = format!("{}[data-path={}]", testid("file-row"), json!(path));
    tab.wait_until(&format!("document.querySelector({})?.dataset.state === {}", json!(row), json!(state)))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn create_rename_edit_delete_and_undo() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;
    tab.wait_for_connection("online").await?;
    assert_eq!(tab.eval::<String>("return document.body.dataset.phase;").await?, "empty");

    tab.create_file("notes/crossing.txt", "calm sea").await?;
    row_is(&tab, "notes/crossing.txt", "synced").await?;
    server
        .wait_for_items("files", |files| only(files).is_some_and(|file| file["content"] == "calm sea"))
        .await?;

    tab.click(&testid("rename")).await?;
    tab.answer_path("log/night.txt").await?;
    tab.wait_until(&shows("file-name", "night.txt")).await?;
    let renamed = |file: &Value| file["path"] == "log/night.txt" && file["content"] == "calm sea";
    server.wait_for_items("files", |files| only(files).is_some_and(renamed)).await?;

    tab.eval::<()>(
        "const e = document.querySelector('[data-testid=editor]'); e.focus(); e.setSelectionRange(8, 8);",
    )
    .await?;
    tab.cdp("Input.insertText", json!({"text": ", twelve knots"})).await?;
    let edited = |file: &Value| file["content"] == "calm sea, twelve knots" && file["size"] == 22;
    let files = server.wait_for_items("files", |files| only(files).is_some_and(edited)).await?;
    tab.wait_for_all_synced(1).await?;

    tab.click(&testid("delete")).await?;
    server.wait_for_items("files", |files| files.is_empty()).await?;
    tab.wait_for_stored("files", |files| files.is_empty()).await?;
    tab.click(&testid("undo-action")).await?;
    let back = server.wait_for_items("files", |files| files.len() == 1).await?;
    assert_eq!(back, files, "the same file, under the same id");
    tab.wait_until(&shows("file-name", "night.txt")).await?;
    row_is(&tab, "log/night.txt", "synced").await?;
    tab.wait_for_stored("files", |stored| *stored == files).await?;
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_goes_from_local_over_sending_to_synced() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.before_scripts(WATCH_ROWS).await?;
    tab.open_demo(&server).await?;
    tab.wait_for_connection("online").await?;
    // Answered once the test has seen the row on its way.
    server.fault(&[Fault::on("/nightferry/push").times(1).silent()])?;
    tab.create_file("a.md", "one").await?;
    row_is(&tab, "a.md", "sending").await?;
    let chip = format!("document.querySelector('{}').innerText", testid("file-state"));
    tab.wait_until(&format!("{chip}.includes('On its way')")).await?;
    server.heal()?;
    row_is(&tab, "a.md", "synced").await?;
    tab.wait_until(&format!("{chip}.includes('On the server')")).await?;
    let seen: Vec<String> = tab.eval("return seen['a.md'];").await?;
    let order: Vec<&str> = ["local", "sending", "synced"].into_iter().collect();
    let mut firsts: Vec<&str> = Vec::new();
    for state in &seen {
        if !firsts.contains(&state.as_str()) {
            firsts.push(state);
        }
    }
    assert_eq!(firsts, order, "{seen:?}");
    assert_eq!(
        seen.iter().filter(|state| *state == "synced").count(),
        1,
        "synced is said once, at the end: {seen:?}"
    );
    assert!(!seen.contains(&"unknown".into()), "{seen:?}");
    Ok(())
}

/// The element of conflicts or refusals, as JavaScript.
fn inside(element: &str) -> String {
    format!("document.querySelector('{element}').shadowRoot")
}

fn press(element: &str, label: &str) -> String {
    let buttons = format!("[...{}.querySelectorAll('button')]", inside(element));
    format!("{buttons}.find(({{textContent}}) => textContent === '{label}').click();")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_elsewhere_too_and_what_was_refused_is_said_and_decided() -> Result<()> {
    let server = Server::start().await?;
    let profiles = [Profile::fresh()?, Profile::fresh()?];
    let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
    let [tab, other] = [browsers[0].tab(), browsers[1].tab()];
    tab.open_demo(&server).await?;
    tab.wait_for_connection("online").await?;
    tab.create_file("a.md", "one").await?;
    row_is(&tab, "a.md", "synced").await?;
    other.open_client(&server, json!({"debounceMs": 20})).await?;
    other.wait_until("(await nf.hydrate('files')).length === 1").await?;
    let id: String = other.eval("return (await nf.hydrate('files'))[0].id;").await?;

    // The other device's change arrives while this one's cannot.
    server.fault(&[Fault::on("/nightferry/push").with_word("mine").status(503)])?;
    tab.retype(&testid("editor"), "mine").await?;
    row_is(&tab, "a.md", "local").await?;
    let theirs = json!({"type": "files/updateItem", "payload": {"id": id, "content": "theirs", "size": 6}});
    other.dispatch(&[theirs]).await?;
    other.sync_now().await?;
    server.heal()?;
    tab.click(&testid("sync-now")).await?;
    row_is(&tab, "a.md", "conflict").await?;
    let text = |id: &str| format!("document.querySelector('{}').textContent", testid(id));
    tab.wait_until(&format!("{}.includes('Changed elsewhere, too')", text("file-state"))).await?;
    tab.wait_until(&format!("{}.includes('What you see is your version')", text("editor-notice"))).await?;
    tab.wait_until(&format!(
        "{}.includes('1 file was changed here and elsewhere; both versions are kept.')",
        text("sync-detail")
    ))
    .await?;
    tab.wait_until("document.querySelector('#connection-text').textContent === 'Needs you (1)'").await?;
    tab.click(&testid("to-decide")).await?;
    tab.wait_until(&format!(
        "{}?.querySelector('article h3')?.textContent === 'a.md'",
        inside("nightferry-conflicts")
    ))
    .await?;
    shoot(&tab, "demo-conflict").await?;
    // The page set how copies are named before the element's code was loaded.
    let copy = format!("{}.querySelector('.copy').textContent", inside("nightferry-conflicts"));
    assert_eq!(tab.eval::<String>(&format!("return {copy};")).await?, "Keep my version as a copy, too");
    tab.eval::<()>(&press("nightferry-conflicts", "All theirs")).await?;
    tab.eval::<()>(&press("nightferry-conflicts", "Save")).await?;
    row_is(&tab, "a.md", "synced").await?;
    tab.click(&testid("decide-close")).await?;
    let shown = format!("document.querySelector('{}').value", testid("editor"));
    tab.wait_until(&format!("{shown} === 'theirs'")).await?;
    tab.wait_until(&format!("{} === 'The server has everything.'", text("sync-detail"))).await?;
    assert_eq!(server.items("files").await?[&id]["content"], "theirs");

    // Something else on the page makes a change that the server refuses.
    let refused = json!({"type": "files/updateItem", "payload": {"id": id, "name": "forbidden"}});
    tab.eval_with::<()>(&refused, "(await import('/nightferry/client.js')).dispatch(input);").await?;
    row_is(&tab, "a.md", "rejected").await?;
    tab.wait_until(&format!("{}.includes('Refused by the server')", text("file-state"))).await?;
    tab.wait_until(&format!("{}.includes('The server refused your version')", text("editor-notice"))).await?;
    // The open file says it. No card says it once more.
    assert!(tab.eval::<bool>(&format!("return !document.querySelector('{}');", testid("toast"))).await?);
    let truth = "const text = document.body.innerText; return ['by itself', 'deleted by the server', 'Everything is on the server', 'The server has everything']
        .filter((lie) => text.includes(lie));";
    assert_eq!(tab.eval::<Vec<String>>(truth).await?, [] as [String; 0]);
    shoot(&tab, "demo-refused-file").await?;
    tab.click(&testid("to-decide")).await?;
    tab.wait_until(&format!(
        "{}?.querySelector('blockquote')?.textContent === 'No file may have that name.'",
        inside("nightferry-refusals")
    ))
    .await?;
    shoot(&tab, "demo-refused").await?;
    tab.eval::<()>(&press("nightferry-refusals", "Discard")).await?;
    tab.eval::<()>(&press("nightferry-refusals", "Yes, discard it")).await?;
    row_is(&tab, "a.md", "synced").await?;
    assert_eq!(server.items("files").await?[&id].get("name"), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_says_what_was_refused_of_a_file_that_is_not_open() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;
    tab.create_file("a.md", "one").await?;
    let files = server.wait_for_items("files", |files| only(files).is_some()).await?;
    tab.create_file("b.md", "two").await?;
    let refused =
        json!({"type": "files/updateItem", "payload": {"id": files.keys().next(), "name": "forbidden"}});
    tab.eval_with::<()>(&refused, "(await import('/nightferry/client.js')).dispatch(input);").await?;
    let text = format!("document.querySelector('{}')?.textContent", testid("toast"));
    let words = "The server refused your change of a.md. Your version is kept here, and is not sent until you decide.";
    tab.wait_until(&format!("{text}?.startsWith({})", json!(words))).await?;
    shoot(&tab, "demo-refused-elsewhere").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_stays_within_the_window() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;
    tab.create_file("a.md", "one").await?;
    for width in [390, 1024, 1280] {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        tab.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        // Messages as a server may send them, with and without spaces. All in one turn: the page shows another one after that.
        let outside: Vec<String> = tab
            .eval(
                "const long = `${'The proxy says that this is not possible. '.repeat(100)}${'x'.repeat(2000)}`;
                 for (const id of ['sync-detail', 'error-text', 'notice-text']) document.getElementById(id).textContent = long;
                 for (const id of ['error-banner', 'notice']) document.getElementById(id).hidden = false;
                 const ids = ['bar', 'sync-detail', 'error-banner', 'notice', 'main', 'editor'];
                 return ids.filter((id) => {
                     const {left, top, right, bottom, height} = document.getElementById(id).getBoundingClientRect();
                     return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight || height < 15;
                 });",
            )
            .await?;
        assert_eq!(outside, [] as [String; 0], "{width}");
    }
    Ok(())
}

/// Notes every text of the header and of the bar: `window.shown`.
const NOTE_STATE: &str = "
    window.shown = new Set();
    const note = () => {
        for (const id of ['connection-text', 'sync-detail', 'error-banner']) {
            const node = document.getElementById(id);
            if (node?.checkVisibility()) shown.add(node.textContent);
        }
        requestAnimationFrame(note);
    };
    addEventListener('DOMContentLoaded', note);
";

#[tokio::test(flavor = "multi_thread")]
async fn f68_a_start_never_says_offline_and_a_session_that_is_over_is_told_in_the_user_s_words() -> Result<()>
{
    let (server, _browser, tab) = start().await?;
    server.fault(&[Fault::on("/nightferry/pull").silent()])?;
    tab.before_scripts(NOTE_STATE).await?;
    tab.open_demo(&server).await?;
    tab.wait_until("[...shown].includes('Connecting')").await?;
    tab.create_file("a.md", "one").await?;
    server.heal()?;
    tab.wait_until("document.querySelector('#connection-text').textContent === 'Up to date'").await?;
    let shown: Vec<String> = tab.eval("return [...shown];").await?;
    let lies = ["ffline", "Saved on", "reach", "not answer", "Local only", "Paused"];
    let said: Vec<&String> = shown.iter().filter(|text| lies.iter().any(|lie| text.contains(lie))).collect();
    assert_eq!(said, [] as [&String; 0]);

    server.fault(&[Fault::on("/nightferry/push").status(401)])?;
    tab.create_file("b.md", "two").await?;
    tab.wait_until("document.querySelector('#connection-text').textContent === 'Paused'").await?;
    let words = "1 change is kept on this device. Sign in again, and sending goes on.";
    tab.wait_until(&shows("sync-detail", words)).await?;
    tab.wait_until("document.querySelector('#error-banner').checkVisibility()").await?;
    shoot(&tab, "demo-paused").await?;
    server.heal()?;
    tab.click(&testid("sync-now")).await?;
    tab.wait_until("document.querySelector('#connection-text').textContent === 'Up to date'").await?;
    tab.wait_until("document.querySelector('#error-banner').hidden").await
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_now_says_what_came_of_it() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;
    tab.wait_for_connection("online").await?;
    let button = testid("sync-now");
    let says =
        |text: &str| format!("document.querySelector('{button}').innerText.trim() === {}", json!(text));
    tab.click(&button).await?;
    tab.wait_until(&says("Synced")).await?;
    tab.wait_until(&says("Sync now")).await?;

    server.stop()?;
    tab.create_file("b.md", "two").await?;
    tab.click(&button).await?;
    tab.wait_until(&says("No answer")).await?;
    tab.wait_for_connection("local-only").await?;
    tab.wait_until("document.querySelector('[data-testid=pending]').dataset.count === '1'").await?;
    // One quiet line says it, and nothing is over the work.
    tab.wait_until("document.querySelector('#connection-text').textContent === 'Saved on this device'")
        .await?;
    tab.wait_until("document.querySelector('#error-banner').hidden").await?;
    shoot(&tab, "demo-saved").await?;
    row_is(&tab, "b.md", "local").await.or(row_is(&tab, "b.md", "sending").await)
}
