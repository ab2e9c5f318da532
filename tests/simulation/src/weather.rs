//! How bad things are in a run: how likely each fault is, in thousandths. All zero is fair weather.

use crate::Dice;
use crate::kinds::{Kind, Tally};
use crate::server::Fault;

#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// At each boundary between two events.
    pub deaths: u64,
    /// A worker at rest is stopped, at each boundary.
    pub stops: u64,
    pub late_timers: u64,
    /// Of each restart.
    pub clock_jumps: u64,
    /// Of each piece of the database's work.
    pub disk: u64,
    pub late_work: u64,
    /// Of each message, either way.
    pub messages: u64,
    /// Of each request.
    pub network: u64,
    pub slow: u64,
    pub repeats: u64,
}

impl Weather {
    /// The weather of a run. Each part is fair in some runs, so that no fault hides what another one would show.
    pub fn of(dice: &mut Dice) -> Weather {
        Weather {
            deaths: dice.pick(&[0, 0, 2, 6, 15]),
            stops: dice.pick(&[0, 5, 30]),
            late_timers: dice.pick(&[0, 0, 100]),
            clock_jumps: dice.pick(&[0, 0, 200]),
            disk: dice.pick(&[0, 0, 20, 60, 200]),
            late_work: dice.pick(&[0, 0, 50, 200]),
            messages: dice.pick(&[0, 0, 50, 200]),
            network: dice.pick(&[0, 0, 100, 300, 700]),
            slow: dice.pick(&[0, 0, 100]),
            repeats: dice.pick(&[0, 0, 100]),
        }
    }

    /// What a request meets.
    pub fn request(&self, dice: &mut Dice, tally: &mut Tally) -> Fault {
        if !dice.chance(self.network) {
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
            (Fault::Unavailable(1 + dice.below(40)), Kind::Unavailable),
            (Fault::Status(dice.pick(&[400, 401, 404, 408, 413, 429])), Kind::Refused4xx),
            (Fault::Forked, Kind::Forked),
        ];
        let (fault, kind) = dice.pick(&faults);
        tally.met(kind);
        fault
    }
}
