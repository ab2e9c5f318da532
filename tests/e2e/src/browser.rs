//! Chromium.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::chromedriver::Chromedriver;
use crate::devtools::{DevTools, Session};
use crate::tab::Tab;
use crate::wait::{DEADLINE, eventually};

/// A user's data folder. It outlives the browsers that use it, and is removed when dropped.
pub struct Profile {
    folder: TempDir,
    /// A disk of its own is mounted there.
    is_disk: bool,
}

impl Profile {
    pub fn fresh() -> Result<Profile> {
        Ok(Profile { folder: TempDir::new()?, is_disk: false })
    }

    /// A profile on a disk of its own, of so many megabytes. Only root can make one.
    pub fn on_a_disk(megabytes: usize) -> Result<Profile> {
        let folder = TempDir::new()?;
        let size = format!("size={megabytes}m");
        let mounting =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status()?;
        ensure!(
            mounting.success(),
            "a disk for the browser's profile could not be mounted, which takes root"
        );
        Ok(Profile { folder, is_disk: true })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills the disk to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut filler = std::fs::File::options().create(true).append(true).open(self.filler())?;
        // Ever smaller pieces, until not even one byte has room.
        for size in [1 << 20, 1 << 12, 1] {
            while filler.write_all(&vec![b'.'; size]).is_ok() {}
        }
        Ok(())
    }

    /// Makes room again.
    pub fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if self.is_disk {
            // Lazily: the browser may be ending still.
            let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
        }
    }
}

/// A headless Chromium. Killed when dropped.
pub struct Browser {
    /// Taken when it is closed.
    driver: Option<WebDriver>,
    devtools: DevTools,
    process: Pid,
    first: Tab,
    _chromedriver: Arc<Chromedriver>,
    /// The profile of a browser that is not started again. It is deleted with the browser.
    own_profile: Option<Profile>,
}

/// A running service worker.
///
/// While this exists the worker counts as inspected, and the browser does not stop it for being idle; [`Worker::detach`] ends that.
pub struct Worker {
    target: String,
    session: Session,
}

impl Browser {
    /// Starts it on a profile of its own, with one blank tab.
    pub async fn start_fresh() -> Result<Browser> {
        Browser::start_fresh_with(&[]).await
    }

    /// The same with more of Chromium's flags.
    pub async fn start_fresh_with(flags: &[&str]) -> Result<Browser> {
        let profile = Profile::fresh()?;
        let mut browser = Browser::start_with(&profile, flags).await?;
        browser.own_profile = Some(profile);
        Ok(browser)
    }

    /// Starts it on this profile, with one blank tab.
    pub async fn start(profile: &Profile) -> Result<Browser> {
        Browser::start_with(profile, &[]).await
    }

