//! The example in which people sign in and out, by cookie and by token, started as its README says; what counts is what Flask has.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, DEADLINE, Example, Tab, document_block, eventually, root, shoot};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One of the example's two ways to sign in.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Cookie,
    Token,
}

impl Way {
    fn sign_in_page(self, example: &Example) -> String {
        let path = if self == Way::Cookie { "sign-in" } else { "token/sign-in" };
        format!("{}{path}", example.url())
    }

    fn name(self) -> &'static str {
        if self == Way::Cookie { "cookie" } else { "token" }
    }
}

/// Makes two tests of each of these functions: one by cookie, one by token.
macro_rules! by_each_way {
    ($($name:ident)*) => {
        mod by_cookie {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() -> anyhow::Result<()> { super::$name(super::Way::Cookie).await })*
        }
        mod by_token {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() -> anyhow::Result<()> { super::$name(super::Way::Token).await })*
        }
    };
}

by_each_way! {
    each_person_sees_and_sends_only_their_own_notes
    signing_out_asks_what_becomes_of_unsent_changes
    a_session_that_is_over_keeps_the_notes_until_somebody_signs_in_again
    signing_in_and_out_need_the_network_and_say_so
    a_line_says_that_somebody_elses_changes_wait
    a_note_that_was_deleted_comes_back_by_undo
}

/// The example with two people, and a browser.
async fn start() -> Result<(Example, Browser)> {
    let mut example = Example::flask("sign-in")?;
    for name in ["ann", "bob"] {
        example.flask_command(&["add-user", name, "--password", &password(name)])?;
    }
    example.start().await?;
    Ok((example, Browser::start_fresh().await?))
}

fn password(name: &str) -> String {
    format!("the password of {name}")
}

async fn fill_in(tab: &Tab, example: &Example, way: Way, name: &str, password: &str) -> Result<()> {
    tab.goto(&way.sign_in_page(example)).await?;
    tab.type_into("#name", name).await?;
    tab.type_into("#password", password).await?;
    tab.click("#form button").await
}

async fn sign_in(tab: &Tab, example: &Example, way: Way, name: &str) -> Result<()> {
    fill_in(tab, example, way, name, &password(name)).await?;
    tab.wait_until(&format!(
        "document.body?.dataset.phase === 'ready' && document.querySelector('#who').textContent === 'Signed in as {name}'"
    ))
    .await
}

async fn add_note(tab: &Tab, text: &str) -> Result<()> {
    tab.type_into("#add input", text).await?;
    tab.click("#add button").await
}

/// The notes' texts, from the top.
async fn notes_are(tab: &Tab, texts: &[&str]) -> Result<()> {
    let shown = "[...document.querySelectorAll('#notes .text')].map((field) => field.value)";
    tab.wait_until(&format!("JSON.stringify({shown}) === {}", json!(json!(texts).to_string()))).await
}

async fn wait_for_text(tab: &Tab, selector: &str, text: &str) -> Result<()> {
    let element = format!("document.querySelector({})", json!(selector));
    tab.wait_until(&format!(
        "{element}?.checkVisibility() && {element}.textContent.trim().replace(/\\s+/g, ' ').includes({})",
        json!(text)
    ))
    .await
}

/// An access token for whoever has this name.
async fn token_of(example: &Example, name: &str) -> Result<String> {
    let (_, answer) =
        example.post("/api/sign-in", &json!({"name": name, "password": password(name)})).await?;
    Ok(answer["token"].as_str().context("a token")?.to_owned())
}

async fn texts_on_flask(example: &Example, name: &str) -> Result<BTreeSet<String>> {
    texts_of(example, &token_of(example, name).await?).await
}

async fn texts_of(example: &Example, token: &str) -> Result<BTreeSet<String>> {
    let notes = example.items_of(token, "notes").await?;
    Ok(notes.values().filter_map(|note| note["text"].as_str().map(str::to_owned)).collect())
}

