//! A scenario of several devices: acts on one device or another, under fault rates of each device; then faults stop, devices
//! connect and send what they have, and everything is compared.

use super::Fleet;
use super::ledger::{self, Learnt, Ledger};
use super::profile::PROFILES;
use crate::Rng;
use crate::actions::Key;
use crate::fault_rates::FaultRates;
use crate::kinds::{Kind, Tally};
use crate::page::Page;
use crate::profile::Act;
use crate::scenario::{Plan, Step};
use crate::server::{Backup, Fault};
use serde_json::{Value, json};

impl Plan {
    /// Draws a scenario of so many devices.
    pub fn draw_fleet(seed: u64, devices: usize) -> Plan {
        let mut rng = Rng(Rng(seed ^ 0xf1ee7).next());
        let profile = &PROFILES[rng.below(PROFILES.len() as u64) as usize];
        let rates = FaultRates::of_fleet(&mut rng);
        let last_death = rng.chance(300).then(|| rng.pick(&[0, 2, 20, 200]));
        let weights = profile.act_weights();
        let steps = (0..profile.steps)
            .map(|_| {
                let pauses = [0, 0, 5, 50, 200, 1_000, 5_000, 40_000];
                Step { device: rng.below(devices as u64) as usize, ..Step::draw(&mut rng, &weights, &pauses) }
            })
            .collect();
        let (pages, burst, many) = (profile.pages, profile.burst, profile.many);
        let (is_apart, merges) = (false, true);
        Plan {
            seed,
            profile,
            rates,
            is_apart,
            merges,
            pages,
            devices,
            steps,
            burst,
            many,
            roll: 0,
            last_death,
        }
    }
}

pub struct FleetScenario {
    pub plan: Plan,
    pub fleet: Fleet,
    /// The randomness of the act under way.
    pub(super) rng: Rng,
    pub(super) ledger: Ledger,
    /// The number of the last leaf.
    pub(super) leaves: u64,
    /// The slices that a new page declares.
    pub(super) slices: Value,
    backup: Option<Backup>,
    /// Each act that was done, and where its lines in the trace begin.
    pub done: Vec<(Step, usize)>,
}

impl FleetScenario {
    pub fn of(plan: Plan) -> FleetScenario {
        let seed = Rng(plan.seed ^ 0xd1ce).next().wrapping_add(plan.roll);
        let mut fleet = Fleet::asleep(seed, plan.devices);
        let mut rng = Rng(plan.seed);
        fleet.server.page_limit = rng.pick(&[1, 2, 5, 1_000]);
        let has_live = rng.chance(700);
        for world in &mut fleet.devices {
            world.has_live = has_live;
            world.skew = rng.pick(&[0, 0, -3_600_000, 3_600_000, 86_400_000]);
        }
        let strategy = rng.pick(&["local", "remote", "newest"]);
        let mut ledger = Ledger::default();
        ledger.strategies.insert("notes".into());
        let slices = slices(strategy);
        FleetScenario { plan, fleet, rng, ledger, leaves: 0, slices, backup: None, done: Vec::new() }
    }

    /// Runs it. Panics with the property that does not hold.
    pub fn run(&mut self) {
        let Plan { profile, rates, devices, pages, steps, .. } = self.plan.clone();
        self.fleet.note(|| format!("profile: {}", profile.name));
        self.fleet.note(|| format!("{rates:?}"));
        for device in 0..devices {
            let world = &mut self.fleet.devices[device];
            world.disk.failures = rates.disk;
            world.fault_rates = rates.clone();
            for _ in 0..pages {
                self.open_page(device);
            }
        }
        for step in steps {
            self.done.push((step.clone(), self.fleet.trace.as_ref().map_or(0, Vec::len)));
            self.rng = Rng(step.seed);
            // A scenario that is made short may have fewer devices.
            let device = step.device % devices;
            self.fleet.note(|| format!("act on device {device}: {:?}", step.act));
            self.act(device, step.act);
            self.fleet.devices[device].disk.full = step.is_disk_full;
            self.run_for(step.pause);
            self.register_again();
        }
        self.quiesce();
        self.check();
    }

    /// How often each kind of fault happened.
    pub fn tally(&self) -> Tally {
        let mut tally = self.fleet.server.tally.clone();
        for world in &self.fleet.devices {
            tally.add(&world.tally);
            tally.add(&world.server.tally);
        }
        tally
    }

    pub fn steps(&self) -> usize {
        self.fleet.steps
    }

    /// Performs the next event, and lets the ledger see what came of it.
    pub(super) fn step(&mut self) -> bool {
        let Some(device) = self.fleet.step() else { return false };
        self.observe(device);
        true
    }

