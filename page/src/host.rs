//! The browser around the client of a page in Rust, and the requests that wait for their answers.

use crate::connection::{self, Connection, WorkerMessage};
use crate::error::Error;
use crate::page::page;
use crate::service_worker;
use crate::subscriptions::{items_of, read};
use gloo_timers::callback::Timeout;
use js_sys::futures::spawn_local;
use nightferry::client::{self, Output, Rows, Subject};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The types of the client of a page in Rust.
pub struct Rust;

impl client::Types for Rust {
    type Action = String;
    type Burst = Vec<String>;
    type Ids = Ids;
    type Message = WorkerMessage;
}

/// The ids of items.
pub type Ids = BTreeSet<String>;

/// The browser, as the host of the page's client.
#[derive(Default)]
pub struct Browser {
    waiting: RefCell<BTreeMap<u64, Waiting>>,
    timer: RefCell<Option<Timeout>>,
}

/// A request that somebody waits for.
#[derive(Default)]
struct Waiting {
    answer: Option<Result<Answer, Error>>,
    waker: Option<Waker>,
}

enum Answer {
    Message(WorkerMessage),
    Rows(Rows<WorkerMessage>),
}

fn client() -> &'static Connection<Browser> {
    &page().connection
}

impl connection::Host for Browser {
    type Types = Rust;

    fn perform(&self, output: Output<Rust>) {
        let subscriptions = &page().subscriptions;
        match output {
            Output::Post(message) => service_worker::post(message),
            Output::PostSoon => spawn_local(async { client().with(|client, now| client.post(now)) }),
            Output::Connect(_, addresses) => spawn_local(async move {
                let outcome = service_worker::connect(addresses).await.map_err(Error::into);
                client().with(|client, now| client.connected(now, outcome));
            }),
            Output::Claim(_) => spawn_local(async {
                let outcome = service_worker::claim().await.map_err(Error::into);
                client().with(|client, now| client.connected(now, outcome));
            }),
            Output::LookForUpdate => spawn_local(async {
                let is_there = service_worker::newer_worker().await;
                client().with(|client, now| client.looked_for_update(now, is_there));
            }),
            Output::Answer { request, is_granted: true, message } => {
                self.answer(request, Ok(Answer::Message(message)));
            }
            Output::Answer { request, message, .. } => self.answer(request, Err(Error::of(&message))),
            Output::Fail { request, why } => self.answer(request, Err(why.into())),
            Output::Rows { request, rows, .. } => self.answer(request, Ok(Answer::Rows(rows))),
            Output::CaughtUp { slice, rows } => match items_of(rows) {
                Ok(puts) => {
                    let ids = puts.iter().map(|put| put.id.clone()).collect();
                    let gone = client().with(|client, _| client.caught_up(&slice, ids)).unwrap_or_default();
                    subscriptions.tell_all(&slice, puts, gone);
                }
                Err(why) => subscriptions.report(why),
            },
            Output::Gone { slice, ids } => subscriptions.tell_all(&slice, Vec::new(), ids),
            Output::Deliver { message, .. } => subscriptions.deliver(&message),
            // The client itself reads again what has listeners.
            Output::Resync(_) => {}
            Output::Lists => subscriptions.lists_may_have_changed(),
            Output::NoStatus(why) => subscriptions.no_status(why),
            Output::Report(why) => subscriptions.report(why.into()),
        }
    }

    fn arm(&self, ms: f64) {
        let timer = Timeout::new(ms as u32, || client().tick());
        *self.timer.borrow_mut() = Some(timer);
    }
}

impl Browser {
    fn answer(&self, request: u64, answer: Result<Answer, Error>) {
        let mut waker = None;
        if let Some(waiting) = self.waiting.borrow_mut().get_mut(&request) {
            waiting.answer = Some(answer);
            waker = waiting.waker.take();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The answer to a request. Dropped before it is there, the request is not repeated, unless it is a call of `register`.
struct Request {
    number: u64,
    is_call: bool,
}

impl Request {
    /// Makes a request by its number.
    fn new(is_call: bool, make: impl FnOnce(u64)) -> Request {
        let number = client().with(|client, _| client.next_number());
        client().host.waiting.borrow_mut().insert(number, Waiting::default());
        make(number);
        Request { number, is_call }
    }
}

impl Future for Request {
    type Output = Result<Answer, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut all = client().host.waiting.borrow_mut();
        let waiting = all.entry(self.number).or_default();
        match waiting.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        client().host.waiting.borrow_mut().remove(&self.number);
        if !self.is_call {
            client().with(|client, _| client.forget(self.number));
        }
    }
}

fn request(kind: &str, subject: Subject<'_>) -> Request {
    Request::new(false, |number| client().with(|client, now| client.ask(now, number, kind, subject)))
}

/// Sends a request to the worker, after all actions that were dispatched before it.
pub async fn ask<T: DeserializeOwned>(kind: &str, subject: Subject<'_>) -> Result<T, Error> {
    match request(kind, subject).await? {
        Answer::Message(message) => read(&message),
        Answer::Rows(_) => Err(Error::new("bad_message", "This request is answered by no rows.")),
    }
}

/// Reads a slice.
pub async fn read_slice(slice: &str) -> Result<Rows<WorkerMessage>, Error> {
    match request("hydrate", Subject { slice: Some(slice), ..Subject::default() }).await? {
        Answer::Rows(rows) => Ok(rows),
        Answer::Message(message) => Err(Error::of(&message)),
    }
}

/// Calls `register`. It goes on whatever becomes of the future.
pub fn register<T: DeserializeOwned>(call: client::Call) -> impl Future<Output = Result<T, Error>> {
    let request =
        Request::new(true, |number| client().with(|client, now| client.register(now, number, call)));
    async move {
        match request.await? {
            Answer::Message(message) => read(&message),
            Answer::Rows(_) => Err(Error::new("bad_message", "A registration is answered by no rows.")),
        }
    }
}
