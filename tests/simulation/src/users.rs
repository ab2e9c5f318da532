//! Users of one browser. Each has a [`World`]: a database, pages, and the items of their own at the server. One of them at a time has
//! the worker, which hears the pages of all.

use crate::property::{Property, violated};
use crate::rng::Rng;
use crate::server::Fault;
use crate::world::World;
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["ann", "bob", "cem"];
const SLICES: &str = r#"{"files":{"debounceMs":20,"maxWaitMs":100},"notes":{"debounceMs":0}}"#;
const STEPS: u64 = 60;

/// A browser and its users.
pub struct SharedBrowser {
    users: Vec<World>,
    /// The user whose worker is in charge.
    current: usize,
    now: u64,
    rng: Rng,
    /// Users who have signed out: what their pages had is dropped.
    signed_out: Vec<bool>,
    /// How often a worker heard a page of somebody else.
    pub strayed: usize,
    trace: Option<Vec<String>>,
}

impl SharedBrowser {
    /// A browser in which each user has opened a page, the first of them last.
    pub fn new(seed: u64, is_traced: bool) -> SharedBrowser {
        let mut rng = Rng(Rng(seed).next());
        let mut number = 0..;
        let users = NAMES.map(|name| {
            let number = number.next().unwrap_or_default();
            let mut world = World::asleep(rng.next());
            world.tells_metrics = false;
            world.device = Some(number);
            world.place = Some(format!("nightferry~{name}"));
            world.user = Some(name.into());
            world.is_away = true;
            world.server.principal = format!("acme/{name}");
            world
        });
        let now = users[0].now;
        let trace = is_traced.then(Vec::new);
        let signed_out = vec![false; users.len()];
        let mut browser =
            SharedBrowser { users: users.into(), current: 0, now, rng, signed_out, strayed: 0, trace };
        for user in (0..NAMES.len()).rev() {
            browser.sign_in(user);
        }
        browser
    }

    /// Runs a scenario of this seed. Panics with the property that does not hold.
    pub fn run(&mut self) {
        for _ in 0..STEPS {
            let user = self.rng.below(NAMES.len() as u64) as usize;
            match self.rng.below(100) {
                0..40 => self.dispatch(user),
                40..52 => self.sign_in(user),
                52..60 => self.ask(user, "sync"),
                60..68 => self.ask(user, "hydrate"),
                68..72 => self.ask(user, "export"),
                72..78 => self.on(self.current, World::kill),
                78..82 => {
                    let page = self
                        .on(user, |world| (0..world.pages.len()).rev().find(|page| world.pages[*page].open));
                    if let Some(page) = page.filter(|page| *page > 0) {
                        self.on(user, |world| world.close_page(page));
                    }
                }
                82..86 => self.ask(user, "signOut"),
                86..90 => self.on(self.current, World::background_sync),
                _ => {
                    let is_down = self.users[self.current].server.mode == Fault::Nothing;
                    let mode = if is_down { Fault::Refused } else { Fault::Nothing };
                    self.users.iter_mut().for_each(|world| world.server.mode = mode);
                }
            }
            // An app whose registration was refused tries again with its next page.
            self.on(self.current, World::register_again);
            let pause = self.rng.pick(&[0, 1, 20, 200, 3_000, 20_000]);
            self.run_for(pause);
        }
        self.quiesce();
    }

    fn on<T>(&mut self, user: usize, act: impl FnOnce(&mut World) -> T) -> T {
        // (A property that does not hold ends the run before the trace is given back.)
        let world = &mut self.users[user];
        std::mem::swap(&mut world.trace, &mut self.trace);
        world.now = world.now.max(self.now);
        let result = act(world);
        self.now = self.now.max(world.now);
        std::mem::swap(&mut world.trace, &mut self.trace);
        self.exchange_strays(user);
        result
    }

    /// Somebody signs in: their worker takes the place of the other one, and they open a page.
    fn sign_in(&mut self, user: usize) {
        self.note(|| format!("{} signs in", NAMES[user]));
        let former = self.current;
        self.on(former, |world| {
            world.kill();
            world.is_away = true;
        });
        self.current = user;
        self.on(user, |world| {
            world.is_away = false;
            world.boot();
            let place = world.place.clone().unwrap_or_default();
            world.add_page_with(SLICES, |page| {
                page.is_of(&place);
                page.follows = true;
            });
        });
    }

    /// A page of the user changes something, whoever has the worker.
    fn dispatch(&mut self, user: usize) {
        let open: Vec<usize> =
            (0..self.users[user].pages.len()).filter(|page| self.users[user].pages[*page].open).collect();
        if open.is_empty() {
            return;
        }
        let (page, number, verb) = (self.rng.pick(&open), self.rng.below(6), self.rng.below(4));
        let slice = self.rng.pick(&["files", "notes"]);
        let id = format!("{} {number}", NAMES[user]);
        let action = match verb {
            0 => json!({"type": format!("{slice}/removeItem"), "payload": id}),
            _ => {
                json!({"type": format!("{slice}/addItem"), "payload": {"id": id, "v": 100 + self.rng.below(1_000_000)}})
            }
        };
        self.on(user, |world| world.dispatch_all(page, vec![action]));
    }

