//! The properties that must hold, by name. A run that breaks one ends with it.

macro_rules! properties {
    ($($property:ident $name:literal $says:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Property { $(#[doc = $says] $property),* }

        impl Property {
            /// Its name, and what it says.
            pub fn text(self) -> (&'static str, &'static str) {
                match self { $(Property::$property => ($name, $says)),* }
            }
        }

        pub const PROPERTIES: &[Property] = &[$(Property::$property),*];
    };
}

properties! {
    Acknowledged "acknowledged-is-durable" "what a page was told is durable is in the database, whatever dies (P1)",
    Gapless "bursts-once-in-order" "a page's bursts become durable once each, in their order, under new positions",
    Forward "marks-go-forward" "how far the journal is trimmed and a page's bursts are taken never goes back",
    Once "exactly-once" "no change takes effect at the server twice, or after a newer one of its item (P2, P3)",
    Order "order" "the states an item takes at the server are states it went through here, in that order (P3)",
    Converged "convergence" "when faults stop, database and server are equal and the outbox is empty (P4)",
    PagesAgree "pages-agree" "when faults stop, every page shows what the database has (P4)",
    Live "liveness" "what is pending has something armed, open or in flight that moves it (P5)",
    NoSpin "no-spin" "a deadline lies ahead, and a run ends",
    Answered "requests-end" "every request of a page ends",
    Flushed "flush-after-commit" "a flush ends well only once all before it is in the slices' stores",
    Synced "sync-after-answer" "a sync ends well only once the server has all before it that may be sent",
    Rows "rows-are-complete" "a page that reads a slice sees its own earlier changes, and only states that were",
    Local "local-stays-local" "nothing of a slice that is not sent is in any request (P7)",
    Front "journal-from-the-front" "a record leaves the journal only once all its changes are in the slices' stores",
    OneTransaction "one-transaction-an-item" "an item is in at most one open transaction",
    RowsGoForward "rows-go-forward" "a row takes the place of one of an earlier position, and nothing that had ended is in it",
    OneRequest "one-request" "at most one request is in flight",
    SamePush "same-push" "a push that is sent again is the same push",
    Wire "wire" "what is sent is what the protocol says",
    Conflicts "both-sides-kept" "the local side of a conflict is what is shown",
    Status "status-is-true" "when all is at rest, every page's last status and progress are the truth",
    NoSilentLoss "no-silent-loss" "no write is lost, and none comes back, unless someone decided it who knew the other one (P6)",
    NoSelfConflict "no-conflict-with-oneself" "an item that nobody else changed is in no conflict",
    Waits "waits-by-own-clock" "nothing waits longer or shorter because the wall clock is set",
    Apart "users-are-apart" "nothing of a user is shown, stored or sent as another's (P7)",
    Refused "refusals-are-kept" "the list of refused changes is what the database has",
    Poked "pokes-are-heard" "a device with a live connection has another one's change before its next interval",
    Idle "idle-is-silent" "a device that has everything sends nothing, and asks at its interval",
    Restart "restart-changes-nothing" "at rest, a new worker finds the same and does nothing",
}

/// Ends the run.
#[track_caller]
pub fn violated(property: Property, detail: impl std::fmt::Display) -> ! {
    panic!("{}: {detail}", property.text().0)
}
