//! The two examples that are lists of notes: the plain page, and the one in which people sign in.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Example, Fault, Tab};
use serde_json::json;

use crate::album::{Album, decision, long_texts, lose_the_worker, press, wait_for_text};

const STATE: &str = "#connection";

/// An example that is open in a browser.
struct Notes {
    name: &'static str,
    /// Whose items they are, on the server.
    tenant: &'static str,
    example: Example,
    browser: Browser,
    tab: Tab,
    /// Another tab with the same page: what it changes, the first one shows.
    other: Tab,
}

pub async fn shoot_plain(album: &Album) -> Result<()> {
    let mut example = Example::flask("plain-html")?;
    example.fail_on_demand()?;
    example.start().await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    let other = browser.new_tab().await?;
    let mut notes = Notes { name: "plain-html", tenant: "", example, browser, tab, other };
    notes.shoot_states(album).await?;

    notes.example.fault(&[Fault::on("/nightferry/push").status(401)])?;
    notes.write("before the night").await?;
    wait_for_text(&notes.tab, STATE, "Paused").await?;
    album.add(&notes.tab, "plain-html-signed-out").await?;
    notes.example.fault(&[])?;
    notes.shoot_error(album).await?;

    // A browser that never had the page, at a server that has lost Nightferry's files.
    notes.example.start().await?;
    notes.example.fault(&[Fault::on("/nightferry/client.wasm").status(404)])?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&notes.example.url()).await?;
    tab.wait_until("document.body.dataset.phase === 'refused'").await?;
    album.add(&tab, "plain-html-not-started").await
}

pub async fn shoot_signed_in(album: &Album) -> Result<()> {
    let mut example = Example::flask("sign-in")?;
    example.fail_on_demand()?;
    for name in ["ann", "bob"] {
        example.flask_command(&["add-user", name, "--password", &password(name)])?;
    }
    example.start().await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&format!("{}sign-in", example.url())).await?;
    album.add(&tab, "sign-in-form").await?;
    let other = browser.new_tab().await?;
    tab.show().await?;
    let mut notes = Notes { name: "sign-in", tenant: "1", example, browser, tab, other };
    notes.sign_in("ann", "a guess").await?;
    wait_for_text(&notes.tab, "#problem", "Name and password do not fit together. Try again.").await?;
    album.add(&notes.tab, "sign-in-wrong-password").await?;
    notes.sign_in("ann", &password("ann")).await?;
    notes.tab.wait_until("document.body?.dataset.phase === 'ready'").await?;
    notes.shoot_states(album).await?;

    // The dialog that asks about unsent changes.
    notes.example.fault(&[Fault::on("/nightferry/push").status(503)])?;
    notes.write("before the night").await?;
    notes.tab.click("#sign-out").await?;
    notes.tab.wait_until("document.querySelector('#unsent').open").await?;
    album.add(&notes.tab, "sign-in-unsent").await?;
    notes.tab.click("[data-choice=stay]").await?;
    notes.example.fault(&[])?;

    notes.example.flask_command(&["end-sessions", "ann"])?;
    notes.write("at night").await?;
    notes.tab.wait_until("document.querySelector('#session-over').checkVisibility()").await?;
    album.add(&notes.tab, "sign-in-signed-out").await?;

    // Somebody else, with hers waiting.
    notes.tab.goto(&format!("{}sign-in", notes.example.url())).await?;
    notes.sign_in("bob", &password("bob")).await?;
    wait_for_text(&notes.tab, "#others", "Somebody else's changes wait…").await?;
    album.add(&notes.tab, "sign-in-others").await?;
    notes.tab.click("#sign-out").await?;
    notes.tab.wait_until("document.querySelector('#signed-out')?.checkVisibility()").await?;
    album.add(&notes.tab, "sign-in-left").await?;
    notes.sign_in("ann", &password("ann")).await?;
    notes.tab.wait_until("document.body?.dataset.phase === 'ready'").await?;
    wait_for_text(&notes.tab, STATE, "Up to date").await?;
    notes.shoot_error(album).await
}

fn password(name: &str) -> String {
    format!("the password of {name}")
}