async fn wait_for_texts_on_flask(example: &Example, name: &str, texts: &[&str]) -> Result<()> {
    let wanted: BTreeSet<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let token = token_of(example, name).await?;
    eventually(&format!("{name}'s notes on Flask: {texts:?}"), DEADLINE, async || {
        Ok((texts_of(example, &token).await? == wanted).then_some(()))
    })
    .await
}

async fn is_signed_out(tab: &Tab) -> Result<()> {
    wait_for_text(tab, "#signed-out", "You are signed out. None of your notes is left on this device.")
        .await?;
    // It is true of the device, too: no database has a note.
    let notes: Vec<Value> = tab
        .eval(
            "const found = [];
             for (const {name} of await indexedDB.databases()) {
                 const database = await new Promise((done, failed) => {
                     const opening = indexedDB.open(name);
                     opening.onsuccess = () => done(opening.result);
                     opening.onerror = failed;
                 });
                 const reading = database.transaction('notes').objectStore('notes').getAll();
                 found.push(...await new Promise((done) => { reading.onsuccess = () => done(reading.result); }));
                 database.close();
             }
             return found;",
        )
        .await?;
    assert_eq!(notes, Vec::<Value>::new());
    // And of the browser: no cookie of either way is anybody's.
    let left: (Option<String>, u16) = tab
        .eval(
            "const headers = {'Content-Type': 'application/json'};
             return [
                 (await (await fetch('/session')).json()).user,
                 (await fetch('/api/token', {method: 'POST', headers, body: '{}'})).status,
             ];",
        )
        .await?;
    assert_eq!(left, (None, 401));
    Ok(())
}

async fn each_person_sees_and_sends_only_their_own_notes(way: Way) -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    fill_in(&tab, &example, way, "ann", "a guess").await?;
    wait_for_text(&tab, "#problem", "Name and password do not fit together.").await?;
    shoot(&tab, &format!("sign-in-{}", way.name())).await?;
    sign_in(&tab, &example, way, "ann").await?;
    add_note(&tab, "Ann's rope").await?;
    wait_for_texts_on_flask(&example, "ann", &["Ann's rope"]).await?;
    let cookies: String = tab.eval("return document.cookie;").await?;
    assert_eq!(cookies, "", "scripts can read none");
    tab.wait_until("document.querySelector('#notes li').dataset.state === 'synced'").await?;
    shoot(&tab, &format!("sign-in-{}-notes", way.name())).await?;
    tab.click("#sign-out").await?;
    is_signed_out(&tab).await?;

    sign_in(&tab, &example, way, "bob").await?;
    notes_are(&tab, &[]).await?;
    add_note(&tab, "Bob's lantern").await?;
    wait_for_texts_on_flask(&example, "bob", &["Bob's lantern"]).await?;
    tab.click("#sign-out").await?;
    is_signed_out(&tab).await?;

    // Hers come back from the server.
    sign_in(&tab, &example, way, "ann").await?;
    notes_are(&tab, &["Ann's rope"]).await?;
    assert_eq!(texts_on_flask(&example, "ann").await?, BTreeSet::from(["Ann's rope".to_owned()]));
    assert_eq!(texts_on_flask(&example, "bob").await?, BTreeSet::from(["Bob's lantern".to_owned()]));
    let policy: String =
        tab.eval("return (await fetch(location.href)).headers.get('Content-Security-Policy');").await?;
    assert!(policy.starts_with(document_block("docs/getting-started.md", "Content-Security-Policy")?.trim()));
    let refused: Vec<String> =
        browser.console().into_iter().filter(|line| line.contains("Content Security Policy")).collect();
    assert_eq!(refused, Vec::<String>::new());
    Ok(())
}

/// Gives the page a file, as a person who chooses it.
async fn choose_file(tab: &Tab, content: &str) -> Result<()> {
    tab.eval_with::<()>(
        &content,
        "const files = new DataTransfer();
         files.items.add(new File([input], 'unsent-notes.json', {type: 'application/json'}));
         const field = document.querySelector('#file');
         field.files = files.files;
         field.dispatchEvent(new Event('change', {bubbles: true}));",
    )
    .await
}

