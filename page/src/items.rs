//! A slice's items: read, and told when they change elsewhere.

use crate::error::Error;
use crate::heard::Elsewhere;
use crate::listeners::Subscription;
use crate::page::{ask, page};
use crate::types::{Change, Item, ItemProgress};
use gloo_timers::future::TimeoutFuture;
use nightferry::bridge::down::Rows;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A slice that could not be read again in peace is read again after so many ms.
const AGAIN_MS: u32 = 250;

/// A slice's items, all of one moment, what was dispatched before included. Later changes follow by [`subscribe`]; what
/// that told before is in them.
///
/// An item that is no `T` is left out, and reported to [`subscribe_errors`](crate::subscribe_errors) and the console as
/// `unreadable_item`.
///
/// # Errors
///
/// `unknown_slice`, `storage`, `not_registered`.
pub async fn hydrate<T: DeserializeOwned>(slice: &str) -> Result<Vec<Item<T>>, Error> {
    let items = stored(slice).await?;
    let heard = &page().heard;
    heard.has_read(slice, items.iter().map(|item| item.id.clone()));
    Ok(heard.typed(slice, &items))
}

async fn stored(slice: &str) -> Result<Vec<Item<Value>>, Error> {
    // The worker reads a store while it takes what others do, and may tell of that before it answers.
    let early: Rc<RefCell<Vec<Elsewhere>>> = Rc::default();
    let (told, another) = (early.clone(), early.clone());
    let _listening = page().heard.on_change(slice, move |told_now| told.borrow_mut().push(told_now.clone()));
    let _another = page().heard.on_another.add(move |()| another.borrow_mut().clear());
    let rows: Rows<Value> = ask("hydrate", Some(slice), None).await?;
    let mut items: BTreeMap<String, Value> = rows.ids.into_iter().zip(rows.values).collect();
    let mut change = |puts: Vec<Item<Value>>, deletes: Vec<String>| {
        for id in deletes {
            items.remove(&id);
        }
        items.extend(puts.into_iter().map(|put| (put.id, put.value)));
    };
    change(rows.puts, rows.deletes);
    for Elsewhere { position, change: told } in early.take() {
        if position > rows.position {
            change(told.puts, told.deletes);
        }
    }
    Ok(items.into_iter().map(|(id, value)| Item { id, value }).collect())
}

/// Reads a slice again of which the page may have missed changes, and tells its listeners what it has come to.
pub(crate) async fn catch_up(slice: String) {
    let page = page();
    // Whoever does it already does it once more.
    if page.catching_up.borrow_mut().insert(slice.clone(), true).is_some() {
        return;
    }
    while page.catching_up.borrow().get(&slice) == Some(&true) {
        page.catching_up.borrow_mut().insert(slice.clone(), false);
        let before = page.dispatched(&slice);
        match stored(&slice).await {
            Ok(items) if before == page.dispatched(&slice) => {
                page.heard.catch_up(&slice, items);
            }
            // What was dispatched meanwhile is newer than what was read.
            Ok(_) => {
                page.catching_up.borrow_mut().insert(slice.clone(), true);
                TimeoutFuture::new(AGAIN_MS).await;
            }
            Err(why) => page.heard.report(why),
        }
    }
    page.catching_up.borrow_mut().remove(&slice);
}

/// Calls `listener` with a slice's items that were changed elsewhere, for as long as the subscription is held; not with what
/// this page changes. Should the page have missed some, while no worker knew of it, `listener` hears of all items that there
/// are and of those that are gone. Items that are no `T` are left out, as by [`hydrate`].
pub fn subscribe<T: DeserializeOwned>(slice: &str, listener: impl Fn(Change<T>) + 'static) -> Subscription {
    let name = slice.to_owned();
    page().heard.on_change(slice, move |Elsewhere { change, .. }| {
        let puts = page().heard.typed(&name, &change.puts);
        if !puts.is_empty() || !change.deletes.is_empty() {
            listener(Change { puts, deletes: change.deletes.clone(), origin: change.origin });
        }
    })
}

/// Calls `listener` with how far a slice's changes have come. What this page has just dispatched is not named yet: show it
/// as `Local` until it is. Where its second argument is true, the list names every item that the server does not have;
/// otherwise only what changed.
pub fn subscribe_pending(slice: &str, listener: impl Fn(&[ItemProgress], bool) + 'static) -> Subscription {
    let subscription =
        page().heard.on_pending(slice, move |pending| listener(&pending.changes, pending.reset));
    if let Some(connection) = page().connection.get() {
        connection.say(|session, _| vec![session.watch(slice)]);
    }
    subscription
}