impl Notes {
    /// The states that both have.
    async fn shoot_states(&mut self, album: &Album) -> Result<()> {
        let Notes { name, tenant, example, tab, other, .. } = self;
        other.goto(&example.url()).await?;
        other.wait_until("document.body?.dataset.phase === 'ready'").await?;
        tab.show().await?;
        tab.wait_until("document.body?.dataset.phase === 'ready'").await?;
        wait_for_text(tab, STATE, "Up to date").await?;
        album.add(tab, &format!("{name}-empty")).await?;

        for text in ["rope, 20 m", "lanterns", "tar, two buckets\nand a brush"] {
            dispatch(other, "add", &json!({"id": text, "text": text, "addedAt": text.len()})).await?;
        }
        all_are_sent(tab).await?;
        album.add(tab, &format!("{name}-sent")).await?;

        tab.click("#notes li:nth-child(2) .delete").await?;
        tab.wait_until("!document.querySelector('#undo').hidden").await?;
        album.add(tab, &format!("{name}-undo")).await?;
        tab.click("#undo-button").await?;
        all_are_sent(tab).await?;

        example.fault(&[Fault::on("/nightferry/push").silent()])?;
        for number in 0..24 {
            let id = format!("crate {number}");
            dispatch(other, "add", &json!({"id": id, "text": id, "addedAt": 100 + number})).await?;
        }
        wait_for_text(tab, STATE, "Sending 24").await?;
        album.add(tab, &format!("{name}-sending")).await?;
        for number in 0..24 {
            dispatch(other, "remove", &json!(format!("crate {number}"))).await?;
        }
        example.fault(&[])?;
        sync(tab).await?;
        wait_for_text(tab, STATE, "Up to date").await?;

        // Both sides change the same while nothing can be sent.
        example.fault(&[Fault::on("/nightferry/").status(503)])?;
        dispatch(other, "update", &json!({"id": "lanterns", "text": "lanterns, six"})).await?;
        dispatch(other, "update", &json!({"id": "rope, 20 m", "text": "rope, 30 m"})).await?;
        tab.wait_until_within(
            &format!("document.querySelector('{STATE}').dataset.state === 'saved'"),
            3 * DEADLINE,
        )
        .await?;
        tab.wait_until("document.querySelectorAll('#notes [data-state=local]').length === 2").await?;
        album.add(tab, &format!("{name}-offline")).await?;
        let theirs = json!({"id": "lanterns", "text": "lanterns, four", "addedAt": 8});
        example.put(tenant, "notes", "lanterns", &theirs).await?;
        example.fault(&[])?;
        sync(tab).await?;
        wait_for_text(tab, STATE, "Needs you (1)").await?;
        let conflicts = decision(tab, "conflicts").await?;
        album.add(tab, &format!("{name}-conflict")).await?;
        press(tab, &conflicts, &["All theirs", "Save"]).await?;
        all_are_sent(tab).await?;

        dispatch(other, "update", &json!({"id": "lanterns", "text": "forbidden"})).await?;
        let refusals = decision(tab, "refusals").await?;
        album.add(tab, &format!("{name}-refused")).await?;
        press(tab, &refusals, &["Discard", "Yes, discard it"]).await?;
        all_are_sent(tab).await?;

        for (id, text) in ["words", "letters"].into_iter().zip(long_texts()) {
            dispatch(other, "add", &json!({"id": id, "text": text, "addedAt": 200})).await?;
        }
        dispatch(other, "add", &json!({"id": "refused", "text": "forbidden at length", "addedAt": 300}))
            .await?;
        let refusals = decision(tab, "refusals").await?;
        tab.click("#notes li:nth-child(2) .delete").await?;
        album.add(tab, &format!("{name}-long")).await?;
        press(tab, &refusals, &["Discard", "Yes, discard it"]).await?;
        dispatch(other, "remove", &json!("words")).await?;
        tab.click("#undo-close").await?;
        all_are_sent(tab).await?;
        wait_for_text(tab, STATE, "Up to date").await
    }

    /// No worker answers, and the server is gone.
    async fn shoot_error(&mut self, album: &Album) -> Result<()> {
        lose_the_worker(&self.browser, &self.tab).await?;
        self.example.stop()?;
        self.write("after the night").await?;
        let says = "document.querySelector('#detail').textContent.startsWith('This page cannot save now')";
        self.tab.wait_until_within(says, 3 * DEADLINE).await?;
        album.add(&self.tab, &format!("{}-error", self.name)).await
    }

    async fn write(&self, text: &str) -> Result<()> {
        self.tab.type_into("#add input", text).await?;
        self.tab.click("#add button").await
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<()> {
        self.tab.retype("#name", name).await?;
        self.tab.retype("#password", password).await?;
        self.tab.click("#form button").await
    }
}

async fn dispatch(tab: &Tab, verb: &str, payload: &serde_json::Value) -> Result<()> {
    let action = json!({"type": format!("notes/{verb}Item"), "payload": payload});
    tab.eval_with(&action, "(await import('/nightferry/client.js')).dispatch(input);").await
}

/// The first attempt may meet a connection that the server has just closed.
async fn sync(tab: &Tab) -> Result<()> {
    tab.eval(
        "const {syncNow} = await import('/nightferry/client.js'); await syncNow().catch(() => syncNow());",
    )
    .await
}

async fn all_are_sent(tab: &Tab) -> Result<()> {
    tab.wait_until(
        "[...document.querySelectorAll('#notes li')].every(({dataset}) => dataset.state === 'synced')
         && document.querySelector('#connection').dataset.state === 'up-to-date'",
    )
    .await
}
