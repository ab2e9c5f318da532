//! Signing out, the file of unsent changes, and tokens.

use anyhow::Result;
use nightferry_e2e::{
    Browser, CHANGES, Client, Fault, Server, Tab, ids, open_for_user as open, sign_in, with_each_client,
    write_as as write,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_takes_everything_from_the_device_and_refuses_to_lose_what_is_unsent() -> Result<()> {
    let server = Server::start_with_users().await?;
    let browser = Browser::start_fresh().await?;
    let ann = sign_in(&browser, &server, "ann").await?;
    let other = open(&browser, &server, json!({"user": "ann"})).await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    write(&ann, "ann").await?;
    let code: String = ann.eval("return await nf.signOut().then(() => 'done', ({code}) => code);").await?;
    assert_eq!(code, "unsent");
    assert_eq!(ann.stored("files").await?.len(), CHANGES);

    // The file has all of it.
    let file: Value = ann.eval("return JSON.parse(await (await nf.exportUnsent()).text());").await?;
    assert_eq!(file["items"].as_array().map(Vec::len), Some(CHANGES));
    ann.eval::<()>("await nf.signOut({discard: true});").await?;
    for store in ["files", "_journal", "_items"] {
        assert!(ann.stored(store).await?.is_empty(), "{store}");
    }
    other.wait_until("codes.includes('signed_out')").await?;
    let code: String = other
        .eval(
            "try { nf.dispatch({type: 'files/removeItem', payload: '1'}); } catch ({code}) { return code; }",
        )
        .await?;
    assert_eq!(code, "signed_out");

    // She signs in again, in the same page, and loads the file, twice.
    server.fault(&[])?;
    ann.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}}, user: 'ann'});").await?;
    assert_eq!(ids(&ann).await?, [] as [String; 0]);
    for imported in [CHANGES, 0] {
        let done: Value =
            ann.eval_with(&file.to_string(), "return await nf.importUnsent(new Blob([input]));").await?;
        assert_eq!(done, json!({"imported": imported, "skipped": []}));
    }
    ann.sync_now().await?;
    assert_eq!(server.items_of("ann", "files").await?.len(), CHANGES);

    // Nobody else can load it, and what is no such file changes nothing.
    let bob = sign_in(&browser, &server, "bob").await?;
    bob.sync_now().await?;
    let load = "return await nf.importUnsent(new Blob([input])).then(() => 'done', ({code}) => code);";
    assert_eq!(
        bob.eval_with::<String>(
            &file.to_string().replace("\"principal\":null", "\"principal\":\"ann/ann\""),
            load
        )
        .await?,
        "wrong_user"
    );
    for junk in
        ["", "{}", r#"{"nightferry":2,"items":[]}"#, r#"{"nightferry":1,"items":[{"slice":"files"}]}"#]
    {
        assert_eq!(bob.eval_with::<String>(&json!(junk), load).await?, "bad_file", "{junk}");
    }
    assert!(server.items_of("bob", "files").await?.is_empty());
    Ok(())
}

/// Opens a page for the slice `files` whose token is that of Ann with the number `window.token`, while there is one.
async fn open_with_token(tab: &Tab, server: &Server, token: Option<u32>) -> Result<()> {
    tab.load_client(server).await?;
    tab.eval_with::<()>(
        &token,
        "window.token = input; window.asked = 0;
         const getToken = () => { asked += 1; return token === null ? null : `ann-${token}`; };
         await nf.register({slices: {files: {debounceMs: 20}}, user: 'ann', getToken});",
    )
    .await
}

