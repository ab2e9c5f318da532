//! A scenario: everything that a device goes through (or several: `fleet/scenario.rs`), drawn from a seed before it begins. Acts of a profile under some
//! fault rates; then faults stop, and everything is compared. A scenario with parts left out can be run, too: that is how a
//! failure is shrunk (`shrink.rs`).

use crate::actions::Key;
use crate::fault_rates::FaultRates;
use crate::kinds::{Kind, Tally};
use crate::profile::{Act, PROFILES, Profile};
use crate::property::{Property, violated};
use crate::server::Fault;
use crate::{Rng, World};
use serde_json::{Value, json};

/// Without faults an app need not register more often.
const ROUNDS: usize = 20;
/// Numbers below this are no ids of writes.
pub const FIRST_WRITE: u64 = 100;

/// One act, and the pause after it.
#[derive(Debug, Clone)]
pub struct Step {
    pub act: Act,
    /// On which device.
    pub device: usize,
    /// Everything random in the act comes from it.
    pub(crate) seed: u64,
    /// Failures of the database say from now on that there is no room left.
    pub(crate) is_disk_full: bool,
    pub pause: u64,
}

impl Step {
    pub(crate) fn draw(rng: &mut Rng, weights: &[(Act, u64)], pauses: &[u64]) -> Step {
        let act = rng.weighted(weights);
        Step { act, device: 0, seed: rng.next(), is_disk_full: rng.chance(300), pause: rng.pick(pauses) }
    }
}

/// A scenario as it is drawn.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub profile: &'static Profile,
    pub rates: FaultRates,
    /// Each page changes items of its own, and no one else has a part in it.
    pub is_apart: bool,
    /// Updates change one field and leave the rest, so that changes of two devices can be merged.
    pub merges: bool,
    /// Pages at the start, of each device.
    pub pages: u64,
    pub devices: usize,
    pub steps: Vec<Step>,
    /// The most actions in a burst, and items in an action.
    pub burst: u64,
    pub many: u64,
    /// Another number: the same acts meet other faults.
    pub roll: u64,
    /// The worker dies so many ms after the last act.
    pub last_death: Option<u64>,
}

impl Plan {
    pub fn draw(seed: u64) -> Plan {
        let mut rng = Rng(Rng(seed).next());
        let profile = &PROFILES[rng.below(PROFILES.len() as u64) as usize];
        let rates = FaultRates::of(&mut rng);
        let is_apart = profile.pages == 1 || rng.chance(500);
        let merges = rng.chance(500);
        let last_death = rng.chance(500).then(|| rng.pick(&[0, 2, 5, 20, 60, 200]));
        let weights = profile.act_weights();
        let pauses = [0, 0, 1, 10, 50, 100, 400, 3_000, 20_000];
        let steps = (0..profile.steps).map(|_| Step::draw(&mut rng, &weights, &pauses)).collect();
        let Profile { pages, burst, many, .. } = *profile;
        Plan {
            seed,
            profile,
            rates,
            is_apart,
            merges,
            pages,
            devices: 1,
            steps,
            burst,
            many,
            roll: 0,
            last_death,
        }
    }
}

pub struct Scenario {
    pub plan: Plan,
    pub world: World,
    /// The randomness of the act under way.
    pub(crate) rng: Rng,
    /// The slices that a new page declares.
    pub(crate) slices: Value,
    /// The last id that a write was given.
    pub(crate) writes: u64,
    /// Each act that was done, and where its lines in the trace begin.
    pub done: Vec<(Step, usize)>,
}

impl Scenario {
    pub fn new(seed: u64) -> Scenario {
        Scenario::of(Plan::draw(seed))
    }

    pub fn of(plan: Plan) -> Scenario {
        let mut world = World::asleep(Rng(plan.seed ^ 0xd1ce).next().wrapping_add(plan.roll));
        world.tells_metrics = false;
        let rng = Rng(plan.seed);
        Scenario { plan, world, rng, slices: first_slices(), writes: FIRST_WRITE, done: Vec::new() }
    }

    /// Runs it. Panics with the property that does not hold.
    pub fn run(&mut self) {
        let Plan { profile, rates, is_apart, merges, pages, steps, .. } = self.plan.clone();
        self.world.note(|_| format!("profile: {}, apart: {is_apart}, merges: {merges}", profile.name));
        self.world.note(|_| format!("{rates:?}"));
        self.world.disk.failures = rates.disk;
        self.world.fault_rates = rates;
        for _ in 0..pages {
            self.open_page();
        }
        for step in steps {
            self.done.push((step.clone(), self.world.trace.as_ref().map_or(0, Vec::len)));
            self.rng = Rng(step.seed);
            self.world.note(|_| format!("act: {:?}", step.act));
            self.act(step.act);
            self.world.disk.full = step.is_disk_full;
            self.world.run_for(step.pause);
            self.world.register_again();
        }
        self.quiesce();
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
        self.world.subscribe(page, "files");
        page
    }

