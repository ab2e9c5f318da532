//! The store contract's cases (src/store/conformance.rs) on IndexedDB, by the worker's own code in a service worker.

use anyhow::Result;
use nightferry_e2e::start;

#[tokio::test(flavor = "multi_thread")]
async fn indexed_db_keeps_the_contract() -> Result<()> {
    let (server, browser, tab) = start().await?;
    tab.goto(&server.url("/__test__/blank")).await?;
    tab.eval::<()>("await navigator.serviceWorker.register('/__test__/bundled/conformance/worker.js');")
        .await?;
    let worker = browser.worker("/conformance/worker.js").await?;
    let failures: Vec<String> = worker
        .eval(
            "await wasm_bindgen({module_or_path: '/__test__/bundled/conformance/worker_bg.wasm'});
             return wasm_bindgen.store_conformance_for_tests();",
        )
        .await?;
    assert_eq!(failures, [] as [String; 0]);
    // The files that are shipped have none of it.
    tab.open_client(&server, serde_json::json!({})).await?;
    let shipped = browser.worker("/nightferry/sw.js").await?;
    assert!(shipped.eval::<bool>("return !('store_conformance_for_tests' in wasm_bindgen);").await?);
    Ok(())
}
