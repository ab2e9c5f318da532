//! The engines of browsers, each driven by nothing but what all of them have: tabs, navigation and script.

mod firefox;
mod webkit;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engines::firefox::Firefox;
use crate::engines::webkit::WebKit;
use crate::wait::{DEADLINE, eventually};
use crate::{Browser, Profile, Server, Tab};

/// An engine that pages and workers run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, by the DevTools protocol.
    Chromium,
    /// Firefox, by WebDriver BiDi.
    Firefox,
    /// WebKitGTK's MiniBrowser, by WebDriver.
    WebKit,
}

/// Makes a test of each function that takes an [`Engine`], once for each. `cargo xtask test e2e --browsers` chooses them by the names of
/// these modules. An engine that cannot play a scenario is left out by its name: `scenario: chromium firefox;`.
#[macro_export]
macro_rules! with_each_engine {
    ($($name:ident $(: $($engine:ident)+)?;)*) => {
        $($crate::with_each_engine!(@scenario $name $(: $($engine)+)?);)*
    };
    (@scenario $name:ident) => { $crate::with_each_engine!(@scenario $name: chromium firefox webkit); };
    (@scenario $name:ident: $($engine:ident)+) => {
        mod $name {
            $($crate::with_each_engine!(@test $name $engine);)+
        }
    };
    (@test $name:ident chromium) => { $crate::with_each_engine!(@test $name chromium Chromium); };
    (@test $name:ident firefox) => { $crate::with_each_engine!(@test $name firefox Firefox); };
    (@test $name:ident webkit) => { $crate::with_each_engine!(@test $name webkit WebKit); };
    (@test $name:ident $engine:ident $variant:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $engine() -> anyhow::Result<()> {
            super::$name($crate::Engine::$variant).await
        }
    };
}

/// A browser with data of its own, as on a device of its own. Both end when it is dropped.
pub struct Device {
    browser: Running,
    profile: Profile,
}

/// What is special of a browser.
#[derive(Clone, Copy)]
enum Kind {
    Ordinary,
    Private,
    ShortLivedWorkers,
}

enum Running {
    Chromium(Browser),
    Firefox(Firefox),
    WebKit(WebKit),
}

/// A tab.
pub struct Page(Driven);

enum Driven {
    Chromium(Tab),
    Firefox(firefox::Context),
    WebKit(webkit::Window),
}

impl Device {
    pub async fn start(engine: Engine) -> Result<Device> {
        Device::start_as(engine, Kind::Ordinary).await
    }

    /// Starts it in private windows. WebKitGTK's are always private.
    pub async fn start_private(engine: Engine) -> Result<Device> {
        Device::start_as(engine, Kind::Private).await
    }

    /// Starts it so that it ends a service worker after a second without an event, in place of half a minute. Firefox alone can.
    pub async fn start_with_short_lived_workers(engine: Engine) -> Result<Device> {
        Device::start_as(engine, Kind::ShortLivedWorkers).await
    }

    async fn start_as(engine: Engine, kind: Kind) -> Result<Device> {
        let profile = Profile::fresh()?;
        let browser = Device::run(engine, kind, &profile).await?;
        Ok(Device { browser, profile })
    }

    async fn run(engine: Engine, kind: Kind, profile: &Profile) -> Result<Running> {
        Ok(match (engine, kind) {
            (Engine::Chromium, Kind::Ordinary) => Running::Chromium(Browser::start(profile).await?),
            (Engine::Chromium, Kind::Private) => {
                Running::Chromium(Browser::start_with(profile, &["--incognito"]).await?)
            }
            (Engine::Firefox, Kind::Ordinary) => Running::Firefox(Firefox::start(profile, "").await?),
            (Engine::Firefox, Kind::Private) => {
                Running::Firefox(Firefox::start(profile, firefox::PRIVATE).await?)
            }
            (Engine::Firefox, Kind::ShortLivedWorkers) => {
                Running::Firefox(Firefox::start(profile, firefox::SHORT_LIVED_WORKERS).await?)
            }
            (Engine::WebKit, Kind::Ordinary | Kind::Private) => Running::WebKit(WebKit::start().await?),
            (Engine::Chromium | Engine::WebKit, Kind::ShortLivedWorkers) => {
                bail!("{engine:?} has no setting for the life of a worker")
            }
        })
    }

    /// Kills the browser, as a crash, and starts it again with its data. WebKitGTK keeps none while it is driven.
    pub async fn kill_and_start_again(self) -> Result<Device> {
        let Device { browser, profile } = self;
        let engine = match browser {
            Running::Chromium(browser) => {
                browser.kill().await?;
                Engine::Chromium
            }
            Running::Firefox(browser) => {
                drop(browser);
                Engine::Firefox
            }
            Running::WebKit(_) => bail!("WebKitGTK keeps no data while it is driven"),
        };
        let browser = Device::run(engine, Kind::Ordinary, &profile).await?;
        Ok(Device { browser, profile })
    }

