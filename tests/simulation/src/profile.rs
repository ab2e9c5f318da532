//! Workloads of a device: the seed chooses one of these, and a run is made of its acts.

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
    /// A page asks for the list of refused changes.
    ListRefused,
    /// A page retries or discards a refused change.
    DecideRefused,
    // Of several devices.
    /// A device loses its network, and gets it back.
    CutOff,
    Reconnect,
    /// The worker is killed and started.
    Restart,
    /// A page asks for the conflicts, and resolves one.
    ListConflicts,
    Resolve,
    /// The read replica catches up.
    Replicate,
    /// The server's database is copied, becomes the copy, or is lost.
    BackUp,
    Restore,
    Wipe,
    /// The horizon passes what happened before the last copy.
    Forget,
    /// Days go by at the server: devices forget what was deleted long ago.
    Days,
}

/// The verb of an action; see `actions.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    AddMany,
    Update,
    Remove,
    Local,
    Single,
    /// A list's element is added, changed or removed, on several devices.
    List,
    /// In a slice that was registered later.
    Later,
    /// One that can't be used.
    Bad,
}

#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Pages at the start.
    pub pages: u64,
    /// Different ids in a slice.
    pub ids: u64,
    /// How many acts.
    pub steps: u64,
    /// The most actions in a burst, and items in an action.
    pub burst: u64,
    pub many: u64,
    /// How often each act is done, where that is not as in [`COMMON`].
    pub acts: &'static [(Act, u64)],
    pub verbs: &'static [(Verb, u64)],
}

impl Profile {
    pub fn act_weights(&self) -> Vec<(Act, u64)> {
        let mut weights = COMMON.to_vec();
        for (act, weight) in self.acts {
            weights.retain(|(other, _)| other != act);
            weights.push((*act, *weight));
        }
        weights
    }
}

/// How often each act is done, unless a profile says otherwise. An act that is not here is not done.
const COMMON: &[(Act, u64)] = &[
    (Act::Dispatch, 60),
    (Act::Flush, 4),
    (Act::Sync, 4),
    (Act::Hydrate, 3),
    (Act::OpenPage, 2),
    (Act::ClosePage, 1),
    (Act::DispatchAndClose, 1),
    (Act::Register, 2),
    (Act::Online, 1),
    (Act::Nonsense, 1),
    (Act::Outage, 2),
    (Act::Hidden, 1),
];

const MIXED: Profile = Profile {
    name: "mixed",
    pages: 2,
    ids: 6,
    steps: 40,
    burst: 4,
    many: 4,
    acts: &[],
    verbs: &[
        (Verb::Add, 6),
        (Verb::AddMany, 2),
        (Verb::Update, 6),
        (Verb::Remove, 3),
        (Verb::Local, 2),
        (Verb::Single, 2),
        (Verb::Later, 2),
        (Verb::Bad, 1),
    ],
};

/// Others have a part in it: another device, validation, hooks.
const OTHERS: &[(Act, u64)] = &[
    (Act::Flush, 2),
    (Act::Sync, 3),
    (Act::Hydrate, 2),
    (Act::Register, 1),
    (Act::Nonsense, 0),
    (Act::ForeignEdit, 6),
    (Act::ForeignDelete, 2),
    (Act::Validation, 3),
    (Act::Hook, 3),
    (Act::Configure, 1),
    (Act::ListRefused, 1),
    (Act::DecideRefused, 2),
];

