//! Reads the items of a slice, and subscribes to changes made elsewhere.

use crate::error::Error;
use crate::host::{Ids, read_slice};
use crate::listeners::Subscription;
use crate::page::page;
use crate::subscriptions::items_of;
use crate::types::{Change, Item, ItemProgress};
use serde::de::DeserializeOwned;

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
    let connection = &page().connection;
    connection.with(|client, _| client.track(slice, Ids::default()));
    let items = items_of(read_slice(slice).await?)?;
    let ids: Ids = items.iter().map(|item| item.id.clone()).collect();
    connection.with(|client, _| client.has_read(slice, &ids));
    Ok(page().subscriptions.typed(slice, &items))
}

/// Calls `listener` with items of a slice that were changed elsewhere, for as long as the subscription is held. Changes of this
/// page are not among them. If the page may have missed changes, `listener` receives all present items and the ids of those
/// that are gone. Items that are not a `T` are left out, as by [`hydrate`].
///
/// If the browser deletes the database, nothing is told to be gone. [`subscribe_errors`](crate::subscribe_errors) is told
/// `new_database` then: the page's items may be missing from the new one, and a page that has them may dispatch them again.
pub fn subscribe<T: DeserializeOwned>(slice: &str, listener: impl Fn(Change<T>) + 'static) -> Subscription {
    let name = slice.to_owned();
    let listening = page().subscriptions.on_change(slice, move |change| {
        let puts = page().subscriptions.typed(&name, &change.puts);
        if !puts.is_empty() || !change.deletes.is_empty() {
            listener(Change { puts, deletes: change.deletes.clone(), origin: change.origin });
        }
    });
    let count = |slice: &str, more| page().connection.with(|client, _| client.count_listeners(slice, more));
    page().connection.with(|client, _| client.track(slice, Ids::default()));
    count(slice, true);
    let name = slice.to_owned();
    Subscription::new(move || {
        drop(listening);
        count(&name, false);
    })
}

/// Calls `listener` with the progress of a slice's changes. An item that this page has just changed is not in the list yet:
/// show it as `Local`. If the second argument is true, the list names every item that the server does not have; otherwise it
/// names the items whose progress changed.
pub fn subscribe_pending(slice: &str, listener: impl Fn(&[ItemProgress], bool) + 'static) -> Subscription {
    let subscription =
        page().subscriptions.on_pending(slice, move |pending| listener(&pending.changes, pending.reset));
    page().connection.with(|client, _| client.watch(slice));
    subscription
}
