//! Registers the worker and declares slices, one call after the other.

use crate::connection::Connection;
use crate::device::device_name;
use crate::error::Error;
use crate::items::catch_up;
use crate::page::{answer_of, json, not_registered, on_page_hide, page, post};
use crate::service_worker::{self, Place};
use crate::types::{RegisterOptions, Registration, WorkerError};
use js_sys::futures::{JsFuture, future_to_promise, spawn_local};
use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// The error codes of a worker that cannot start.
pub(crate) const CANNOT_START: [&str; 5] =
    ["newer_schema", "unreadable_database", "worker_failed", "no_worker", "bridge_version"];

/// Registers the worker and declares slices. Call it pending: what is dispatched after the call is kept, also before it
/// resolves. A page of several parts may call it again with more slices, or with other settings of the same. It begins
/// at once, and goes on whatever becomes of the future.
///
/// # Errors
///
/// `unsupported`, `insecure_context`, `wasm_unavailable`, `storage_blocked`, `worker_failed`, `no_worker`, `bridge_version`,
/// `bad_config`, `storage`, `newer_schema`, `unreadable_database`, `wrong_user`, `wrong_name`; the message says the next step. A
/// failed call may be repeated. A page whose worker was replaced by that of another user takes it back by calling this again.
pub fn register(options: RegisterOptions) -> impl Future<Output = Result<Registration, Error>> {
    // A page that is rendered on a server has nothing to register.
    let begun = cfg!(target_family = "wasm").then(|| {
        // Actions that are dispatched from now on may belong to these slices.
        let (pending, turn) = (PendingRegistration::new(), Turn::after_those_before());
        let outcome = Rc::new(RefCell::new(None));
        let result = outcome.clone();
        // The promise runs without the future: later calls wait for this one, and the future may never be polled.
        let over = future_to_promise(async move {
            let registered = registered(options, pending, turn).await;
            result.replace(Some(registered));
            Ok(JsValue::UNDEFINED)
        });
        (over, outcome)
    });
    async move {
        let Some((over, outcome)) = begun else { return Err(service_worker::no_window()) };
        let _ = JsFuture::from(over).await;
        let registered = outcome.take();
        registered.unwrap_or_else(|| Err(not_registered("register")))
    }
}

async fn registered(
    options: RegisterOptions,
    pending: PendingRegistration,
    turn: Turn,
) -> Result<Registration, Error> {
    let page = page();
    let registration = granted(options, pending, &turn).await;
    match &registration {
        Ok(_) => {
            page.registered.set(true);
            if page.has_signed_out.take() {
                resume();
            }
            page.subscriptions.lists_may_have_changed();
        }
        Err(why) => drop(page.refused.replace(Some(why.clone()))),
    }
    registration
}

async fn granted(
    options: RegisterOptions,
    pending: PendingRegistration,
    turn: &Turn,
) -> Result<Registration, Error> {
    let page = page();
    // Calls run one after the other, so that each fails for its own mistakes alone.
    turn.come().await;
    let connection = connected(&options).await?;
    let (slices, auto_sync) = (json(&options.slices), json(&options.auto_sync.unwrap_or_default()));
    let device = options.device_name.unwrap_or_else(device_name);
    let mut cannot_start = None;
    let answer = Promise::new(&mut |resolve, reject| {
        let rejected = reject.clone();
        cannot_start = Some(page.subscriptions.on_error.add(move |error| {
            // A worker of another version of the messages may have a successor.
            let (code, text, rejected) = (error.code.clone(), error_object(error), rejected.clone());
            if code == "bridge_version" {
                spawn_local(async move {
                    if !service_worker::newer_worker().await {
                        let _ = rejected.call1(&JsValue::UNDEFINED, &text);
                    }
                });
            } else if CANNOT_START.contains(&&*code) {
                // This has no effect once the promise is resolved.
                let _ = rejected.call1(&JsValue::UNDEFINED, &text);
            }
        }));
        connection.ask(resolve, reject, |session, now| {
            session.name_device(&device);
            if page.token_source.borrow().is_some() {
                session.give_tokens();
            }
            session.register(now, &slices, &auto_sync)
        });
    });
    // From now on the session holds bursts back until the registration is answered.
    drop(pending);
    let answer = answer_of(answer).await;
    drop(cannot_start);
    if answer.as_ref().is_ok_and(|registration: &Registration| registration.build != nightferry::BUILD) {
        service_worker::look_for_update();
    }
    answer
}

/// Holds back all bursts while it exists.
struct PendingRegistration;

impl PendingRegistration {
    fn new() -> Self {
        page().pending_registrations.set(page().pending_registrations.get() + 1);
        PendingRegistration
    }
}

impl Drop for PendingRegistration {
    fn drop(&mut self) {
        page().pending_registrations.set(page().pending_registrations.get() - 1);
        post();
    }
}

/// A place in the queue of registrations. The next one starts when it is dropped.
struct Turn {
    before: Option<Promise>,
    over: Option<Function>,
}

impl Turn {
    fn after_those_before() -> Self {
        let mut over = None;
        let promise = Promise::new(&mut |resolve, _| over = Some(resolve));
        page().registering.set(page().registering.get() + 1);
        Turn { before: page().last_turn.replace(Some(promise)), over }
    }

    async fn come(&self) {
        if let Some(before) = self.before.clone() {
            let _ = JsFuture::from(before).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        page().registering.set(page().registering.get() - 1);
        if let Some(over) = self.over.take() {
            let _ = over.call0(&JsValue::UNDEFINED);
        }
    }
}

fn error_object(error: &WorkerError) -> JsValue {
    let object = Object::new();
    for (name, value) in [("code", &error.code), ("message", &error.message)] {
        let _ = Reflect::set(&object, &name.into(), &value.into());
    }
    object.into()
}

/// Reads again what the page follows: it may have missed something.
pub(crate) fn resume() {
    for slice in page().subscriptions.followed() {
        spawn_local(catch_up(slice));
    }
    page().subscriptions.lists_may_have_changed();
}

/// Returns the connection to the worker. The first successful call creates it; after a failure, the next call tries again.
async fn connected(options: &RegisterOptions) -> Result<&'static Connection, Error> {
    let page = page();
    let place = Place::of(options);
    if place.user.as_deref() == Some("") || place.name.contains('~') {
        return Err(Error::new(
            "bad_config",
            "register() takes no empty user, and no ~ in the name. Leave out user where nobody is signed in.",
        ));
    }
    if let Some(connection) = page.connection.get() {
        if page.place.borrow().as_ref() == Some(&place) {
            if connection.is_elsewhere() {
                service_worker::claim_place(connection, &place).await?;
            }
            return Ok(connection);
        }
        return Err(Error::new(
            "bad_config",
            "register() was called before with another worker_url, api, name or user. Reload the page.",
        ));
    }
    let on_message = |message| {
        if page.subscriptions.handle_message(&message) {
            resume();
        }
    };
    let connection = service_worker::connect(place.clone(), on_message, on_page_hide).await?;
    page.place.replace(Some(place));
    page.connection.set(Some(connection));
    // The browser looks for a newer worker when a page navigates into its scope, where no page is.
    service_worker::look_for_update();
    for slice in page.subscriptions.watched() {
        connection.say(|session, _| vec![session.watch(&slice)]);
    }
    Ok(connection)
}