pub const PROFILES: &[Profile] = &[
    MIXED,
    Profile {
        name: "one tab",
        pages: 1,
        acts: &[
            (Act::Flush, 3),
            (Act::Sync, 3),
            (Act::Hydrate, 1),
            (Act::OpenPage, 0),
            (Act::ClosePage, 0),
            (Act::DispatchAndClose, 0),
            (Act::Register, 1),
            (Act::Nonsense, 0),
        ],
        ..MIXED
    },
    Profile { name: "many tabs", pages: 5, ..MIXED },
    Profile { name: "hot keys", pages: 3, ids: 1, steps: 60, burst: 6, ..MIXED },
    Profile {
        name: "deleted and added again",
        ids: 3,
        verbs: &[
            (Verb::Add, 6),
            (Verb::AddMany, 1),
            (Verb::Update, 1),
            (Verb::Remove, 8),
            (Verb::Local, 1),
            (Verb::Later, 1),
        ],
        ..MIXED
    },
    Profile {
        name: "bulk",
        ids: 400,
        steps: 10,
        many: 300,
        verbs: &[
            (Verb::Add, 1),
            (Verb::AddMany, 6),
            (Verb::Update, 2),
            (Verb::Remove, 2),
            (Verb::Local, 1),
            (Verb::Single, 1),
            (Verb::Later, 1),
        ],
        ..MIXED
    },
    Profile {
        name: "slices come and change",
        acts: &[
            (Act::Dispatch, 40),
            (Act::Flush, 2),
            (Act::Sync, 2),
            (Act::Hydrate, 2),
            (Act::OpenPage, 4),
            (Act::Register, 15),
            (Act::Outage, 1),
        ],
        verbs: &[
            (Verb::Add, 3),
            (Verb::AddMany, 1),
            (Verb::Update, 3),
            (Verb::Remove, 2),
            (Verb::Local, 2),
            (Verb::Single, 2),
            (Verb::Later, 8),
            (Verb::Bad, 1),
        ],
        ..MIXED
    },
    Profile {
        name: "local only",
        verbs: &[(Verb::Add, 1), (Verb::Update, 1), (Verb::Local, 10), (Verb::Single, 1)],
        ..MIXED
    },
    Profile {
        name: "single values",
        verbs: &[(Verb::Local, 1), (Verb::Single, 10), (Verb::Later, 2)],
        ..MIXED
    },
    Profile {
        name: "impatient",
        acts: &[
            (Act::Dispatch, 40),
            (Act::Flush, 20),
            (Act::Sync, 20),
            (Act::Hydrate, 5),
            (Act::OpenPage, 1),
            (Act::Register, 1),
            (Act::Online, 5),
        ],
        ..MIXED
    },
    Profile {
        name: "tabs come and go",
        acts: &[
            (Act::Dispatch, 40),
            (Act::Flush, 2),
            (Act::Sync, 2),
            (Act::Hydrate, 2),
            (Act::OpenPage, 10),
            (Act::ClosePage, 6),
            (Act::DispatchAndClose, 8),
            (Act::Register, 1),
            (Act::Nonsense, 0),
        ],
        ..MIXED
    },
    Profile {
        name: "late readers",
        pages: 1,
        acts: &[
            (Act::Dispatch, 40),
            (Act::Flush, 1),
            (Act::Sync, 1),
            (Act::Hydrate, 15),
            (Act::OpenPage, 8),
            (Act::ClosePage, 3),
            (Act::DispatchAndClose, 0),
            (Act::Register, 1),
            (Act::Nonsense, 0),
            (Act::Outage, 1),
        ],
        ..MIXED
    },
    Profile { name: "other devices", ids: 4, acts: OTHERS, ..MIXED },
    Profile {
        name: "a strict server",
        ids: 4,
        acts: &[
            (Act::Flush, 2),
            (Act::Sync, 3),
            (Act::Hydrate, 2),
            (Act::Register, 1),
            (Act::Nonsense, 0),
            (Act::Validation, 12),
            (Act::Hook, 6),
            (Act::ListRefused, 6),
            (Act::DecideRefused, 12),
        ],
        ..MIXED
    },
    Profile { name: "switches", acts: &[(Act::Nonsense, 0), (Act::Configure, 25)], ..MIXED },
    Profile {
        name: "lost answers among others",
        pages: 1,
        ids: 2,
        acts: &[
            (Act::Sync, 8),
            (Act::ForeignEdit, 25),
            (Act::Outage, 4),
            (Act::Configure, 8),
            (Act::Hook, 2),
        ],
        verbs: &[(Verb::Add, 2), (Verb::Update, 10), (Verb::Remove, 1)],
        ..MIXED
    },
    Profile { name: "everything", pages: 3, steps: 60, ids: 5, acts: OTHERS, ..MIXED },
];
