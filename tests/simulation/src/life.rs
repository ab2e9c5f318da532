//! A whole life of a device, from a seed: acts of a profile in some weather, then calm, then everything is equal.

use crate::actions::Key;
use crate::kinds::{Kind, Tally};
use crate::profile::{ACTS, Act, PROFILES, Profile};
use crate::property::{Property, violated};
use crate::server::Fault;
use crate::weather::Weather;
use crate::{Dice, World};
use serde_json::{Value, json};

/// In fair weather an app need not register more often.
const ROUNDS: usize = 20;

pub struct Life {
    pub seed: u64,
    pub profile: &'static Profile,
    pub world: World,
    weather: Weather,
    /// What a new page declares.
    pub(crate) slices: Value,
    /// Each page changes items of its own, and no one else has a part in it.
    pub(crate) apart: bool,
    /// The last number that a change was tagged with.
    pub(crate) changes: u64,
}

impl Life {
    pub fn new(seed: u64) -> Life {
        let mut world = World::asleep(Dice(seed).throw());
        world.tells_metrics = false;
        let profile = &PROFILES[world.dice.below(PROFILES.len() as u64) as usize];
        let weather = Weather::of(&mut world.dice);
        let apart = profile.pages == 1 || world.dice.chance(500);
        Life { seed, profile, world, weather, slices: first_slices(), apart, changes: 0 }
    }

    /// Lives it. Panics with the property that does not hold.
    pub fn run(&mut self) {
        self.world.note(|_| format!("profile: {}, apart: {}", self.profile.name, self.apart));
        self.world.note(|_| format!("{:?}", self.weather));
        self.world.weather = self.weather.clone();
        self.world.disk.failures = self.weather.disk;
        for _ in 0..self.profile.pages {
            self.open_page();
        }
        for _ in 0..self.profile.acts {
            let act = ACTS[self.world.dice.weighted(&self.profile.act)];
            self.act(act);
            self.world.disk.full = self.world.dice.chance(300);
            let pause = self.world.dice.pick(&[0, 0, 1, 10, 50, 100, 400, 3_000, 20_000]);
            self.world.run_for(pause);
            self.register_again();
        }
        self.calm();
        self.check();
    }

    /// How often each kind of fault happened.
    pub fn tally(&self) -> Tally {
        let mut tally = self.world.tally.clone();
        tally.add(&self.world.server.tally);
        tally
    }

    fn open_page(&mut self) -> usize {
        let slices = self.slices.to_string();
        let page = self.world.add_page(&slices);
        self.world.pages[page].follows = true;
        let watch = self.world.pages[page].watch("files");
        self.world.say(page, watch);
        page
    }

    /// An app calls `register` again where that failed.
    fn register_again(&mut self) -> bool {
        let failed = |page: &crate::page::Page| {
            page.open && page.epoch.is_none() && !page.asked.values().any(|asked| asked.kind == "register")
        };
        let pages: Vec<usize> =
            (0..self.world.pages.len()).filter(|page| failed(&self.world.pages[*page])).collect();
        for page in &pages {
            self.world.register(*page);
        }
        !pages.is_empty()
    }

