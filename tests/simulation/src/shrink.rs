//! Shrinking: of a scenario that breaks a property, the shortest one found that still breaks the same. Acts are left out,
//! then kinds of faults, pages, and the number of actions in a burst.

use crate::scenario::{Plan, Scenario};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// So many events are spent on it at most; about a quarter of a minute.
const BUDGET: usize = 2_000_000;
/// A scenario with a part left out meets its faults at other places; so many rolls of them are tried.
const ROLLS: u64 = 3;

/// Runs a scenario, and returns it with what did not hold.
pub fn run(plan: Plan, is_traced: bool) -> (Scenario, Option<String>) {
    let mut scenario = Scenario::of(plan);
    scenario.world.trace = is_traced.then(Vec::new);
    let ended = catch_unwind(AssertUnwindSafe(|| scenario.run()));
    let failure = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    });
    (scenario, failure)
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
        (self.best.steps.len(), faults, self.best.pages + self.best.burst + self.best.many)
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
            let (scenario, failure) = run(plan, false);
            self.spent += scenario.world.steps.max(100);
            if failure.is_some_and(|failure| name(&failure) == self.property) {
                // What comes after the failure is not needed.
                let mut plan = scenario.plan;
                plan.steps.truncate(scenario.done.len());
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
        let simpler: [fn(&mut Plan); 4] = [
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
