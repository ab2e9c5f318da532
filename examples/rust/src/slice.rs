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

/// What the page itself does to one item: it is shown at once, and dispatched.
pub trait Edit<T>: Serialize {
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
    Heard(Change<T>),
    /// This page changes an item.
    Set(String, Option<T>),
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
            Act::Heard(change) => {
                for Item { id, value } in change.puts {
                    next.set(id, Some(value));
                }
                for id in change.deletes {
                    next.set(id, None);
                }
            }
            Act::Set(id, value) => next.set(id, value),
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
        let heard = dispatcher.clone();
        let subscription = subscribe(slice, move |change| heard.dispatch(Act::Heard(change)));
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

/// Shows a change of this page, and has Nightferry keep it.
pub fn edit<T: Clone>(
    items: &UseReducerHandle<Items<T>>,
    edit: &impl Edit<T>,
) -> Result<(), nightferry_page::Error> {
    dispatch(edit)?;
    let id = edit.id().to_owned();
    let value = edit.apply(items.items.get(&id).cloned());
    items.dispatch(Act::Set(id, value));
    Ok(())
}

/// How far the items have come that the server does not have.
#[hook]
pub fn use_progress(slice: &'static str) -> UseStateHandle<Rc<BTreeMap<String, ProgressState>>> {
    let shown = use_state(|| Rc::new(BTreeMap::new()));
    let setter = shown.setter();
    use_effect_with(slice, move |slice| {
        let unsent = std::cell::RefCell::new(BTreeMap::new());
        let subscription = subscribe_pending(slice, move |changes, reset| {
            let mut unsent = unsent.borrow_mut();
            if reset {
                unsent.clear();
            }
            for change in changes {
                match change.state {
                    ProgressState::Synced => unsent.remove(&change.id),
                    state => unsent.insert(change.id.clone(), state),
                };
            }
            setter.set(Rc::new(unsent.clone()));
        });
        move || drop(subscription)
    });
    shown
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
