//! Numbers that must not be taken for one another. On the wire and on disk each is a plain JSON number.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            pub fn next(self) -> Self {
                $name(self.0 + 1)
            }

            /// The number before this one; zero stays.
            pub fn previous(self) -> Self {
                $name(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A record's place in the journal. The first record has 1; 0 is before every record.
    Position
}

number! {
    /// A transaction of the server, as the server numbers them.
    Version
}

number! {
    /// A page's count of its bursts. The first has 1.
    BurstNo
}

number! {
    /// A client's count of its pushes. The first has 1.
    PushNo
}

number! {
    /// A page's count of its requests to the worker.
    RequestNo
}

/// A point in time on the wall clock, in ms since 1970. It may jump either way, so no deadline is kept in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The point `ms` later.
    pub fn plus(self, ms: u64) -> Self {
        Millis(self.0.saturating_add(ms))
    }

    /// The ms from `earlier` to this point; none if `earlier` is later.
    pub fn elapsed_since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A point in time on the clock of one worker's life, in ms since some start of its own. It only counts forward; every
/// deadline is kept in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The point `ms` later.
    pub fn plus(self, ms: u64) -> Self {
        Tick(self.0.saturating_add(ms))
    }

    /// The ms from `earlier` to this point; none if `earlier` is later.
    pub fn elapsed_since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
