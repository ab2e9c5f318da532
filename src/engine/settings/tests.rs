use super::*;

fn request() -> Request {
    Request { page: "page".into(), number: 1, registers: true }
}

fn stored(settings: Option<&str>) -> Stored<'_> {
    Stored { settings, requeue: None, stores: Vec::new(), epoch: settings.map(|_| "old".into()) }
}

fn new_database() -> Settings {
    Settings::recover(stored(None), "new", Tick(0)).unwrap()
}

fn identity() -> [Write; 1] {
    [Write::meta("client", "\"me\"")]
}

fn register(settings: &mut Settings, slices: &str) -> Next {
    settings.register(request(), slices, None, &identity()).unwrap()
}

/// Registers, migrates and stores.
fn in_force(settings: &mut Settings, slices: &str) {
    let mut next = register(settings, slices);
    if let Next::Migrate(_) = next {
        next = settings.migrated(&identity()).unwrap();
    }
    if let Next::Store(_) = next {
        settings.stored(Tick(0)).unwrap();
    }
}

fn names(next: &Next) -> Vec<String> {
    let Next::Store(writes) = next else { panic!("{next:?}") };
    let name = |write: &Write| match write {
        Write::Put { key: crate::store::RowKey::Text(name), .. } => name.to_string(),
        other => panic!("{other:?}"),
    };
    writes.iter().map(name).collect()
}

// Invariant 1.