    pub(super) fn observe(&mut self, device: usize) {
        let Fleet { devices, server, .. } = &self.fleet;
        let world = &devices[device];
        let has_learnt = |(slice, id): &Key, leaf: u64| {
            let has_leaf = |value: &Value| ledger::leaves(value).values().any(|of| *of == leaf);
            let shown = || world.disk.item(world.model.store_of(slice), id);
            // The other side of a conflict, or a former one.
            let is_apart = |row: Value| {
                !has_leaf(&row["base"]["value"]) && !shown().is_some_and(|shown| has_leaf(&shown))
            };
            match world.model.learnt.contains(&leaf) {
                true if world.disk.conflict(slice, id).is_some_and(is_apart) => Learnt::Apart,
                true => Learnt::Merged,
                false => Learnt::Nothing,
            }
        };
        self.ledger.observe(device, &world.model, &server.effects, has_learnt);
    }

    pub(super) fn run_for(&mut self, ms: u64) {
        let until = self.fleet.now + ms;
        while self.fleet.next().is_some_and(|(at, _)| at <= until) {
            self.step();
        }
        self.fleet.now = until;
    }

    pub(super) fn open_page(&mut self, device: usize) -> usize {
        let slices = self.slices.to_string();
        self.fleet.on(device, |world| {
            let page = world.add_page(&slices);
            world.pages[page].follows = true;
            world.subscribe(page, "files");
            page
        })
    }

    /// An app calls `register` again where that failed.
    pub(super) fn register_again(&mut self) -> bool {
        let mut any = false;
        for device in 0..self.fleet.devices.len() {
            any |= self.fleet.on(device, crate::world::World::register_again);
        }
        any
    }

    /// An open page that knows its slices.
    fn some_page(&mut self, device: usize) -> Option<usize> {
        let is_ready = |(_, page): &(usize, &Page)| page.open && !page.confirmed.is_empty();
        let pages = self.fleet.devices[device].pages.iter().enumerate().filter(is_ready);
        let pages: Vec<usize> = pages.map(|(page, _)| page).collect();
        (!pages.is_empty()).then(|| self.rng.pick(&pages))
    }

    fn act(&mut self, device: usize, act: Act) {
        match act {
            Act::OpenPage => drop(self.open_page(device)),
            Act::CutOff => self.fleet.cut_off(device, true),
            Act::Reconnect => self.fleet.cut_off(device, false),
            Act::Restart => self.fleet.on(device, crate::world::World::kill_and_boot),
            Act::Validation | Act::Outage | Act::Replicate | Act::BackUp => self.act_of_server(act),
            Act::Restore | Act::Wipe | Act::Forget | Act::Days => self.act_of_server(act),
            _ => {
                if let Some(page) = self.some_page(device) {
                    self.act_of_page(device, page, act);
                }
            }
        }
        self.observe(device);
    }

    fn act_of_page(&mut self, device: usize, page: usize, act: Act) {
        match act {
            Act::Dispatch => self.dispatch(device, page),
            Act::DispatchAndClose => {
                self.dispatch(device, page);
                self.fleet.on(device, |world| world.close_page(page));
            }
            Act::ClosePage => self.fleet.on(device, |world| world.close_page(page)),
            Act::Flush => drop(self.fleet.on(device, |world| world.ask(page, "flush"))),
            Act::Sync => drop(self.fleet.on(device, |world| world.ask(page, "sync"))),
            Act::Hydrate => drop(self.fleet.on(device, |world| world.ask_of(page, "hydrate", "files"))),
            Act::Online => self.fleet.on(device, |world| world.signal(page, "online")),
            Act::Hidden => self.fleet.on(device, |world| world.signal(page, "hidden")),
            Act::ListRefused => drop(self.fleet.on(device, |world| world.ask(page, "rejected"))),
            Act::DecideRefused => self.decide_refused(device, page),
            Act::ListConflicts => drop(self.fleet.on(device, |world| world.ask(page, "conflicts"))),
            Act::Resolve => self.resolve(device, page),
            Act::Configure => self.configure(device, page),
            _ => {}
        }
    }

    fn act_of_server(&mut self, act: Act) {
        let id = format!("i{}", self.rng.below(self.plan.profile.ids));
        let server = &mut self.fleet.server;
        match act {
            Act::Validation if server.refused.remove(&id) => {}
            Act::Validation => drop(server.refused.insert(id.clone())),
            Act::Outage if server.mode == Fault::Nothing => {
                server.mode = Fault::Refused;
                server.tally.record(Kind::Outage);
            }
            Act::Outage => server.mode = Fault::Nothing,
            Act::Replicate => server.replicate(),
            Act::BackUp => self.backup = Some(server.back_up()),
            Act::Restore => {
                let Some(backup) = self.backup.clone() else { return };
                server.restore_backup(backup);
                server.tally.record(Kind::ServerRestored);
                self.note_set_back();
            }
            Act::Wipe => {
                server.wipe();
                server.tally.record(Kind::ServerWiped);
                self.backup = None;
                self.note_set_back();
            }
            Act::Forget => {
                let Some(backup) = &self.backup else { return };
                // The newest version is kept: a device that has pulled since may be there.
                let through = backup.history.last.min(server.history.last.saturating_sub(1));
                if server.history.knows(through) {
                    server.forget_through(through);
                    server.tally.record(Kind::HorizonPassed);
                    self.ledger.forgot();
                }
            }
            Act::Days => {
                server.pass_time(8 * 24 * 3_600_000);
                // A replica lags for minutes, not for days.
                server.replicate();
                server.tally.record(Kind::DaysPassed);
            }
            _ => {}
        }
        self.fleet.note(|| format!("at the server: {act:?} {id}"));
    }

