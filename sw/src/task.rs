//! Tasks: work that waits for the browser. A task waits for one event at a time, and that event's handler goes on with it:
//! an executor that can wake, queue and cancel tasks in every way was 2 of the worker's 81 KB after brotli.

use js_sys::{Function, Promise};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = Promise)]
    pub type Promised;
    #[wasm_bindgen(method)]
    fn then(this: &Promised, resolved: &Function, rejected: &Function) -> JsValue;
}

/// What is left of a task; nothing while it runs.
type Task = Rc<Cell<Option<Pin<Box<dyn Future<Output = ()>>>>>>;

thread_local! {
    static RUNNING: Cell<Option<Task>> = const { Cell::new(None) };
}

/// Begins a task, now.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    begin(Box::pin(work));
}

fn begin(work: Pin<Box<dyn Future<Output = ()>>>) {
    run(&Rc::new(Cell::new(Some(work))));
}

fn run(task: &Task) {
    let Some(mut work) = task.take() else { return };
    let outer = RUNNING.replace(Some(task.clone()));
    if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        task.set(Some(work));
    }
    RUNNING.set(outer);
}

/// A promise that is settled as the work ends.
pub fn promise(work: impl Future<Output = Result<(), JsValue>> + 'static) -> Promise {
    promised(Box::pin(work))
}

fn promised(work: Pin<Box<dyn Future<Output = Result<(), JsValue>>>>) -> Promise {
    let mut settle = None;
    let promise = Promise::new(&mut |resolve, reject| settle = Some((resolve, reject)));
    spawn(async move {
        let result = work.await;
        if let Some((resolve, reject)) = settle {
            let _ = match result {
                Ok(()) => resolve.call0(&JsValue::UNDEFINED),
                Err(error) => reject.call1(&JsValue::UNDEFINED, &error),
            };
        }
    });
    promise
}

/// What a task waits for: a good event, or a bad one.
pub struct Event(Rc<Came>);

struct Came {
    what: Cell<Option<Result<JsValue, JsValue>>>,
    /// The task that waits.
    task: Cell<Option<Task>>,
}

/// One of two events; `listen` is given what is to be called at the good one and at the bad one.
pub fn event(listen: &dyn Fn(Function, Function)) -> Event {
    let came = Rc::new(Came { what: Cell::new(None), task: Cell::new(None) });
    let handler = |good: bool| {
        let came = came.clone();
        handler(move |value| {
            came.what.set(Some(if good { Ok(value) } else { Err(value) }));
            if let Some(task) = came.task.take() {
                run(&task);
            }
        })
    };
    listen(handler(true), handler(false));
    Event(came)
}

/// A promise's end.
pub fn settled(promise: &Promised) -> Event {
    event(&|resolved, rejected| drop(promise.then(&resolved, &rejected)))
}

/// A function for the browser to call; it lives as long as the browser can. One kind of closure for all: each costs the
/// worker its own machinery.
pub fn handler(handle: impl FnMut(JsValue) + 'static) -> Function {
    Closure::<dyn FnMut(JsValue)>::new(handle).into_js_value().unchecked_into()
}

impl Future for Event {
    type Output = Result<JsValue, JsValue>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.what.take() {
            Some(what) => Poll::Ready(what),
            None => {
                let running = RUNNING.take();
                RUNNING.set(running.clone());
                self.0.task.set(running);
                Poll::Pending
            }
        }
    }
}