    /// An open page that knows its slices.
    fn some_page(&mut self) -> Option<usize> {
        let open = |page: &usize| {
            let page = &self.world.pages[*page];
            page.open && !page.confirmed.is_empty()
        };
        let pages: Vec<usize> = (0..self.world.pages.len()).filter(open).collect();
        (!pages.is_empty()).then(|| self.world.dice.pick(&pages))
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::OpenPage => {
                self.open_page();
                return;
            }
            Act::ForeignEdit | Act::ForeignDelete | Act::Validation | Act::Hook | Act::Outage => {
                return self.act_of_server(act);
            }
            _ => {}
        }
        let Some(page) = self.some_page() else { return };
        match act {
            Act::Dispatch => self.dispatch(page),
            Act::DispatchAndClose => {
                self.dispatch(page);
                self.world.close_page(page);
            }
            Act::ClosePage => self.world.close_page(page),
            Act::Flush => drop(self.world.ask(page, "flush")),
            Act::Sync => drop(self.world.ask(page, "sync")),
            Act::Hydrate => {
                let slices = self.world.pages[page].confirmed.clone();
                let slice = &slices[self.world.dice.below(slices.len() as u64) as usize];
                self.world.ask_of(page, "hydrate", slice);
            }
            Act::Register => self.register_more(page),
            Act::Configure => self.configure(page),
            Act::Online => self.world.signal(page, "online"),
            Act::Hidden => self.world.signal(page, "hidden"),
            Act::Nonsense => {
                let id = self.world.pages[page].id.clone();
                let text =
                    self.world.dice.pick(&["null", r#"{"v":2,"kind":"flush"}"#, r#"{"v":1,"kind":"dance"}"#]);
                self.world.say(page, text.replace("{", &format!("{{\"page\":\"{id}\",")));
            }
            _ => {}
        }
    }

    fn act_of_server(&mut self, act: Act) {
        let (key, id) = self.some_key();
        let server = &mut self.world.server;
        let toggle = |set: &mut std::collections::BTreeSet<String>| {
            if !set.remove(&key.1) {
                set.insert(key.1.clone());
            }
        };
        match act {
            Act::ForeignEdit => {
                server.write(&key.0, &key.1, Some(json!({"id": id, "theirs": self.changes})));
            }
            Act::ForeignDelete => drop(server.write(&key.0, &key.1, None)),
            Act::Validation => toggle(&mut server.refused),
            Act::Hook => toggle(&mut server.stamped),
            _ if server.mode == Fault::Nothing => {
                server.mode = Fault::Refused;
                self.world.tally.met(Kind::Outage);
            }
            _ => server.mode = Fault::Nothing,
        }
        self.world.note(|_| format!("at the server: {act:?} {key:?}"));
    }

    /// Faults stop, and what is under way comes to its end.
    fn calm(&mut self) {
        self.world.note(|_| "calm".into());
        self.world.weather = Weather::default();
        self.world.disk.failures = 0;
        self.world.server.mode = Fault::Nothing;
        self.world.server.refused.clear();
        self.world.server.stamped.clear();
        if !self.world.pages.iter().any(|page| page.open) {
            self.open_page();
        }
        // The last worker may die at any moment of what is under way, and only pages can start another.
        if self.world.dice.chance(500) {
            let moment = self.world.dice.pick(&[0, 2, 5, 20, 60, 200]);
            self.world.run_for(moment);
            self.world.kill();
        }
        self.settle();
        self.check_woken();
        // One more page: a worker is there to ask, and a reading to compare.
        let page = self.open_page();
        self.settle();
        for slice in ["files", "notes"] {
            self.world.configure(page, Some(slice), &json!({"enabled": true, "syncToFlask": true}));
        }
        self.settle();
    }

    /// Pages start the worker again for as long as it has something to do. What a tab leaves that was closed before it
    /// heard anything may wait for the browser's next event.
    fn check_woken(&self) {
        let disk = &self.world.disk;
        let unsent = !disk.open_rows().is_empty() || !disk.pushing().is_empty();
        let all_open = self.world.pages.iter().all(|page| page.open);
        if self.world.engine.is_none()
            && all_open
            && !self.world.model.is_any_off()
            && (self.world.uncommitted() || unsent)
        {
            violated(Property::Live, "changes wait in the database, and no page will wake a worker");
        }
    }

    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.world.settle();
            if !self.register_again() {
                return;
            }
        }
        violated(Property::Answered, "a page's registration is refused for ever");
    }

    fn check(&mut self) {
        self.world.check_rest();
        self.check_pages();
        let before = self.everything();
        self.world.note(|_| "once more, with a new worker".into());
        self.world.kill_and_boot();
        self.settle();
        let after = self.everything();
        if before != after {
            violated(Property::Restart, format!("before {before:?}, after {after:?}"));
        }
        self.world.check_rest();
        self.check_pages();
    }

    fn everything(&self) -> (Vec<(Key, Value)>, usize, usize) {
        let world = &self.world;
        (world.stored().into_iter().collect(), world.server.effects.len(), world.disk.open_rows().len())
    }
}

/// What every page declares from the start.
fn first_slices() -> Value {
    json!({
        "files": {"debounceMs": 40, "maxWaitMs": 150},
        "notes": {"debounceMs": 0, "batchSize": 2},
        "secret": {"syncToFlask": false, "debounceMs": 10},
        "theme": {"single": true},
    })
}
