//! Registering: the worker is found, or installed, and slices are declared. One call after the other.

use crate::connection::Connection;
use crate::error::Error;
use crate::items::catch_up;
use crate::page::{json, leave, not_registered, page, post, settled};
use crate::registration::{self, Place};
use crate::types::{RegisterOptions, Registration, WorkerError};
use js_sys::futures::{JsFuture, future_to_promise, spawn_local};
use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What the worker says when it cannot start at all.
const CANNOT_START: [&str; 3] = ["newer_schema", "unreadable_database", "worker_failed"];

/// Registers the worker and declares slices. Call it early: what is dispatched after the call is kept, also before it
/// resolves. A page of several parts may call it again with more slices, or with other settings of the same. It begins
/// at once, and goes on whatever becomes of the future.
///
/// # Errors
///
/// `unsupported`, `insecure_context`, `worker_failed`, `bad_config`, `storage`, `newer_schema`, `unreadable_database`; the
/// message says the next step. What failed may be tried again.
pub fn register(options: RegisterOptions) -> impl Future<Output = Result<Registration, Error>> {
    // Where a page is rendered on a server, there is nothing to keep.
    let begun = cfg!(target_family = "wasm").then(|| {
        // What is dispatched from now on may be of these slices.
        let (early, turn) = (Early::new(), Turn::after_those_before());
        let outcome = Rc::new(RefCell::new(None));
        let told = outcome.clone();
        // Not by the future's own polling: others wait for this call, and it may be awaited after them, or never.
        let over = future_to_promise(async move {
            let registered = registered(options, early, turn).await;
            told.replace(Some(registered));
            Ok(JsValue::UNDEFINED)
        });
        (over, outcome)
    });
    async move {
        let Some((over, outcome)) = begun else { return Err(registration::no_window()) };
        let _ = JsFuture::from(over).await;
        let registered = outcome.take();
        registered.unwrap_or_else(|| Err(not_registered("register")))
    }
}

async fn registered(options: RegisterOptions, early: Early, turn: Turn) -> Result<Registration, Error> {
    let page = page();
    let registration = granted(options, early, &turn).await;
    match &registration {
        Ok(_) => {
            page.registered.set(true);
            page.heard.on_rejections.tell(&());
        }
        Err(why) => drop(page.refused.replace(Some(why.clone()))),
    }
    registration
}

async fn granted(options: RegisterOptions, early: Early, turn: &Turn) -> Result<Registration, Error> {
    let page = page();
    // One call after the other, so that each is refused for its own mistakes.
    turn.come().await;
    let connection = connected(&options).await?;
    let (slices, auto_sync) = (json(&options.slices), json(&options.auto_sync.unwrap_or_default()));
    let mut cannot_start = None;
    let answer = Promise::new(&mut |resolve, reject| {
        let rejected = reject.clone();
        cannot_start = Some(page.heard.on_error.add(move |error| {
            if CANNOT_START.contains(&&*error.code) {
                // Once this has settled, it changes nothing any more.
                let _ = rejected.call1(&JsValue::UNDEFINED, &error_object(error));
            }
        }));
        connection.ask(resolve, reject, |session, now| session.register(now, &slices, &auto_sync));
    });
    // Now the session keeps what is posted until it is answered.
    drop(early);
    let answer = settled(answer).await;
    drop(cannot_start);
    answer
}

/// While there is one, nothing is posted.
struct Early;

impl Early {
    fn new() -> Self {
        page().early.set(page().early.get() + 1);
        Early
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        page().early.set(page().early.get() - 1);
        post();
    }
}

/// The turn to register; the next one's comes when it is dropped.
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

/// The conversation with the worker, begun by the first call that finds it. What failed is tried again by the next.
async fn connected(options: &RegisterOptions) -> Result<&'static Connection, Error> {
    let page = page();
    let place = Place::of(options);
    if let Some(connection) = page.connection.get() {
        if page.place.borrow().as_ref() == Some(&place) {
            return Ok(connection);
        }
        return Err(Error::new(
            "bad_config",
            "register() was called before with another worker_url, api or name. Reload the page.",
        ));
    }
    let hear = |down| {
        if page.heard.hear(&down) {
            for slice in page.heard.followed() {
                spawn_local(catch_up(slice));
            }
        }
    };
    let connection = registration::connect(place.clone(), hear, leave).await?;
    page.place.replace(Some(place));
    page.connection.set(Some(connection));
    for slice in page.heard.watched() {
        connection.say(|session, _| vec![session.watch(&slice)]);
    }
    Ok(connection)
}