/// The one file that the browser has saved.
async fn downloaded(folder: &Path) -> Result<String> {
    eventually("the file to be saved", DEADLINE, async || {
        let entry = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let file = entry.into_iter().find(|path| path.extension().is_some_and(|end| end == "json"));
        let text = file.map(std::fs::read_to_string).transpose()?;
        Ok(text.filter(|text| serde_json::from_str::<Value>(text).is_ok()))
    })
    .await
}

async fn signing_out_asks_what_becomes_of_unsent_changes(way: Way) -> Result<()> {
    let (example, browser) = start().await?;
    let downloads = TempDir::new()?;
    let folder = json!({"behavior": "allow", "downloadPath": downloads.path()});
    browser.cdp("Browser.setDownloadBehavior", folder).await?;
    let tab = browser.tab();
    sign_in(&tab, &example, way, "ann").await?;
    let worker = browser.worker("user=1").await?;
    worker.offline(true).await?;
    for text in ["rope", "lantern"] {
        add_note(&tab, text).await?;
    }

    // Send now.
    tab.click("#sign-out").await?;
    wait_for_text(&tab, "#unsent-text", "2 changes are only on this device").await?;
    tab.wait_until("document.activeElement.dataset.choice === 'send'").await?;
    shoot(&tab, &format!("sign-in-{}-unsent", way.name())).await?;
    tab.click("[data-choice=stay]").await?;
    tab.wait_until("!document.querySelector('#unsent').open").await?;
    notes_are(&tab, &["lantern", "rope"]).await?;
    tab.click("#sign-out").await?;
    tab.click("[data-choice=send]").await?;
    wait_for_text(&tab, "#unsent-problem", "Nothing was thrown away.").await?;
    worker.offline(false).await?;
    tab.click("[data-choice=send]").await?;
    is_signed_out(&tab).await?;
    wait_for_texts_on_flask(&example, "ann", &["rope", "lantern"]).await?;

    // Save as a file, which nobody else can load, and Ann once.
    sign_in(&tab, &example, way, "ann").await?;
    notes_are(&tab, &["lantern", "rope"]).await?;
    let worker = browser.worker("user=1").await?;
    worker.offline(true).await?;
    add_note(&tab, "saved").await?;
    tab.click("#sign-out").await?;
    wait_for_text(&tab, "#unsent-text", "1 change is only on this device").await?;
    tab.click("[data-choice=save]").await?;
    wait_for_text(&tab, "#unsent-problem", "Sign out once you see it among your downloads.").await?;
    let file = downloaded(downloads.path()).await?;
    notes_are(&tab, &["saved", "lantern", "rope"]).await?;
    shoot(&tab, &format!("sign-in-{}-saved", way.name())).await?;
    tab.click("[data-choice=saved]").await?;
    is_signed_out(&tab).await?;
    worker.offline(false).await?;
    worker.detach().await?;
    assert!(!texts_on_flask(&example, "ann").await?.contains("saved"));
    sign_in(&tab, &example, way, "bob").await?;
    tab.wait_until("document.querySelector('#connection').dataset.connection === 'online'").await?;
    choose_file(&tab, &file).await?;
    wait_for_text(&tab, "#loaded", "This file has the changes of another user. Nothing was changed.").await?;
    choose_file(&tab, "no such file").await?;
    wait_for_text(&tab, "#loaded", "This is no file of unsent changes").await?;
    notes_are(&tab, &[]).await?;
    tab.click("#sign-out").await?;
    is_signed_out(&tab).await?;
    sign_in(&tab, &example, way, "ann").await?;
    notes_are(&tab, &["lantern", "rope"]).await?;
    choose_file(&tab, &file).await?;
    wait_for_text(&tab, "#loaded", "1 change loaded.").await?;
    notes_are(&tab, &["saved", "lantern", "rope"]).await?;
    wait_for_texts_on_flask(&example, "ann", &["rope", "lantern", "saved"]).await?;
    choose_file(&tab, &file).await?;
    wait_for_text(&tab, "#loaded", "Your notes have all changes of this file already.").await?;

    // Throw away.
    let worker = browser.worker("user=1").await?;
    worker.offline(true).await?;
    add_note(&tab, "thrown away").await?;
    tab.click("#sign-out").await?;
    tab.click("[data-choice=discard]").await?;
    is_signed_out(&tab).await?;
    worker.offline(false).await?;
    sign_in(&tab, &example, way, "ann").await?;
    notes_are(&tab, &["saved", "lantern", "rope"]).await?;
    assert!(!texts_on_flask(&example, "ann").await?.contains("thrown away"));
    assert!(texts_on_flask(&example, "bob").await?.is_empty());
    Ok(())
}

