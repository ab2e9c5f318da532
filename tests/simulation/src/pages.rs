//! Checks of the pages once all is at rest.

use crate::actions::Key;
use crate::page::Page;
use crate::property::{Property, violated};
use crate::scenario::Scenario;
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeMap;

impl World {
    /// Every page has its answers and the last status, and shows the items of which `is_held` as they are stored.
    pub(crate) fn check_pages(&self, is_held: impl Fn(&Key) -> bool) {
        let stored = self.stored();
        let engine = self.engine.as_ref().expect("a page was just opened");
        let status: Value = serde_json::to_value(engine.status()).expect("a status is JSON");
        for page in self.pages.iter().filter(|page| page.open) {
            if page.unanswered() > 0 {
                violated(Property::Answered, format!("{} never got an answer to {:?}", page.id, page.asked));
            }
            if page.last("status")["status"] != status {
                violated(
                    Property::Status,
                    format!("{} listed {}, true is {status}", page.id, page.last("status")),
                );
            }
            self.check_progress(page);
            if let Some((key, shown)) = differs(page, &stored, &is_held) {
                let stored = stored.get(&key);
                violated(
                    Property::PagesAgree,
                    format!("{} shows {key:?} as {shown:?}, stored is {stored:?}", page.id),
                );
            }
        }
    }

    /// Nothing is under way any more: what is not on the server is in conflict.
    fn check_progress(&self, page: &Page) {
        for ((slice, id), state) in &page.progress {
            let expected = if self.disk.conflict(slice, id).is_some() { "conflict" } else { "synced" };
            if state != expected {
                violated(Property::Status, format!("{} shows {slice} {id:?} as {state}", page.id));
            }
        }
    }
}

impl Scenario {
    pub(crate) fn check_pages_of_plan(&self) {
        let world = &self.world;
        world.check_pages(|key| self.plan.is_apart && !world.is_disturbed(key));
    }

    /// A page that has just asked knows the refused changes that the database has.
    pub(crate) fn check_refused(&self, page: usize) {
        let rows = self.world.disk.rows_of("_items");
        let kept: usize = rows.iter().filter_map(|row| row["refused"].as_array()).map(Vec::len).sum();
        let listed = self.world.pages[page].refused.len();
        let status = self.world.status().rejected as usize;
        if listed != kept || status != kept {
            violated(
                Property::Refused,
                format!("a page listed of {listed}, the status of {status}, kept are {kept}"),
            );
        }
    }
}

/// An item that the page shows as something else than what is stored.
fn differs(
    page: &Page,
    stored: &BTreeMap<Key, Value>,
    is_held: impl Fn(&Key) -> bool,
) -> Option<(Key, Option<Value>)> {
    let follows = |key: &&Key| page.confirmed.contains(&key.0) && is_held(key);
    let view = page.view.view();
    let differs = |key: &&Key| view.get(*key) != stored.get(*key);
    let key = stored.keys().chain(view.keys()).filter(follows).find(differs)?;
    Some((key.clone(), view.get(key).cloned()))
}
