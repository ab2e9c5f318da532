//! The examples, started as their READMEs say and used as a person uses them; what counts is what Flask has.

use anyhow::Result;
use nightferry_e2e::{Browser, Example, Profile, Tab, document_block, shoot};
use serde_json::{Value, json};

/// The notes' texts, from the top.
async fn notes_are(tab: &Tab, texts: &[&str]) -> Result<()> {
    let shown = "[...document.querySelectorAll('#notes .text')].map((field) => field.value)";
    tab.wait_until(&format!("JSON.stringify({shown}) === {}", json!(json!(texts).to_string()))).await
}

async fn notes_are_on_flask(example: &Example, texts: &[&str]) -> Result<()> {
    let is = |note: &Value, text: &&str| note["text"] == **text;
    let same = |notes: &std::collections::BTreeMap<String, Value>| {
        notes.len() == texts.len() && texts.iter().all(|text| notes.values().any(|note| is(note, text)))
    };
    example.wait_for_items("notes", same).await.map(drop)
}

async fn add_note(tab: &Tab, text: &str) -> Result<()> {
    tab.type_into("#add input", text).await?;
    tab.click("#add button").await
}

const ALL_SYNCED: &str =
    "[...document.querySelectorAll('#notes li')].every((note) => note.dataset.state === 'synced')";

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_page_keeps_notes_under_the_documented_policy() -> Result<()> {
    let mut example = Example::flask("plain-html")?;
    example.start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until("document.body.dataset.phase === 'ready'").await?;
    let policy: String =
        tab.eval("return (await fetch('/')).headers.get('Content-Security-Policy');").await?;
    assert_eq!(policy, document_block("docs/getting-started.md", "Content-Security-Policy")?.trim());

    for text in ["rope", "lanterns", "to be deleted"] {
        add_note(&tab, text).await?;
    }
    notes_are_on_flask(&example, &["rope", "lanterns", "to be deleted"]).await?;
    tab.click("#notes li:first-child .delete").await?;
    tab.type_into("#notes li:last-child .text", "").await?;
    tab.eval::<()>("document.activeElement.select();").await?;
    tab.cdp("Input.insertText", json!({"text": "<b>rope</b>, 20 m"})).await?;
    notes_are_on_flask(&example, &["lanterns", "<b>rope</b>, 20 m"]).await?;
    tab.wait_until(ALL_SYNCED).await?;
    tab.reload().await?;
    notes_are(&tab, &["lanterns", "<b>rope</b>, 20 m"]).await?;

    shoot(&tab, "plain-html").await?;

    // A second tab hears of it.
    let other = browser.new_tab().await?;
    other.goto(&example.url()).await?;
    notes_are(&other, &["lanterns", "<b>rope</b>, 20 m"]).await?;
    example.stop()?;
    add_note(&other, "written at sea").await?;
    tab.show().await?;
    notes_are(&tab, &["written at sea", "lanterns", "<b>rope</b>, 20 m"]).await?;
    tab.wait_until("document.querySelector('#connection').dataset.connection === 'local-only'").await?;
    tab.wait_until("document.querySelector('#notes li').dataset.state === 'local'").await?;
    tab.wait_until("document.querySelector('#connection').textContent === 'Saved on this device'").await?;

    shoot(&tab, "plain-html-down").await?;
    example.start().await?;
    tab.click("#sync").await?;
    notes_are_on_flask(&example, &["written at sea", "lanterns", "<b>rope</b>, 20 m"]).await?;
    tab.wait_until(ALL_SYNCED).await?;
    tab.wait_until("document.querySelector('#connection').dataset.connection === 'online'").await?;
    let refused: Vec<String> =
        browser.console().into_iter().filter(|line| line.contains("Content Security Policy")).collect();
    assert_eq!(refused, Vec::<String>::new());
    Ok(())
}

/// Has the plain page open, with these notes in it and on Flask.
async fn open_notes(texts: &[&str]) -> Result<(Example, Browser, Tab)> {
    let mut example = Example::flask("plain-html")?;
    example.start().await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until("document.body.dataset.phase === 'ready'").await?;
    for text in texts {
        add_note(&tab, text).await?;
    }
    notes_are_on_flask(&example, texts).await?;
    tab.wait_until(ALL_SYNCED).await?;
    Ok((example, browser, tab))
}

