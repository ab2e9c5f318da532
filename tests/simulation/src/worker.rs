//! The worker: started, fed, killed; what the engine wants is begun here. A new output of the engine has its arm in
//! [`World::drain`].

use crate::disk::{self, Completion, Finished, Work};
use crate::kinds::Kind;
use crate::property::{Property, violated};
use crate::world::{Event, World};
use nightferry::engine::{Engine, Input, Moment, Output};
use nightferry::units::{Millis, Tick};

/// Work that is due within this time keeps the worker alive, as in the real one.
const KEEP_ALIVE_MS: u64 = 20_000;

/// A worker that dies sooner than it can answer gets nowhere; after so many, they live on.
const MOST_WORKERS: u64 = 25;

impl World {
    pub fn boot(&mut self) {
        if self.worker > 0 && self.streams.clock.chance(self.fault_rates.clock_jumps) {
            self.jump();
        }
        self.worker += 1;
        self.born_at = self.now.saturating_sub(7);
        self.in_flight = None;
        // Its requests are numbered anew.
        self.cancelled.clear();
        self.note(|world| format!("worker {} starts, its clock says {}", world.worker, world.clock()));
        let moment = self.moment();
        let mut engine = Engine::new(moment, self.disk.store.snapshot()).expect("the engine starts");
        if let Some(place) = &self.place {
            engine.serve(place, self.user.as_deref());
        }
        self.engine = Some(engine);
        self.drain();
    }

    /// Someone sets the device's clock by so many ms, while the worker lives on.
    pub fn set_clock(&mut self, by: i64) {
        self.skew += by;
    }

    /// Someone sets the device's clock.
    fn jump(&mut self) {
        let by = self.streams.clock.pick(&[1_000, 60_000, 3_600_000, 86_400_000]);
        let forward = self.streams.clock.chance(500);
        self.tally.record(if forward { Kind::ClockForward } else { Kind::ClockBack });
        self.skew += if forward { by } else { -by };
    }

    /// The worker dies. Of its transactions, some may have taken effect, in their order.
    pub fn kill(&mut self) {
        if self.engine.take().is_none() {
            return;
        }
        self.tally.record(Kind::WorkerKilled);
        self.note(|world| format!("worker {} dies", world.worker));
        self.end();
    }

    /// Ends everything that ends with a worker.
    fn end(&mut self) {
        self.deadline = None;
        self.wake_at = None;
        (self.wanted_live, self.live) = (None, None);
        self.not_before = None;
        let Self { disk, streams, model, tally, .. } = self;
        let mut survived = 0;
        let open = disk.open_writes().count();
        disk.crash(
            || streams.worker.chance(500),
            |writes| {
                survived += 1;
                model.observe(writes);
            },
        );
        (0..survived).for_each(|_| tally.record(Kind::TransactionSurvived));
        (survived..open).for_each(|_| tally.record(Kind::TransactionLost));
        self.note(|_| format!("  of {open} open transactions, {survived} are durable"));
        self.check_front();
        self.lose_events();
    }

    /// Messages that the worker had got already, reports to it, and some of its requests, go with it.
    fn lose_events(&mut self) {
        let (mut losing, worker) = (true, self.worker);
        let Self { events, streams, tally, .. } = self;
        let rng = &mut streams.worker;
        events.retain(|_, event| match event {
            Event::ToWorker { .. } => {
                losing = losing && rng.chance(700);
                if losing {
                    tally.record(Kind::MessageLost);
                }
                !losing
            }
            Event::Report { worker: of, input } if *of == worker => {
                if matches!(input, Input::Stored { .. }) {
                    tally.record(Kind::ReportLost);
                }
                false
            }
            Event::Arrive { .. } => !rng.chance(300),
            _ => true,
        });
    }

    pub fn kill_and_boot(&mut self) {
        self.kill();
        self.boot();
    }

    /// A place where the worker may die.
    pub(crate) fn boundary(&mut self) {
        self.boundary += 1;
        if self.kill_at == Some(self.boundary) || self.streams.worker.chance(self.kills) {
            self.kill_and_boot();
        } else if self.worker < MOST_WORKERS && self.streams.worker.chance(self.fault_rates.deaths) {
            self.kill();
            // Another event may be there to start the next one at once.
            if self.streams.worker.chance(500) {
                self.boot();
            }
        } else if self.worker < MOST_WORKERS
            && self.streams.worker.chance(self.fault_rates.stops)
            && self.engine.as_ref().is_some_and(|engine| !engine.busy(KEEP_ALIVE_MS))
            && !self.events.values().any(|event| matches!(event, Event::ToWorker { .. }))
        {
            self.engine = None;
            self.tally.record(Kind::WorkerStopped);
            self.note(|world| format!("worker {} has nothing to do and is stopped", world.worker));
            self.end();
        }
    }

    /// A message arrives: the browser starts a worker for it where there is none.
    pub(crate) fn deliver(&mut self, text: String) {
        if self.is_away {
            return self.strayed.push(text);
        }
        if self.engine.is_none() {
            if self.streams.disk.chance(self.fault_rates.disk) {
                self.tally.record(Kind::ReadFailed);
                self.note(|_| "a worker cannot open the database and does not start".into());
                return;
            }
            self.boot();
        }
        // A person asks for it, or asks whether the server answers.
        if [r#""kind":"sync""#, r#""kind":"check""#].iter().any(|kind| text.contains(kind)) {
            self.not_before = None;
        }
        self.note(|_| format!("worker hears {text}"));
        self.feed(Input::Message(text));
    }

