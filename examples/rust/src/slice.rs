//! Hooks between Yew and Nightferry: a slice's items as the page shows them, how far each has come, and the status.

use nightferry_page::{
    Change, Item, ProgressState, Status, dispatch, get_status, hydrate, subscribe, subscribe_pending,
    subscribe_status,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use yew::platform::spawn_local;
use yew::prelude::*;

/// Applies the page's own change of one item: it is shown at once, and dispatched.
pub trait Edit<T> {
    fn id(&self) -> &str;
    /// The item after it, if there is one then.
    fn apply(&self, item: Option<T>) -> Option<T>;
}

/// A slice's items by their ids.
#[derive(Clone, PartialEq)]
pub struct Items<T> {
    pub items: BTreeMap<String, T>,
    /// Until the stored items are read: those that are newer than they.
    newer: Option<BTreeSet<String>>,
}

impl<T> Items<T> {
    pub fn is_read(&self) -> bool {
        self.newer.is_none()
    }
}

pub enum Act<T> {
    /// The items as they are stored.
    Read(Vec<Item<T>>),
    /// Something changed elsewhere.
    Received(Change<T>),
    /// This page changes an item.
    Edit(Box<dyn Edit<T>>),
}

impl<T: Clone> Reducible for Items<T> {
    type Action = Act<T>;

    fn reduce(self: Rc<Self>, act: Act<T>) -> Rc<Self> {
        let mut next = Rc::unwrap_or_clone(self);
        match act {
            Act::Read(stored) => {
                let newer = next.newer.take().unwrap_or_default();
                for Item { id, value } in stored {
                    if !newer.contains(&id) {
                        next.items.insert(id, value);
                    }
                }
            }
            Act::Received(change) => {
                for Item { id, value } in change.puts {
                    next.set(id, Some(value));
                }
                for id in change.deletes {
                    next.set(id, None);
                }
            }
            // Of what the item is by now, not of what was shown last.
            Act::Edit(edit) => {
                let value = edit.apply(next.items.get(edit.id()).cloned());
                next.set(edit.id().to_owned(), value);
            }
        }
        next.into()
    }
}

impl<T> Items<T> {
    fn set(&mut self, id: String, value: Option<T>) {
        if let Some(newer) = &mut self.newer {
            newer.insert(id.clone());
        }
        match value {
            Some(value) => self.items.insert(id, value),
            None => self.items.remove(&id),
        };
    }
}

/// The items of a slice that was registered. `problem` hears of what goes wrong.
#[hook]
pub fn use_slice<T>(slice: &'static str, problem: Callback<String>) -> UseReducerHandle<Items<T>>
where
    T: Clone + DeserializeOwned + 'static,
{
    let items = use_reducer(|| Items { items: BTreeMap::new(), newer: Some(BTreeSet::new()) });
    let dispatcher = items.dispatcher();
    use_effect_with(slice, move |slice| {
        let slice = *slice;
        let receiver = dispatcher.clone();
        let subscription = subscribe(slice, move |change| receiver.dispatch(Act::Received(change)));
        spawn_local(async move {
            match hydrate(slice).await {
                Ok(stored) => dispatcher.dispatch(Act::Read(stored)),
                Err(error) => problem.emit(error.message),
            }
        });
        // It listens for as long as the component lives.
        move || drop(subscription)
    });
    items
}

/// Shows a change of this page, and has Nightferry keep it. Until the worker says more of it, it is only on this device.
pub fn edit<T: Clone>(
    items: &UseReducerHandle<Items<T>>,
    progress: &UseReducerHandle<Progress>,
    edit: impl Edit<T> + Serialize + 'static,
) -> Result<(), nightferry_page::Error> {
    dispatch(&edit)?;
    progress.dispatch(Update { changes: vec![(edit.id().to_owned(), ProgressState::Local)], reset: false });
    items.dispatch(Act::Edit(Box::new(edit)));
    Ok(())
}

/// The items that the server does not have, and how far each has come.
#[derive(Clone, Default, PartialEq)]
pub struct Progress(BTreeMap<String, ProgressState>);

impl Progress {
    pub fn of(&self, id: &str) -> ProgressState {
        self.0.get(id).copied().unwrap_or(ProgressState::Synced)
    }
}

/// Progress of some items; with `reset`, of all that the server does not have.
pub struct Update {
    changes: Vec<(String, ProgressState)>,
    reset: bool,
}

impl Reducible for Progress {
    type Action = Update;

    fn reduce(self: Rc<Self>, update: Update) -> Rc<Self> {
        let mut next = if update.reset { Progress::default() } else { Rc::unwrap_or_clone(self) };
        for (id, state) in update.changes {
            match state {
                ProgressState::Synced => next.0.remove(&id),
                state => next.0.insert(id, state),
            };
        }
        next.into()
    }
}

/// How far the items of a slice have come.
#[hook]
pub fn use_progress(slice: &'static str) -> UseReducerHandle<Progress> {
    let progress = use_reducer(Progress::default);
    let dispatcher = progress.dispatcher();
    use_effect_with(slice, move |slice| {
        let subscription = subscribe_pending(slice, move |changes, reset| {
            let changes = changes.iter().map(|change| (change.id.clone(), change.state)).collect();
            dispatcher.dispatch(Update { changes, reset });
        });
        move || drop(subscription)
    });
    progress
}

/// The state of the whole, as it changes.
#[hook]
pub fn use_status() -> UseStateHandle<Status> {
    let status = use_state(get_status);
    let setter = status.setter();
    use_effect_with((), move |()| {
        let subscription = subscribe_status(move |status| setter.set(status.clone()));
        move || drop(subscription)
    });
    status
}