    fn ask(&mut self, user: usize, kind: &'static str) {
        let open = self.users[user].pages.iter().position(|page| page.open && page.epoch.is_some());
        let Some(page) = open else { return };
        self.signed_out[user] |= kind == "signOut";
        self.on(user, |world| world.ask(page, kind));
    }

    /// Gives the worker in charge what pages of others say, and those pages what it answers.
    fn exchange_strays(&mut self, user: usize) {
        for text in std::mem::take(&mut self.users[user].strayed) {
            self.strayed += 1;
            let current = self.current;
            self.note(|| format!("{}'s worker hears {}'s page: {text}", NAMES[current], NAMES[user]));
            let now = self.now;
            let world = &mut self.users[current];
            world.now = world.now.max(now);
            world.deliver(text);
        }
        for (id, message) in std::mem::take(&mut self.users[self.current].for_strangers) {
            if message["kind"] != "failed" || message["code"] != "wrong_user" {
                violated(
                    Property::Apart,
                    format!("{}'s worker tells another's page {message}", NAMES[self.current]),
                );
            }
            let of = |world: &World| world.pages.iter().position(|page| page.id == id);
            let Some((user, page)) =
                self.users.iter().enumerate().find_map(|(user, world)| Some((user, of(world)?)))
            else {
                violated(Property::Apart, "a message goes to a page that is nobody's")
            };
            self.users[user].post_to_page(page, message);
        }
    }

    fn step(&mut self, until: u64) -> bool {
        let due = |(user, world): (usize, &World)| Some((world.next_time()?, user));
        let next = self.users.iter().enumerate().filter_map(due).min();
        let Some((at, user)) = next.filter(|(at, _)| *at <= until) else { return false };
        self.now = self.now.max(at);
        self.on(user, World::step);
        true
    }

    fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.step(until) {}
        self.now = until;
    }

    /// Faults stop, and each user has the worker once more, for as long as they have something to send.
    fn quiesce(&mut self) {
        self.note(|| "faults stop".into());
        self.users.iter_mut().for_each(|world| world.server.mode = Fault::Nothing);
        for user in 0..NAMES.len() {
            self.sign_in(user);
            self.run_for(1_000);
            self.on(user, World::register_again);
            // A page that keeps something asks every 10 s.
            self.run_for(60_000);
            let page = self.users[user].pages.len() - 1;
            self.on(user, |world| world.ask(page, "sync"));
            self.run_for(60_000);
            self.check(user);
        }
        for user in 0..NAMES.len() {
            self.check(user);
        }
    }

    /// What a user has, here and at the server, is their own, and all of it.
    fn check(&self, user: usize) {
        let world = &self.users[user];
        let name = NAMES[user];
        let own = |id: &str| id.starts_with(name);
        if let Some(key) = world.server.live().iter().find(|key| !own(&key.1)) {
            violated(Property::Apart, format!("{key:?} was sent as {name}'s"));
        }
        if let Some(key) = world.stored().keys().find(|key| !own(&key.1)) {
            violated(Property::Apart, format!("{key:?} is in {name}'s database"));
        }
        for page in &world.pages {
            let shown = page.received.iter().flat_map(|message| ids_of(message));
            if let Some(id) = shown.into_iter().find(|id| !own(id)) {
                violated(Property::Apart, format!("{id:?} is shown to {name}"));
            }
        }
        // What was dropped by signing out is no part of the model.
        if !self.signed_out[user] {
            let (here, there) = (world.stored(), world.server.live());
            if here.keys().ne(there.iter()) {
                violated(
                    Property::Converged,
                    format!("{name} has {here:?} here and {there:?} at the server"),
                );
            }
            for page in world.pages.iter().filter(|page| page.open) {
                if !page.at_rest() {
                    violated(Property::Live, format!("a page of {name} keeps something for ever"));
                }
            }
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} {}", self.now - crate::world::START, what()));
        }
    }

    /// What has happened, if it was asked for.
    pub fn trace(&self) -> &[String] {
        let traces = self.users.iter().map(|world| &world.trace).chain([&self.trace]);
        traces.flatten().next().map_or(&[], Vec::as_slice)
    }
}

/// The ids of the items in a message.
fn ids_of(message: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    for put in message["puts"].as_array().into_iter().flatten() {
        ids.extend(put["id"].as_str().map(str::to_owned));
    }
    for row in message["rows"].as_array().into_iter().flatten() {
        ids.extend(row[0].as_str().map(str::to_owned));
    }
    for item in message["file"]["items"].as_array().into_iter().flatten() {
        ids.extend(item["id"].as_str().map(str::to_owned));
    }
    ids
}
