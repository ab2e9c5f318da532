//! Two people use one browser: each has a database of their own, and nothing of one is shown to, or sent as, the other.

use std::collections::BTreeMap;

use anyhow::Result;
use nightferry_e2e::{
    Browser, CHANGES, DEADLINE, Fault, Server, eventually, ids, open_for_user as open, sign_in,
    write_as as write,
};
use serde_json::{Value, json};

fn all_are_of(user: &str, items: &BTreeMap<String, Value>) -> bool {
    items.values().all(|item| item["by"] == user)
}

#[tokio::test(flavor = "multi_thread")]
async fn f63_each_user_of_a_browser_has_a_database_of_their_own() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    // Nothing is sent at first: each leaves unsent changes behind.
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    let ann = sign_in(&browser, &server, "ann").await?;
    write(&ann, "ann").await?;

    // Ann's tab stays open.
    let bob = sign_in(&browser, &server, "bob").await?;
    assert_eq!(ids(&bob).await?, [] as [String; 0]);
    write(&bob, "bob").await?;
    let late = json!({"type": "files/addItem", "payload": {"id": "ann late", "by": "ann"}});
    ann.dispatch(&[late]).await?;
    ann.wait_until("codes.includes('wrong_user')").await?;
    let status: Value = ann.eval("return nf.getStatus();").await?;
    assert_eq!(status["connection"], "unknown");
    assert!(status["error"].as_str().is_some_and(|error| error.starts_with("Someone else")), "{status}");
    let refused: String =
        ann.eval("return await nf.flushPersistence().then(() => 'done', ({code}) => code);").await?;
    assert_eq!(refused, "wrong_user");
    let refused: String =
        ann.eval("return await nf.hydrate('files').then(() => 'read', ({code}) => code);").await?;
    assert_eq!(refused, "wrong_user");

    server.fault(&[])?;
    bob.sync_now().await?;
    assert_eq!(server.items_of("bob", "files").await?.len(), CHANGES);
    assert!(server.items_of("ann", "files").await?.is_empty(), "nothing leaves while Bob is here");

    // She signs in again: what waited is sent as hers, what the tab kept among it.
    let again = sign_in(&browser, &server, "ann").await?;
    assert_eq!(ids(&again).await?.iter().filter(|id| id.starts_with("bob")).count(), 0);
    again.sync_now().await?;
    ann.wait_until("await nf.syncNow().then(() => true, () => false)").await?;
    let anns = server.items_of("ann", "files").await?;
    assert_eq!(anns.len(), CHANGES + 1);
    assert!(anns.contains_key("ann late") && all_are_of("ann", &anns), "{anns:?}");
    let bobs = server.items_of("bob", "files").await?;
    assert!(bobs.len() == CHANGES && all_are_of("bob", &bobs), "{bobs:?}");

    // Nobody was told of the other's items, and each push named its user.
    for (tab, other) in [(&ann, "bob"), (&again, "bob"), (&bob, "ann")] {
        let received: Vec<String> = tab.eval("return received;").await?;
        assert!(received.iter().all(|id| !id.starts_with(other)), "{received:?}");
    }
    for push in server.requests("/nightferry/push")? {
        let principal = push.body["principal"].as_str().unwrap_or_default();
        let user = principal.split('/').next_back().unwrap_or_default().to_owned();
        for mutation in push.body["mutations"].as_array().into_iter().flatten() {
            assert_eq!(mutation["value"]["by"], json!(user), "{}", push.body);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_anyone_signed_in_belongs_to_who_signs_in_first() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let nobody = open(&browser, &server, json!({})).await?;
    nobody.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "draft", "by": "ann"}})]).await?;
    nobody.flush().await?;

    let ann = sign_in(&browser, &server, "ann").await?;
    assert_eq!(ids(&ann).await?, ["draft"]);
    ann.sync_now().await?;
    // A page that names nobody does not see what she has. (Nobody is signed in any more.)
    ann.eval::<()>("document.cookie = 'user=; max-age=0; path=/';").await?;
    let nobody = open(&browser, &server, json!({})).await?;
    assert_eq!(ids(&nobody).await?, [] as [String; 0]);
    let bob = sign_in(&browser, &server, "bob").await?;
    assert_eq!(ids(&bob).await?, [] as [String; 0]);
    bob.sync_now().await?;
    assert!(server.items_of("ann", "files").await?.contains_key("draft"));
    assert!(server.items_of("bob", "files").await?.is_empty());
    Ok(())
}

