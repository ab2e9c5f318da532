use super::*;
use crate::model::Burst;
use serde_json::json;

const LEFT: u64 = 1_001;
const RIGHT: u64 = 2_001;
const LATER: u64 = 2_002;

fn key() -> Key {
    ("files".into(), "i".into())
}

fn item(leaf: u64) -> Value {
    json!({"id": "i", "a": leaf})
}

/// Devices that each have one page and one burst after the other; each burst is durable at once.
#[derive(Default)]
struct Devices {
    ledger: Ledger,
    models: [Model; 3],
    effects: Vec<(Key, Option<Value>)>,
}

impl Devices {
    fn changes(&mut self, device: usize, before: Option<Value>, after: Option<Value>) {
        let n = self.models[device].bursts.len() as u64 + 1;
        let operation = Operation::new(device, key(), before.as_ref(), after.as_ref(), false);
        self.ledger.dispatched((device, "page", n), vec![operation]);
        let burst = Burst { page: "page".into(), n, position: n, quarantined: false, states: Vec::new() };
        self.models[device].bursts.push(burst);
        self.ledger.observe(device, &self.models[device], &self.effects, |_, _| Learnt::Nothing);
    }

    fn brings(&mut self, device: usize, value: Option<Value>) {
        self.effects.push((key(), value));
        self.ledger.observe(device, &self.models[device], &self.effects, |_, _| Learnt::Nothing);
    }

    fn hears_of_deletion(&mut self, device: usize) {
        self.models[device].sides.push((key(), None));
        self.ledger.observe(device, &self.models[device], &self.effects, |_, _| Learnt::Nothing);
    }

    /// Returns the violation, given the server's value and the texts that devices keep.
    fn broken(&self, now: Option<Value>, kept: &[&str]) -> Option<String> {
        let values = now.map(|now| (key(), now)).into_iter().collect();
        let texts: Vec<String> = kept.iter().map(|text| (*text).to_owned()).collect();
        let kept = [(key(), texts)].into_iter().filter(|(_, texts)| !texts.is_empty()).collect();
        let check = || self.ledger.check(&values, &kept, |_| true);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).err()?;
        panic.downcast_ref::<String>().cloned()
    }
}

#[track_caller]
fn assert_broken(broken: Option<String>, part: &str) {
    assert!(broken.as_ref().is_some_and(|text| text.contains(part)), "{broken:?}");
}

