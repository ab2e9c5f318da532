//! The form of docs/forms.md.

use anyhow::{Context, Result};
use nightferry_e2e::{Client, Fault, Server, Tab, document_block, start_for};
use serde_json::json;

/// Opens a page that has the document's form, and runs its script.
async fn open(tab: &Tab, server: &Server) -> Result<()> {
    let block = document_block("docs/forms.md", "form")?;
    let (form, script) = block.split_once("<script type=\"module\">").context("the document has a script")?;
    // A module made of a text has no address that a path could be relative to.
    let script = script
        .replace("</script>", "")
        .replace("\"/nightferry/client.js\"", &format!("\"{}\"", server.url("/nightferry/client.js")));
    tab.goto(&server.url("/__test__/blank")).await?;
    tab.eval_with::<()>(
        &json!([form, script]),
        "document.body.append(document.createRange().createContextualFragment(input[0]));
         const address = URL.createObjectURL(new Blob([input[1]], {type: 'text/javascript'}));
         await import(address);",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_form_keeps_its_draft_and_sends_an_order_once() -> Result<()> {
    let (server, browser, tab) = start_for(Client::JavaScript).await?;
    open(&tab, &server).await?;
    tab.type_into("[name=name]", "Ann").await?;
    tab.type_into("[name=wishes]", "No nuts").await?;
    tab.wait_for_stored("draft", |draft| {
        draft.get("value") == Some(&json!({"name": "Ann", "wishes": "No nuts"}))
    })
    .await?;

    // The tab is closed, and the form opened again.
    let again = browser.new_tab().await?;
    tab.goto("about:blank").await?;
    open(&again, &server).await?;
    assert_eq!(
        again.eval::<String>("return document.querySelector('[name=wishes]').value;").await?,
        "No nuts"
    );

    server.fault(&[Fault::on("/nightferry/push").times(2).drop_answer()])?;
    again.click("button").await?;
    again
        .wait_until("document.querySelector('[role=status]').textContent.startsWith('Saved on this device')")
        .await?;
    again.wait_until("document.querySelector('[role=status]').textContent === 'Sent.'").await?;
    let orders: Vec<_> = server.items("orders").await?.into_values().collect();
    assert_eq!(orders.len(), 1);
    assert_eq!((&orders[0]["name"], &orders[0]["wishes"]), (&json!("Ann"), &json!("No nuts")));
    assert!(server.items("draft").await?.is_empty(), "a draft stays on the device");
    server.check_nothing_applied_twice()
}
