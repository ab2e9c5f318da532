//! Reads the items of a slice, and subscribes to changes made elsewhere.

use crate::error::Error;
use crate::listeners::Subscription;
use crate::page::{ask, page};
use crate::subscriptions::Elsewhere;
use crate::types::{Change, Item, ItemProgress};
use gloo_timers::future::TimeoutFuture;
use nightferry::bridge::from_worker::Rows;
use nightferry::bridge::session::Subject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The wait before a slice is read again because the page changed it during the read, in ms.
const REREAD_MS: u32 = 250;

/// Returns a consistent snapshot of the slice, including everything that this page dispatched before the call. Later changes
/// come through [`subscribe`].
///
/// An item that is not a `T` is left out. It is reported to [`subscribe_errors`](crate::subscribe_errors) and the console as
/// `unreadable_item`.
///
/// # Errors
///
/// `unknown_slice`, `storage`, `not_registered`.
pub async fn hydrate<T: DeserializeOwned>(slice: &str) -> Result<Vec<Item<T>>, Error> {
    let items = read_slice(slice).await?;
    let subscriptions = &page().subscriptions;
    subscriptions.has_read(slice, items.iter().map(|item| item.id.clone()));
    Ok(subscriptions.typed(slice, &items))
}

async fn read_slice(slice: &str) -> Result<Vec<Item<Value>>, Error> {
    // The worker reads the store while it applies other changes. It may post those before the answer.
    let changes_during_read: Rc<RefCell<Vec<Elsewhere>>> = Rc::default();
    let (noted, another) = (changes_during_read.clone(), changes_during_read.clone());
    let _listening =
        page().subscriptions.on_change(slice, move |change| noted.borrow_mut().push(change.clone()));
    let _another = page().subscriptions.on_another.add(move |()| another.borrow_mut().clear());
    let rows: Rows<Value> = ask("hydrate", Subject { slice: Some(slice), ..Subject::default() }).await?;
    let mut items: BTreeMap<String, Value> = rows.ids.into_iter().zip(rows.values).collect();
    let mut change = |puts: Vec<Item<Value>>, deletes: Vec<String>| {
        for id in deletes {
            items.remove(&id);
        }
        items.extend(puts.into_iter().map(|put| (put.id, put.value)));
    };
    change(rows.puts, rows.deletes);
    for Elsewhere { position, change: newer } in changes_during_read.take() {
        if position > rows.position {
            change(newer.puts, newer.deletes);
        }
    }
    Ok(items.into_iter().map(|(id, value)| Item { id, value }).collect())
}

/// Reads a slice again after the page may have missed changes, and calls its listeners with the present items.
pub(crate) async fn catch_up(slice: String) {
    let page = page();
    // A read under way is repeated once it is done.
    if page.catching_up.borrow_mut().insert(slice.clone(), true).is_some() {
        return;
    }
    while page.catching_up.borrow().get(&slice) == Some(&true) {
        page.catching_up.borrow_mut().insert(slice.clone(), false);
        let before = page.dispatched(&slice);
        match read_slice(&slice).await {
            Ok(items) if before == page.dispatched(&slice) => {
                page.subscriptions.catch_up(&slice, items);
            }
            // The page has changed the slice during the read, so the result is outdated.
            Ok(_) => {
                page.catching_up.borrow_mut().insert(slice.clone(), true);
                TimeoutFuture::new(REREAD_MS).await;
            }
            Err(why) => page.subscriptions.report(why),
        }
    }
    page.catching_up.borrow_mut().remove(&slice);
}

/// Calls `listener` with items of a slice that were changed elsewhere, for as long as the subscription is held. Changes of this
/// page are not among them. If the page may have missed changes, `listener` receives all present items and the ids of those
/// that are gone. Items that are not a `T` are left out, as by [`hydrate`].
///
/// If the browser deletes the database, nothing is told to be gone. [`subscribe_errors`](crate::subscribe_errors) is told
/// `new_database` then: the page's items may be missing from the new one, and a page that has them may dispatch them again.
pub fn subscribe<T: DeserializeOwned>(slice: &str, listener: impl Fn(Change<T>) + 'static) -> Subscription {
    let name = slice.to_owned();
    page().subscriptions.on_change(slice, move |Elsewhere { change, .. }| {
        let puts = page().subscriptions.typed(&name, &change.puts);
        if !puts.is_empty() || !change.deletes.is_empty() {
            listener(Change { puts, deletes: change.deletes.clone(), origin: change.origin });
        }
    })
}

/// Calls `listener` with the progress of a slice's changes. An item that this page has just changed is not in the list yet:
/// show it as `Local`. If the second argument is true, the list names every item that the server does not have; otherwise it
/// names the items whose progress changed.
pub fn subscribe_pending(slice: &str, listener: impl Fn(&[ItemProgress], bool) + 'static) -> Subscription {
    let subscription =
        page().subscriptions.on_pending(slice, move |pending| listener(&pending.changes, pending.reset));
    if let Some(connection) = page().connection.get() {
        connection.say(|session, _| vec![session.watch(slice)]);
    }
    subscription
}
