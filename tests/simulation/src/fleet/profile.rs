//! Workloads of several devices: the seed chooses one of these.

use crate::profile::{Act, Profile, Verb};

const MIXED: Profile = Profile {
    name: "several devices",
    pages: 2,
    ids: 3,
    steps: 60,
    burst: 2,
    many: 1,
    acts: &[
        (Act::Dispatch, 50),
        (Act::Sync, 8),
        (Act::Flush, 1),
        (Act::OpenPage, 1),
        (Act::ClosePage, 1),
        (Act::DispatchAndClose, 1),
        (Act::Online, 1),
        (Act::Hidden, 1),
        (Act::Outage, 1),
        (Act::Configure, 0),
        (Act::Register, 0),
        (Act::Hydrate, 1),
        (Act::Nonsense, 0),
        (Act::Validation, 1),
        (Act::Hook, 0),
        (Act::ListRefused, 1),
        (Act::DecideRefused, 2),
        (Act::Replicate, 3),
        (Act::CutOff, 4),
        (Act::Reconnect, 4),
        (Act::Restart, 1),
        (Act::ListConflicts, 2),
        (Act::Resolve, 6),
        (Act::BackUp, 0),
        (Act::Restore, 0),
        (Act::Wipe, 0),
        (Act::Forget, 0),
        (Act::Days, 0),
    ],
    verbs: VERBS,
};

const VERBS: &[(Verb, u64)] = &[
    (Verb::Add, 3),
    (Verb::Update, 12),
    (Verb::Remove, 1),
    (Verb::List, 4),
    (Verb::Single, 2),
    (Verb::Local, 1),
];

pub const PROFILES: &[Profile] = &[
    MIXED,
    Profile { name: "one item on several devices", ids: 1, pages: 1, ..MIXED },
    Profile {
        name: "deletions on several devices",
        ids: 2,
        acts: &[
            (Act::Dispatch, 50),
            (Act::Sync, 10),
            (Act::OpenPage, 1),
            (Act::ClosePage, 1),
            (Act::Outage, 1),
            (Act::Hydrate, 1),
            (Act::Validation, 1),
            (Act::DecideRefused, 2),
            (Act::Replicate, 3),
            (Act::CutOff, 4),
            (Act::Reconnect, 4),
            (Act::Restart, 1),
            (Act::ListConflicts, 2),
            (Act::Resolve, 6),
            (Act::Days, 6),
        ],
        verbs: &[(Verb::Add, 4), (Verb::Update, 4), (Verb::Remove, 5)],
        ..MIXED
    },
    Profile { name: "lists on several devices", ids: 1, verbs: &[(Verb::Add, 1), (Verb::List, 10)], ..MIXED },
    Profile {
        name: "settings on several devices",
        pages: 1,
        verbs: &[(Verb::Single, 10), (Verb::Update, 2)],
        ..MIXED
    },
    Profile { name: "many items on several devices", ids: 40, steps: 40, burst: 8, many: 20, ..MIXED },
    Profile {
        name: "a server that is restored",
        ids: 2,
        acts: &[
            (Act::Dispatch, 40),
            (Act::Sync, 12),
            (Act::CutOff, 4),
            (Act::Reconnect, 5),
            (Act::Restart, 1),
            (Act::ListConflicts, 2),
            (Act::Resolve, 4),
            (Act::BackUp, 3),
            (Act::Restore, 2),
        ],
        ..MIXED
    },
    Profile {
        name: "a server that is lost",
        ids: 2,
        acts: &[
            (Act::Dispatch, 40),
            (Act::Sync, 12),
            (Act::CutOff, 4),
            (Act::Reconnect, 5),
            (Act::Restart, 1),
            (Act::ListConflicts, 2),
            (Act::Resolve, 4),
            (Act::Wipe, 1),
        ],
        ..MIXED
    },
    Profile {
        name: "a server that forgets",
        ids: 2,
        acts: &[
            (Act::Dispatch, 40),
            (Act::Sync, 12),
            (Act::CutOff, 6),
            (Act::Reconnect, 3),
            (Act::Restart, 1),
            (Act::ListConflicts, 2),
            (Act::Resolve, 4),
            (Act::BackUp, 4),
            (Act::Forget, 4),
        ],
        verbs: &[(Verb::Add, 4), (Verb::Update, 6), (Verb::Remove, 4), (Verb::List, 2), (Verb::Single, 1)],
        ..MIXED
    },
    Profile {
        name: "switches on several devices",
        acts: &[
            (Act::Configure, 12),
            (Act::Dispatch, 50),
            (Act::Sync, 8),
            (Act::Resolve, 6),
            (Act::ListConflicts, 2),
        ],
        ..MIXED
    },
];
