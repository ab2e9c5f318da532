//! Several devices with one server, in one virtual time. Each device is a [`World`] with chance, faults and a clock of its own.
//! The server is with the device that acts, and with the fleet in between.

pub mod ledger;
pub mod profile;
mod quiescent;
pub mod scenario;
mod workload;

use crate::kinds::Kind;
use crate::property::{Property, violated};
use crate::rng::Rng;
use crate::server::Server;
use crate::world::World;

/// A fleet that takes more steps than this goes in circles.
const MAX_STEPS: usize = 400_000;

pub struct Fleet {
    pub devices: Vec<World>,
    pub server: Server,
    /// The true time, of all devices.
    pub now: u64,
    pub steps: usize,
    /// The trace of all devices, if it was asked for.
    pub trace: Option<Vec<String>>,
}

impl Fleet {
    /// Devices on which nothing runs yet.
    pub fn asleep(seed: u64, devices: usize) -> Fleet {
        let mut seeds = Rng(seed);
        let device = |number: usize| {
            let mut world = World::asleep(seeds.next());
            world.device = Some(number);
            world.tells_metrics = false;
            world
        };
        let devices: Vec<World> = (0..devices).map(device).collect();
        let now = devices.first().map_or(0, |world| world.now);
        Fleet { devices, server: Server::default(), now, steps: 0, trace: None }
    }

    /// Devices that each have one page, which has registered these slices.
    pub fn with(seed: u64, devices: usize, slices: &str) -> Fleet {
        let mut fleet = Fleet::asleep(seed, devices);
        for device in 0..devices {
            fleet.on(device, |world| {
                world.boot();
                world.add_page(slices);
            });
        }
        fleet.run_until("all pages are registered", |fleet| {
            fleet.devices.iter().all(|world| world.pages[0].epoch.is_some())
        });
        fleet
    }

    /// A device acts: it has the server meanwhile.
    pub fn on<T>(&mut self, device: usize, act: impl FnOnce(&mut World) -> T) -> T {
        self.exchange(device);
        let world = &mut self.devices[device];
        world.now = world.now.max(self.now);
        let result = act(world);
        self.now = self.now.max(world.now);
        self.exchange(device);
        result
    }

    /// The server and the trace change hands. (A property that does not hold ends the run before they are given back.)
    fn exchange(&mut self, device: usize) {
        let world = &mut self.devices[device];
        std::mem::swap(&mut world.server, &mut self.server);
        std::mem::swap(&mut world.trace, &mut self.trace);
        world.server.device = device;
    }

    /// Cuts a device off from the network, or connects it again, which the browser tells its pages.
    pub fn cut_off(&mut self, device: usize, is_offline: bool) {
        let world = &mut self.devices[device];
        if world.is_offline == is_offline {
            return;
        }
        world.is_offline = is_offline;
        if is_offline {
            world.tally.record(Kind::DeviceOffline);
            self.on(device, World::disconnect);
        } else if let Some(page) = world.pages.iter().position(|page| page.open) {
            self.on(device, |world| world.signal(page, "online"));
        }
    }

    /// The device whose event is the next, and when.
    fn next(&self) -> Option<(u64, usize)> {
        let due = |(device, world): (usize, &World)| Some((world.next_time()?, device));
        self.devices.iter().enumerate().filter_map(due).min()
    }

    /// Performs the next event; the device that it was of, if there was one.
    pub fn step(&mut self) -> Option<usize> {
        let (at, device) = self.next()?;
        self.steps += 1;
        if self.steps >= MAX_STEPS {
            violated(Property::NoSpin, format!("{MAX_STEPS} steps, and no end"));
        }
        self.now = self.now.max(at);
        let before = self.server.history.last;
        self.on(device, World::step);
        if self.server.history.last > before {
            (0..self.devices.len()).for_each(|device| self.on(device, World::poke));
        }
        Some(device)
    }

    pub fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.next().is_some_and(|(at, _)| at <= until) {
            self.step();
        }
        self.now = until;
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&Fleet) -> bool) {
        while !done(self) {
            assert!(!self.quiet() && self.step().is_some(), "nothing will happen any more, but not: {what}");
        }
    }

    /// Runs until nothing is left to do on any device but heartbeats and auto-sync, which go on for ever.
    pub fn run_until_quiescent(&mut self) {
        while !self.quiet() && self.step().is_some() {}
    }

    pub(crate) fn quiet(&self) -> bool {
        self.devices.iter().all(World::quiet)
    }

    /// Every device sends and pulls, as at the press of a button, until a round of it changes nothing at the server.
    pub fn sync_all(&mut self) {
        for _ in 0..20 {
            let before = self.server.history.last;
            for device in 0..self.devices.len() {
                let open = self.devices[device].pages.iter().position(|page| page.open);
                if let Some(page) = open {
                    self.on(device, |world| world.ask(page, "sync"));
                    self.run_until_quiescent();
                }
            }
            if self.server.history.last == before {
                return;
            }
        }
        violated(Property::Converged, "devices send changes to each other for ever");
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9}    {}", self.now - crate::world::START, what()));
        }
    }
}
