//! `<nightferry-dashboard>` in a real browser: what it says, what can be done with it, and that it fits.

use anyhow::Result;
use nightferry_e2e::{ReactPage, start};
use serde_json::{Value, json};

fn add(id: u64) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

/// The text of what a selector finds in the dashboard, as JavaScript.
fn text(selector: &str) -> String {
    format!("{}?.textContent", find(selector))
}

fn find(selector: &str) -> String {
    format!("document.querySelector('nightferry-dashboard')?.shadowRoot?.querySelector({})", json!(selector))
}

const TITLE: &str = ".state strong";

async fn press(page: &ReactPage, label: &str) -> Result<()> {
    let button = "[...document.querySelector('nightferry-dashboard').shadowRoot.querySelectorAll('button')]
        .find((button) => button.textContent === input).click();";
    page.tab.eval_with(&label, button).await
}

/// Sets a field of the form, as typing into it does.
async fn set(page: &ReactPage, field: &str, value: &str) -> Result<()> {
    let script = format!(
        "const field = {}; field.focus();
         if (field.type === 'checkbox') field.click(); else {{
            field.value = input; field.dispatchEvent(new Event('input', {{bubbles: true}}));
         }}",
        find(&format!("#{field}"))
    );
    page.tab.eval_with(&value, &script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_loaded_when_it_is_shown_and_says_what_is_missing() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["readers"]).await?;
    assert!(page.tab.eval::<bool>("return !customElements.get('nightferry-dashboard');").await?);
    page.show(&["dashboard"]).await?;
    // Before the page has called register.
    page.tab.wait_until(&format!("{} === 'Paused'", text(TITLE))).await?;
    page.tab.wait_until(&format!("{}.includes('not begun to save')", text(".state p"))).await?;
    press(&page, "Sync now").await?;
    page.tab.wait_until(&format!("{}?.includes('call register')", text(".operations .result"))).await?;
    press(&page, "Reset counts").await?;
    page.tab
        .wait_until(&format!("{}?.startsWith('Reset counts failed')", text(".operations .result")))
        .await?;

    page.register(json!({"debounceMs": 20})).await?;
    page.tab.wait_until(&format!("{} === 'Up to date'", text(TITLE))).await?;
    page.tab.dispatch(&[add(1), add(2)]).await?;
    page.tab.wait_until(&format!("{} === 'The server has everything.'", text(".state p"))).await?;
    page.tab.wait_until(&format!("{} === '4'", text(".tiles dd"))).await?;
    page.tab.wait_until(&format!("{} === 'files202'", text("tbody tr"))).await?;
    page.tab.wait_until(&format!("{}.querySelectorAll('rect').length > 0", find(".plot"))).await?;
    // Loading the module once more, as after an edit of it, is no error.
    page.tab.eval::<()>("await import('./dashboard.js?again');").await?;
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// With the server going down and up again, and what is done by hand meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn it_follows_the_server_and_works_by_hand() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["dashboard"]).await?;
    page.register(json!({"debounceMs": 600_000, "maxWaitMs": 600_000})).await?;
    page.tab.wait_until(&format!("{} === 'Up to date'", text(TITLE))).await?;
    page.tab.dispatch(&[add(1)]).await?;
    page.tab.wait_until(&format!("{} === '1'", text(".facts dd"))).await?;
    press(&page, "Save now").await?;
    let result = text(".operations .result");
    page.tab.wait_until(&format!("{result}.startsWith('Saved: every')")).await?;
    assert_eq!(page.tab.stored("files").await?.len(), 1);
    server.wait_for_items("files", |files| files.len() == 1).await?;
    // The page has the answer, too.
    page.tab.wait_until("nf.getStatus().pending === 0").await?;

    server.stop()?;
    page.tab.dispatch(&[add(2)]).await?;
    press(&page, "Sync now").await?;
    page.tab
        .wait_until(&format!("{result}.startsWith('Sync now failed') && {result}.includes('kept')"))
        .await?;
    press(&page, "Check connection").await?;
    page.tab.wait_until(&format!("{result}.startsWith('The server does not answer')")).await?;
    page.tab.wait_until(&format!("{} === 'Saved on this device'", text(TITLE))).await?;
    page.tab.wait_until(&format!("{}.includes('1 change is kept')", text(".state p"))).await?;
    page.tab.wait_until(&format!("{}.includes('cannot be reached')", text(".present"))).await?;
    page.tab.wait_until(&format!("{}.startsWith('Since')", text(".present small"))).await?;

    server.start_again().await?;
    press(&page, "Sync now").await?;
    page.tab.wait_until(&format!("{result}.startsWith('Synced')")).await?;
    assert_eq!(server.items("files").await?.len(), 2);
    page.tab
        .wait_until(&format!("{}.hidden && {}.includes('over after')", find(".present"), text("ol li")))
        .await?;
    page.tab.wait_until(&format!("{} === 'Up to date'", text(TITLE))).await?;
    press(&page, "Reset counts").await?;
    page.tab.wait_until(&format!("{} === '0' && {result}.includes('from zero')", text(".tiles dd"))).await?;
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// An app in another language sets the texts it has; the others stay.
#[tokio::test(flavor = "multi_thread")]
async fn f68_texts_are_replaced_by_key() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["translated"]).await?;
    page.register(json!({})).await?;
    page.tab.wait_until(&format!("{} === 'Aktuell'", text(TITLE))).await?;
    assert_eq!(
        page.tab.eval::<String>(&format!("return {};", text(".operations .first"))).await?,
        "Jetzt senden"
    );
    // Set on an element that is shown already.
    page.tab
        .eval::<()>("document.querySelector('nightferry-dashboard').texts = {upToDate: 'À jour', flush: 'Enregistrer'};")
        .await?;
    page.tab.wait_until(&format!("{} === 'À jour'", text(TITLE))).await?;
    let buttons: Vec<String> = page
        .tab
        .eval(&format!(
            "return [...{}.querySelectorAll('button')].map((button) => button.textContent);",
            find(".operations")
        ))
        .await?;
    assert_eq!(buttons, ["Jetzt senden", "Enregistrer", "Check connection", "Reset counts"]);
    // The element of conflicts, set before its code is loaded and after.
    let said: Vec<String> = page
        .tab
        .eval(
            "const list = document.createElement('nightferry-conflicts');
             list.texts = {conflicts: 'Konflikte'};
             document.body.append(list);
             await import('./conflicts.js');
             const heading = () => list.shadowRoot.querySelector('h2').textContent;
             const first = heading();
             list.texts = {conflicts: 'Conflits'};
             return [first, heading()];",
        )
        .await?;
    assert_eq!(said, ["Konflikte", "Conflits"]);
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// Settings of the form are in force in another tab, and invalid ones are named with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn auto_sync_is_configured_in_every_tab() -> Result<()> {
    let (server, browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["dashboard"]).await?;
    page.register(json!({})).await?;
    page.tab.wait_until(&format!("{}.value === '30000'", find("#intervalMs"))).await?;
    let result = text(".auto-sync .result");

    set(&page, "intervalMs", "5").await?;
    press(&page, "Save").await?;
    page.tab
        .wait_until(&format!(
            "{result}.includes('autoSync.intervalMs is 5') && {result}.includes('from 1000')"
        ))
        .await?;
    page.tab.wait_until(&format!("{}.ariaInvalid === 'true'", find("#intervalMs"))).await?;
    set(&page, "intervalMs", "").await?;
    press(&page, "Save").await?;
    page.tab.wait_until(&format!("{result}.includes('needs a number')")).await?;

    set(&page, "intervalMs", "120000").await?;
    set(&page, "syncOnChange", "").await?;
    press(&page, "Save").await?;
    page.tab.wait_until(&format!("{result}.startsWith('Saved')")).await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({})).await?;
    let status = "nf.getStatus().autoSync";
    other
        .wait_until(&format!("{status}.intervalMs === 120000 && {status}.syncOnChange && {status}.enabled"))
        .await?;

    // Another tab changes what nobody edits here, and what somebody does.
    page.tab.show().await?;
    set(&page, "maxQueueSize", "7").await?;
    other.eval::<()>("await nf.configureAutoSync({intervalMs: 60000, maxQueueSize: 9});").await?;
    page.tab.wait_until(&format!("{}.value === '60000'", find("#intervalMs"))).await?;
    assert_eq!(page.tab.eval::<String>(&format!("return {}.value;", find("#maxQueueSize"))).await?, "7");
    press(&page, "Undo").await?;
    page.tab.wait_until(&format!("{}.value === '9'", find("#maxQueueSize"))).await?;
    set(&page, "enabled", "").await?;
    press(&page, "Save").await?;
    other.wait_until(&format!("!{status}.enabled && {status}.maxQueueSize === 9")).await
}

