//! How bad things are in a run: how likely each fault is, in thousandths. All zero: no faults.

use crate::Rng;
use crate::kinds::{Kind, Tally};
use crate::server::Fault;

#[derive(Debug, Clone, Default)]
pub struct FaultRates {
    /// At each boundary between two events.
    pub deaths: u64,
    /// A worker at rest is stopped, at each boundary.
    pub stops: u64,
    pub late_timers: u64,
    /// Of each restart.
    pub clock_jumps: u64,
    /// Of each input of a worker that lives.
    pub live_clock_jumps: u64,
    /// Of each piece of the database's work.
    pub disk: u64,
    pub late_work: u64,
    /// Of each message, either way.
    pub messages: u64,
    /// Of each request.
    pub network: u64,
    pub slow: u64,
    pub repeats: u64,
    /// Of each push: its transaction stays open for a while.
    pub held: u64,
    /// Of each pull: it is answered by a read replica that lags, or has changes that can't be read.
    pub lagging: u64,
    pub junk: u64,
    /// Of each poke.
    pub pokes: u64,
}

impl FaultRates {
    /// The rates of a run. Each is zero in some runs, so that no fault hides what another one would show.
    pub fn of(rng: &mut Rng) -> FaultRates {
        FaultRates {
            deaths: rng.pick(&[0, 0, 2, 6, 15]),
            stops: rng.pick(&[0, 5, 30]),
            late_timers: rng.pick(&[0, 0, 100]),
            clock_jumps: rng.pick(&[0, 0, 200]),
            live_clock_jumps: rng.pick(&[0, 0, 20]),
            disk: rng.pick(&[0, 0, 20, 60, 200]),
            late_work: rng.pick(&[0, 0, 50, 200]),
            messages: rng.pick(&[0, 0, 50, 200]),
            network: rng.pick(&[0, 0, 100, 300, 700]),
            slow: rng.pick(&[0, 0, 100]),
            repeats: rng.pick(&[0, 0, 100]),
            ..FaultRates::default()
        }
    }

    /// The rates of a run of several devices, which have a server with more to it.
    pub fn of_fleet(rng: &mut Rng) -> FaultRates {
        FaultRates {
            held: rng.pick(&[0, 100, 300]),
            lagging: rng.pick(&[0, 0, 100, 300]),
            junk: rng.pick(&[0, 0, 100]),
            pokes: rng.pick(&[0, 0, 300]),
            ..FaultRates::of(rng)
        }
    }

    /// Each rate.
    pub fn all(&mut self) -> Vec<&mut u64> {
        let FaultRates {
            deaths,
            stops,
            late_timers,
            clock_jumps,
            live_clock_jumps,
            disk,
            late_work,
            messages,
            network,
            slow,
            repeats,
            held,
            lagging,
            junk,
            pokes,
        } = self;
        vec![
            deaths,
            stops,
            late_timers,
            clock_jumps,
            live_clock_jumps,
            disk,
            late_work,
            messages,
            network,
            slow,
            repeats,
            held,
            lagging,
            junk,
            pokes,
        ]
    }

    /// Draws the fault that a request meets.
    pub fn request(&self, path: &str, rng: &mut Rng, tally: &mut Tally) -> Fault {
        let special = match path {
            "/push" if rng.chance(self.held) => Some((Fault::Held(rng.below(3_000)), Kind::TransactionOpen)),
            "/pull" if rng.chance(self.lagging) => Some((Fault::Lagging, Kind::ReplicaLags)),
            "/pull" if rng.chance(self.junk) => Some((Fault::Junk, Kind::ChangeUnreadable)),
            _ => None,
        };
        if let Some((fault, kind)) = special {
            tally.record(kind);
            return fault;
        }
        if !rng.chance(self.network) {
            return Fault::Nothing;
        }
        let faults = [
            (Fault::Swallowed, Kind::RequestLost),
            (Fault::Refused, Kind::ConnectionRefused),
            (Fault::AnswerLost, Kind::AnswerLost),
            (Fault::AnswerSwallowed, Kind::AnswerSwallowed),
            (Fault::Cut, Kind::AnswerCut),
            (Fault::Html, Kind::AnswerHtml),
            (Fault::Partial, Kind::AnswerPartial),
            (Fault::Internal, Kind::Internal),
            (Fault::Unavailable(1 + rng.below(40)), Kind::Unavailable),
            (Fault::Status(rng.pick(&[400, 401, 404, 408, 413, 429])), Kind::Refused4xx),
            (Fault::Forked, Kind::Forked),
        ];
        let (fault, kind) = rng.pick(&faults);
        tally.record(kind);
        fault
    }
}
