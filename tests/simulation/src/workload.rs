//! The actions and registrations of a run. Each write has an id of its own: the number
//! in `v` or at the beginning of `deep`.

use crate::kinds::Kind;
use crate::profile::Verb;
use crate::scenario::Scenario;
use serde_json::{Value, json};

impl Scenario {
    pub(crate) fn dispatch(&mut self, page: usize) {
        let count = 1 + self.rng.below(self.plan.burst);
        let actions = (0..count).map(|_| self.action(page)).collect();
        self.world.dispatch_all(page, actions);
    }

    fn action(&mut self, page: usize) -> Value {
        let verb = self.rng.weighted(self.plan.profile.verbs);
        let slice = self.rng.pick(&["files", "files", "notes"]);
        let id = self.id_of(page);
        let action = |kind: String, payload: Value| json!({"type": kind, "payload": payload});
        match verb {
            Verb::Add => action(format!("{slice}/addItem"), self.item(&id)),
            Verb::AddMany => {
                let count = 1 + self.rng.below(self.plan.many);
                let items = (0..count).map(|_| self.id_of(page)).collect::<Vec<_>>();
                action(format!("{slice}/addItems"), items.iter().map(|id| self.item(id)).collect())
            }
            Verb::Update => self.update(slice, &id),
            Verb::Remove if !self.plan.is_apart && self.rng.chance(30) => {
                action(format!("{slice}/clearItems"), Value::Null)
            }
            Verb::Remove if self.rng.chance(500) => action(format!("{slice}/removeItem"), id),
            Verb::Remove => action(format!("{slice}/removeItem"), json!({"id": id})),
            Verb::Local if self.rng.chance(500) => action("secret/addItem".into(), self.item(&id)),
            Verb::Local if self.rng.chance(300) => action("secret/removeItem".into(), id),
            Verb::Local => self.update("secret", &id),
            Verb::Single if self.plan.is_apart && page > 0 => {
                action(format!("{slice}/addItem"), self.item(&id))
            }
            Verb::Single => action("theme/setTheme".into(), self.new_write().into()),
            Verb::Later | Verb::List => self.later(page, &id),
            Verb::Bad => self.bad(id),
        }
    }

    /// In a slice that the page has registered since.
    fn later(&mut self, page: usize, id: &Value) -> Value {
        let has = |slice: &str| self.world.pages[page].confirmed.iter().any(|known| known == slice);
        let (models, prefs) = (has("models"), has("prefs"));
        match self.rng.below(2) {
            0 if models => json!({"type": "models/saveItem", "payload": self.item(id)}),
            _ if prefs && (page == 0 || !self.plan.is_apart) => {
                json!({"type": "prefs/setAll", "payload": {"v": self.new_write(), "hush": true}})
            }
            _ => json!({"type": "files/addItem", "payload": self.item(id)}),
        }
    }

    fn bad(&mut self, id: Value) -> Value {
        match self.rng.below(4) {
            0 => json!({"type": "files/frob", "payload": {"id": id, "v": self.new_write()}}),
            1 => json!({"type": "nowhere/addItem", "payload": {"id": id, "v": self.new_write()}}),
            2 => json!({"type": "files/addItem", "payload": {"name": "no id"}}),
            _ => json!({"type": "files/addItems", "payload": [self.item(&id), {"id": ""}]}),
        }
    }

    fn new_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    fn item(&mut self, id: &Value) -> Value {
        json!({"id": id, "v": self.new_write(), "a": self.rng.below(3)})
    }

    fn update(&mut self, slice: &str, id: &Value) -> Value {
        let field = self.rng.pick(&["a", "b", "c"]);
        let kind = format!("{slice}/updateItem");
        let write = self.new_write();
        let mut action = json!({"type": kind, "payload": {"id": id}});
        if !self.plan.merges {
            action["payload"]["v"] = write.into();
        }
        if self.rng.chance(200) {
            action["unset"] = json!([field]);
        } else {
            action["payload"][field] = json!({"deep": [write, null]});
        }
        if self.rng.chance(200) {
            // As a page has it after the update.
            let mut full_value = action["payload"].clone();
            let other = if field == "a" { "b" } else { "a" };
            full_value[other] = json!(self.rng.below(3));
            action["whole"] = full_value;
        }
        action
    }

