//! Shrinking: of a scenario that breaks a property, the shortest one found that still breaks the same. Acts are left out,
//! then kinds of faults, pages, and the number of actions in a burst.

use crate::fleet::scenario::FleetScenario;
use crate::kinds::Tally;
use crate::scenario::{Plan, Scenario, Step};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The most events that are spent on it; about a quarter of a minute.
const BUDGET: usize = 2_000_000;
/// A scenario with a part left out meets its faults at other places; so many rolls of them are tried.
const ROLLS: u64 = 3;

/// How a scenario went.
pub struct Outcome {
    pub plan: Plan,
    /// Each act that was done, and where its lines in the trace begin.
    pub done: Vec<(Step, usize)>,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
    pub tally: Tally,
    pub steps: usize,
    /// The property that did not hold.
    pub failure: Option<String>,
}

/// Runs a scenario of one device or of several.
pub fn run(plan: Plan, is_traced: bool) -> Outcome {
    let trace = is_traced.then(Vec::new);
    if plan.devices > 1 {
        let mut scenario = FleetScenario::of(plan);
        scenario.fleet.trace = trace;
        let failure = failure(|| scenario.run());
        let (tally, steps) = (scenario.tally(), scenario.steps());
        let FleetScenario { plan, done, mut fleet, .. } = scenario;
        // If the run ended in the middle of an event, a device has the trace.
        let devices = fleet.devices.iter_mut().map(|world| world.trace.take());
        let trace = devices.chain([fleet.trace]).flatten().next().unwrap_or_default();
        Outcome { plan, done, trace, tally, steps, failure }
    } else {
        let mut scenario = Scenario::of(plan);
        scenario.world.trace = trace;
        let failure = failure(|| scenario.run());
        let (tally, steps) = (scenario.tally(), scenario.world.steps);
        let Scenario { plan, done, world, .. } = scenario;
        Outcome { plan, done, trace: world.trace.unwrap_or_default(), tally, steps, failure }
    }
}

/// Runs it. Returns the property that did not hold.
pub fn failure(run: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<String>().map(String::as_str);
    Some(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned())
}

struct Shrink {
    best: Plan,
    /// The name of the property that is broken.
    property: String,
    spent: usize,
}

/// The shortest scenario found that fails as `plan` does with `failure`.
pub fn shrink(plan: Plan, failure: &str) -> Plan {
    let mut shrink = Shrink { best: plan, property: name(failure).to_owned(), spent: 0 };
    loop {
        let before = shrink.size();
        shrink.leave_out_acts();
        shrink.leave_out_faults();
        shrink.simplify();
        if shrink.size() == before || shrink.is_spent() {
            return shrink.best;
        }
    }
}

fn name(failure: &str) -> &str {
    failure.split(':').next().unwrap_or_default()
}

impl Shrink {
    fn size(&self) -> (usize, usize, u64) {
        let faults = self.best.rates.clone().all().into_iter().filter(|rate| **rate > 0).count();
        (
            self.best.steps.len(),
            faults,
            self.best.pages + self.best.burst + self.best.many + self.best.devices as u64,
        )
    }

    fn is_spent(&self) -> bool {
        self.spent >= BUDGET
    }

    /// Takes a smaller scenario if it fails in the same way.
    fn tries(&mut self, plan: &Plan) -> bool {
        for roll in 0..ROLLS {
            if self.is_spent() {
                return false;
            }
            let plan = Plan { roll: plan.roll + roll, ..plan.clone() };
            let outcome = run(plan, false);
            self.spent += outcome.steps.max(100);
            if outcome.failure.is_some_and(|failure| name(&failure) == self.property) {
                // Acts after the failure are not needed.
                let mut plan = outcome.plan;
                plan.steps.truncate(outcome.done.len());
                self.best = plan;
                return true;
            }
        }
        false
    }

    fn leave_out_acts(&mut self) {
        let mut part = self.best.steps.len().div_ceil(2);
        while part > 0 && !self.is_spent() {
            let mut from = 0;
            while from < self.best.steps.len() {
                let mut plan = self.best.clone();
                plan.steps.drain(from..(from + part).min(plan.steps.len()));
                if !self.tries(&plan) {
                    from += part;
                }
            }
            part /= 2;
        }
    }

    fn leave_out_faults(&mut self) {
        for kind in 0..self.best.rates.all().len() {
            let mut plan = self.best.clone();
            if std::mem::take(plan.rates.all()[kind]) > 0 {
                self.tries(&plan);
            }
        }
    }

    fn simplify(&mut self) {
        let simpler: [fn(&mut Plan); 5] = [
            |plan| plan.devices = plan.devices.min(2),
            |plan| plan.last_death = None,
            |plan| plan.pages = 1,
            |plan| plan.burst = 1,
            |plan| plan.many = 1,
        ];
        for simplify in simpler {
            let mut plan = self.best.clone();
            simplify(&mut plan);
            self.tries(&plan);
        }
    }
}
