//! What people do with the device: the seed chooses one of these, and a run is made of its acts.

/// One thing that happens between two pauses of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Dispatch,
    Flush,
    Sync,
    Hydrate,
    OpenPage,
    ClosePage,
    /// A tab is closed right after it dispatched.
    DispatchAndClose,
    /// A page registers its slices again, with others, or with other settings.
    Register,
    /// A slice is enabled, disabled, taken off the server or given back to it, or gets other settings.
    Configure,
    /// The network is back, says the browser.
    Online,
    /// A page is hidden.
    Hidden,
    /// Messages that no page of this version sends.
    Nonsense,
    ForeignEdit,
    ForeignDelete,
    /// The server's validation refuses an item from now on, or not any more.
    Validation,
    /// A hook of the server changes an item's values from now on, or not any more.
    Hook,
    /// The server goes away, or comes back.
    Outage,
}

pub const ACTS: &[Act] = &[
    Act::Dispatch,
    Act::Flush,
    Act::Sync,
    Act::Hydrate,
    Act::OpenPage,
    Act::ClosePage,
    Act::DispatchAndClose,
    Act::Register,
    Act::Online,
    Act::Nonsense,
    Act::ForeignEdit,
    Act::ForeignDelete,
    Act::Validation,
    Act::Hook,
    Act::Outage,
    Act::Configure,
    Act::Hidden,
];

/// What an action does; see `actions.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    AddMany,
    Update,
    Remove,
    Local,
    Single,
    /// In a slice that was registered later.
    Later,
    /// One that can't be used.
    Bad,
}

pub const VERBS: &[Verb] = &[
    Verb::Add,
    Verb::AddMany,
    Verb::Update,
    Verb::Remove,
    Verb::Local,
    Verb::Single,
    Verb::Later,
    Verb::Bad,
];

#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Pages at the start.
    pub pages: u64,
    /// Different ids in a slice.
    pub ids: u64,
    /// How many acts.
    pub acts: u64,
    /// The most actions in a burst, and items in an action.
    pub burst: u64,
    pub many: u64,
    /// In the order of [`ACTS`] and of [`VERBS`].
    pub act: [u64; ACTS.len()],
    pub verb: [u64; VERBS.len()],
}

const MIXED: Profile = Profile {
    name: "mixed",
    pages: 2,
    ids: 6,
    acts: 40,
    burst: 4,
    many: 4,
    act: [60, 4, 4, 3, 2, 1, 1, 2, 1, 1, 0, 0, 0, 0, 2, 0, 1],
    verb: [6, 2, 6, 3, 2, 2, 2, 1],
};

/// Others have a part in it: another device, validation, hooks.
const OTHERS: [u64; ACTS.len()] = [60, 2, 3, 2, 2, 1, 1, 1, 1, 0, 6, 2, 3, 3, 2, 1, 1];

pub const PROFILES: &[Profile] = &[
    MIXED,
    Profile { name: "one tab", pages: 1, act: [60, 3, 3, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 2, 0, 1], ..MIXED },
    Profile { name: "many tabs", pages: 5, ..MIXED },
    Profile { name: "hot keys", pages: 3, ids: 1, acts: 60, burst: 6, ..MIXED },
    Profile { name: "deleted and added again", ids: 3, verb: [6, 1, 1, 8, 1, 0, 1, 0], ..MIXED },
    Profile { name: "bulk", ids: 400, acts: 10, many: 300, verb: [1, 6, 2, 2, 1, 1, 1, 0], ..MIXED },
    Profile {
        name: "slices come and change",
        act: [40, 2, 2, 2, 4, 1, 1, 15, 1, 1, 0, 0, 0, 0, 1, 0, 1],
        verb: [3, 1, 3, 2, 2, 2, 8, 1],
        ..MIXED
    },
    Profile { name: "local only", verb: [1, 0, 1, 0, 10, 1, 0, 0], ..MIXED },
    Profile { name: "single values", verb: [0, 0, 0, 0, 1, 10, 2, 0], ..MIXED },
    Profile { name: "impatient", act: [40, 20, 20, 5, 1, 1, 1, 1, 5, 1, 0, 0, 0, 0, 2, 0, 1], ..MIXED },
    Profile { name: "tabs come and go", act: [40, 2, 2, 2, 10, 6, 8, 1, 1, 0, 0, 0, 0, 0, 2, 0, 1], ..MIXED },
    Profile {
        name: "late readers",
        pages: 1,
        act: [40, 1, 1, 15, 8, 3, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1],
        ..MIXED
    },
    Profile { name: "other devices", ids: 4, act: OTHERS, ..MIXED },
    Profile {
        name: "a strict server",
        ids: 4,
        act: [60, 2, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 12, 6, 2, 0, 1],
        ..MIXED
    },
    Profile { name: "switches", act: [60, 4, 4, 3, 2, 1, 1, 2, 1, 0, 0, 0, 0, 0, 2, 25, 1], ..MIXED },
    Profile { name: "everything", pages: 3, acts: 60, ids: 5, act: OTHERS, ..MIXED },
];
