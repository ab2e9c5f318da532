//! `<nightferry-conflicts>` and `<nightferry-refusals>` in a real browser, in a React page: what they show, what can be done with the
//! keyboard alone, that they fit, and that axe finds nothing.

use anyhow::Result;
use nightferry_e2e::{Browser, Profile, ReactPage, Server, Tab, reconnect_in_turn, shoot};
use serde_json::{Value, json};

/// The item of both devices: 60 fields in six parts.
fn plan() -> Value {
    let part = |at: usize| {
        let fields = (0..10).map(|n| (format!("field{n}"), json!(format!("value {at}.{n}"))));
        (format!("part{at}"), Value::Object(fields.collect()))
    };
    let mut plan: serde_json::Map<String, Value> = (0..6).map(part).collect();
    plan.insert("id".into(), json!("plan"));
    plan.insert("name".into(), json!("Crossing plan"));
    Value::Object(plan)
}

/// The update that sets these fields, by part and number.
fn update(item: &Value, fields: &[(&str, &str, &str)]) -> Value {
    let mut payload = json!({"id": item["id"]});
    for (part, field, value) in fields {
        let mut changed = payload.get(*part).cloned().unwrap_or_else(|| item[part].clone());
        changed[field] = json!(value);
        payload[part] = changed;
    }
    json!({"type": "files/updateItem", "payload": payload})
}

/// Ann's device has a plain page, Bob's one with React and the elements.
struct Devices {
    server: Server,
    _profiles: [Profile; 2],
    browsers: [Browser; 2],
    ann: Tab,
    bob: ReactPage,
}

impl Devices {
    async fn open() -> Result<Devices> {
        let server = Server::start().await?;
        let profiles = [Profile::fresh()?, Profile::fresh()?];
        let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
        let ann = browsers[0].tab();
        ann.load_client(&server).await?;
        let bob = ReactPage::open(browsers[1].tab(), &server).await?;
        for (tab, name) in [(&ann, "Ann's laptop"), (&bob.tab, "Bob's phone")] {
            let files = json!({"debounceMs": 20});
            let options =
                json!({"slices": {"files": files}, "autoSync": {"intervalMs": 1_000}, "deviceName": name});
            tab.eval_with::<()>(&options, "await nf.register(input);").await?;
        }
        Ok(Devices { server, _profiles: profiles, browsers, ann, bob })
    }

    /// Both have these items; then both change them while the server is away, and Ann's changes arrive first.
    async fn change_apart(&self, items: &[Value], anns: &[Value], bobs: &[Value]) -> Result<()> {
        let adds: Vec<Value> =
            items.iter().map(|item| json!({"type": "files/addItem", "payload": item})).collect();
        self.ann.dispatch(&adds).await?;
        self.ann.sync_now().await?;
        let held = format!("(await nf.hydrate('files')).length === {}", items.len());
        self.bob.tab.wait_until(&held).await?;
        self.server.stop()?;
        self.ann.dispatch(anns).await?;
        self.bob.tab.dispatch(bobs).await?;
        self.ann.flush().await?;
        self.bob.tab.flush().await?;
        reconnect_in_turn(&self.server, &self.ann, (&self.browsers[1], &self.bob.tab)).await
    }
}

/// JavaScript: the shadow root of an element.
fn inside(element: &str) -> String {
    format!("document.querySelector('{element}')?.shadowRoot")
}

fn conflicts(expression: &str) -> String {
    format!("{}?.{expression}", inside("nightferry-conflicts"))
}

/// Describes the element that has the keyboard: `path` is the field's.
const FOCUSED: &str = "
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return {tag: at?.localName, value: at?.value, text: at?.textContent, path: at?.closest?.('[data-path]')?.dataset.path,
            labelled: at?.getAttribute?.('aria-label')};";

