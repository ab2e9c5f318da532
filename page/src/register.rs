//! Registers the worker and declares slices.

use crate::device::device_name;
use crate::error::Error;
use crate::host;
use crate::page::{json, page};
use crate::service_worker;
use crate::types::{RegisterOptions, Registration};
use nightferry::client::{Addresses, Call};

/// Registers the worker and declares slices. Call it early: what is dispatched after the call is kept, also before it
/// resolves. A page of several parts may call it again with more slices, or with other settings of the same. It begins
/// at once, and goes on whatever becomes of the future.
///
/// # Errors
///
/// `unsupported`, `insecure_context`, `wasm_unavailable`, `storage_blocked`, `worker_failed`, `no_worker`, `bridge_version`,
/// `database_blocked`, `bad_config`, `storage`, `newer_schema`, `unreadable_database`, `wrong_user`, `wrong_name`; the message says the next step. A
/// failed call may be repeated. A page whose worker was replaced by that of another user takes it back by calling this again.
pub fn register(options: RegisterOptions) -> impl Future<Output = Result<Registration, Error>> {
    // A page that is rendered on a server has nothing to register.
    let registering = cfg!(target_family = "wasm").then(|| host::register(call(options)));
    async move {
        match registering {
            Some(registering) => registering.await,
            None => Err(service_worker::no_window()),
        }
    }
}

fn call(options: RegisterOptions) -> Call {
    Call {
        place: addresses(&options),
        slices: json(&options.slices),
        auto_sync: json(&options.auto_sync.unwrap_or_default()),
        device: options.device_name.unwrap_or_else(device_name),
        gives_tokens: page().token_source.borrow().is_some(),
    }
}

/// Returns the addresses that the options give. The options may leave out each.
fn addresses(options: &RegisterOptions) -> Addresses {
    let given = |option: &Option<String>, otherwise: &str| option.clone().unwrap_or_else(|| otherwise.into());
    Addresses {
        worker_url: given(&options.worker_url, "/nightferry/sw.js"),
        api: given(&options.api, "/nightferry"),
        name: given(&options.name, "nightferry"),
        user: options.user.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two calls of `register` may come from different parts of a page.
    #[test]
    fn default_addresses_equal_the_same_ones_given() {
        let (silent, mut named) = (RegisterOptions::default(), RegisterOptions::default());
        named.worker_url = Some("/nightferry/sw.js".into());
        named.api = Some("/nightferry".into());
        named.name = Some("nightferry".into());
        assert_eq!(addresses(&silent), addresses(&named));
        named.name = Some("other".into());
        assert_ne!(addresses(&silent), addresses(&named));
    }
}
