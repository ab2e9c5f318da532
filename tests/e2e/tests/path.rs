//! The whole path once: an action dispatched in a page reaches Flask, also through a fault. An example for the other tests.

use anyhow::Result;
use nightferry_e2e::{Fault, start};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_action_reaches_flask_though_the_first_answer_is_lost() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.goto(&server.url("/__test__/page")).await?;
    tab.wait_until("window.nf").await?;
    server.fault(&[Fault::on("/nightferry/push").times(1).drop_answer()])?;

    tab.eval::<()>("await nf.register({slices: {files: {syncToFlask: true}}});").await?;
    tab.eval::<()>("nf.dispatch({type: 'files/addItem', payload: {id: 'a', text: 'hello'}});").await?;
    tab.eval::<()>("await nf.flushPersistence();").await?;
    server
        .wait_for_requests("/nightferry/push", |pushes| {
            pushes.iter().any(|push| push.status == Some(200) && push.fault.is_none())
        })
        .await?;

    let files = server.items("files").await?;
    assert_eq!(files["a"], json!({"id": "a", "text": "hello"}));
    assert_eq!(files.len(), 1);
    let pushes = server.requests("/nightferry/push")?;
    assert_eq!(pushes[0].body["tag"], pushes[1].body["tag"], "what may have arrived is sent again as it was");
    Ok(())
}
