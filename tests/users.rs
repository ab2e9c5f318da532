//! A page at a worker of another user, or of another name: nothing of either reaches the other, and nothing is lost.

use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{"debounceMs":0}}"#;

/// A world with a page of Ann's, whose worker was replaced by one of this place.
fn at(place: &str) -> World {
    let mut world = World::asleep(1);
    world.place = Some("nightferry~ann".into());
    world.boot();
    world.add_page_with(FILES, |page| page.is_of("nightferry~ann"));
    world.run_until_quiescent();
    world.kill();
    world.place = Some(place.into());
    world.boot();
    world.run_until_quiescent();
    world
}

fn codes(world: &World) -> Vec<Value> {
    world.pages[0].heard_of("failed").into_iter().map(|failed| failed["code"].clone()).collect()
}

#[test]
fn f63_a_page_at_another_users_worker_is_told_and_keeps_what_it_has() {
    for (place, code) in
        [("nightferry~bob", "wrong_user"), ("nightferry", "wrong_user"), ("other~ann", "wrong_name")]
    {
        let mut world = at(place);
        let before = world.pages[0].received.len();
        for x in 0..3 {
            world.dispatch(0, "files/addItem", json!({"id": x}));
        }
        world.run_for(120_000);
        assert_eq!(codes(&world).first(), Some(&json!(code)));
        assert_eq!(world.disk.count("_journal"), 0);
        for request in ["flush", "sync", "hydrate", "conflicts", "rejected"] {
            let request = world.ask_of(0, request, "files");
            world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
            assert_eq!(world.pages[0].answer(request), Some("failed"));
        }
        // Nothing but refusals, and few of them.
        let news = &world.pages[0].received[before..];
        assert!(news.iter().all(|message| message["kind"] == "failed") && news.len() < 15, "{news:?}");

        world.kill();
        world.place = Some("nightferry~ann".into());
        world.boot();
        world.run_until_quiescent();
        for x in 0..3 {
            assert!(world.server.value("files", &x.to_string()).is_some(), "{place} {x}");
        }
        world.check_converged();
    }
}

#[test]
fn a_page_that_missed_the_return_of_its_worker_goes_on_by_itself() {
    let mut world = at("nightferry~bob");
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_for(5_000);
    assert_eq!(codes(&world), [json!("wrong_user")]);
    // It is frozen while the other worker ends and its own one starts.
    world.pages[0].open = false;
    world.kill();
    world.place = Some("nightferry~ann".into());
    world.boot();
    world.run_until_quiescent();
    world.pages[0].open = true;
    world.run_until_quiescent();
    assert!(world.server.value("files", "a").is_some());
}

#[test]
fn the_first_request_names_the_user_of_the_database() {
    let mut world = World::with(2, FILES);
    world.server.mode = Fault::Refused;
    world.engine.as_mut().expect("a worker").serve("nightferry~ann", Some("ann"));
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_for(5_000);
    // The next worker knows it from the database.
    world.kill_and_boot();
    world.server.mode = Fault::Nothing;
    let before = world.server.requests.len();
    world.run_until_quiescent();
    let mut with_body = world.server.requests[before..].iter().filter(|(_, body)| body.is_object());
    let (_, first) = with_body.next().expect("a request");
    assert_eq!((&first["user"], &first["principal"]), (&json!("ann"), &Value::Null));
    // From then on the principal says it.
    assert!(with_body.all(|(_, body)| body["principal"].is_string()));
}
