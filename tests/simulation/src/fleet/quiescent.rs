//! The checks of several devices once faults and changes have stopped and all is at rest.

use super::scenario::FleetScenario;
use crate::actions::Key;
use crate::fault_rates::FaultRates;
use crate::property::{Property, violated};
use crate::server::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Without faults an app need not register more often.
const ROUNDS: usize = 20;
/// Two minutes, in which a device that has everything sends nothing and asks at its interval.
const IDLE_MS: u64 = 120_000;
/// The time in which a poke and the pull behind it are done.
const POKED_MS: u64 = 2_000;
/// More requests in that time are too many: auto-sync is due every half minute.
const IDLE_REQUESTS: usize = 8;

impl FleetScenario {
    /// Faults stop, and what is under way comes to its end.
    pub(super) fn quiesce(&mut self) {
        self.fleet.note(|| "faults stop".into());
        self.fleet.server.mode = Fault::Nothing;
        self.fleet.server.refused.clear();
        for device in 0..self.fleet.devices.len() {
            let world = &mut self.fleet.devices[device];
            world.fault_rates = FaultRates::default();
            world.disk.failures = 0;
            if !world.pages.iter().any(|page| page.open) {
                self.open_page(device);
            }
        }
        if let Some(moment) = self.plan.last_death {
            self.run_for(moment);
            self.fleet.on(0, crate::world::World::kill);
        }
        for device in 0..self.fleet.devices.len() {
            self.fleet.cut_off(device, false);
        }
        self.run_until_quiescent();
        for device in 0..self.fleet.devices.len() {
            // A page that is there to ask, and another reading to compare.
            let page = self.open_page(device);
            self.run_until_quiescent();
            for slice in ["files", "plans"] {
                let on = json!({"enabled": true, "syncToFlask": true});
                self.fleet.on(device, |world| world.configure(page, Some(slice), &on));
            }
            self.run_until_quiescent();
        }
        self.sync_all();
    }

    fn run_until_quiescent(&mut self) {
        for _ in 0..ROUNDS {
            while !self.fleet.quiet() && self.step() {}
            if !self.register_again() {
                return;
            }
        }
        violated(Property::Answered, "a page's registration is refused for ever");
    }

    /// Every device sends and pulls until a round of it changes nothing at the server.
    fn sync_all(&mut self) {
        for _ in 0..ROUNDS {
            let before = self.fleet.server.history.last;
            for device in 0..self.fleet.devices.len() {
                let open = self.fleet.devices[device].pages.iter().position(|page| page.open);
                let page = open.expect("one was opened");
                self.fleet.on(device, |world| world.ask(page, "sync"));
                self.run_until_quiescent();
            }
            if self.fleet.server.history.last == before {
                return;
            }
        }
        violated(Property::Converged, "devices send changes to each other for ever");
    }

    pub(super) fn check(&mut self) {
        self.check_equal();
        self.check_idle();
        self.check_poked();
        let before = self.everything();
        for device in 0..self.fleet.devices.len() {
            self.fleet.on(device, crate::world::World::kill_and_boot);
        }
        self.run_until_quiescent();
        let after = self.everything();
        if before != after {
            violated(Property::Restart, format!("before {before:?}, after {after:?}"));
        }
        self.check_equal();
    }

    /// All devices and the server are equal but for what waits for a person, and nothing is lost.
    fn check_equal(&mut self) {
        let mut kept: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for device in 0..self.fleet.devices.len() {
            self.fleet.on(device, |world| {
                world.check_rest();
                world.check_pages(|_| true);
            });
            let world = &self.fleet.devices[device];
            for (key, row) in world.kept() {
                let stored = world.stored().get(&key).map(Value::to_string).unwrap_or_default();
                kept.entry(key).or_default().extend([row.to_string(), stored]);
            }
        }
        let rows = self.fleet.server.items.iter();
        let values = rows.filter_map(|(key, row)| Some((key.clone(), row.value.clone()?))).collect();
        self.ledger.check(&values, &kept, |slice| slice != "secret");
    }

    /// f20: a device that has everything sends nothing, and asks no more often than it should.
    fn check_idle(&mut self) {
        let before = self.fleet.server.requests.len();
        self.run_for(IDLE_MS);
        let requests = &self.fleet.server.requests[before..];
        if let Some((_, push)) = requests.iter().find(|(path, _)| path == "/push") {
            violated(Property::Idle, format!("after all was equal, a device sent {push}"));
        }
        let most = IDLE_REQUESTS * self.fleet.devices.len();
        if requests.len() > most {
            violated(
                Property::Idle,
                format!("{} requests in two minutes, when nothing happened", requests.len()),
            );
        }
    }

    /// A change of one device is shown by all that the server can poke, before they would ask by themselves.
    fn check_poked(&mut self) {
        let awake = |page: &crate::page::Page| page.open && !page.confirmed.is_empty();
        let page = self.fleet.devices[0].pages.iter().position(awake).expect("one was opened");
        let item = json!({"id": "poked", "a": self.leaf(0)});
        self.dispatch_all(0, page, vec![json!({"type": "files/addItem", "payload": item.clone()})]);
        let connected: Vec<bool> = self.fleet.devices.iter().map(|world| world.live.is_some()).collect();
        self.run_for(POKED_MS);
        let key = ("files".to_owned(), "poked".to_owned());
        for (device, world) in self.fleet.devices.iter().enumerate().filter(|(device, _)| connected[*device])
        {
            let shows = |page: &crate::page::Page| page.view.view().get(&key) == Some(&item);
            if !world.pages.iter().filter(|page| awake(page)).all(shows) {
                violated(
                    Property::Poked,
                    format!("device {device} does not show {item} after {POKED_MS} ms"),
                );
            }
        }
        self.sync_all();
        self.check_equal();
    }

    fn everything(&self) -> (Vec<BTreeMap<Key, Value>>, usize, Vec<[u64; 2]>) {
        let devices = &self.fleet.devices;
        let counts = devices.iter().map(|world| {
            let status = world.status();
            [status.conflicts, status.rejected]
        });
        let stored = devices.iter().map(crate::world::World::stored).collect();
        (stored, self.fleet.server.effects.len(), counts.collect())
    }
}
