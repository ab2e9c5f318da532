//! Requests with a token that a page gives.

use nightferry_sim::World;
use serde_json::json;

const FILES: &str = r#"{"files":{"debounceMs":0}}"#;

/// A world whose server wants a token, and whose page gives this one.
fn with_token(given: Option<&str>) -> World {
    let mut world = World::new(1);
    world.server.token = Some("valid".into());
    let page = world.add_page_with(FILES, |page| page.gives(given));
    world.run_until("the page is registered", |world| world.pages[page].epoch.is_some());
    world
}

fn asked(world: &World, page: usize) -> usize {
    world.pages[page].heard_of("token").len()
}

#[test]
fn every_request_carries_the_token_and_the_page_is_asked_once() {
    let mut world = with_token(Some("valid"));
    for x in 0..5 {
        world.dispatch(0, "files/addItem", json!({"id": x}));
        world.run_for(40_000);
    }
    world.run_until_quiescent();
    assert!(world.server.tokens.len() > 5);
    assert!(world.server.tokens.iter().all(|token| token.as_deref() == Some("valid")));
    assert_eq!(asked(&world, 0), 1);
    world.check_converged();
}

#[test]
fn after_a_401_the_page_is_asked_once_more_and_nothing_waits() {
    let mut world = with_token(Some("valid"));
    world.run_until_quiescent();
    world.server.token = Some("renewed".into());
    world.pages[0].gives(Some("renewed"));
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    let before = world.now;
    world.run_until("the server has it", |world| world.server.value("files", "a").is_some());
    assert!(world.now - before < 2_000, "it waited");
    assert_eq!(asked(&world, 0), 2);
    assert_eq!(world.pages[0].last("status")["status"]["errorCode"], json!(null));
}

#[test]
fn a_token_that_is_refused_twice_is_the_end_of_the_session_and_nothing_is_lost() {
    let mut world = with_token(Some("expired"));
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_for(600_000);
    assert_eq!(world.pages[0].last("status")["status"]["errorCode"], "unauthenticated");
    assert!(world.server.tokens.len() < 40, "{} requests in ten minutes", world.server.tokens.len());
    world.pages[0].gives(Some("valid"));
    let request = world.ask(0, "sync");
    world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
    assert_eq!(world.pages[0].answer(request), Some("done"));
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn a_worker_without_a_page_sends_nothing_and_goes_on_with_the_first_page() {
    let mut world = with_token(Some("valid"));
    world.run_until_quiescent();
    world.server.mode = nightferry_sim::server::Fault::Refused;
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_for(2_000);
    // All tabs are closed, and Background Sync wakes a new worker.
    world.pages[0].open = false;
    world.kill_and_boot();
    world.server.mode = nightferry_sim::server::Fault::Nothing;
    let before = world.server.tokens.len();
    world.background_sync();
    world.run_for(5_000);
    assert_eq!(world.server.tokens.len(), before, "a request went without its token");
    let page = world.add_page_with(FILES, |page| page.gives(Some("valid")));
    let began = world.now;
    world.run_until("the server has it", |world| world.server.value("files", "a").is_some());
    assert!(world.now - began < 2_000, "it waited for the page that is there");
    assert_eq!(asked(&world, page), 1);
}

#[test]
fn a_page_that_gives_no_token_is_followed_by_one_that_does() {
    let mut world = with_token(Some("valid"));
    world.run_until_quiescent();
    world.pages[0].gives(None);
    world.server.token = Some("renewed".into());
    let other = world.add_page_with(FILES, |page| page.gives(Some("renewed")));
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until("the server has it", |world| world.server.value("files", "a").is_some());
    assert!(asked(&world, other) <= 1);
}

#[test]
fn a_page_that_never_answers_holds_nothing_up_for_long() {
    let mut world = with_token(Some("valid"));
    world.run_until_quiescent();
    // Another tab hangs: it is awake, and its answers come to nothing.
    let other = world.add_page_with(FILES, |page| page.gives(Some("valid")));
    world.run_until_quiescent();
    for page in [0, other] {
        world.kill_and_boot();
        world.server.token = Some("renewed".into());
        world.pages[0].gives(Some("renewed"));
        world.pages[other].gives(Some("renewed"));
        world.pages[page].answers_questions = false;
        let id = format!("{page}");
        world.dispatch(0, "files/addItem", json!({"id": id}));
        world.signal(other, "ping");
        let began = world.now;
        world.run_until("the server has it", |world| world.server.value("files", &id).is_some());
        assert!(world.now - began < 25_000, "{} ms", world.now - began);
        world.pages[page].answers_questions = true;
        world.run_until_quiescent();
    }
}

#[test]
fn a_redirect_of_an_identity_proxy_asks_for_another_token() {
    let mut world = with_token(Some("valid"));
    world.run_until_quiescent();
    world.server.token_status = 302;
    world.server.token = Some("renewed".into());
    world.pages[0].gives(Some("renewed"));
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until("the server has it", |world| world.server.value("files", "a").is_some());
    assert_eq!(asked(&world, 0), 2);
}
