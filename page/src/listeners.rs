//! Lists of listeners, and the subscriptions that end them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Functions to call with a `T`, each until its [`Subscription`] is dropped.
pub struct Listeners<T: ?Sized> {
    listening: Rc<RefCell<Vec<Listener<T>>>>,
    last: Cell<u64>,
}

type Listener<T> = (u64, Rc<dyn Fn(&T)>);

impl<T: ?Sized> Default for Listeners<T> {
    fn default() -> Self {
        Listeners { listening: Rc::default(), last: Cell::default() }
    }
}

impl<T: ?Sized + 'static> Listeners<T> {
    pub fn add(&self, listener: impl Fn(&T) + 'static) -> Subscription {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.listening.borrow_mut().push((number, Rc::new(listener)));
        let listening = Rc::downgrade(&self.listening);
        Subscription::new(move || {
            let Some(listening) = listening.upgrade() else { return };
            let at = listening.borrow().iter().position(|listener| listener.0 == number);
            // The listener is dropped outside of the borrow, because it may own another subscription.
            let ended = at.map(|at| listening.borrow_mut().remove(at));
            drop(ended);
        })
    }

    /// Calls each listener. A listener may add and end listeners.
    pub fn tell(&self, what: &T) {
        let listening: Vec<Listener<T>> = self.listening.borrow().clone();
        for (number, listener) in listening {
            // An earlier listener may have ended this one.
            if self.listening.borrow().iter().any(|listener| listener.0 == number) {
                listener(what);
            }
        }
    }
}

/// Keeps a function listening. It ends when this is dropped.
#[must_use = "the function listens until this is dropped; `forget` lets it listen for as long as the page lives"]
pub struct Subscription(Option<Box<dyn FnOnce()>>);

impl Subscription {
    pub(crate) fn new(end: impl FnOnce() + 'static) -> Self {
        Subscription(Some(Box::new(end)))
    }

    /// Lets the function listen for as long as the page lives.
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_called_until_its_subscription_is_dropped() {
        let listeners = Listeners::<str>::default();
        let calls = Rc::new(RefCell::new(Vec::new()));
        let listen = |name: &'static str| {
            let calls = calls.clone();
            listeners.add(move |what| calls.borrow_mut().push(format!("{name} {what}")))
        };
        let first = listen("first");
        listen("second").forget();
        listeners.tell("a");
        drop(first);
        listeners.tell("b");
        assert_eq!(*calls.borrow(), ["first a", "second a", "second b"]);
    }

    #[test]
    fn a_listener_may_end_others_and_itself() {
        let listeners = Rc::new(Listeners::<()>::default());
        let held: Rc<RefCell<Vec<Subscription>>> = Rc::default();
        let calls = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let (held, calls, all) = (held.clone(), calls.clone(), listeners.clone());
            let subscription = listeners.add({
                let held = held.clone();
                move |()| {
                    calls.set(calls.get() + 1);
                    let ended = std::mem::take(&mut *held.borrow_mut());
                    drop(ended);
                    all.add(|()| {}).forget();
                }
            });
            held.borrow_mut().push(subscription);
        }
        listeners.tell(&());
        assert_eq!(calls.get(), 1);
    }
}
