//! Uses Nightferry in a page, and reads the browser's own storage.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{DEADLINE, Server, Tab, eventually};

/// Opens Nightferry's database as it is: a reader neither makes nor upgrades one.
const OPEN: &str = "
    const opening = indexedDB.open('nightferry');
    const db = await new Promise((done, failed) => {
        opening.onupgradeneeded = () => opening.transaction.abort();
        opening.onsuccess = () => done(opening.result);
        opening.onerror = () => failed(new Error(`the database: ${opening.error?.message}`));
    });
    const ended = (transaction) => new Promise((done, failed) => {
        transaction.oncomplete = done;
        transaction.onabort = () => failed(new Error(`the transaction: ${transaction.error?.message}`));
    });
";

/// The client that a page is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `client.js`.
    JavaScript,
    /// The crate `nightferry-page` (`rust-page/`), under the same names.
    Rust,
}

/// Makes a test of each function that takes a [`Client`], once for each.
#[macro_export]
macro_rules! with_each_client {
    ($($name:ident)*) => {
        mod javascript {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() -> anyhow::Result<()> {
                super::$name($crate::Client::JavaScript).await
            })*
        }

        mod rust {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() -> anyhow::Result<()> {
                super::$name($crate::Client::Rust).await
            })*
        }
    };
}

impl Tab {
    /// Loads the page with Nightferry's client (`window.nf`), which registers nothing.
    pub async fn load_client(&self, server: &Server) -> Result<()> {
        self.goto(&server.client_page()).await?;
        self.wait_until("window.nf").await
    }

    /// Loads the page with Nightferry's client (`window.nf`) and registers the slice `files` with these settings.
    pub async fn open_client(&self, server: &Server, files: Value) -> Result<()> {
        self.load_client(server).await?;
        self.eval_with(&json!({"slices": {"files": files}}), "await nf.register(input);").await
    }

    /// Dispatches these actions, all in one turn of the page.
    pub async fn dispatch(&self, actions: &[Value]) -> Result<()> {
        self.eval_with(&actions, "for (const action of input) nf.dispatch(action);").await
    }

    /// Resolves when what was dispatched is committed in IndexedDB.
    pub async fn flush(&self) -> Result<()> {
        self.eval("await nf.flushPersistence();").await
    }

    /// Waits until a store is like this. A push goes before the checkpoint of its items, so the server may have them earlier.
    pub async fn wait_for_stored(
        &self,
        store: &str,
        is_there: impl Fn(&BTreeMap<String, Value>) -> bool,
    ) -> Result<()> {
        let stored = async || Ok(is_there(&self.stored(store).await?).then_some(()));
        eventually(&format!("what {store} is to have"), DEADLINE, stored).await
    }

    /// An object store of Nightferry's database, read past Nightferry: by key, the value. Keys that are no text are shown as JSON.
    pub async fn stored(&self, store: &str) -> Result<BTreeMap<String, Value>> {
        let read = "
            try {
                if (!db.objectStoreNames.contains(input)) return [];
                const transaction = db.transaction(input);
                const [keys, values] = ['getAllKeys', 'getAll'].map((read) => transaction.objectStore(input)[read]());
                await ended(transaction);
                const text = (key) => (typeof key === 'string' ? key : JSON.stringify(key));
                return keys.result.map((key, at) => [text(key), values.result[at]]);
            } finally {
                db.close();
            }";
        let rows: Vec<(String, Value)> = self.eval_with(&store, &format!("{OPEN}{read}")).await?;
        Ok(rows.into_iter().collect())
    }

    /// The rows of items that have this field, such as `remote` (a conflict) or `local` (held), by their keys as JSON.
    pub async fn rows_with(&self, field: &str) -> Result<BTreeMap<String, Value>> {
        let mut rows = self.stored("_items").await?;
        rows.retain(|_, row| row.get(field).is_some());
        Ok(rows)
    }

    /// Waits until the log is empty, then checks that all items are at rest: nothing is open, in conflict or refused.
    pub async fn wait_for_rest(&self) -> Result<()> {
        let empty = async || Ok(self.stored("_journal").await?.is_empty().then_some(()));
        eventually("the log to be empty", DEADLINE, empty).await?;
        for field in ["open", "remote", "refused", "maybe", "local"] {
            let rows = self.rows_with(field).await?;
            ensure!(rows.is_empty(), "items have `{field}`: {rows:#?}");
        }
        Ok(())
    }

    /// Asks for a sync, as a person would, and waits until the server has everything.
    pub async fn sync_now(&self) -> Result<()> {
        self.eval("await nf.syncNow();").await
    }

    /// Writes a row into a store of Nightferry's database, past Nightferry. `key` and `value` are JavaScript.
    pub async fn write_row(&self, store: &str, key: &str, value: &str) -> Result<()> {
        let write = format!(
            "try {{
                const transaction = db.transaction({store}, 'readwrite');
                transaction.objectStore({store}).put({value}, {key});
                await ended(transaction);
            }} finally {{ db.close(); }}",
            store = json!(store)
        );
        self.eval(&format!("{OPEN}{write}")).await
    }

    /// Runs this in every document of the tab before the document's own scripts.
    pub async fn before_scripts(&self, script: &str) -> Result<()> {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await.map(drop)
    }

    /// Chooses files (or one folder) in a file input, as in the browser's dialog.
    pub async fn choose(&self, selector: &str, paths: &[PathBuf]) -> Result<()> {
        self.wait_until(&format!("document.querySelector({})", json!(selector))).await?;
        let document = self.cdp("DOM.getDocument", json!({"depth": 0})).await?;
        let within = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let input = self.cdp("DOM.querySelector", within).await?;
        let files: Vec<&str> =
            paths.iter().map(|path| path.to_str().context("a path in UTF-8")).collect::<Result<_>>()?;
        self.cdp("DOM.setFileInputFiles", json!({"files": files, "nodeId": input["nodeId"]})).await.map(drop)
    }
}