/// A browser deletes data a database at a time, or the app's own code does.
#[tokio::test(flavor = "multi_thread")]
async fn a_users_database_is_found_again_after_the_first_users_was_deleted() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    sign_in(&browser, &server, "ann").await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    write(&bob, "bob").await?;
    browser.stop_all_workers().await?;
    let deleted = "return await new Promise((done) => {
        const deleting = indexedDB.deleteDatabase('nightferry');
        deleting.onsuccess = () => done('deleted');
        deleting.onerror = deleting.onblocked = () => done('not deleted');
    });";
    assert_eq!(bob.eval::<String>(deleted).await?, "deleted");
    let again = open(&browser, &server, json!({"user": "bob"})).await?;
    assert_eq!(ids(&again).await?.len(), CHANGES);
    server.fault(&[])?;
    // The first sync may join a push that began before, and fail with it.
    again.eval::<()>("await nf.syncNow().catch(() => nf.syncNow());").await?;
    assert_eq!(server.items_of("bob", "files").await?.len(), CHANGES);
    Ok(())
}

/// The session is another user's than the app says: nothing is sent, and the database stays whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_somebody_else_sends_nothing() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let bobs = sign_in(&browser, &server, "bob").await?;
    let ann = open(&browser, &server, json!({"user": "ann"})).await?;
    write(&ann, "ann").await?;
    let refused: String = ann.eval("return await nf.syncNow().then(() => 'sent', ({code}) => code);").await?;
    assert_eq!(refused, "sync_failed");
    assert!(
        server.items_of("bob", "files").await?.is_empty()
            && server.items_of("ann", "files").await?.is_empty()
    );
    drop(bobs);
    let ann = sign_in(&browser, &server, "ann").await?;
    ann.sync_now().await?;
    assert_eq!(server.items_of("ann", "files").await?.len(), CHANGES);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f65_a_tab_of_another_name_is_told_and_keeps_what_it_has() -> Result<()> {
    let server = Server::start().await?;
    let browser = Browser::start_fresh().await?;
    let first = open(&browser, &server, json!({})).await?;
    let other = open(&browser, &server, json!({"name": "other"})).await?;
    first.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "kept"}})]).await?;
    first.wait_until("codes.includes('wrong_name')").await?;
    assert_eq!(ids(&other).await?, [] as [String; 0]);

    let again = open(&browser, &server, json!({})).await?;
    first.sync_now().await?;
    assert_eq!(ids(&again).await?, ["kept"]);
    assert!(server.items("files").await?.contains_key("kept"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_that_something_waits_for_somebody_else() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    let ann = sign_in(&browser, &server, "ann").await?;
    ann.wait_until("nf.getStatus().othersWaiting === 0").await?;
    write(&ann, "ann").await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    bob.wait_until("nf.getStatus().othersWaiting === 1").await?;
    // What waits is hers: she sends it, and nothing waits any more.
    server.fault(&[])?;
    let ann = sign_in(&browser, &server, "ann").await?;
    ann.sync_now().await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    bob.wait_until("nf.getStatus().connection === 'online' && nf.getStatus().othersWaiting === 0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_takes_its_worker_back_by_registering_again() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let ann = sign_in(&browser, &server, "ann").await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    write(&bob, "bob").await?;
    ann.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "ann late", "by": "ann"}})]).await?;
    ann.wait_until("codes.includes('wrong_user')").await?;
    ann.eval::<()>("document.cookie = 'user=ann; path=/';").await?;
    ann.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}}, user: 'ann'});").await?;
    ann.sync_now().await?;
    assert_eq!(server.items_of("ann", "files").await?.into_keys().collect::<Vec<_>>(), ["ann late"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn background_sync_without_a_page_sends_the_last_users_changes_as_theirs() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let home = browser.tab();
    home.goto(&server.url("/__test__/blank")).await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    let ann = sign_in(&browser, &server, "ann").await?;
    write(&ann, "ann").await?;
    ann.close().await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    write(&bob, "bob").await?;
    bob.close().await?;
    browser.stop_all_workers().await?;
    server.fault(&[])?;
    browser.fire_background_sync(&server.url("/nightferry/"), "nightferry", false).await?;
    eventually("Bob's changes at the server", DEADLINE, async || {
        Ok((server.items_of("bob", "files").await?.len() == CHANGES).then_some(()))
    })
    .await?;
    assert!(server.items_of("ann", "files").await?.is_empty());
    // Her session is over, and Bob's cookie is there: her changes still wait for her.
    let ann = open(&browser, &server, json!({"user": "ann"})).await?;
    // A person asks: the wait after the failures before is over.
    ann.eval::<()>("await nf.syncNow().catch(() => {});").await?;
    let status: Value = ann.eval("return nf.getStatus();").await?;
    assert_eq!(status["errorCode"], "wrong_principal", "{status}");
    assert!(server.items_of("ann", "files").await?.is_empty());
    assert!(all_are_of("bob", &server.items_of("bob", "files").await?));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_tab_of_the_first_user_sends_nothing_as_the_second_when_it_wakes() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let ann = sign_in(&browser, &server, "ann").await?;
    ann.flush().await?;
    // What it dispatches has not been posted when it is frozen.
    let burst = "for (let n = 0; n < 20; n += 1) nf.dispatch({type: 'files/addItem', payload: {id: `ann ${n}`, by: 'ann'}});";
    ann.eval::<()>(&format!("setTimeout(() => {{ {burst} window.has_dispatched = true; }}, 3000);")).await?;
    ann.cdp("Page.setWebLifecycleState", json!({"state": "frozen"})).await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    write(&bob, "bob").await?;
    bob.sync_now().await?;
    ann.cdp("Page.setWebLifecycleState", json!({"state": "active"})).await?;
    ann.wait_until("window.has_dispatched && codes.includes('wrong_user')").await?;
    bob.sync_now().await?;
    let bobs = server.items_of("bob", "files").await?;
    assert!(bobs.len() == CHANGES && all_are_of("bob", &bobs), "{bobs:?}");
    assert!(server.items_of("ann", "files").await?.is_empty());
    let again = sign_in(&browser, &server, "ann").await?;
    eventually("what the tab kept", DEADLINE, async || {
        again.sync_now().await?;
        Ok((server.items_of("ann", "files").await?.len() == CHANGES).then_some(()))
    })
    .await?;
    assert!(all_are_of("ann", &server.items_of("ann", "files").await?));
    let received: Vec<String> = ann.eval("return received;").await?;
    assert!(received.iter().all(|id| id.starts_with("ann")), "{received:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_gives_neither_user_the_others_items() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let ann = sign_in(&browser, &server, "ann").await?;
    write(&ann, "ann").await?;
    ann.sync_now().await?;
    let bob = sign_in(&browser, &server, "bob").await?;
    write(&bob, "bob").await?;
    bob.sync_now().await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    bob.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "bob unsent", "by": "bob"}})]).await?;
    bob.flush().await?;
    // The browser takes all of the site's databases, of both.
    let delete = "for (const {name} of await indexedDB.databases()) await new Promise((done, failed) => {
        const deleting = indexedDB.deleteDatabase(name);
        deleting.onsuccess = done; deleting.onerror = deleting.onblocked = failed;
    });";
    bob.eval::<()>(delete).await?;
    server.fault(&[])?;
    bob.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "bob later", "by": "bob"}})]).await?;
    bob.flush().await?;
    bob.sync_now().await?;
    let bobs = server.items_of("bob", "files").await?;
    assert!(bobs.len() == CHANGES + 2 && all_are_of("bob", &bobs), "{bobs:?}");
    let ann = sign_in(&browser, &server, "ann").await?;
    ann.sync_now().await?;
    eventually("Ann's items on the device", DEADLINE, async || {
        Ok((ids(&ann).await?.len() == CHANGES).then_some(()))
    })
    .await?;
    assert!(ids(&ann).await?.iter().all(|id| id.starts_with("ann")));
    assert!(all_are_of("ann", &server.items_of("ann", "files").await?));
    Ok(())
}