    fn note_set_back(&mut self) {
        let values = self.fleet.server.items.values().filter_map(|row| row.value.clone());
        let values: Vec<Value> = values.collect();
        self.ledger.set_back(&values);
    }

    /// A slice is switched off or on.
    fn configure(&mut self, device: usize, page: usize) {
        let switch = self.rng.pick(&["enabled", "syncToFlask"]);
        let slice = self.rng.pick(&["files", "plans"]);
        let mut settings = json!({});
        settings[switch] = self.rng.chance(500).into();
        self.fleet.on(device, |world| world.configure(page, Some(slice), &settings));
    }

    /// A page decides on a conflict of the list that it heard last, which may be outdated.
    fn resolve(&mut self, device: usize, page: usize) {
        let conflicts = self.fleet.devices[device].pages[page].conflicts.clone();
        if conflicts.is_empty() {
            self.fleet.on(device, |world| world.ask(page, "conflicts"));
            return;
        }
        let conflict = &conflicts[self.rng.below(conflicts.len() as u64) as usize];
        let choice = self.rng.pick(&["local", "remote", "merge", "value"]);
        self.resolve_as(device, page, conflict, choice);
    }

    pub(super) fn resolve_as(&mut self, device: usize, page: usize, conflict: &Value, choice: &str) {
        let text = |name: &str| conflict[name].as_str().unwrap_or_default().to_owned();
        let key = (text("slice"), text("itemId"));
        let mut action = json!({"type": "@resolveConflict", "id": conflict["id"], "choice": choice});
        if choice == "value" {
            // By hand: what is local, or else what is remote.
            let sides = [&conflict["local"], &conflict["remote"]];
            let value = sides.into_iter().find(|side| side.is_object()).cloned();
            action["payload"] = value.unwrap_or_else(|| json!({"id": key.1}));
        }
        self.ledger.decided(&key, &[&conflict["base"], &conflict["local"], &conflict["remote"]]);
        self.fleet.devices[device].tally.record(Kind::ConflictResolved);
        self.fleet.on(device, |world| world.dispatch_all(page, vec![action]));
    }

    /// A page retries or discards a refused change, of the list that it heard last.
    fn decide_refused(&mut self, device: usize, page: usize) {
        let refused = self.fleet.devices[device].pages[page].refused.clone();
        if refused.is_empty() {
            self.fleet.on(device, |world| world.ask(page, "rejected"));
            return;
        }
        let refused = &refused[self.rng.below(refused.len() as u64) as usize];
        let kind = self.rng.pick(&["@discardRejected", "@retryRejected"]);
        self.decide_refused_as(device, page, refused, kind);
    }

    pub(super) fn decide_refused_as(&mut self, device: usize, page: usize, refused: &Value, kind: &str) {
        let text = |name: &str| refused[name].as_str().unwrap_or_default().to_owned();
        let key = (text("slice"), text("itemId"));
        // A decision on one of an item's refused changes ends those before it.
        let listed = self.fleet.devices[device].pages[page].refused.clone();
        let of_item =
            |other: &&Value| other["slice"] == refused["slice"] && other["itemId"] == refused["itemId"];
        let mut values: Vec<&Value> = listed.iter().filter(of_item).map(|other| &other["value"]).collect();
        // A change that is tried again takes the place of this device's later changes of the item.
        let views: Vec<_> = self.fleet.devices[device].pages.iter().map(|page| page.view.view()).collect();
        if kind == "@retryRejected" {
            values.extend(views.iter().filter_map(|view| view.get(&key)));
        }
        self.ledger.decided(&key, &values);
        self.fleet.devices[device].tally.record(Kind::RefusalDecided);
        let action = json!({"type": kind, "id": refused["id"]});
        self.fleet.on(device, |world| world.dispatch_all(page, vec![action]));
    }
}

/// Returns the slices that every page declares from the start. `notes` has a strategy that asks nobody.
fn slices(strategy: &str) -> Value {
    json!({
        "files": {"debounceMs": 40, "maxWaitMs": 150},
        "plans": {"debounceMs": 0, "conflict": "manual"},
        "notes": {"debounceMs": 10, "conflict": strategy},
        "secret": {"syncToFlask": false, "debounceMs": 10},
        "theme": {"single": true, "debounceMs": 10},
    })
}