/// Presses Tab until what has the keyboard fits.
async fn tab_to(tab: &Tab, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    for _ in 0..80 {
        tab.press("Tab").await?;
        let focused: Value = tab.eval(FOCUSED).await?;
        if fits(&focused) {
            return Ok(focused);
        }
    }
    anyhow::bail!("the keyboard did not get to {what}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_item_of_60_fields_is_resolved_with_the_keyboard_alone() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { server, ann, bob, .. } = &devices;
    let item = plan();
    bob.show(&["conflicts", "decisions", "states"]).await?;
    devices
        .change_apart(
            std::slice::from_ref(&item),
            &[update(
                &item,
                &[
                    ("part0", "field0", "Ann's 0.0"),
                    ("part2", "field5", "Ann's 2.5"),
                    ("part5", "field9", "Ann's 5.9"),
                    ("part1", "field1", "Ann's alone"),
                ],
            )],
            &[update(
                &item,
                &[
                    ("part0", "field0", "Bob's 0.0"),
                    ("part2", "field5", "Bob's 2.5"),
                    ("part5", "field9", "Bob's 5.9"),
                    ("part4", "field4", "Bob's alone"),
                ],
            )],
        )
        .await?;
    let tab = &bob.tab;
    tab.wait_until(&conflicts("querySelectorAll('.fields:first-child > .field').length === 3")).await?;
    bob.wait_until_seen("decisions", "value.conflicts.length === 1 && value.rejected.length === 0").await?;
    tab.wait_until(&conflicts("querySelector('.story').textContent.includes(\"Ann's laptop changed it\")"))
        .await?;
    let folded: Vec<String> = tab
        .eval(&format!(
            "return [...{}].map((summary) => summary.textContent);",
            conflicts("querySelectorAll('summary')")
        ))
        .await?;
    assert_eq!(
        folded,
        [
            "2 fields were changed on one side only: those changes are kept",
            "56 fields are the same on both sides"
        ]
    );

    tab.eval::<()>("document.body.tabIndex = -1; document.body.focus();").await?;
    let at = |path: &'static str| move |focused: &Value| focused["path"] == path && focused["tag"] == "input";
    // Mine; then a look at what Save says while something is open: it leads there.
    tab_to(tab, "the first field", at("/part0/field0")).await?;
    tab.press(" ").await?;
    tab.wait_until(&conflicts("querySelector('.outcome').textContent === '2 of 5 fields are not decided.'"))
        .await?;
    tab_to(tab, "Save", |focused| focused["text"] == "Save").await?;
    tab.press("Enter").await?;
    let focused: Value = tab.eval(FOCUSED).await?;
    assert_eq!(focused["path"], "/part2/field5", "{focused}");
    // Theirs.
    tab.press(" ").await?;
    tab.press("ArrowRight").await?;
    // By hand.
    tab_to(tab, "the third field", at("/part5/field9")).await?;
    tab.press(" ").await?;
    tab.press("ArrowLeft").await?;
    tab_to(tab, "its text", |focused| focused["tag"] == "textarea").await?;
    tab.eval::<()>(&format!("{}.activeElement.select();", inside("nightferry-conflicts"))).await?;
    tab.cdp("Input.insertText", json!({"text": "by hand"})).await?;
    let outcome = conflicts(
        "querySelector('.outcome').textContent === 'Save takes 2 fields of yours, 2 of theirs, 1 by hand.'",
    );
    tab.wait_until(&outcome).await?;
    // Nothing is committed before.
    assert_eq!(tab.eval::<usize>("return (await nf.getConflicts()).length;").await?, 1);
    tab_to(tab, "Save", |focused| focused["text"] == "Save").await?;
    tab.press("Enter").await?;

    let mut resolved = item.clone();
    for (part, field, value) in [
        ("part0", "field0", "Bob's 0.0"),
        ("part2", "field5", "Ann's 2.5"),
        ("part5", "field9", "by hand"),
        ("part1", "field1", "Ann's alone"),
        ("part4", "field4", "Bob's alone"),
    ] {
        resolved[part][field] = json!(value);
    }
    server.wait_for_items("files", |files| files.get("plan") == Some(&resolved)).await?;
    let is_there = "JSON.stringify((await nf.hydrate('files'))[0].value.part5).includes('by hand')";
    ann.wait_until(is_there).await?;
    tab.wait_until(&conflicts("querySelectorAll('article').length === 0")).await?;
    // The keyboard is where the element says what came of it.
    let focused: Value = tab.eval(FOCUSED).await?;
    assert_eq!(focused["text"], "“File plan” is resolved. Nothing is in conflict any more.");
    bob.wait_until_seen("decisions", "value.conflicts.length === 0").await?;
    assert_eq!(tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_is_kept_as_a_copy_and_a_deletion_is_told_in_words() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { server, ann, bob, .. } = &devices;
    let note = |id: &str, name: &str, text: &str| json!({"id": id, "name": name, "text": text});
    let edit =
        |id: &str, text: &str| json!({"type": "files/updateItem", "payload": {"id": id, "text": text}});
    bob.show(&["conflicts", "refusals", "states"]).await?;
    bob.tab.eval::<()>("window.heard = []; nf.subscribe('files', (change) => heard.push(change));").await?;
    devices
        .change_apart(
            &[note("a", "Anchor", "iron"), note("b", "Buoy", "red")],
            &[edit("a", "steel"), edit("b", "green")],
            &[edit("a", "brass"), json!({"type": "files/removeItem", "payload": "b"})],
        )
        .await?;
    let tab = &bob.tab;
    tab.wait_until(&conflicts("querySelectorAll('article').length === 2")).await?;
    bob.wait_until_seen("state_a", "value === 'conflict'").await?;
    shoot(tab, "conflicts").await?;
    // The test's page gives items names of its own.
    let card = |name: &str| {
        format!(
            "[...{}].find((card) => card.querySelector('h3').textContent === '{name}')",
            conflicts("querySelectorAll('article')")
        )
    };
    let (anchor, buoy) = (card("File a"), card("File b"));
    tab.wait_until(&format!("{buoy}.querySelector('.story').textContent.startsWith('You deleted it')"))
        .await?;
    tab.wait_until(&format!("{buoy}.querySelector('dl').textContent.includes('red → green')")).await?;
    let press = |card: &str, label: &str| {
        format!(
            "[...{card}.querySelectorAll('button,label')].find(({{textContent}}) => textContent === '{label}').click();"
        )
    };
    tab.eval::<()>(&press(&anchor, "Keep both")).await?;
    let says = format!("{anchor}.querySelector('.outcome').textContent");
    assert_eq!(
        tab.eval::<String>(&format!("return {says};")).await?,
        "Save takes their version. Yours stays as a copy."
    );
    tab.eval::<()>(&press(&anchor, "Save")).await?;
    let copied = json!({"a": note("a", "Anchor", "steel"), "a-copy": note("a-copy", "Anchor", "brass")});
    let both = server
        .wait_for_items("files", |files| {
            files.get("a") == Some(&copied["a"]) && files.get("a-copy") == Some(&copied["a-copy"])
        })
        .await?;
    assert_eq!(both["b"]["text"], "green");
    // The page's own listeners hear of both, as the app made neither.
    tab.wait_until("heard.some(({puts}) => puts.some(({id}) => id === 'a-copy'))").await?;
    tab.wait_until(
        "heard.some(({puts}) => puts.some(({id, value}) => id === 'a' && value.text === 'steel'))",
    )
    .await?;
    ann.wait_until("(await nf.hydrate('files')).length === 3").await?;

    tab.eval::<()>(&press(&buoy, "Save")).await?;
    assert_eq!(
        tab.eval::<String>(&format!("return {buoy}.querySelector('.outcome').textContent;")).await?,
        "It is not decided yet."
    );
    tab.eval::<()>(&press(&buoy, "Delete it everywhere")).await?;
    tab.eval::<()>(&press(&buoy, "Save")).await?;
    server.wait_for_items("files", |files| files.keys().collect::<Vec<_>>() == ["a", "a-copy"]).await?;
    ann.wait_until("(await nf.hydrate('files')).length === 2").await?;
    tab.wait_until(&conflicts("querySelectorAll('article').length === 0")).await?;
    bob.wait_until_seen("state_a", "value === 'synced'").await?;
    assert_eq!(tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_chosen_outlasts_a_newer_change_of_the_other_side() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { server, ann, bob, .. } = &devices;
    let edit = |fields: Value| json!({"type": "files/updateItem", "payload": fields});
    bob.show(&["conflicts"]).await?;
    let trip = json!({"id": "a", "from": "Rome", "to": "Oslo"});
    devices
        .change_apart(
            std::slice::from_ref(&trip),
            &[edit(json!({"id": "a", "from": "Ann's", "to": "Ann's"}))],
            &[edit(json!({"id": "a", "from": "Bob's", "to": "Bob's"}))],
        )
        .await?;
    let tab = &bob.tab;
    let radio = |path: &str, side: &str| {
        conflicts(&format!("querySelector('[data-path=\"{path}\"] input[value={side}]')"))
    };
    tab.wait_until(&radio("/from", "local")).await?;
    tab.eval::<()>(&format!("{}.focus(); {}.click();", radio("/from", "local"), radio("/from", "local")))
        .await?;
    ann.dispatch(&[edit(json!({"id": "a", "to": "Ann's newer"}))]).await?;
    ann.sync_now().await?;
    tab.wait_until(&conflicts("querySelector('.news').textContent.startsWith('It was changed meanwhile')"))
        .await?;
    tab.wait_until(&conflicts("querySelector('[data-path=\"/to\"] .remote').textContent.includes('newer')"))
        .await?;
    let focused: Value = tab.eval(FOCUSED).await?;
    assert_eq!((&focused["path"], &focused["value"]), (&json!("/from"), &json!("local")), "{focused}");
    let checked = format!("return [{}.checked, {}.checked];", radio("/from", "local"), radio("/to", "local"));
    assert_eq!(tab.eval::<[bool; 2]>(&checked).await?, [true, false]);
    tab.eval::<()>(&format!(
        "{}.click(); {}.click();",
        radio("/to", "remote"),
        conflicts("querySelector('.first')")
    ))
    .await?;
    let resolved = json!({"id": "a", "from": "Bob's", "to": "Ann's newer"});
    server.wait_for_items("files", |files| files.get("a") == Some(&resolved)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn f66_a_refused_creation_keeps_its_text_and_is_mended() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { server, bob, .. } = &devices;
    let tab = &bob.tab;
    bob.show(&["refusals", "states", "decisions"]).await?;
    let add = |id: &str, text: &str| {
        let payload = json!({"id": id, "name": "forbidden", "text": text, "size": 3});
        json!({"type": "files/addItem", "payload": payload})
    };
    tab.dispatch(&[add("a", "A long letter."), add("b", "Another <b>letter</b>.")]).await?;
    let refusals = inside("nightferry-refusals");
    tab.wait_until(&format!("{refusals}.querySelectorAll('article').length === 2")).await?;
    bob.wait_until_seen("decisions", "value.rejected.length === 2").await?;
    let text: String = tab.eval(&format!("return {refusals}.querySelector('article').textContent;")).await?;
    assert!(text.contains("No file may have that name.") && text.contains("A long letter."), "{text}");
    // Data is text, and no markup.
    assert!(tab.eval::<bool>(&format!("return {refusals}.querySelector('article dl b') === null;")).await?);
    assert_eq!(server.items("files").await?.len(), 0);
    shoot(tab, "refusals").await?;

    let press = |label: &str| {
        format!(
            "[...{refusals}.querySelectorAll('button')].find(({{textContent}}) => textContent === '{label}').click();"
        )
    };
    tab.eval::<()>(&press("Edit and retry")).await?;
    // A number stays a number, and what is none is said.
    let field = |name: &str| {
        format!(
            "{refusals}.getElementById([...{refusals}.querySelectorAll('label')].find(({{textContent}}) => textContent === '{name}').htmlFor)"
        )
    };
    let set = |name: &str, value: &str| format!("Object.assign({}, {{value: '{value}'}});", field(name));
    tab.eval::<()>(&[set("size", "many"), press("Send it")].concat()).await?;
    tab.wait_until(&format!("{refusals}.activeElement === {}", field("size"))).await?;
    shoot(tab, "refusal-mended").await?;
    tab.eval::<()>(&[set("size", "7"), set("name", "allowed"), press("Send it")].concat()).await?;
    let mended = json!({"id": "a", "name": "allowed", "text": "A long letter.", "size": 7});
    server.wait_for_items("files", |files| files.get("a") == Some(&mended)).await?;
    tab.wait_until(&format!("{refusals}.querySelectorAll('article').length === 1")).await?;
    bob.wait_until_seen("state_a", "value === 'synced'").await?;

    // Discarding is asked once more.
    tab.eval::<()>(&press("Discard")).await?;
    tab.wait_until(&format!("{refusals}.activeElement.textContent === 'No, keep it'")).await?;
    tab.eval::<()>(&press("Yes, discard it")).await?;
    tab.wait_until(&format!("{refusals}.querySelectorAll('article').length === 0")).await?;
    assert_eq!(tab.eval::<Vec<Value>>("return nf.getRejected();").await?, [] as [Value; 0]);
    assert_eq!(server.items("files").await?.len(), 1);
    // It says so only until there is another one.
    let says = format!("{refusals}.querySelector('.said').textContent");
    tab.wait_until(&format!("{says}.endsWith('Nothing is refused any more.')")).await?;
    tab.dispatch(&[add("c", "One more letter.")]).await?;
    tab.wait_until(&format!("{refusals}.querySelectorAll('article').length === 1")).await?;
    assert_eq!(tab.eval::<String>(&format!("return {says};")).await?, "");
    assert_eq!(tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// The dashboard shows open decisions, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_what_is_to_be_decided() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { bob, .. } = &devices;
    let tab = &bob.tab;
    bob.show(&["dashboard"]).await?;
    let dashboard = inside("nightferry-dashboard");
    tab.wait_until(&format!("{dashboard}?.querySelector('.state strong').textContent === 'Up to date'"))
        .await?;
    assert!(tab.eval::<bool>("return !customElements.get('nightferry-refusals');").await?);
    let add = json!({"type": "files/addItem", "payload": {"id": "a", "name": "forbidden"}});
    tab.dispatch(&[add]).await?;
    tab.wait_until(&format!(
        "{dashboard}.querySelector('.state strong').textContent.startsWith('Needs you (')"
    ))
    .await?;
    tab.wait_until(&format!(
        "{dashboard}.querySelector('nightferry-refusals')?.shadowRoot?.textContent.includes('No file may have that name.')"
    ))
    .await?;
    shoot(tab, "dashboard-decisions").await
}

/// The worker says of both that a change was not applied.
#[tokio::test(flavor = "multi_thread")]
async fn f68_a_toast_names_a_conflict_as_one_and_cuts_off_a_reason_that_is_long() -> Result<()> {
    let devices = Devices::open().await?;
    let Devices { server, bob, .. } = &devices;
    let tab = &bob.tab;
    bob.show(&["toasts"]).await?;
    let edit = |text: &str| json!({"type": "files/updateItem", "payload": {"id": "a", "text": text}});
    devices
        .change_apart(
            &[json!({"id": "a", "title": "Anchor", "text": "iron"})],
            &[edit("steel")],
            &[edit("brass")],
        )
        .await?;
    let texts = "[...document.querySelectorAll('.nightferry-toast p')].map(({textContent}) => textContent)";
    tab.wait_until(&format!(
        "{texts}.includes('“files: Anchor” was changed here and elsewhere. Both versions are kept: please decide.')"
    ))
    .await?;
    let refused = json!({"id": "b", "title": "Buoy", "name": "forbidden at length"});
    tab.dispatch(&[json!({"type": "files/addItem", "payload": refused})]).await?;
    tab.wait_until(&format!("{texts}.some((text) => text.startsWith('“files: Buoy”: the server refused your change. The harbour'))"))
        .await?;
    let shown: Vec<String> = tab.eval(&format!("return {texts};")).await?;
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert!(shown.iter().all(|text| text.chars().count() < 300), "{shown:#?}");
    shoot(tab, "toasts-long").await?;
    // What was decided needs no toast any more.
    tab.eval::<()>("for (const {id} of await nf.getRejected()) await nf.discardRejected(id);").await?;
    tab.wait_until(&format!("{texts}.length === 1")).await?;
    tab.eval::<()>("for (const {id} of await nf.getConflicts()) await nf.resolveConflict(id, 'local');")
        .await?;
    tab.wait_until(&format!("{texts}.length === 0")).await?;
    assert_eq!(server.items("files").await?.len(), 1);
    Ok(())
}