async fn a_session_that_is_over_keeps_the_notes_until_somebody_signs_in_again(way: Way) -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    sign_in(&tab, &example, way, "ann").await?;
    add_note(&tab, "before").await?;
    wait_for_texts_on_flask(&example, "ann", &["before"]).await?;
    example.flask_command(&["end-sessions", "ann"])?;
    add_note(&tab, "after").await?;
    wait_for_text(&tab, "#session-over", "Your notes stay on this device, and you can go on.").await?;
    // It says so once.
    tab.wait_until("document.querySelector('#detail').textContent === ''").await?;
    wait_for_text(&tab, "#connection", "Paused").await?;
    add_note(&tab, "and on").await?;
    notes_are(&tab, &["and on", "after", "before"]).await?;
    shoot(&tab, &format!("sign-in-{}-over", way.name())).await?;
    assert_eq!(texts_on_flask(&example, "ann").await?, BTreeSet::from(["before".to_owned()]));

    // In another tab. This one goes on by itself.
    let other = browser.new_tab().await?;
    sign_in(&other, &example, way, "ann").await?;
    wait_for_texts_on_flask(&example, "ann", &["before", "after", "and on"]).await?;
    tab.wait_until("!document.querySelector('#session-over').checkVisibility()").await?;
    notes_are(&other, &["and on", "after", "before"]).await?;

    // And both leave when one of them signs out.
    other.click("#sign-out").await?;
    is_signed_out(&other).await?;
    is_signed_out(&tab).await
}

async fn signing_in_and_out_need_the_network_and_say_so(way: Way) -> Result<()> {
    let (mut example, browser) = start().await?;
    let tab = browser.tab();
    sign_in(&tab, &example, way, "ann").await?;
    let form = browser.new_tab().await?;
    form.goto(&way.sign_in_page(&example)).await?;
    example.stop()?;

    form.type_into("#name", "ann").await?;
    form.type_into("#password", &password("ann")).await?;
    form.click("#form button").await?;
    wait_for_text(&form, "#problem", "Signing in needs the network").await?;
    tab.show().await?;
    add_note(&tab, "written at sea").await?;
    wait_for_text(&tab, "#connection", "Saved on this device").await?;
    wait_for_text(&tab, "#detail", "1 change is kept on this device. You can go on working").await?;
    tab.click("#sign-out").await?;
    wait_for_text(&tab, "#notice", "Signing out needs the network").await?;
    notes_are(&tab, &["written at sea"]).await?;

    example.start().await?;
    form.show().await?;
    form.click("#form button").await?;
    notes_are(&form, &["written at sea"]).await?;
    wait_for_texts_on_flask(&example, "ann", &["written at sea"]).await
}