fn add(id: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

async fn asked(tab: &Tab) -> Result<u32> {
    tab.eval("return asked;").await
}

with_each_client! {
    requests_carry_the_token_which_is_asked_for_once_and_again_after_a_401
    without_a_token_everything_is_kept_and_the_status_says_to_sign_in
    signing_out_by_each_client
}

async fn requests_carry_the_token_which_is_asked_for_once_and_again_after_a_401(
    client: Client,
) -> Result<()> {
    let server = Server::start_with_users_by("token", client).await?;
    let browser = Browser::start_fresh().await?;
    let (first, second) = (browser.new_tab().await?, browser.tab());
    open_with_token(&first, &server, Some(1)).await?;
    open_with_token(&second, &server, Some(1)).await?;
    for n in 0..5 {
        first.dispatch(&[add(&format!("first {n}"))]).await?;
        first.sync_now().await?;
        second.dispatch(&[add(&format!("second {n}"))]).await?;
        second.sync_now().await?;
    }
    assert_eq!(asked(&first).await? + asked(&second).await?, 1, "one tab was asked, once");
    // The live connection carries it, too: a change of the server's own code arrives by a poke.
    server.wait_for_requests("/nightferry/live", |live| !live.is_empty()).await?;

    server.expire_tokens_before(2)?;
    for tab in [&first, &second] {
        tab.eval::<()>("window.token = 2;").await?;
    }
    first.dispatch(&[add("after")]).await?;
    first.sync_now().await?;
    assert!(server.items_of("ann", "files").await?.contains_key("after"));
    assert_eq!(asked(&first).await? + asked(&second).await?, 2, "it was asked for once more");
    let status: Value = first.eval("return nf.getStatus();").await?;
    assert_eq!(status["error"], Value::Null, "{status}");

    // A worker that starts anew has no token: it is kept nowhere.
    browser.stop_all_workers().await?;
    first.dispatch(&[add("anew")]).await?;
    first.sync_now().await?;
    assert_eq!(asked(&first).await? + asked(&second).await?, 3);
    Ok(())
}

async fn without_a_token_everything_is_kept_and_the_status_says_to_sign_in(client: Client) -> Result<()> {
    let server = Server::start_with_users_by("token", client).await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    open_with_token(&tab, &server, None).await?;
    tab.dispatch(&[add("a")]).await?;
    tab.flush().await?;
    tab.wait_until("nf.getStatus().errorCode === 'unauthenticated'").await?;
    let requests = server.requests("/nightferry/")?;
    assert!(
        requests.iter().all(|request| !["/nightferry/push", "/nightferry/pull"].contains(&&*request.path))
    );
    // A token that is refused is asked for twice, and no more.
    server.expire_tokens_before(5)?;
    tab.eval::<()>("window.token = 1; window.asked = 0;").await?;
    tab.eval::<()>("await nf.syncNow().then(() => { throw Error('sent'); }, () => {});").await?;
    assert_eq!(asked(&tab).await?, 2);
    tab.eval::<()>("window.token = 5;").await?;
    tab.sync_now().await?;
    assert_eq!(server.items_of("ann", "files").await?.into_keys().collect::<Vec<_>>(), ["a"]);
    tab.wait_until("nf.getStatus().errorCode === null").await
}

async fn signing_out_by_each_client(client: Client) -> Result<()> {
    let server = Server::start_with_users_by("token", client).await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    open_with_token(&tab, &server, Some(1)).await?;
    tab.eval::<()>("window.gone = []; nf.subscribe('files', ({deletes}) => gone.push(...deletes));").await?;
    tab.dispatch(&[add("sent")]).await?;
    tab.sync_now().await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    tab.dispatch(&[add("unsent")]).await?;
    let unsent =
        "return nf.unsentFile ? await nf.unsentFile() : JSON.parse(await (await nf.exportUnsent()).text());";
    let file: Value = tab.eval(unsent).await?;
    assert_eq!(
        (&file["principal"], &file["items"][0]["id"]),
        (&json!("ann/ann"), &json!("unsent")),
        "{file}"
    );
    let refused: String =
        tab.eval("return await nf.signOut({}).then(() => 'done', ({code}) => code);").await?;
    assert_eq!(refused, "unsent");
    tab.eval::<()>("await nf.signOut({discard: true});").await?;
    assert!(tab.stored("files").await?.is_empty());
    tab.wait_until("String(gone.sort()) === 'sent,unsent'").await?;
    let refused: String =
        tab.eval("return await nf.flushPersistence().then(() => 'done', ({code}) => code);").await?;
    assert_eq!(refused, "signed_out");
    Ok(())
}
