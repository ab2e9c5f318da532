use super::*;

fn read(text: &str) -> Result<(Slices, AutoSync), String> {
    Settings::default().register(text, None)?.in_force(&Slices::default())
}

#[test]
fn settings_are_read_as_they_were_stored() {
    let given = r#"{"files":{"debounceMs":5},"theme":{"single":true,"storeName":"ui"}}"#;
    let settings = Settings::default().register(given, Some(r#"{"intervalMs":5000}"#)).unwrap();
    let settings = settings.configure(Some("theme"), r#"{"syncToFlask":false}"#).unwrap();
    let kept = Settings::read(&settings.to_json()).unwrap();
    assert_eq!(kept, settings);
    let (slices, auto_sync) = kept.in_force(&Slices::default()).unwrap();
    assert_eq!((slices.get("files").unwrap().debounce_ms, auto_sync.interval_ms), (5, 5000));
    let theme = slices.get("theme").unwrap();
    assert_eq!((&*theme.store, theme.single, theme.sync_to_flask), ("ui", true, false));
}

/// Settings are read here field by field, so that errors can name the field.
#[test]
fn every_field_of_the_page_s_types_is_read() {
    let slice = SliceConfig {
        store_name: Some("b".into()),
        enabled: Some(false),
        sync_to_flask: Some(false),
        debounce_ms: Some(1),
        max_wait_ms: Some(2),
        batch_size: Some(3),
        single: Some(true),
        conflict: Some(Strategy::Newest),
        refused: Some(RefusedPolicy::Keep),
    };
    let auto_sync = AutoSyncConfig {
        enabled: Some(false),
        interval_ms: Some(1_000),
        sync_on_change: Some(true),
        max_queue_size: Some(4),
    };
    let given = format!("{{\"a\":{}}}", write(&slice));
    let settings = Settings::default().register(&given, Some(&write(&auto_sync))).unwrap();
    let (slices, in_force) = settings.in_force(&Slices::default()).unwrap();
    let expected = Slice {
        store: "b".into(),
        enabled: false,
        sync_to_flask: false,
        debounce_ms: 1,
        max_wait_ms: 2,
        batch_size: Some(3),
        single: true,
        strategy: Strategy::Newest,
        refused: RefusedPolicy::Keep,
    };
    assert_eq!(slices.get("a"), Some(&expected));
    assert_eq!(in_force, AutoSync { enabled: false, interval_ms: 1_000, on_change: true, max_queue: 4 });
}

#[test]
fn configure_wins_over_every_registration() {
    let settings = Settings::default().register(r#"{"a":{"debounceMs":1,"batchSize":7}}"#, None).unwrap();
    let settings = settings.configure(Some("a"), r#"{"debounceMs":2}"#).unwrap();
    let settings = settings.configure(None, r#"{"enabled":false}"#).unwrap();
    let settings =
        settings.register(r#"{"a":{"debounceMs":3},"b":{}}"#, Some(r#"{"enabled":true}"#)).unwrap();
    let (slices, auto_sync) = settings.in_force(&Slices::default()).unwrap();
    let a = slices.get("a").unwrap();
    assert_eq!((a.debounce_ms, a.batch_size, slices.len()), (2, Some(7), 2));
    assert!(!auto_sync.enabled);
}

#[test]
fn invalid_settings_are_named() {
    for (config, part) in [
        (r#"{"9":{}}"#, "slice \"9\""),
        (r#"{"_meta":{}}"#, "_meta"),
        (r#"{"a":{"storeName":"x y"}}"#, "storeName"),
        (r#"{"a":{"debounceMs":-1}}"#, "slices.a.debounceMs"),
        (r#"{"a":{"batchSize":0.5}}"#, "slices.a.batchSize"),
        (r#"{"a":{"enabled":"no"}}"#, "slices.a.enabled"),
        (r#"{"a":{"colour":1}}"#, "slices.a.colour"),
        (r#"{"a":[]}"#, "settings of a"),
        (r#"{"a":{"storeName":"b"},"b":{}}"#, "two slices"),
    ] {
        assert!(read(config).unwrap_err().contains(part), "{config}");
    }
    let settings = Settings::default().register(r#"{"a":{}}"#, None).unwrap();
    assert!(settings.configure(Some("b"), "{}").unwrap_err().contains("no slice \"b\""));
    let wrong = settings.configure(None, r#"{"intervalMs":0}"#).unwrap();
    assert!(wrong.in_force(&Slices::default()).unwrap_err().contains("autoSync.intervalMs"));
    let (slices, _) = settings.in_force(&Slices::default()).unwrap();
    let moved = settings.register(r#"{"a":{"storeName":"c"}}"#, None).unwrap();
    assert!(moved.in_force(&slices).unwrap_err().contains("moving"));
}
