//! Every kind of fault by name, and how often each happened: one that never happens tests nothing.

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($kind),* }

        /// All of them, in the order of the enum.
        pub const KINDS: &[(Kind, &str)] = &[$((Kind::$kind, $name)),*];
    };
}

kinds! {
    // The worker.
    WorkerKilled "worker killed",
    WorkerStopped "worker stopped at rest",
    TimerLate "timer late",
    TransactionLost "open transaction lost with the worker",
    TransactionSurvived "open transaction durable, worker never told",
    ReportLost "end of a transaction lost with the worker",
    ClockBack "clock set back",
    ClockForward "clock set forward",
    // The database.
    WriteFailed "transaction failed",
    QuotaFull "no room left",
    ReadFailed "reading failed",
    RowsFailed "reading a slice failed",
    MigrationFailed "adding stores failed",
    WorkLate "transaction late",
    WorkReordered "transactions finished in another order",
    // Between page and worker.
    MessageLost "message lost with the worker",
    MessageRepeated "message repeated",
    MessageLate "message late",
    PageLate "page hears late",
    TabClosed "tab closed",
    TabClosedUnacknowledged "tab closed right after a dispatch",
    // Between worker and server.
    RequestLost "request lost, server silent",
    ConnectionRefused "server unreachable",
    Outage "outage of the server",
    AnswerLost "answer lost after effect",
    AnswerSwallowed "silence after effect",
    AnswerCut "answer cut",
    AnswerHtml "a page of HTML",
    AnswerPartial "answer leaves changes out",
    Internal "500",
    Unavailable "503 with Retry-After",
    Refused4xx "4xx of the whole request",
    RequestRepeated "request repeated by the network",
    ServerSlow "server slow",
    AnswerTooLate "answer after it was given up",
    // The server.
    Forked "client forked",
    ForeignEdit "edit by another device",
    ForeignDelete "deletion by another device",
    Conflict "change in conflict",
    Rejected "change refused by validation",
    RefusalDecided "refused change retried or discarded",
    Hooked "value changed by a hook",
    // The server of several devices.
    TransactionOpen "transaction of a push stays open",
    ReplicaLags "a replica that lags answers",
    ChangeUnreadable "pulled change that can't be read",
    PokeLost "poke lost",
    ServerRestored "server restored from a backup",
    ServerWiped "server wiped",
    HorizonPassed "tombstones collected",
    DaysPassed "days gone by",
    DeviceOffline "device cut off",
    ConflictResolved "conflict resolved",
}

/// Returns true if scenarios of one device, or of several, have this kind.
pub fn happens(kind: Kind, is_of_fleet: bool) -> bool {
    match kind {
        Kind::ForeignEdit | Kind::ForeignDelete | Kind::Hooked => !is_of_fleet,
        kind if kind as usize >= Kind::TransactionOpen as usize => is_of_fleet,
        _ => true,
    }
}

/// How often each kind happened.
#[derive(Debug, Clone)]
pub struct Tally([u64; KINDS.len()]);

impl Default for Tally {
    fn default() -> Self {
        Tally([0; KINDS.len()])
    }
}

impl Tally {
    pub fn record(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub fn iter(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        KINDS.iter().zip(self.0).map(|((kind, name), count)| (*kind, *name, count))
    }
}
