//! A change that the server refuses is undone, and kept in a list until somebody decides.

use anyhow::Result;
use nightferry_e2e::{Client, DEADLINE, Tab, eventually, open_client_for, with_each_client};
use serde_json::{Value, json};

with_each_client! {
    f66_a_refused_change_is_rolled_back_listed_mended_and_discarded
}

async fn rejected(tab: &Tab, count: usize) -> Result<Vec<Value>> {
    eventually(&format!("{count} refused changes"), DEADLINE, async || {
        let mut rejected: Vec<Value> = tab.eval("return nf.getRejected();").await?;
        rejected.sort_by_key(|one| one["itemId"].to_string());
        Ok((rejected.len() == count).then_some(rejected))
    })
    .await
}

async fn f66_a_refused_change_is_rolled_back_listed_mended_and_discarded(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.eval::<()>("window.heard = []; nf.subscribe('files', (change) => heard.push(change));").await?;
    let add = |id: &str, name: &str| json!({"type": "files/addItem", "payload": {"id": id, "name": name}});
    tab.dispatch(&[add("a", "fine")]).await?;
    tab.sync_now().await?;

    let update = json!({"type": "files/updateItem", "payload": {"id": "a", "name": "forbidden"}});
    tab.dispatch(&[update, add("b", "forbidden"), add("c", "fine, too")]).await?;
    let refused = rejected(&tab, 2).await?;
    for (one, id) in refused.iter().zip(["a", "b"]) {
        assert_eq!(
            json!([one["slice"], one["itemId"], one["op"], one["code"], one["value"], one["message"]]),
            json!(["files", id, "put", "refused", {"id": id, "name": "forbidden"}, "No file may have that name."])
        );
    }
    // It is undone here, and the page is told.
    let fine = json!({"a": {"id": "a", "name": "fine"}, "c": {"id": "c", "name": "fine, too"}});
    tab.wait_until("heard.some(({origin}) => origin === 'rollback')").await?;
    eventually("the store to have it undone", DEADLINE, async || {
        Ok((json!(tab.stored("files").await?) == fine).then_some(()))
    })
    .await?;
    assert_eq!(json!(server.items("files").await?), fine);
    let rolled_back: Value = tab
        .eval(
            "const back = heard.filter(({origin}) => origin === 'rollback');
             return [back.flatMap(({puts}) => puts), back.flatMap(({deletes}) => deletes)];",
        )
        .await?;
    assert_eq!(rolled_back, json!([[{"id": "a", "value": {"id": "a", "name": "fine"}}], ["b"]]));
    tab.wait_until("nf.getStatus().rejected === 2 && nf.getStatus().pending === 0").await?;

    // Another tab, and the worker's next life, list the same.
    browser.stop_all_workers().await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({})).await?;
    assert_eq!(rejected(&other, 2).await?, refused);

    let retry = json!([refused[0]["id"], {"id": "a", "name": "mended"}]);
    other.eval_with::<()>(&retry, "await nf.retryRejected(input[0], input[1]); await nf.syncNow();").await?;
    assert_eq!(server.items("files").await?["a"]["name"], "mended");
    rejected(&tab, 1).await?;
    // As it was, it is refused again.
    tab.eval_with::<()>(&refused[1]["id"], "await nf.retryRejected(input);").await?;
    let again = async || {
        let rejected: Vec<Value> = tab.eval("return nf.getRejected();").await?;
        Ok(rejected.into_iter().find(|one| one["itemId"] == "b" && one["id"] != refused[1]["id"]))
    };
    let again = eventually("it to be refused again", DEADLINE, again).await?;
    tab.eval_with::<()>(&again["id"], "await nf.discardRejected(input);").await?;
    assert_eq!(rejected(&tab, 0).await?, [] as [Value; 0]);
    tab.sync_now().await?;
    let files = server.items("files").await?;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(tab.stored("files").await?, files);
    tab.wait_for_rest().await?;
    server.check_nothing_applied_twice()
}