#[test]
fn settings_are_in_force_once_they_are_durable() {
    let mut settings = new_database();
    let next = register(&mut settings, r#"{"notes":{}}"#);
    assert!(matches!(&next, Next::Migrate(stores) if **stores == ["notes".into()]), "{next:?}");
    assert!(settings.is_migrating() && settings.slices().is_empty());
    settings.migrated(&identity());
    assert!(settings.is_storing() && settings.slices().is_empty());
    settings.stored(Tick(0));
    assert!(settings.is_stable() && settings.slices().syncs("notes"));
}

#[test]
fn a_slice_whose_store_is_there_needs_no_migration() {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{}}"#);
    assert!(matches!(register(&mut settings, r#"{"notes":{"debounceMs":5}}"#), Next::Store(_)));
}

#[test]
fn what_is_in_force_already_is_confirmed_at_once() {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{}}"#);
    assert!(matches!(register(&mut settings, r#"{"notes":{}}"#), Next::InForce(_)));
    assert!(settings.is_stable());
}

#[test]
fn what_a_page_did_not_say_again_stays() {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{"debounceMs":5},"tags":{}}"#);
    in_force(&mut settings, r#"{"notes":{"maxWaitMs":9}}"#);
    let notes = settings.slices().get("notes").unwrap();
    assert_eq!((notes.debounce_ms, notes.max_wait_ms, settings.slices().len()), (5, 9, 2));
}

// Invariant 2.

#[test]
fn a_change_that_fails_leaves_everything_as_it_was() {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{}}"#);
    let before = settings.slices().clone();
    register(&mut settings, r#"{"more":{}}"#);
    assert!(settings.failed().is_some() && settings.is_stable());
    assert_eq!(settings.slices(), &before);
    register(&mut settings, r#"{"notes":{"enabled":false}}"#);
    assert!(settings.failed().is_some());
    assert_eq!(settings.slices(), &before);
    assert!(settings.failed().is_none());
    let next = register(&mut settings, r#"{"more":{}}"#);
    assert!(matches!(next, Next::Migrate(_)), "the store that was not added is asked for again: {next:?}");
}

#[test]
fn bad_settings_are_named_and_begin_nothing() {
    let mut settings = new_database();
    for (slices, named) in [
        (r#"{"no good":{}}"#, "no good"),
        (r#"{"notes":{"debounceMs":-1}}"#, "debounceMs"),
        (r#"{"notes":{"colour":1}}"#, "colour"),
        (r#"{"a":{"storeName":"s"},"b":{"storeName":"s"}}"#, "storeName"),
        ("[]", "slices"),
    ] {
        let error = settings.register(request(), slices, None, &identity()).unwrap_err();
        assert!(error.contains(named), "{error}");
        assert!(settings.is_stable());
    }
    assert!(settings.configure(request(), Some("nope"), "{}", &identity()).is_err());
}

// Invariant 3.

#[test]
fn a_new_database_gets_its_identity_with_its_first_registration() {
    let mut settings = new_database();
    assert!(!settings.is_of("new"), "no page can mean it yet");
    register(&mut settings, r#"{"notes":{}}"#);
    let next = settings.migrated(&identity()).unwrap();
    assert_eq!(names(&next), ["settings", "schema", "epoch", "client"]);
    settings.stored(Tick(0));
    assert!(settings.is_of("new") && !settings.is_of("old"));
    assert_eq!(names(&register(&mut settings, r#"{"notes":{"enabled":false}}"#)), ["settings"]);
}

#[test]
fn an_identity_that_could_not_be_stored_goes_with_the_next_registration() {
    let mut settings = new_database();
    register(&mut settings, r#"{"notes":{}}"#);
    settings.migrated(&identity());
    settings.failed();
    assert!(names(&register(&mut settings, r#"{"notes":{}}"#)).contains(&"epoch".to_owned()));
}

#[test]
fn f54_a_database_without_an_epoch_is_a_new_one() {
    let settings =
        Settings::recover(stored(Some(r#"{"registered":{},"configured":{}}"#)), "new", Tick(0)).unwrap();
    assert!(settings.is_of("old"));
    assert!(!new_database().is_of("old"), "pages of the one that was deleted are told so");
}

#[test]
fn settings_come_back_after_a_restart() {
    let row = r#"{"registered":{"notes":{"debounceMs":5}},"configured":{"notes":{"enabled":false}}}"#;
    let settings = Settings::recover(stored(Some(row)), "new", Tick(0)).unwrap();
    let notes = settings.slices().get("notes").unwrap();
    assert_eq!((notes.debounce_ms, notes.enabled), (5, false));
    assert!(Settings::recover(stored(Some("7")), "new", Tick(0)).is_err());
}

// Invariant 4.

/// A slice that was off and is on again.
fn requeueing() -> Settings {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{"syncToFlask":false}}"#);
    in_force(&mut settings, r#"{"notes":{"syncToFlask":true}}"#);
    settings
}

#[test]
fn f19_a_slice_that_goes_to_the_server_again_is_named_until_all_is_marked() {
    let mut settings = requeueing();
    assert_eq!(settings.slice_to_requeue().map(|name| &**name), Some("notes"));
    let (a, b) = (Key::new("notes", "a"), Key::new("notes", "b"));
    assert!(settings.marking([a.clone(), b.clone()].into()).is_none());
    assert!(settings.slice_to_requeue().is_none() && settings.is_requeueing());
    assert!(settings.marked([&a]).is_none());
    assert_eq!(settings.marked([&b]), Some(Write::delete_meta("requeue")));
    assert!(!settings.is_requeueing());
}

#[test]
fn a_slice_of_which_the_server_has_everything_is_not_named_any_more() {
    assert_eq!(requeueing().marking(BTreeSet::new()), Some(Write::delete_meta("requeue")));
}

#[test]
fn a_slice_that_is_named_is_named_after_a_restart() {
    let row = r#"{"registered":{"notes":{}},"configured":{}}"#;
    let with = Stored { requeue: Some(r#"{"slices":["notes"]}"#), ..stored(Some(row)) };
    let settings = Settings::recover(with, "new", Tick(0)).unwrap();
    assert_eq!(settings.slice_to_requeue().map(|name| &**name), Some("notes"));
}

#[test]
fn a_slice_switched_off_and_on_while_it_is_looked_through_is_looked_through_again() {
    let mut settings = requeueing();
    settings.marking([Key::new("notes", "a")].into());
    in_force(&mut settings, r#"{"notes":{"syncToFlask":false}}"#);
    in_force(&mut settings, r#"{"notes":{"syncToFlask":true}}"#);
    assert!(settings.slice_to_requeue().is_some());
}

#[test]
fn where_a_record_was_lost_every_slice_that_goes_to_the_server_is_looked_through() {
    let mut settings = requeueing();
    in_force(&mut settings, r#"{"files":{},"secret":{"syncToFlask":false}}"#);
    settings.marking([Key::new("notes", "a")].into());
    let row = settings.requeue_all().map(|write| format!("{write:?}")).unwrap_or_default();
    assert!(row.contains("files") && row.contains("notes") && !row.contains("secret"), "{row}");
    assert_eq!(settings.slice_to_requeue().map(|name| &**name), Some("notes"));
    assert!(settings.requeued().iter().any(|name| **name == *"files"));
}

#[test]
fn a_new_slice_is_not_looked_through() {
    let mut settings = new_database();
    in_force(&mut settings, r#"{"notes":{}}"#);
    assert!(!settings.is_requeueing());
}

#[test]
fn auto_sync_is_shown_on_the_wall_clock_and_kept_on_the_other() {
    let mut settings = new_database();
    let now = Now { tick: Tick(10_000), at: crate::units::Millis(500) };
    assert_eq!((settings.poll_timeout(), settings.next_sync_at(now)), (Some(Tick(30_000)), Some(20_500)));
    assert!(!settings.is_sync_due(Tick(29_999)) && settings.is_sync_due(Tick(30_000)));
}
