//! The driver of the engine: passes inputs to it, performs its outputs, and holds events open while there is work.

use crate::database::{self, Database, read};
use crate::live::Live;
use crate::network::Network;
use crate::others;
use crate::platform::{Pages, has_room, moment, request_background_sync};
use gloo_timers::callback::Timeout;
use js_sys::{Function, Promise};
use nightferry::bridge::from_worker::{self, About, To};
use nightferry::bridge::place::Place;
use nightferry::engine::{BootError, Deadline, Engine, Input, Output, Rescue};
use nightferry::store::{Snapshot, StoreError, Wanted, Whole, Write};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local as spawn};
use web_sys::AbortController;

/// An event is held open for work that is due within this time. Another event starts later work.
const KEEP_ALIVE_MS: u64 = 20_000;
/// The longest time that one event is held open.
const HOLD_MS: u32 = 25_000;
/// Pages are told of a database that waits for somebody else's connection after this time, in ms.
const BLOCKED_MS: u32 = 3_000;

thread_local! {
    /// Lives as long as the instance.
    static WORKER: Cell<Option<&'static Worker>> = const { Cell::new(None) };
}

/// Opens the database and starts the engine on it. An error is posted to the pages, too.
pub async fn boot(
    name: String,
    user: Option<String>,
    network: Network,
    trace: bool,
) -> Result<(), BootError> {
    let place = Place { name: &name, user: user.as_deref() };
    match Worker::boot(place, network, trace).await {
        Ok(worker) => {
            WORKER.set(Some(worker));
            Ok(())
        }
        Err(error) => {
            Pages::new(&place.to_text())
                .post(&To::All, &from_worker::failed(None, error.code, &error.message));
            Err(error)
        }
    }
}

/// Handles an event: a page's message, or a Background Sync. Returns when there is no work left, or after [`HOLD_MS`]. The
/// result is true if the server has everything.
pub async fn handle(input: Input) -> bool {
    let Some(worker) = WORKER.get() else { return false };
    worker.input(input);
    worker.until_idle().await;
    let unsent = worker.engine.borrow().is_unsent();
    !unsent
}

/// Ends the engine. Another worker is in its place; transactions that were begun are still performed.
pub fn stop() {
    if let Some(worker) = WORKER.take() {
        worker.stop();
    }
}

struct Worker {
    /// The name of the database.
    name: String,
    place: String,
    network: Network,
    engine: RefCell<Engine>,
    /// `None` while stores are being added.
    database: RefCell<Option<Database>>,
    pages: Pages,
    /// The timer that tells pages of a database that waits for somebody else's connection.
    blocked: RefCell<Option<Timeout>>,
    /// The deadline, and its timer.
    timer: RefCell<Option<(Deadline, Timeout)>>,
    /// The request in flight. There is at most one.
    in_flight: Cell<Option<(u64, AbortController)>>,
    /// The live connection. There is at most one.
    live: RefCell<Option<Live>>,
    /// True while the database is being opened again, and once the worker has stopped.
    opening: Cell<bool>,
    /// The number of the present engine. Results of an earlier engine's outputs are dropped.
    life: Cell<u32>,
    /// True if inputs and outputs are printed to the console.
    trace: bool,
    /// True while outputs are performed further up the stack.
    pumping: Cell<bool>,
    /// Ends the wait of the events that are held open.
    resting: RefCell<Vec<Function>>,
}