/// One after the other, the latest first; and each is at its place again, under its id.
#[tokio::test(flavor = "multi_thread")]
async fn notes_that_were_deleted_come_back_by_undo() -> Result<()> {
    let (example, _browser, tab) = open_notes(&["rope", "lanterns", "tar"]).await?;
    let before = example.items("notes").await?;
    let says = "document.querySelector('#undo-text').textContent";
    let shown = "document.querySelector('#undo').checkVisibility()";
    assert!(!tab.eval::<bool>(&format!("return {shown};")).await?);
    tab.click("#notes li:nth-child(2) .delete").await?;
    tab.wait_until(&format!("{says} === '“lanterns” is deleted.'")).await?;
    tab.click("#notes li:nth-child(2) .delete").await?;
    tab.wait_until(&format!("{says} === '“rope” is deleted.'")).await?;
    notes_are_on_flask(&example, &["tar"]).await?;
    // The keyboard is where undoing is.
    tab.press("Enter").await?;
    notes_are(&tab, &["tar", "rope"]).await?;
    tab.wait_until(&format!("{says} === '“lanterns” is deleted.'")).await?;
    tab.click("#undo-button").await?;
    notes_are(&tab, &["tar", "lanterns", "rope"]).await?;
    tab.wait_until(&format!("!{shown}")).await?;
    notes_are_on_flask(&example, &["rope", "lanterns", "tar"]).await?;
    assert_eq!(example.items("notes").await?, before);
    tab.reload().await?;
    notes_are(&tab, &["tar", "lanterns", "rope"]).await
}

/// Texts of 2,000 characters, with and without spaces.
fn long_texts() -> [String; 2] {
    ["The lamps on the northern pier go out at four. ".repeat(43).trim().into(), "x".repeat(2000)]
}

#[tokio::test(flavor = "multi_thread")]
async fn long_notes_grow_past_no_window_in_any_state() -> Result<()> {
    let [words, letters] = long_texts();
    let (mut example, _browser, tab) = open_notes(&[&words, &letters]).await?;
    shoot(&tab, "plain-html-long").await?;
    tab.click("#notes li:first-child .delete").await?;
    tab.wait_until("!document.querySelector('#undo').hidden").await?;
    shoot(&tab, "plain-html-long-undo").await?;
    example.stop()?;
    tab.click("#undo-button").await?;
    let says = "document.querySelector('#detail').textContent";
    tab.wait_until(&format!("{says}.startsWith('1 change is kept on this device.')")).await?;
    shoot(&tab, "plain-html-long-down").await
}