    /// An open page that knows its slices.
    fn some_page(&mut self) -> Option<usize> {
        let open = |page: &usize| {
            let page = &self.world.pages[*page];
            page.open && !page.confirmed.is_empty()
        };
        let pages: Vec<usize> = (0..self.world.pages.len()).filter(open).collect();
        (!pages.is_empty()).then(|| self.rng.pick(&pages))
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
                let slice = &slices[self.rng.below(slices.len() as u64) as usize];
                self.world.ask_of(page, "hydrate", slice);
            }
            Act::ListRefused => drop(self.world.ask(page, "rejected")),
            Act::DecideRefused => self.decide_refused(page),
            Act::Register => self.register_more(page),
            Act::Configure => self.configure(page),
            Act::Online => self.world.signal(page, "online"),
            Act::Hidden => self.world.signal(page, "hidden"),
            Act::Nonsense => {
                let id = self.world.pages[page].id.clone();
                let text = self.rng.pick(&["null", r#"{"v":2,"kind":"flush"}"#, r#"{"v":1,"kind":"dance"}"#]);
                self.world.say(page, text.replace("{", &format!("{{\"page\":\"{id}\",")));
            }
            _ => {}
        }
    }

    fn act_of_server(&mut self, act: Act) {
        let (key, id) = self.some_key();
        let toggle = |set: &mut std::collections::BTreeSet<String>| {
            if !set.remove(&key.1) {
                set.insert(key.1.clone());
            }
        };
        let server = &mut self.world.server;
        match act {
            Act::ForeignEdit => self.foreign_edit(&key, &id),
            Act::ForeignDelete => drop(server.write(&key.0, &key.1, None)),
            Act::Validation => toggle(&mut server.refused),
            Act::Hook => toggle(&mut server.stamped),
            _ if server.mode == Fault::Nothing => {
                server.mode = Fault::Refused;
                self.world.tally.record(Kind::Outage);
            }
            _ => server.mode = Fault::Nothing,
        }
        self.world.note(|world| {
            let row = world.server.items.get(&key);
            format!("at the server: {act:?} {key:?}, which is {row:?}")
        });
    }

    /// Faults stop, and what is under way comes to its end.
    fn quiesce(&mut self) {
        self.world.note(|_| "faults stop".into());
        self.world.fault_rates = FaultRates::default();
        self.world.disk.failures = 0;
        self.world.server.mode = Fault::Nothing;
        self.world.server.refused.clear();
        self.world.server.stamped.clear();
        if !self.world.pages.iter().any(|page| page.open) {
            self.open_page();
        }
        // The last worker may die at any moment of what is under way, and only pages can start another.
        if let Some(moment) = self.plan.last_death {
            self.world.run_for(moment);
            self.world.kill();
        }
        self.run_until_quiescent();
        self.check_woken();
        // One more page: a worker is there to ask, and a reading to compare.
        let page = self.open_page();
        self.run_until_quiescent();
        for slice in ["files", "notes"] {
            self.world.configure(page, Some(slice), &json!({"enabled": true, "syncToFlask": true}));
        }
        self.run_until_quiescent();
        // It has what other devices did, too.
        self.world.ask(page, "sync");
        self.run_until_quiescent();
        self.world.ask(page, "rejected");
        self.run_until_quiescent();
        self.check_refused(page);
    }

    /// Checks that pages start the worker again for as long as it has something to do. Changes of a tab that was closed before
    /// it heard anything may wait for the browser's next event.
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

    fn run_until_quiescent(&mut self) {
        for _ in 0..ROUNDS {
            self.world.run_until_quiescent();
            if !self.world.register_again() {
                return;
            }
        }
        violated(Property::Answered, "a page's registration is refused for ever");
    }

    fn check(&mut self) {
        self.world.check_rest();
        self.check_pages_of_plan();
        let before = self.everything();
        self.world.note(|_| "once more, with a new worker".into());
        self.world.kill_and_boot();
        self.run_until_quiescent();
        let after = self.everything();
        if before != after {
            violated(Property::Restart, format!("before {before:?}, after {after:?}"));
        }
        self.world.check_rest();
        self.check_pages_of_plan();
    }

    fn everything(&self) -> (Vec<(Key, Value)>, usize, usize, [u64; 2]) {
        let world = &self.world;
        let status = world.status();
        let stored = world.stored().into_iter().collect();
        let counts = [status.conflicts, status.rejected];
        (stored, world.server.effects.len(), world.disk.open_rows().len(), counts)
    }
}

/// Returns the slices that every page declares from the start.
fn first_slices() -> Value {
    json!({
        "files": {"debounceMs": 40, "maxWaitMs": 150},
        "notes": {"debounceMs": 0, "batchSize": 2},
        "secret": {"syncToFlask": false, "debounceMs": 10},
        "theme": {"single": true},
    })
}