#[test]
fn a_write_that_another_replaced_without_having_seen_it_is_lost() {
    let mut devices = Devices::default();
    devices.changes(0, None, Some(item(LEFT)));
    devices.changes(1, None, Some(item(RIGHT)));
    assert_broken(devices.broken(Some(item(RIGHT)), &[]), "write 1001 of /a by device 0 is lost");
    assert_eq!(devices.broken(Some(item(RIGHT)), &[r#"{"remote":{"value":{"a":1001}}}"#]), None);
    devices.ledger.decided(&key(), &[&item(LEFT)]);
    assert_eq!(devices.broken(Some(item(RIGHT)), &[]), None);
}

#[test]
fn a_write_that_was_replaced_by_one_that_had_seen_it_may_go_but_not_come_back() {
    let mut devices = Devices::default();
    devices.changes(0, None, Some(item(LEFT)));
    devices.changes(1, Some(item(LEFT)), Some(item(RIGHT)));
    devices.changes(1, Some(item(RIGHT)), Some(item(LATER)));
    devices.brings(1, Some(item(LATER)));
    assert_eq!(devices.broken(Some(item(LATER)), &[]), None);
    assert_broken(devices.broken(Some(item(LEFT)), &[]), "write 2002 of /a by device 1 is lost");
    assert_broken(devices.broken(None, &[]), "is lost");
    // Another one that is fine hides no write that came back.
    devices.changes(0, Some(item(LATER)), Some(json!({"id": "i", "a": LATER, "b": 1_002})));
    let both = json!({"id": "i", "a": RIGHT, "b": 1_002});
    assert_broken(devices.broken(Some(both), &[]), "is lost");
}

#[test]
fn a_removal_of_what_the_server_never_had_takes_nothing_from_others() {
    for has_arrived in [false, true] {
        let mut devices = Devices::default();
        devices.changes(0, None, Some(item(LEFT)));
        if has_arrived {
            devices.brings(0, Some(item(LEFT)));
        }
        devices.changes(0, Some(item(LEFT)), Some(json!({"id": "i"})));
        devices.changes(1, Some(item(LEFT)), Some(item(RIGHT)));
        devices.brings(1, Some(item(RIGHT)));
        let broken = devices.broken(Some(item(RIGHT)), &[]);
        assert_eq!(broken.is_some(), has_arrived, "{broken:?}");
    }
}

/// One device deletes; a second, which knows that, deletes as well; a third edits, and decides that its item is kept.
#[test]
fn a_removal_of_what_was_deleted_already_takes_nothing_from_others() {
    for knows in [false, true] {
        let mut devices = Devices::default();
        devices.changes(1, None, Some(item(RIGHT)));
        devices.brings(1, Some(item(RIGHT)));
        devices.changes(0, Some(item(RIGHT)), None);
        devices.brings(0, None);
        devices.changes(2, Some(item(RIGHT)), Some(item(3_001)));
        devices.ledger.decided(&key(), &[&item(3_001)]);
        if knows {
            devices.hears_of_deletion(1);
        }
        devices.changes(1, None, None);
        let broken = devices.broken(Some(item(3_001)), &[]);
        assert_eq!(broken.is_none(), knows, "{broken:?}");
    }
}

#[test]
fn who_knows_of_a_deletion_may_put_over_another_one() {
    for knows in [false, true] {
        let mut devices = Devices::default();
        devices.changes(0, None, Some(item(LEFT)));
        devices.brings(0, Some(item(LEFT)));
        devices.changes(0, Some(item(LEFT)), None);
        devices.brings(0, None);
        if knows {
            devices.hears_of_deletion(0);
            devices.hears_of_deletion(1);
        }
        devices.changes(0, None, Some(item(1_002)));
        devices.brings(0, Some(item(1_002)));
        devices.changes(0, Some(item(1_002)), None);
        devices.brings(0, None);
        devices.changes(1, Some(item(LEFT)), Some(item(RIGHT)));
        let broken = devices.broken(Some(item(RIGHT)), &[]);
        assert_eq!(broken.is_none(), knows, "{broken:?}");
    }
}

#[test]
fn a_deleted_item_does_not_come_back() {
    let mut devices = Devices::default();
    devices.changes(0, None, Some(item(LEFT)));
    devices.changes(1, Some(item(LEFT)), None);
    devices.brings(1, None);
    assert_eq!(devices.broken(None, &[]), None);
    assert_broken(devices.broken(Some(item(LEFT)), &[]), "the removal of /a by device 1 is lost");
    devices.changes(0, None, Some(item(1_003)));
    assert_eq!(devices.broken(Some(item(1_003)), &[]), None);
    assert_broken(devices.broken(Some(item(LEFT)), &[]), "is lost");
}

#[test]
fn elements_of_lists_are_told_apart() {
    let list = |elements: Value| json!({"id": "i", "list": elements});
    let mut devices = Devices::default();
    let one = list(json!([{"id": "x", "t": LEFT}]));
    devices.changes(0, None, Some(one.clone()));
    devices.changes(1, Some(one), Some(list(json!([{"id": "x", "t": LEFT}, {"id": "y", "t": RIGHT}]))));
    assert_broken(devices.broken(Some(list(json!([{"id": "y", "t": RIGHT}]))), &[]), "/list/@\"x\"/t");
    let both = list(json!([{"id": "y", "t": RIGHT}, {"id": "x", "t": LEFT}]));
    assert_eq!(devices.broken(Some(both), &[]), None);
}

#[test]
fn tabs_of_one_device_replace_each_others_writes() {
    let mut devices = Devices::default();
    devices.changes(0, None, Some(item(LEFT)));
    devices.changes(0, None, Some(item(1_002)));
    assert_eq!(devices.broken(Some(item(1_002)), &[]), None);
    assert_broken(devices.broken(Some(item(LEFT)), &[]), "write 1002");
}