impl Worker {
    async fn boot(place: Place<'_>, network: Network, trace: bool) -> Result<&'static Worker, BootError> {
        let (name, database, snapshot) = match database_of(place).await {
            Ok(found) => found,
            Err(error) => return Err(cannot_open(&error, error.full || !has_room().await)),
        };
        let mut engine = Engine::new(moment(), snapshot)?;
        let (name_of_all, user, place) = (place.name, place.user, place.to_text());
        engine.serve(&place, user);
        let worker: &'static Worker = Box::leak(Box::new(Worker {
            pages: Pages::new(&place),
            blocked: RefCell::default(),
            name,
            place,
            network,
            engine: RefCell::new(engine),
            database: RefCell::new(Some(database)),
            timer: RefCell::default(),
            in_flight: Cell::default(),
            live: RefCell::default(),
            opening: Cell::default(),
            life: Cell::default(),
            trace,
            pumping: Cell::default(),
            resting: RefCell::default(),
        }));
        worker.pump();
        if user.is_some() {
            let name = name_of_all.to_owned();
            spawn(async move {
                let others = others::waiting(&name, &worker.name).await;
                worker.engine.borrow_mut().others_wait(others);
                worker.pump();
            });
        }
        Ok(worker)
    }

    /// Performs nothing any more: results of what was begun are dropped, as after a new engine.
    fn stop(&self) {
        self.life.set(self.life.get() + 1);
        // They are never reset: outputs are as if they were performed further up, and no connection is opened any more.
        self.pumping.set(true);
        self.opening.set(true);
        drop(self.timer.take());
        drop(self.live.take());
        if let Some((_, controller)) = self.in_flight.take() {
            controller.abort();
        }
        if let Some(database) = self.database.take() {
            database.close();
        }
        for resting in self.resting.take() {
            let _ = resting.call0(&JsValue::UNDEFINED);
        }
    }

    fn input(&'static self, input: Input) {
        self.print(&input);
        self.engine.borrow_mut().handle(moment(), input);
        self.pump();
    }

    /// `?trace` on the worker's URL: each input and output in a line, as the simulator prints them.
    fn print(&self, what: &dyn Display) {
        if self.trace {
            web_sys::console::log_1(&format!("{:>9} {what}", moment().tick.0).into());
        }
    }

    /// Performs outputs until the engine waits.
    fn pump(&'static self) {
        if self.pumping.replace(true) {
            return;
        }
        loop {
            let output = self.engine.borrow_mut().poll();
            self.print(&output);
            match output {
                Output::Wait(deadline) => {
                    self.arm(deadline);
                    break;
                }
                output => self.perform(output),
            }
        }
        self.pumping.set(false);
        if !self.engine.borrow().busy(KEEP_ALIVE_MS) {
            for resting in self.resting.take() {
                let _ = resting.call0(&JsValue::UNDEFINED);
            }
        }
    }

    /// Resolves when there is no work left, or when this event was held for [`HOLD_MS`].
    async fn until_idle(&self) {
        if self.engine.borrow().busy(KEEP_ALIVE_MS) {
            // A promise's function may be called twice.
            let mut held = None;
            let rested = Promise::new(&mut |rested, _| {
                let late = rested.clone();
                held = Some(Timeout::new(HOLD_MS, move || drop(late.call0(&JsValue::UNDEFINED))));
                self.resting.borrow_mut().push(rested);
            });
            let _ = JsFuture::from(rested).await;
            drop(held);
        }
    }

    fn arm(&'static self, deadline: Option<Deadline>) {
        let armed = self.timer.borrow().as_ref().map(|armed| armed.0);
        if armed == deadline {
            return;
        }
        let timer = deadline.map(|deadline| {
            let wait = deadline.at.elapsed_since(moment().tick).min(u64::from(u32::MAX >> 1)) as u32;
            let timer = Timeout::new(wait, || {
                drop(self.timer.take());
                self.input(Input::Timeout);
            });
            (deadline, timer)
        });
        drop(self.timer.replace(timer));
    }

    fn perform(&'static self, output: Output) {
        match output {
            Output::Post { to, message } => self.pages.post(&to, &message),
            Output::Store { txn, writes } => self.store(txn, writes),
            Output::Load { load, wanted, slices } => self.load(load, wanted, slices),
            Output::RequestBackgroundSync => request_background_sync(),
            Output::Rows { to, request, message, store } => self.rows(to, request, message, &store),
            Output::Migrate { stores } => self.migrate(stores),
            Output::Request { request, path, body, token } => self.request(request, path, body, token),
            Output::OpenLive { live, hello } => self.open_live(live, hello),
            Output::CloseLive => drop(self.live.take()),
            Output::Cancel { request } => {
                if let Some(controller) = self.ended(request) {
                    controller.abort();
                }
            }
            Output::Wait(_) => {}
        }
    }

    /// Begins a transaction now, and reopens the database first if its connection was lost.
    fn begin<T>(&self, begin: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &*self.database.borrow() {
            Some(database) => begin(database),
            None => Err(StoreError { full: false, message: "the database is being opened again".into() }),
        }
    }

    fn store(&'static self, txn: u64, writes: Vec<Write>) {
        let begun = self.begin(|database| database.write(&writes));
        let life = self.life.get();
        spawn(async move {
            let result = match begun {
                Ok(transaction) => database::commit(transaction, writes).await,
                Err(error) => self.reopen(error).await,
            };
            let result = match result {
                Err(error) if !error.full => Err(StoreError { full: !has_room().await, ..error }),
                result => result,
            };
            self.report(life, Input::Stored { txn, result });
        });
    }

    fn load(&'static self, load: u64, wanted: Vec<Wanted>, slices: Vec<Whole>) {
        let begun = self.begin(|database| read::begin_load(database, &wanted, &slices));
        let life = self.life.get();
        spawn(async move {
            let result = match begun {
                Ok(transaction) => read::load(transaction, wanted, slices).await,
                Err(error) => self.reopen(error).await.map(|()| Vec::new()),
            };
            self.report(life, Input::Loaded { load, result });
        });
    }

    fn rows(&'static self, to: To, request: u64, head: String, store: &Rc<str>) {
        let begun = self.begin(|database| database.read(&[store]));
        let store = store.clone();
        spawn(async move {
            let result = match begun {
                Ok(transaction) => read::items(transaction, &store).await,
                Err(error) => Err(error),
            };
            match result {
                Ok((ids, values)) => self.pages.post_rows(&to, request, &head, &ids, &values),
                Err(error) => {
                    self.pages.post(&to, &from_worker::failed(Some(request), "storage", &error.message))
                }
            }
        });
    }

    fn migrate(&'static self, stores: Vec<Rc<str>>) {
        let closed = self.database.take();
        let life = self.life.get();
        spawn(async move {
            if let Some(database) = closed {
                database.close();
            }
            let result = self.open(&stores).await;
            self.report(life, Input::Migrated(result));
        });
    }

    /// Tells the pages that the database waits for a connection of somebody else, whose end the browser waits for.
    fn tell_blocked(&self) {
        let text = "Something else of this site holds Nightferry's database open, and nothing can be saved until it lets go. What was changed in this tab is kept in it, so keep it open. Close the other tabs of this site; it goes on by itself.";
        self.pages.post(&To::All, &from_worker::failed(None, "database_blocked", text));
    }

    async fn open(&'static self, stores: &[Rc<str>]) -> Result<(), StoreError> {
        // A connection that is about to be closed, such as that of a former worker, is no news.
        let wait = || {
            self.blocked.replace(Some(Timeout::new(BLOCKED_MS, || self.tell_blocked())));
        };
        let blocked = Closure::once_into_js(wait).unchecked_into();
        let opened = Database::open(&self.name, stores, Some(blocked)).await;
        self.blocked.take();
        self.database.replace(Some(opened?));
        Ok(())
    }

    /// Opens a new connection for the next try, because a lost one never recovers. Returns the error of this try. If the
    /// database was deleted in the meantime, a new engine starts on a new database (f54).
    async fn reopen<T>(&'static self, error: StoreError) -> Result<T, StoreError> {
        if self.opening.replace(true) {
            return Err(error);
        }
        if let Some(database) = self.database.take() {
            database.close();
        }
        let life = self.life.get();
        let opened = self.open_again().await;
        // If the worker has stopped meanwhile, what was opened is of no use.
        if self.life.get() != life && self.pumping.get() {
            if let Some(database) = self.database.take() {
                database.close();
            }
            return Err(error);
        }
        self.opening.set(false);
        opened.and(Err(error))
    }

    async fn open_again(&'static self) -> Result<(), StoreError> {
        let known = self.engine.borrow().epoch();
        let database = Database::open(&self.name, &[], None).await?;
        let snapshot = database.snapshot().await?;
        if known.is_none() || snapshot.meta.iter().any(|(name, _)| name == "epoch") {
            self.database.replace(Some(database));
            return Ok(());
        }
        database.close();
        self.begin_anew().await
    }

    /// Creates a new database from the memory of the engine, after the database was deleted. Pages recognize it by its epoch.
    async fn begin_anew(&'static self) -> Result<(), StoreError> {
        let Rescue { stores, writes } = self.engine.borrow_mut().rescue();
        let database = Database::open(&self.name, &stores, None).await?;
        let transaction = database.write(&writes)?;
        database::commit(transaction, writes).await?;
        let snapshot = database.snapshot().await?;
        let mut engine = Engine::new(moment(), snapshot)
            .map_err(|error| StoreError { full: false, message: error.message })?;
        // What was rescued says whose it is.
        engine.serve(&self.place, None);
        if let Some((_, controller)) = self.in_flight.take() {
            controller.abort();
        }
        drop(self.live.take());
        self.database.replace(Some(database));
        self.engine.replace(engine);
        self.life.set(self.life.get() + 1);
        let text = "The browser deleted this site's data while the app was open. What had not reached the server was kept and is sent; the rest is read again.";
        self.pages.post(&To::All, &from_worker::warning("database_deleted", text, About::default()));
        self.pump();
        Ok(())
    }

    /// Passes the result of an output to the engine, unless another engine has replaced it.
    fn report(&'static self, life: u32, input: Input) {
        if self.life.get() == life {
            self.input(input);
        }
    }

    /// Removes and returns the controller of a request that is in flight.
    fn ended(&self, request: u64) -> Option<AbortController> {
        let (in_flight, controller) = self.in_flight.take()?;
        if in_flight == request {
            return Some(controller);
        }
        self.in_flight.set(Some((in_flight, controller)));
        None
    }

    fn open_live(&'static self, live: u64, hello: String) {
        let life = self.life.get();
        let on_message = move |text| self.report(life, Input::Poked { live, text });
        let ended = move || self.report(life, Input::LiveEnded { live });
        self.live.replace(Some(Live::open(self.network.api(), hello, on_message, ended)));
    }

    fn request(
        &'static self,
        request: u64,
        path: &'static str,
        body: Option<String>,
        token: Option<Rc<str>>,
    ) {
        let Ok(controller) = AbortController::new() else { return };
        let signal = controller.signal();
        self.in_flight.set(Some((request, controller)));
        let life = self.life.get();
        spawn(async move {
            let answer = self.network.request(path, body, token.as_deref(), &signal).await;
            if self.ended(request).is_some() {
                self.report(life, Input::Answered { request, answer });
            }
        });
    }
}

