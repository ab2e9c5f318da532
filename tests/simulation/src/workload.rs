//! What a run dispatches and registers. Each change carries a number of its own, `v`.

use crate::life::Life;
use crate::profile::{VERBS, Verb};
use serde_json::{Value, json};

impl Life {
    pub(crate) fn dispatch(&mut self, page: usize) {
        let count = 1 + self.world.dice.below(self.profile.burst);
        let actions = (0..count).map(|_| self.action(page)).collect();
        self.world.dispatch_all(page, actions);
    }

    fn action(&mut self, page: usize) -> Value {
        let verb = VERBS[self.world.dice.weighted(&self.profile.verb)];
        let slice = self.world.dice.pick(&["files", "files", "notes"]);
        let id = self.id_of(page);
        let action = |kind: String, payload: Value| json!({"type": kind, "payload": payload});
        match verb {
            Verb::Add => action(format!("{slice}/addItem"), self.item(&id)),
            Verb::AddMany => {
                let count = 1 + self.world.dice.below(self.profile.many);
                let items = (0..count).map(|_| self.id_of(page)).collect::<Vec<_>>();
                action(format!("{slice}/addItems"), items.iter().map(|id| self.item(id)).collect())
            }
            Verb::Update => self.update(slice, &id),
            Verb::Remove if !self.apart && self.world.dice.chance(30) => {
                action(format!("{slice}/clearItems"), Value::Null)
            }
            Verb::Remove if self.world.dice.chance(500) => action(format!("{slice}/removeItem"), id),
            Verb::Remove => action(format!("{slice}/removeItem"), json!({"id": id})),
            Verb::Local if self.world.dice.chance(500) => action("secret/addItem".into(), self.item(&id)),
            Verb::Local if self.world.dice.chance(300) => action("secret/removeItem".into(), id),
            Verb::Local => self.update("secret", &id),
            Verb::Single if self.apart && page > 0 => action(format!("{slice}/addItem"), self.item(&id)),
            Verb::Single => action("theme/setTheme".into(), self.tag().into()),
            Verb::Later => self.later(page, &id),
            Verb::Bad => self.bad(id),
        }
    }

    /// In a slice that the page has registered since.
    fn later(&mut self, page: usize, id: &Value) -> Value {
        let has = |slice: &str| self.world.pages[page].confirmed.iter().any(|known| known == slice);
        let (models, prefs) = (has("models"), has("prefs"));
        match self.world.dice.below(2) {
            0 if models => json!({"type": "models/saveItem", "payload": self.item(id)}),
            _ if prefs && (page == 0 || !self.apart) => {
                json!({"type": "prefs/setAll", "payload": {"v": self.tag(), "hush": true}})
            }
            _ => json!({"type": "files/addItem", "payload": self.item(id)}),
        }
    }

    fn bad(&mut self, id: Value) -> Value {
        match self.world.dice.below(4) {
            0 => json!({"type": "files/frob", "payload": {"id": id, "v": self.tag()}}),
            1 => json!({"type": "nowhere/addItem", "payload": {"id": id, "v": self.tag()}}),
            2 => json!({"type": "files/addItem", "payload": {"name": "no id"}}),
            _ => json!({"type": "files/addItems", "payload": [self.item(&id), {"id": ""}]}),
        }
    }

    fn tag(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    fn item(&mut self, id: &Value) -> Value {
        json!({"id": id, "v": self.tag(), "a": self.world.dice.below(3)})
    }

    fn update(&mut self, slice: &str, id: &Value) -> Value {
        let field = self.world.dice.pick(&["a", "b", "c"]);
        let kind = format!("{slice}/updateItem");
        let mut action = json!({"type": kind, "payload": {"id": id, "v": self.tag()}});
        if self.world.dice.chance(200) {
            action["unset"] = json!([field]);
        } else {
            action["payload"][field] = json!({"deep": [self.changes, null]});
        }
        if self.world.dice.chance(200) {
            // As a page has it after the update.
            let mut whole = action["payload"].clone();
            let other = if field == "a" { "b" } else { "a" };
            whole[other] = json!(self.world.dice.below(3));
            action["whole"] = whole;
        }
        action
    }

    fn id_of(&mut self, page: usize) -> Value {
        let id = self.id();
        if self.apart && page > 0 { json!(format!("{page} {}", id.as_str().unwrap_or("number"))) } else { id }
    }

    /// Strings, numbers, and characters that would break a path.
    fn id(&mut self) -> Value {
        match self.world.dice.below(self.profile.ids) {
            1 => json!(1),
            2 => json!("é:/?#% \"\\"),
            3 => json!(-2.5),
            id => json!(id.to_string()),
        }
    }

    /// An item that goes to the server: its key, and its id as JSON.
    pub(crate) fn some_key(&mut self) -> ((String, String), Value) {
        let slice = self.world.dice.pick(&["files", "files", "notes"]);
        let id = self.id();
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        ((slice.to_owned(), text), id)
    }

    pub(crate) fn configure(&mut self, page: usize) {
        let dice = &mut self.world.dice;
        let settings = [
            json!({"enabled": false}),
            json!({"enabled": true}),
            json!({"syncToFlask": false}),
            json!({"syncToFlask": true}),
            json!({"debounceMs": 0, "maxWaitMs": 0}),
            json!({"debounceMs": 60, "maxWaitMs": 300, "batchSize": 3}),
            json!({"batchSize": -1}),
        ];
        let settings = dice.pick(&settings.each_ref()).clone();
        let slice = dice.pick(&["files", "files", "notes"]);
        self.world.configure(page, Some(slice), &settings);
    }

    /// More slices, or other settings of those that are there.
    pub(crate) fn register_more(&mut self, page: usize) {
        // Clients register one after the other.
        if self.world.pages[page].asked.values().any(|asked| asked.kind == "register") {
            return;
        }
        let dice = &mut self.world.dice;
        let mut slices = self.world.pages[page].slices.clone();
        match dice.below(4) {
            0 => slices["models"] = json!({"storeName": "my-models", "debounceMs": 20}),
            1 => slices["prefs"] = json!({"single": true, "syncToFlask": false}),
            2 => slices["files"]["debounceMs"] = dice.pick(&[0, 20, 500]).into(),
            _ => slices["notes"]["batchSize"] = dice.pick(&[1, 3, 100]).into(),
        }
        // Pages opened later declare as much.
        self.slices = slices.clone();
        self.world.register_others(page, &slices.to_string());
    }
}