    /// The same with more of Chromium's flags.
    pub async fn start_with(profile: &Profile, flags: &[&str]) -> Result<Browser> {
        let chromedriver = tokio::task::block_in_place(Chromedriver::shared)?;
        let mut wanted = DesiredCapabilities::chrome();
        if let Some(chromium) = std::env::var_os("CHROMIUM") {
            wanted.set_binary(&chromium.to_string_lossy())?;
        }
        let own =
            ["--headless=new", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"];
        for flag in own.iter().chain(&["--no-first-run", "--no-sandbox"]).chain(flags) {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        let driver = WebDriver::new(chromedriver.url(), wanted).await.context("Chromium does not start")?;
        let connected = Browser::connect(&driver).await;
        match connected {
            Ok((devtools, process, first)) => Ok(Browser {
                driver: Some(driver),
                devtools,
                process,
                first,
                _chromedriver: chromedriver,
                own_profile: None,
            }),
            Err(error) => {
                driver.quit().await?;
                Err(error)
            }
        }
    }

    async fn connect(driver: &WebDriver) -> Result<(DevTools, Pid, Tab)> {
        let address = driver
            .capabilities()
            .get("goog:chromeOptions")
            .and_then(|options| options["debuggerAddress"].as_str());
        let address = address.context("chromedriver does not tell the address of the DevTools")?;
        let version =
            reqwest::Client::builder().no_proxy().build()?.get(format!("http://{address}/json/version"));
        let version: Value = version.send().await?.json().await?;
        let url = version["webSocketDebuggerUrl"].as_str().context("the browser has no DevTools")?;
        let devtools = DevTools::connect(url).await?;
        let first = Tab::attach(&devtools, driver.window().await?.to_string()).await?;
        let processes = devtools.call("SystemInfo.getProcessInfo", json!({})).await?;
        let browser =
            processes["processInfo"].as_array().into_iter().flatten().find(|info| info["type"] == "browser");
        let pid = browser.and_then(|info| info["id"].as_i64()).and_then(|id| Pid::from_raw(id as i32));
        Ok((devtools, pid.context("the browser has a process")?, first))
    }

    /// The tab that it started with.
    pub fn tab(&self) -> Tab {
        self.first.clone()
    }

    /// A new, blank tab. It becomes the visible one, and the others hidden, as when a user opens it.
    pub async fn new_tab(&self) -> Result<Tab> {
        let handle = self.driver()?.new_tab().await?;
        let tab = Tab::attach(&self.devtools, handle.to_string()).await?;
        tab.show().await?;
        Ok(tab)
    }

    /// Waits for a running service worker whose script's address contains this, such as `/nightferry/sw.js`.
    pub async fn worker(&self, script: &str) -> Result<Worker> {
        eventually(&format!("a service worker of {script}"), DEADLINE, async || {
            let targets = self.devtools.targets("service_worker").await?;
            let Some((target, _)) = targets.into_iter().find(|(_, url)| url.contains(script)) else {
                return Ok(None);
            };
            let session = self.devtools.attach(&target).await?;
            for domain in ["Runtime", "Log", "Network"] {
                session.call(&format!("{domain}.enable"), json!({})).await?;
            }
            Ok(Some(Worker { target, session }))
        })
        .await
    }

    /// The addresses of the service workers that run now.
    pub async fn running_workers(&self) -> Result<Vec<String>> {
        Ok(self.devtools.targets("service_worker").await?.into_iter().map(|(_, url)| url).collect())
    }

    /// Stops every service worker, whatever it does, and returns once each of them was stopped. The next event starts it anew, which may
    /// have happened by then. How many there were.
    pub async fn stop_all_workers(&self) -> Result<usize> {
        let session = self.any_page().await?;
        let before = self.devtools.running(&session);
        session.call("ServiceWorker.stopAllWorkers", json!({})).await?;
        eventually("the service workers to stop", DEADLINE, async || {
            let stopped = |(version, stops): &(String, u64)| self.devtools.stops(&session, version) > *stops;
            Ok(before.iter().all(stopped).then_some(before.len()))
        })
        .await
    }

    /// Fires a `sync` event at the worker of this scope (an address that ends in `/`), as the browser does when it is online again.
    pub async fn fire_background_sync(&self, scope: &str, tag: &str, last_chance: bool) -> Result<()> {
        let registration = self.registration(scope).await?;
        let origin = scope.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let params =
            json!({"origin": origin, "registrationId": registration, "tag": tag, "lastChance": last_chance});
        self.any_page().await?.call("ServiceWorker.dispatchSyncEvent", params).await?;
        Ok(())
    }

    /// Fires a `periodicsync` event at the worker of this scope.
    pub async fn fire_periodic_sync(&self, scope: &str, tag: &str) -> Result<()> {
        let registration = self.registration(scope).await?;
        let origin = scope.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let params = json!({"origin": origin, "registrationId": registration, "tag": tag});
        self.any_page().await?.call("ServiceWorker.dispatchPeriodicSyncEvent", params).await?;
        Ok(())
    }

    /// Returns the lines that pages and attached workers logged, and their errors, oldest first.
    pub fn console(&self) -> Vec<String> {
        self.devtools.console()
    }

    /// Any method of the DevTools protocol that belongs to the browser as a whole.
    pub async fn cdp(&self, method: &str, params: Value) -> Result<Value> {
        self.devtools.call(method, params).await
    }

    /// The WebDriver session, for what is not here. Its current window is the first tab.
    pub fn driver(&self) -> Result<&WebDriver> {
        self.driver.as_ref().context("the browser is closed")
    }

    /// An ordinary end, as when a user quits. The profile can be started again after.
    pub async fn close(mut self) -> Result<()> {
        if let Some(driver) = self.driver.take() {
            driver.quit().await?;
        }
        self.wait_for_the_end().await
    }

    /// `SIGKILL`, as a crash. The profile can be started again after.
    pub async fn kill(mut self) -> Result<()> {
        let children = processes_under(self.process);
        kill_process(self.process, Signal::KILL)?;
        if let Some(driver) = self.driver.take() {
            // chromedriver collects the dead process; that the browser does not answer is no news.
            let _ = driver.quit().await;
        }
        // One of them may hold the profile's databases open.
        let gone = async || Ok(children.iter().all(|child| parent_of(*child).is_none()).then_some(()));
        eventually("the browser's processes to end", DEADLINE, gone).await?;
        self.wait_for_the_end().await
    }

    async fn wait_for_the_end(&self) -> Result<()> {
        let gone = async || Ok(rustix::process::test_kill_process(self.process).is_err().then_some(()));
        eventually("the browser to end", DEADLINE, gone).await
    }

    fn end(&mut self) {
        if let Some(driver) = self.driver.take() {
            // The browser may have ended by itself; chromedriver forgets the session when it ends.
            let _ = kill_process(self.process, Signal::KILL);
            let _ = driver.leak();
        }
    }

    async fn registration(&self, scope: &str) -> Result<String> {
        let what = format!("a registration with the scope {scope}");
        eventually(&what, DEADLINE, async || Ok(self.devtools.registration(scope))).await
    }

    /// A session with some page: the first tab may have been closed.
    async fn any_page(&self) -> Result<Session> {
        let pages = self.devtools.targets("page").await?;
        if pages.iter().any(|(id, _)| *id == self.first.target) {
            return Ok(self.first.session.clone());
        }
        let Some((id, _)) = pages.first() else { bail!("the browser has no page open") };
        let session = self.devtools.attach(id).await?;
        session.call("ServiceWorker.enable", json!({})).await?;
        Ok(session)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.end();
    }
}

impl Worker {
    /// Runs the body of an async function in the worker, and answers what it returns.
    pub async fn eval<T: DeserializeOwned>(&self, body: &str) -> Result<T> {
        self.session.eval(body).await
    }

    /// Any method of the DevTools protocol, on this worker.
    pub async fn cdp(&self, method: &str, params: Value) -> Result<Value> {
        self.session.call(method, params).await
    }

    /// Cuts the worker's own requests off the network, or lets them through again. (On a page this would do nothing to the worker.)
    pub async fn offline(&self, offline: bool) -> Result<()> {
        let params =
            json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.cdp("Network.emulateNetworkConditions", params).await.map(drop)
    }

    /// Returns true if this very worker still runs.
    pub async fn is_running(&self) -> Result<bool> {
        let running = self.session.devtools.targets("service_worker").await?;
        Ok(running.iter().any(|(target, _)| *target == self.target))
    }

    /// Lets the browser stop it when it is idle.
    pub async fn detach(self) -> Result<()> {
        let params = json!({"sessionId": self.session.id});
        self.session.devtools.call("Target.detachFromTarget", params).await.map(drop)
    }
}

/// Returns the processes that this one has started, and those that these have.
fn processes_under(root: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let parents: BTreeMap<_, _> =
        all.filter_map(|pid| Some((pid.as_raw_nonzero(), parent_of(pid)?))).collect();
    let is_under = |pid: Pid| {
        let parent = |pid: &Pid| Pid::from_raw(*parents.get(&pid.as_raw_nonzero())?);
        std::iter::successors(parent(&pid), parent).any(|above| above == root)
    };
    parents.keys().filter_map(|pid| Pid::from_raw(pid.get())).filter(|pid| is_under(*pid)).collect()
}

/// Returns the parent of a process; none where it has ended.
fn parent_of(pid: Pid) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // Behind the name, which may have anything in it: the state and the parent.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| state != "Z" && state != "X")
}
