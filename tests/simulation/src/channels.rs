//! Messages between pages and the worker. Each way keeps its order; what a worker had got dies with it.

use crate::kinds::Kind;
use crate::world::{Event, World};
use nightferry::bridge::from_worker::To;
use serde_json::Value;
use std::rc::Rc;

impl World {
    /// A message from a page.
    pub(crate) fn say(&mut self, page: usize, text: String) {
        if !self.pages[page].open {
            return;
        }
        let at = self.arrival(page, true, Kind::MessageLate);
        if self.streams.messages.chance(self.fault_rates.messages / 4) {
            self.tally.record(Kind::MessageRepeated);
            self.at(at, Event::ToWorker { text: text.clone() });
        }
        self.at(at, Event::ToWorker { text });
    }

    /// Sends what the page has said.
    pub(crate) fn say_all(&mut self, page: usize) {
        for text in self.pages[page].take_said() {
            self.say(page, text);
        }
    }

    /// A message that no page's client knows of.
    pub fn tell(&mut self, text: String) {
        self.after(1, Event::ToWorker { text });
    }

    /// When a message arrives: never before one that was sent before it.
    fn arrival(&mut self, page: usize, up: bool, late: Kind) -> u64 {
        let mut at = self.now + 1;
        if self.streams.messages.chance(self.fault_rates.messages) {
            self.tally.record(late);
            at += self.streams.messages.below(2_500);
        }
        let now = self.now;
        let (sent, last) = self.channels.entry((page, up)).or_default();
        // Messages that a worker of a fleet posts at once arrive at once: a page counts a record as applied with the first of its
        // messages, though it is about several slices.
        if *sent != now || self.device.is_none() || up {
            *last = at.max(*last);
        }
        *sent = now;
        *last
    }

    /// A message from the worker.
    pub(crate) fn send(&mut self, to: &To, message: Value) {
        self.check_post(to, &message);
        self.note(|_| format!("worker posts {message}"));
        if let To::Pages(ids) = to {
            let is_strange = |id: &&Rc<str>| self.pages.iter().all(|page| *page.id != ***id);
            let strange = ids.iter().filter(is_strange).map(|id| (id.to_string(), message.clone()));
            self.for_strangers.extend(strange);
        }
        let message = Rc::new(message);
        for page in 0..self.pages.len() {
            let hears = match to {
                // Each place has a channel for all its pages.
                To::All => self.place.is_none() || self.pages[page].place == self.place,
                To::Pages(ids) => ids.iter().any(|id| **id == *self.pages[page].id),
            };
            if hears && self.pages[page].open {
                let at = self.arrival(page, false, Kind::PageLate);
                self.at(at, Event::ToPage { page, message: message.clone() });
            }
        }
    }

    /// A message to a page from a worker of another user.
    pub(crate) fn post_to_page(&mut self, page: usize, message: Value) {
        let at = self.arrival(page, false, Kind::PageLate);
        self.at(at, Event::ToPage { page, message: Rc::new(message) });
    }

    pub(crate) fn handle_message(&mut self, page: usize, message: &Rc<Value>) {
        if !self.pages[page].open {
            return;
        }
        let now = self.now;
        self.note(|_| format!("page {page} hears {}", message["kind"]));
        self.pages[page].handle_message(now, message);
        self.say_all(page);
    }

    /// The tab goes away; what it has posted is on its way.
    pub fn close_page(&mut self, page: usize) {
        self.tally.record(Kind::TabClosed);
        if self.pages[page].acknowledged < self.pages[page].n {
            self.tally.record(Kind::TabClosedUnacknowledged);
        }
        self.note(|_| format!("page {page} is closed"));
        self.pages[page].open = false;
    }
}