    /// A new, visible tab with this page, after its `load` event.
    pub async fn open(&self, url: &str) -> Result<Page> {
        let page = Page(match &self.browser {
            Running::Chromium(browser) => Driven::Chromium(browser.new_tab().await?),
            Running::Firefox(browser) => Driven::Firefox(browser.new_tab().await?),
            Running::WebKit(browser) => Driven::WebKit(browser.new_window().await?),
        });
        page.goto(url).await?;
        Ok(page)
    }

    /// A new tab with Nightferry's client, which is registered with these options, see [`Page::register`].
    pub async fn open_client(&self, server: &Server, options: Value) -> Result<Page> {
        let page = self.open(&server.client_page()).await?;
        page.wait_until("window.nf").await?;
        page.register(options).await?;
        Ok(page)
    }
}

impl Page {
    /// Loads a page, and returns after its `load` event.
    pub async fn goto(&self, url: &str) -> Result<()> {
        match &self.0 {
            Driven::Chromium(tab) => tab.goto(url).await,
            Driven::Firefox(context) => context.goto(url).await,
            Driven::WebKit(window) => window.goto(url).await,
        }
    }

    /// Loads the page again, and returns after its `load` event.
    pub async fn reload(&self) -> Result<()> {
        match &self.0 {
            Driven::Chromium(tab) => tab.reload().await,
            Driven::Firefox(context) => context.reload().await,
            Driven::WebKit(window) => window.reload().await,
        }
    }

    /// Closes the tab at once.
    pub async fn close(self) -> Result<()> {
        match self.0 {
            Driven::Chromium(tab) => tab.close().await,
            Driven::Firefox(context) => context.close().await,
            Driven::WebKit(window) => window.close().await,
        }
    }

    /// Runs the body of an async function in the page, and returns the result, which is JSON. An exception of the body is the error.
    pub async fn eval<T: DeserializeOwned>(&self, body: &str) -> Result<T> {
        let text = format!("return JSON.stringify((await (async () => {{ {body}\n}})()) ?? null);");
        let text = match &self.0 {
            Driven::Chromium(tab) => tab.eval(&text).await?,
            Driven::Firefox(context) => context.eval(&text).await?,
            Driven::WebKit(window) => window.eval(&text).await?,
        };
        let shown: String = text.chars().take(300).collect();
        serde_json::from_str(&text).with_context(|| format!("the script returned {shown}"))
    }

    /// The same with a value, which the script knows as `input`.
    pub async fn eval_with<T: DeserializeOwned>(&self, input: &impl Serialize, body: &str) -> Result<T> {
        let input = serde_json::to_string(input)?;
        self.eval(&format!("const input = {input}; {body}")).await
    }

    /// Waits until a JavaScript expression (which may `await`) is truthy.
    pub async fn wait_until(&self, expression: &str) -> Result<()> {
        self.wait_until_within(expression, DEADLINE).await
    }

    /// The same with a deadline of its own.
    pub async fn wait_until_within(&self, expression: &str, deadline: Duration) -> Result<()> {
        let look = format!("return Boolean({expression});");
        eventually(expression, deadline, async || Ok(self.eval::<bool>(&look).await?.then_some(()))).await
    }

    /// Registers the client of the page with these options. The page collects the codes of errors in `codes`, and changes in `changes`.
    pub async fn register(&self, options: Value) -> Result<()> {
        self.eval_with(
            &options,
            "window.codes ??= []; window.changes ??= [];
             nf.subscribeErrors(({code}) => codes.push(code));
             nf.subscribe('files', (change) => changes.push(change));
             await nf.register({slices: {files: {debounceMs: 20}}, ...input});",
        )
        .await
    }

    /// Dispatches these actions, all in one turn of the page.
    pub async fn dispatch(&self, actions: &[Value]) -> Result<()> {
        self.eval_with(&actions, "for (const action of input) nf.dispatch(action);").await
    }

    /// Resolves when what was dispatched is committed in IndexedDB.
    pub async fn flush(&self) -> Result<()> {
        self.eval("await nf.flushPersistence();").await
    }

    /// Asks for a sync, as a person would, and waits until the server has everything.
    pub async fn sync_now(&self) -> Result<()> {
        self.eval("await nf.syncNow();").await
    }

    /// The items of a slice as the page reads them: by id, the value.
    pub async fn items(&self, slice: &str) -> Result<Value> {
        self.eval_with(
            &slice,
            "return Object.fromEntries((await nf.hydrate(input)).map(({id, value}) => [id, value]));",
        )
        .await
    }

    /// Waits until the page reads this of a slice.
    pub async fn wait_for_items(&self, slice: &str, items: &Value) -> Result<()> {
        let what = format!("{slice} to be {items}");
        let mut last = json!(null);
        let waited = eventually(&what, DEADLINE, async || {
            last = self.items(slice).await?;
            Ok((last == *items).then_some(()))
        });
        waited.await.with_context(|| format!("the page has {last}"))
    }
}