    fn id_of(&mut self, page: usize) -> Value {
        let id = self.id();
        if self.plan.is_apart && page > 0 {
            json!(format!("{page} {}", id.as_str().unwrap_or("number")))
        } else {
            id
        }
    }

    /// Strings, numbers, and characters that would break a path.
    fn id(&mut self) -> Value {
        match self.rng.below(self.plan.profile.ids) {
            1 => json!(1),
            2 => json!("é:/?#% \"\\"),
            3 => json!(-2.5),
            id => json!(id.to_string()),
        }
    }

    /// An item that goes to the server: its key, and its id as JSON.
    pub(crate) fn some_key(&mut self) -> ((String, String), Value) {
        let slice = self.rng.pick(&["files", "files", "notes"]);
        let id = self.id();
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        ((slice.to_owned(), text), id)
    }

    pub(crate) fn configure(&mut self, page: usize) {
        let rng = &mut self.rng;
        let settings = [
            json!({"enabled": false}),
            json!({"enabled": true}),
            json!({"syncToFlask": false}),
            json!({"syncToFlask": true}),
            json!({"debounceMs": 0, "maxWaitMs": 0}),
            json!({"debounceMs": 60, "maxWaitMs": 300, "batchSize": 3}),
            json!({"batchSize": -1}),
        ];
        let settings = rng.pick(&settings.each_ref()).clone();
        let slice = rng.pick(&["files", "files", "notes"]);
        self.world.configure(page, Some(slice), &settings);
    }

    /// More slices, or other settings of those that are there.
    pub(crate) fn register_more(&mut self, page: usize) {
        // Clients register one after the other.
        if self.world.pages[page].asked.values().any(|asked| asked.kind == "register") {
            return;
        }
        let rng = &mut self.rng;
        let mut slices = self.world.pages[page].slices.clone();
        match rng.below(4) {
            0 => slices["models"] = json!({"storeName": "my-models", "debounceMs": 20}),
            1 => slices["prefs"] = json!({"single": true, "syncToFlask": false}),
            2 => slices["files"]["debounceMs"] = rng.pick(&[0, 20, 500]).into(),
            _ => slices["notes"]["batchSize"] = rng.pick(&[1, 3, 100]).into(),
        }
        // Pages opened later declare as much.
        self.slices = slices.clone();
        self.world.register_others(page, &slices.to_string());
    }

    /// A page retries or discards a refused change, of the list that it heard last; that may be outdated.
    pub(crate) fn decide_refused(&mut self, page: usize) {
        let refused = self.world.pages[page].refused.clone();
        if refused.is_empty() {
            self.world.ask(page, "rejected");
            return;
        }
        let refused = &refused[self.rng.below(refused.len() as u64) as usize];
        let id = refused["id"].clone();
        let action = match self.rng.below(4) {
            0 => json!({"type": "@discardRejected", "id": id}),
            1 if refused["op"] == "put" && refused["value"].is_object() => {
                let mut value = refused["value"].clone();
                value["v"] = self.new_write().into();
                json!({"type": "@retryRejected", "id": id, "payload": value})
            }
            _ => json!({"type": "@retryRejected", "id": id}),
        };
        self.world.tally.record(Kind::RefusalDecided);
        self.world.dispatch_all(page, vec![action]);
    }

    /// Another device writes on what the server has: one field, or it takes back what was written last.
    pub(crate) fn foreign_edit(&mut self, (slice, id): &(String, String), json_id: &Value) {
        let write = self.new_write();
        let before = self.world.server.before(slice, id);
        if let Some(before) = before.filter(|_| self.rng.chance(300)) {
            self.world.server.restore(slice, id, before);
            return;
        }
        let field = self.rng.pick(&["a", "b", "c"]);
        let now = self.world.server.value(slice, id).filter(Value::is_object);
        let mut value = now.unwrap_or_else(|| json!({"id": json_id}));
        value[field] = json!({"deep": [write, null]});
        self.world.server.foreign.insert(write);
        self.world.server.write(slice, id, Some(value));
    }
}