    /// The engine is told how something ended.
    pub(crate) fn input(&mut self, input: Input) {
        if let Input::Answered { request, .. } = &input {
            if self.cancelled.contains(request) {
                self.tally.record(Kind::AnswerTooLate);
                return;
            }
            self.in_flight = None;
        }
        self.note_known(&input);
        self.note_wait(&input);
        self.note(|_| format!("worker is told {input:?}"));
        self.feed(input);
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let moment = self.moment();
        if let Some(engine) = &mut self.engine {
            engine.handle(moment, input);
            self.drain();
            self.boundary();
        }
    }

    fn moment(&mut self) -> Moment {
        if self.streams.clock.chance(self.fault_rates.live_clock_jumps) {
            self.jump();
        }
        Moment { tick: self.worker_clock(), at: Millis(self.clock()), entropy: self.streams.entropy.next() }
    }

    /// The clock of this worker's life: it starts anew with each, and no one sets it.
    pub fn worker_clock(&self) -> Tick {
        Tick(self.now - self.born_at)
    }

    /// Starts what the engine wants.
    fn drain(&mut self) {
        loop {
            let Some(engine) = &mut self.engine else { return };
            match engine.poll() {
                Output::Wait(deadline) => {
                    self.arm(deadline);
                    return;
                }
                Output::Post { message, .. }
                    if !self.tells_metrics && message.starts_with(r#"{"v":1,"kind":"metrics""#) => {}
                Output::Post { to, message } => {
                    let message = serde_json::from_str(&message).expect("a message is JSON");
                    self.send(&to, message);
                }
                Output::Request { request, path, body, token } => {
                    self.request_with(request, path, body, token.as_deref());
                }
                Output::Cancel { request } => {
                    self.note(|_| format!("request {request} is given up"));
                    self.cancelled.push(request);
                    self.in_flight = None;
                }
                Output::Store { txn, writes } => {
                    self.note(|_| format!("transaction {txn}: {}", crate::trace::writes(&writes)));
                    self.check_one_transaction(&writes);
                    self.check_rows_go_forward(&writes);
                    self.work(Work::Store { txn, writes });
                }
                Output::OpenLive { live, .. } => self.open_live(live),
                Output::CloseLive => self.close_live(),
                Output::RequestBackgroundSync => self.asked_to_be_woken = true,
                Output::Load { load, wanted, slices } => self.work(Work::Load { load, wanted, slices }),
                Output::Migrate { stores } => self.work(Work::Migrate { stores }),
                Output::Rows { to, request, message, store } => {
                    self.work(Work::Rows { to, request, message, store });
                }
            }
        }
    }

    fn arm(&mut self, deadline: Option<nightferry::engine::Deadline>) {
        let clock = self.worker_clock();
        if deadline.is_some_and(|deadline| deadline.at <= clock) {
            violated(Property::NoSpin, format!("{deadline:?} is not after {clock:?}"));
        }
        if let Some(deadline) = deadline {
            self.check_deadline(deadline);
        }
        if self.deadline == deadline && self.wake_at.is_some_and(|at| at > self.now) {
            return;
        }
        let mut late = 0;
        if deadline.is_some() && self.streams.timers.chance(self.fault_rates.late_timers) {
            late = self.streams.timers.below(1_500);
            self.tally.record(Kind::TimerLate);
        }
        self.deadline = deadline;
        self.wake_at = deadline.map(|deadline| self.born_at + deadline.at.0 + late);
    }

    fn work(&mut self, work: Work) {
        let id = self.disk.start(work);
        let mut latency = 1 + self.streams.disk.below(3);
        if self.streams.disk.chance(self.fault_rates.late_work) {
            latency += self.streams.disk.below(1_000);
            self.tally.record(Kind::WorkLate);
        }
        self.after(latency, Event::Disk { id });
    }

    pub(crate) fn finish(&mut self, id: u64) {
        let Finished::Done { work, result, overtook } = self.disk.finish(id, &mut self.streams.disk) else {
            return;
        };
        for id in self.disk.unblocked() {
            self.after(0, Event::Disk { id });
        }
        if overtook {
            self.tally.record(Kind::WorkReordered);
        }
        if let Err(error) = &result {
            self.tally.record(match &work {
                Work::Store { .. } if error.full => Kind::QuotaFull,
                Work::Store { .. } => Kind::WriteFailed,
                Work::Load { .. } => Kind::ReadFailed,
                Work::Rows { .. } => Kind::RowsFailed,
                Work::Migrate { .. } => Kind::MigrationFailed,
            });
        }
        if let (Work::Store { writes, txn }, Ok(())) = (&work, &result) {
            self.model.observe(writes);
            self.check_front();
            self.note(|_| format!("transaction {txn} is durable"));
        }
        match disk::report(work, result, &self.disk) {
            Completion::Pages(to, message) => self.send(&to, message),
            Completion::Engine(input) => {
                let worker = self.worker;
                self.boundary();
                if worker == self.worker && self.engine.is_some() {
                    self.after(0, Event::Report { worker, input });
                }
            }
        }
    }
}