async fn a_line_says_that_somebody_elses_changes_wait(way: Way) -> Result<()> {
    let (example, browser) = start().await?;
    let anns = browser.tab();
    sign_in(&anns, &example, way, "ann").await?;
    let worker = browser.worker("user=1").await?;
    worker.offline(true).await?;
    add_note(&anns, "Ann's rope").await?;
    wait_for_text(&anns, "#connection", "Saved on this device").await?;
    let bobs = browser.new_tab().await?;
    sign_in(&bobs, &example, way, "bob").await?;
    wait_for_text(&bobs, "#others", "Somebody else's changes wait on this device.").await?;
    notes_are(&bobs, &[]).await?;
    shoot(&bobs, &format!("sign-in-{}-others", way.name())).await?;
    add_note(&bobs, "Bob's lantern").await?;
    wait_for_texts_on_flask(&example, "bob", &["Bob's lantern"]).await?;
    // Her tab is told when it next changes something, and keeps that.
    add_note(&anns, "late").await?;
    wait_for_text(&anns, "#detail", "Another user is signed in in this browser.").await?;
    assert!(texts_on_flask(&example, "ann").await?.is_empty());

    let again = browser.new_tab().await?;
    sign_in(&again, &example, way, "ann").await?;
    wait_for_texts_on_flask(&example, "ann", &["Ann's rope", "late"]).await?;
    assert_eq!(texts_on_flask(&example, "bob").await?, BTreeSet::from(["Bob's lantern".to_owned()]));
    wait_for_text(&again, "#who", "Signed in as ann").await?;
    again.wait_until("document.querySelector('#others').textContent === ''").await
}

async fn a_note_that_was_deleted_comes_back_by_undo(way: Way) -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    sign_in(&tab, &example, way, "ann").await?;
    for text in ["rope", "lanterns"] {
        add_note(&tab, text).await?;
    }
    wait_for_texts_on_flask(&example, "ann", &["rope", "lanterns"]).await?;
    tab.click("#notes li:last-child .delete").await?;
    wait_for_text(&tab, "#undo-text", "“rope” is deleted.").await?;
    wait_for_texts_on_flask(&example, "ann", &["lanterns"]).await?;
    tab.click("#undo-button").await?;
    notes_are(&tab, &["lanterns", "rope"]).await?;
    wait_for_texts_on_flask(&example, "ann", &["rope", "lanterns"]).await
}

/// Two tabs show the form, and one of them signs in and out: the other's form is of a session that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_out_of_date_says_so_and_works_the_next_time() -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    tab.goto(&Way::Cookie.sign_in_page(&example)).await?;
    let other = browser.new_tab().await?;
    sign_in(&other, &example, Way::Cookie, "ann").await?;
    other.click("#sign-out").await?;
    is_signed_out(&other).await?;
    tab.show().await?;
    for text in ["This page was out of date, and nothing was changed. Try again.", "Signed in as bob"] {
        tab.type_into("#name", "bob").await?;
        tab.type_into("#password", &password("bob")).await?;
        tab.click("#form button").await?;
        wait_for_text(&tab, "main", text).await?;
    }
    Ok(())
}

/// Signs in by the browser's cookie alone, as a page that is gone by now has done.
async fn sign_in_elsewhere(tab: &Tab, name: &str) -> Result<()> {
    tab.eval_with(
        &json!({"name": name, "password": password(name)}),
        "const headers = {'Content-Type': 'application/json'};
         await fetch('/api/sign-in', {method: 'POST', headers, body: JSON.stringify(input)});",
    )
    .await
}

/// Syncs as the page itself can. Returns the status' `errorCode`.
async fn sync(tab: &Tab) -> Result<Option<String>> {
    tab.eval(
        "const {getStatus, syncNow} = await import('/nightferry/client.js');
         await syncNow().catch(() => {});
         return getStatus().errorCode;",
    )
    .await
}