/// In light and dark, on a phone and on a desktop: nothing is wider than the window, and text stands out from what is behind it.
#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_toasts_fit_and_can_be_read() -> Result<()> {
    let (server, browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["dashboard", "toasts"]).await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.tab.wait_until(&format!("{} === 'Up to date'", text(TITLE))).await?;
    let items: Vec<Value> = (0..40).map(add).collect();
    for items in items.chunks(4) {
        page.tab.dispatch(items).await?;
        page.tab.flush().await?;
    }
    server.wait_for_items("files", |files| files.len() == 40).await?;
    page.tab.dispatch(&[json!({"type": "files/updateItem", "payload": {"name": "no id"}})]).await?;
    let shots = nightferry_e2e::root().join("target/nightferry/shots");
    for is_down in [false, true] {
        if is_down {
            server.stop()?;
            page.tab.dispatch(&[add(100)]).await?;
            press(&page, "Sync now").await?;
            page.tab.wait_until(&format!("{} === 'Saved on this device'", text(TITLE))).await?;
            set(&page, "intervalMs", "5").await?;
            press(&page, "Save").await?;
            page.tab.wait_until(&format!("{}.includes('is 5')", text(".auto-sync .result"))).await?;
            page.tab.wait_until("document.querySelectorAll('.nightferry-toast').length === 1").await?;
        }
        for (width, dark) in [(390, false), (390, true), (820, false), (1280, false), (1280, true)] {
            let name = format!(
                "dashboard-{}-{width}-{}.png",
                if is_down { "down" } else { "up" },
                if dark { "dark" } else { "light" }
            );
            page.tab.screenshot(&shots.join(&name), width, 1300, dark).await?;
            let wider: i64 = page
                .tab
                .eval("return document.documentElement.scrollWidth - document.documentElement.clientWidth;")
                .await?;
            assert_eq!(wider, 0, "{name} is wider than the window");
            let faint: Vec<String> = page.tab.eval(FAINT).await?;
            assert_eq!(faint, [] as [String; 0], "{name}: text with less than 4.5:1");
        }
    }
    // The app's own colours, for both. The page's Content-Security-Policy forbids inline styles.
    let themed: Vec<String> = page
        .tab
        .eval(
            "document.documentElement.style.setProperty('--nightferry-surface', 'rgb(1, 2, 3)');
             const inside = document.querySelector('nightferry-dashboard').shadowRoot.querySelector('section');
             return [inside, document.querySelector('.nightferry-toast')].map((node) => getComputedStyle(node).backgroundColor);",
        )
        .await?;
    assert_eq!(themed, ["rgb(1, 2, 3)", "rgb(1, 2, 3)"]);
    let refused: Vec<String> =
        browser.console().into_iter().filter(|line| line.contains("Content Security Policy")).collect();
    assert_eq!(refused, [] as [String; 0]);
    Ok(())
}

/// Text whose colour has less than 4.5:1 against what is behind it (WCAG AA), as `rule ratio text`.
const FAINT: &str = r#"
    const context = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
    const paint = (colours) => {
        context.clearRect(0, 0, 1, 1);
        for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const parent = (node) => node.parentElement ?? node.getRootNode().host;
    const behind = (element) => {
        const colours = [];
        for (let at = element; at; at = parent(at)) colours.unshift(getComputedStyle(at).backgroundColor);
        return [matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#fff', ...colours];
    };
    const found = [];
    const roots = [document.querySelector('nightferry-dashboard').shadowRoot, document.querySelector('.nightferry-toasts')];
    for (const root of roots) for (const element of root.querySelectorAll('*')) {
        const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
        if (!text || !element.checkVisibility() || element.ariaDisabled === 'true' || element.namespaceURI.includes('svg')) continue;
        const back = behind(element);
        const [one, other] = [paint(back), paint([...back, getComputedStyle(element).color])].map((rgba) => light(rgba.slice(0, 3)));
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) found.push(`${element.localName}.${element.className} ${ratio.toFixed(2)} ${text.slice(0, 40)}`);
    }
    return found;
"#;
