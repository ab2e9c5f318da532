//! Whose data it is: tokens, signing out, and the changes that only this device has.

use crate::error::Error;
use crate::host::ask;
use crate::page::page;
use crate::types::UnsentFile;
use js_sys::futures::spawn_local;
use nightferry::client::Subject;
use serde::Deserialize;
use serde_json::Value;
use std::rc::Rc;

/// Requests to the API carry the token that `source` gives, as `Authorization: Bearer …`. Call it before
/// [`register`](crate::register()). `source` is called when a request needs a token, and once more after the server has answered 401;
/// it gives nothing where nobody is signed in. The token is kept in the worker's memory only.
pub fn provide_tokens<F: Future<Output = Option<String>> + 'static>(source: impl Fn() -> F + 'static) {
    page().token_source.replace(Some(Rc::new(move || Box::pin(source()))));
}

/// Answers the worker's question of this number for a token.
pub(crate) fn give_token(number: u64) {
    let source = page().token_source.borrow().clone();
    spawn_local(async move {
        let token = match source {
            Some(source) => source().await,
            None => None,
        };
        page().connection.with(|client, _| client.token(number, token.as_deref()));
    });
}

/// Takes everything that this device has of the user's away from it, in all tabs. What is at the server stays there. Call
/// [`register`](crate::register()) again for whoever signs in next.
///
/// # Errors
///
/// `unsent` while something is on this device only, unless `discard` is true: nothing was deleted. `storage`, `not_registered`.
pub async fn sign_out(discard: bool) -> Result<(), Error> {
    let kind = if discard { "signOutAndDiscard" } else { "signOut" };
    ask(kind, Subject::default()).await.map(|_: Value| ())
}

/// Returns the changes that only this device has. Serialized, they are the file that `importUnsent` of the JavaScript API loads.
///
/// # Errors
///
/// `not_registered`.
pub async fn export_unsent() -> Result<UnsentFile<Value>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        file: UnsentFile<Value>,
    }
    ask("export", Subject::default()).await.map(|Answer { file }| file)
}