/// The browser's refresh token is somebody else's by now, and then the page's user's again.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_gives_tokens_of_its_own_user_only_and_none_that_was_refused() -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    sign_in(&tab, &example, Way::Token, "ann").await?;
    sign_in_elsewhere(&tab, "bob").await?;
    example.flask_command(&["end-sessions", "ann"])?;
    add_note(&tab, "Ann's rope").await?;
    wait_for_text(&tab, "#session-over", "Your notes stay on this device").await?;
    assert_eq!(sync(&tab).await?.as_deref(), Some("unauthenticated"), "nothing is tried with Bob's token");

    sign_in_elsewhere(&tab, "ann").await?;
    assert_eq!(sync(&tab).await?, None);
    wait_for_texts_on_flask(&example, "ann", &["Ann's rope"]).await?;
    assert!(texts_on_flask(&example, "bob").await?.is_empty());

    // Signing out of Ann's notes leaves Bob signed in.
    sign_in_elsewhere(&tab, "bob").await?;
    tab.click("#sign-out").await?;
    wait_for_text(&tab, "#signed-out", "You are signed out.").await?;
    tab.goto(&format!("{}token/", example.url())).await?;
    wait_for_text(&tab, "#who", "Signed in as bob").await
}

/// A request with both a session and a token is that of the token, or nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_never_taken_for_the_session() -> Result<()> {
    let (example, browser) = start().await?;
    let tab = browser.tab();
    sign_in(&tab, &example, Way::Cookie, "ann").await?;
    let whose = "const headers = {'Content-Type': 'application/json', ...(input && {Authorization: input})};
        const body = JSON.stringify({protocol: 1, client: 'e2e-reader', slices: {}});
        const answer = await fetch('/nightferry/pull', {method: 'POST', headers, body});
        return answer.ok ? (await answer.json()).principal : answer.status;";
    let bobs = token_of(&example, "bob").await?;
    for (authorization, answer) in [
        (json!(null), json!("1/1")),
        (json!(format!("Bearer {bobs}")), json!("2/2")),
        (json!(format!("Bearer {bobs}x")), json!(401)),
        (json!("Bearer"), json!(401)),
        (json!("Basic YW5uOmFubg=="), json!(401)),
    ] {
        assert_eq!(tab.eval_with::<Value>(&authorization, whose).await?, answer, "{authorization}");
    }
    // The refresh token is no access token.
    sign_in_elsewhere(&tab, "bob").await?;
    let api = json!({"urls": [format!("{}api/token", example.url())]});
    let cookies = tab.cdp("Network.getCookies", api).await?;
    let refresh =
        cookies["cookies"].as_array().into_iter().flatten().find(|cookie| cookie["name"] == "refresh");
    let refresh = refresh.context("the refresh token's cookie")?;
    assert_eq!(
        (&refresh["httpOnly"], &refresh["secure"], &refresh["sameSite"], &refresh["path"]),
        (&json!(true), &json!(true), &json!("Strict"), &json!("/api/"))
    );
    let bearer = format!("Bearer {}", refresh["value"].as_str().context("a value")?);
    assert_eq!(tab.eval_with::<Value>(&bearer, whose).await?, json!(401));
    // A form of another site cannot sign anybody in, since it sends no JSON.
    let sent =
        "return (await fetch('/api/sign-in', {method: 'POST', body: new URLSearchParams(input)})).status;";
    let form = json!({"name": "bob", "password": password("bob")});
    assert_eq!(tab.eval_with::<u16>(&form, sent).await?, 415);
    // Signing out by a form needs the token of the site's own page.
    let sent = "return (await fetch('/sign-out', {method: 'POST'})).status;";
    assert_eq!(tab.eval::<u16>(sent).await?, 400);
    Ok(())
}

#[test]
fn the_recipes_of_the_document_are_the_examples_code() -> Result<()> {
    for (block, file) in [
        ("authenticate", "app.py"),
        ("endSession", "static/cookie.js"),
        ("getToken", "static/token.js"),
        ("leaveDevice", "static/sign-out.js"),
    ] {
        let code = std::fs::read_to_string(root().join("examples/sign-in").join(file))?;
        assert!(code.contains(&document_block("docs/security.md", block)?), "{block} is not as in {file}");
    }
    Ok(())
}
