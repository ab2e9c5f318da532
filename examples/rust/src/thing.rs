//! The things on the list, and the changes of them.

use crate::slice::Edit;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thing {
    pub id: String,
    pub name: String,
    pub packed: bool,
    /// In epoch ms; the list is in this order.
    pub added_at: f64,
}

/// An action of the slice `things`: serialized, it is what Nightferry takes. Fields that an update leaves out stay.
#[derive(Serialize)]
#[serde(tag = "type", content = "payload")]
pub enum Change {
    #[serde(rename = "things/addItem")]
    Add(Thing),
    #[serde(rename = "things/updateItem")]
    Pack { id: String, packed: bool },
    #[serde(rename = "things/updateItem")]
    Rename { id: String, name: String },
    #[serde(rename = "things/removeItem")]
    Remove(String),
}

impl Edit<Thing> for Change {
    fn id(&self) -> &str {
        match self {
            Change::Add(Thing { id, .. })
            | Change::Pack { id, .. }
            | Change::Rename { id, .. }
            | Change::Remove(id) => id,
        }
    }

    fn apply(&self, thing: Option<Thing>) -> Option<Thing> {
        match self {
            Change::Add(thing) => Some(thing.clone()),
            Change::Pack { packed, .. } => Some(Thing { packed: *packed, ..thing? }),
            Change::Rename { name, .. } => Some(Thing { name: name.clone(), ..thing? }),
            Change::Remove(_) => None,
        }
    }
}