/// Opens the database of a place: the one beside the first user's if it is in use, else the one that has the name unless it is
/// somebody else's, see [`Snapshot::is_anothers`].
async fn database_of(Place { name, user }: Place<'_>) -> Result<(String, Database, Snapshot), StoreError> {
    let own = [name, "~", user.unwrap_or_default()].concat();
    // The database beside the first user's is looked into only if it exists.
    let may_exist = user.is_some() && others::databases().await.is_none_or(|known| known.contains(&own));
    let candidates = [&*own, name, &*own];
    for (at, candidate) in candidates.into_iter().enumerate().skip(usize::from(!may_exist)) {
        let database = Database::open(candidate, &[], None).await?;
        let snapshot = database.snapshot().await?;
        let fits = match at {
            0 => snapshot.owner().is_some(),
            1 => !snapshot.is_anothers(user),
            _ => true,
        };
        if fits {
            return Ok((candidate.to_owned(), database, snapshot));
        }
        database.close();
    }
    Err(StoreError { full: false, message: "no database fits".into() })
}

fn cannot_open(error: &StoreError, is_full: bool) -> BootError {
    let reason = &error.message;
    let message = match is_full {
        true => "There is no room left on this device's disk, so Nightferry cannot open its database. Free some disk space; what was changed in this tab is kept in it until then, and nothing in the database is lost.".into(),
        false => format!(
            "Nightferry could not open this site's database ({reason}). Close other tabs of this site and reload; changes wait in the page."
        ),
    };
    BootError { code: "worker_failed", message }
}