/// What is said takes its room from nothing: neither the form nor the notes move.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_jumps_when_the_server_goes_and_comes() -> Result<()> {
    let (mut example, _browser, tab) = open_notes(&["rope"]).await?;
    let places = "return ['#add', '#notes li', '#notes .delete'].map((one) => {
        const {x, y, width, height} = document.querySelector(one).getBoundingClientRect();
        return [x, y, width, height].map(Math.round);
    });";
    let detail = "document.querySelector('#detail').textContent";
    for width in [390, 1280] {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        tab.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        tab.wait_until(ALL_SYNCED).await?;
        tab.wait_until(&format!("{detail} === ''")).await?;
        let before: Value = tab.eval(places).await?;
        example.stop()?;
        tab.retype("#notes .text", &format!("rope at {width}")).await?;
        tab.wait_until(&format!("{detail} !== ''")).await?;
        tab.wait_until("document.querySelector('#notes li').dataset.state === 'local'").await?;
        assert_eq!(tab.eval::<Value>(places).await?, before, "{width}");
        example.start().await?;
        tab.click("#sync").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_wasm_is_named_on_the_page() -> Result<()> {
    let mut example = Example::flask("plain-html")?;
    example.edit("app.py", " 'wasm-unsafe-eval'", "")?;
    example.start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until("document.body.dataset.phase === 'refused'").await?;
    tab.wait_until("document.querySelector('#problem').textContent.includes(\"must allow script-src 'wasm-unsafe-eval'\")")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_getting_started_works_as_it_stands() -> Result<()> {
    let mut example = Example::flask("plain-html")?;
    for file in ["app.py", "static/hello.html"] {
        example.write(file, &document_block("docs/getting-started.md", file)?)?;
    }
    example.start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    for (loaded, text) in [(1, "1 on this device"), (2, "2 on this device")] {
        tab.goto(&format!("{}static/hello.html", example.url())).await?;
        tab.wait_until(&format!("document.body?.textContent.includes({})", json!(text))).await?;
        example
            .wait_for_items("notes", |notes| {
                notes.len() == loaded && notes.values().all(|note| note["text"] == "Hello")
            })
            .await?;
    }
    Ok(())
}

/// Waits until the workspace's dashboard is open, with this title.
async fn dashboard_says(tab: &Tab, title: &str) -> Result<()> {
    let shown = "document.querySelector('nightferry-dashboard')?.shadowRoot.querySelector('.state strong')";
    tab.wait_until(&format!("{shown}?.textContent === {}", json!(title))).await
}

async fn choose_theme(tab: &Tab, theme: &str) -> Result<()> {
    let choose = "const field = document.querySelector('.theme'); field.value = input;
        field.dispatchEvent(new Event('change', {bubbles: true}));";
    tab.eval_with(&theme, choose).await
}

async fn open_workspace(tab: &Tab, example: &Example) -> Result<()> {
    tab.goto(&example.url()).await?;
    tab.wait_until("document.querySelector('.app')?.dataset.phase === 'ready'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_keeps_a_redux_store() -> Result<()> {
    let mut example = tokio::task::block_in_place(|| Example::npm("react-redux"))?;
    tokio::task::block_in_place(|| example.run("build"))?;
    example.start().await?;
    let profile = Profile::fresh()?;
    // Wide enough for list and editor side by side.
    let browser = Browser::start_with(&profile, &["--window-size=1280,800"]).await?;
    let tab = browser.tab();
    open_workspace(&tab, &example).await?;

    // One of each kind.
    for kind in ["files", "components", "componentTrees", "workflows", "lambdas", "models"] {
        tab.click(&format!("nav [data-kind={kind}]")).await?;
        tab.click(".add").await?;
        example.wait_for_items(kind, |items| items.len() == 1).await?;
    }
    tab.retype(".rename", "Ship").await?;
    tab.retype(".editor textarea", "name: text\nberth: number\n").await?;
    let ship = |item: &Value| item["name"] == "Ship" && item["content"] == "name: text\nberth: number\n";
    let models = example.wait_for_items("models", |items| items.values().all(ship)).await?;
    tab.wait_until("document.querySelector('.list li').dataset.progress === 'synced'").await?;

    // Two are deleted, of two kinds, and come back one after the other.
    tab.click(".list li .icon").await?;
    example.wait_for_items("models", |items| items.is_empty()).await?;
    tab.click("nav [data-kind=lambdas]").await?;
    tab.click(".list li .icon").await?;
    example.wait_for_items("lambdas", |items| items.is_empty()).await?;
    shoot(&tab, "workspace-undo").await?;
    let says = "document.querySelector('.undo span')?.textContent";
    tab.wait_until(&format!("{says} === '“sendMail” is deleted.'")).await?;
    tab.click(".undo button").await?;
    example.wait_for_items("lambdas", |items| items.len() == 1).await?;
    tab.wait_until(&format!("{says} === '“Ship” is deleted.'")).await?;
    tab.click(".undo button").await?;
    let back = example.wait_for_items("models", |items| items.len() == 1).await?;
    assert_eq!(back, models, "the same model, under the same id");
    tab.wait_until("!document.querySelector('.undo')").await?;
    tab.click("nav [data-kind=models]").await?;

    // Long names and contents grow past no window.
    let [words, letters] = long_texts();
    for (name, content) in [(&words, &letters), (&letters, &words)] {
        tab.click(".add").await?;
        tab.retype(".rename", name).await?;
        tab.retype(".editor textarea", content).await?;
        shoot(&tab, "workspace-long").await?;
        tab.click(".editor .delete").await?;
        shoot(&tab, "workspace-long-undo").await?;
        tab.click(".undo .icon").await?;
    }
    example.wait_for_items("models", |items| *items == models).await?;

    tab.click(".list li .open").await?;
    tab.wait_until("document.querySelector('.editor .progress').dataset.progress === 'synced'").await?;
    shoot(&tab, "workspace").await?;
    tab.click(".badge").await?;
    dashboard_says(&tab, "Up to date").await?;
    shoot(&tab, "workspace-dashboard").await?;

    // The theme is the server's matter, too; how the editor looks is not. The dashboard follows it, whatever the system prefers.
    for (theme, colour) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(26, 26, 37)")] {
        choose_theme(&tab, theme).await?;
        tab.wait_until(&format!(
            "[document.querySelector('header'), document.querySelector('nightferry-dashboard').shadowRoot.querySelector('section')]
                .every((node) => getComputedStyle(node).backgroundColor === '{colour}')"
        ))
        .await?;
    }
    example.wait_for_items("theme", |items| items.get("value") == Some(&json!("dark"))).await?;
    tab.click("nav [data-kind=models]").await?;
    tab.click(".list li .open").await?;
    tab.click(".wrap").await?;
    tab.wait_until("document.querySelector('textarea').wrap === 'off'").await?;
    tab.reload().await?;
    tab.wait_until("document.documentElement.dataset.theme === 'dark'").await?;
    tab.click("nav [data-kind=models]").await?;
    tab.click(".list li .open").await?;
    tab.wait_until("document.querySelector('textarea').wrap === 'off'").await?;
    tab.wait_until("document.querySelector('.rename').value === 'Ship'").await?;
    assert_eq!(example.items("settings").await?.len(), 0, "settings stay on the device");

    // The dashboard was not shown since the page was loaded again, and yet it can be, with the server down.
    tab.wait_until("customElements.get('nightferry-dashboard')").await?;
    example.stop()?;
    tab.retype(".rename", "Ferry").await?;
    tab.wait_until("document.querySelector('.badge').dataset.connection === 'local-only'").await?;
    tab.wait_until("document.querySelector('.list li').dataset.progress === 'local'").await?;
    tab.wait_until("document.querySelector('.badge').textContent.startsWith('Saved on this device')").await?;
    tab.wait_until("document.querySelector('.sync').textContent === 'Retry'").await?;
    choose_theme(&tab, "system").await?;
    shoot(&tab, "workspace-down").await?;
    tab.click(".badge").await?;
    dashboard_says(&tab, "Saved on this device").await?;
    shoot(&tab, "workspace-dashboard-down").await?;
    tab.eval::<()>("window.before = true;").await?;
    example.start().await?;
    // Vite's own script loads the page again; whether it has or not, the sync button is there.
    tab.click(".sync").await?;
    example.wait_for_items("models", |items| items.values().all(|item| item["name"] == "Ferry")).await?;
    tab.wait_until("!window.before && document.querySelector('.app')?.dataset.phase === 'ready'").await?;
    tab.click("nav [data-kind=models]").await?;
    tab.wait_until("document.querySelector('.list .name')?.textContent === 'Ferry'").await?;
    tab.wait_until("document.querySelector('.badge').dataset.pending === '0'").await
}

/// Two devices change one model while one of them is offline: the store of the second shows the conflict, and what was decided.
#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_shows_what_is_to_be_decided() -> Result<()> {
    let mut example = tokio::task::block_in_place(|| Example::npm("react-redux"))?;
    tokio::task::block_in_place(|| example.run("build"))?;
    example.start().await?;
    let profiles = [Profile::fresh()?, Profile::fresh()?];
    let wide = &["--window-size=1280,800"][..];
    let browsers =
        [Browser::start_with(&profiles[0], wide).await?, Browser::start_with(&profiles[1], wide).await?];
    let [ann, bob] = [browsers[0].tab(), browsers[1].tab()];
    open_workspace(&ann, &example).await?;
    ann.click("nav [data-kind=models]").await?;
    ann.click(".add").await?;
    example.wait_for_items("models", |items| items.len() == 1).await?;
    open_workspace(&bob, &example).await?;
    bob.click("nav [data-kind=models]").await?;
    bob.click(".list li .open").await?;

    let worker = browsers[1].worker("sw.js").await?;
    worker.offline(true).await?;
    bob.retype(".editor textarea", "Bob's\n").await?;
    bob.wait_until("document.querySelector('.list li').dataset.progress === 'local'").await?;
    ann.retype(".editor textarea", "Ann's\n").await?;
    example.wait_for_items("models", |items| items.values().all(|item| item["content"] == "Ann's\n")).await?;
    worker.offline(false).await?;
    bob.click(".sync").await?;
    bob.wait_until("document.querySelector('.list li').dataset.progress === 'conflict'").await?;
    bob.wait_until("document.querySelector('.editor .progress').textContent === 'Changed elsewhere, too'")
        .await?;
    bob.wait_until("document.querySelector('.badge').textContent === 'Needs you (1)'").await?;
    bob.click(".decide").await?;
    let inside = "document.querySelector('nightferry-conflicts')?.shadowRoot";
    bob.wait_until(&format!("{inside}?.querySelector('article h3')?.textContent === 'Customer'")).await?;
    shoot(&bob, "workspace-decide").await?;
    for label in ["All theirs", "Save"] {
        let press = format!(
            "[...{inside}.querySelectorAll('button')].find(({{textContent}}) => textContent === input).click();"
        );
        bob.eval_with::<()>(&label, &press).await?;
    }
    bob.wait_until(
        "document.querySelector('#decisions .empty')?.textContent === 'There is nothing to decide.'",
    )
    .await?;
    bob.click("nav [data-kind=models]").await?;
    bob.click(".list li .open").await?;
    bob.wait_until("document.querySelector('.editor textarea').value === \"Ann's\\n\"").await?;
    bob.wait_until("document.querySelector('.list li').dataset.progress === 'synced'").await?;
    assert_eq!(example.items("models").await?.len(), 1);
    Ok(())
}
