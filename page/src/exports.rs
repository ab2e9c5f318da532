//! The class of `client.wasm`: the core's client, for the JavaScript API in `page/ts/`. Texts are passed as `JsString`, because the
//! code of wasm-bindgen for each `&str` would be larger than the functions.

use crate::connection::{self, Connection, WorkerMessage};
use js_sys::{Array, JsString};
use nightferry::client::{
    self, Addresses, Burst, Call, Effect, Failure, Ids, Message, Output, Resync, Rows, Subject,
};
use wasm_bindgen::prelude::*;

/// A small allocator. The page's wasm keeps little, as bursts stay JavaScript strings. The default allocator would be a sixth
/// of the download.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

#[wasm_bindgen(typescript_custom_section)]
const HOST: &str = r#"
/** A set of items' ids. */
export interface IdSet extends Set<string> {
  isEmpty(): boolean;
  addAll(others: IdSet): void;
  removeAll(others: IdSet): void;
  /** The ids that are not among the others. */
  without(others: IdSet): IdSet;
}
/** An input of the client, see the methods of the core's `Client`. Texts of settings are JSON. */
export type Input =
  | { kind: "next" | "adopted" | "post" | "hide" | "tick" | "resync" }
  | { kind: "check" | "tell"; what: string }
  | {
      kind: "register";
      request: number;
      workerUrl: string;
      api: string;
      name: string;
      user: string | undefined;
      slices: string;
      autoSync: string;
      device: string;
      givesTokens: boolean;
    }
  | { kind: "isRepeated" | "forget"; request: number }
  | { kind: "connected"; code?: string; message?: string }
  | { kind: "lookedForUpdate"; isThere: boolean }
  | { kind: "show"; wasPutAside: boolean }
  | { kind: "token"; request: number; token: string | undefined }
  | {
      kind: "ask";
      request: number;
      what: string;
      slice: string | undefined;
      id: string | undefined;
      settings: string | undefined;
    }
  | { kind: "watch" | "minds"; slice: string }
  | { kind: "countListeners"; slice: string; more: boolean }
  | { kind: "track" | "hasRead" | "caughtUp"; slice: string; ids: IdSet }
  | { kind: "actsOn"; slice: string; verb: string; ids: IdSet }
  | { kind: "noteChange"; slice: string; position: number; puts: IdSet; deletes: IdSet; change: object };
/** The page around a client. `Output` of the core says when each of these is called. */
export interface Host {
  /** Posts a text: `before` and, with a burst, its actions as an array and a closing brace. */
  post(before: string, burst?: string[]): void;
  postSoon(): void;
  arm(ms: number): void;
  connect(call: number): void;
  claim(call: number): void;
  lookForUpdate(): void;
  answer(request: number, isGranted: boolean, message: any): void;
  fail(request: number, code: string, message: string): void;
  rows(request: number, messages: any[], newer: any[], actions: number): void;
  caughtUp(slice: string, messages: any[], newer: any[]): void;
  gone(slice: string, ids: IdSet): void;
  deliver(message: any, actions?: number): void;
  resync(reason: string): void;
  lists(): void;
  noStatus(code: string, message: string): void;
  report(code: string, message: string): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Host")]
    pub type Host;
    #[wasm_bindgen(method)]
    fn post(this: &Host, before: JsString, burst: Option<Array>);
    #[wasm_bindgen(method, js_name = postSoon)]
    fn post_soon(this: &Host);
    #[wasm_bindgen(method)]
    fn arm(this: &Host, ms: f64);
    #[wasm_bindgen(method)]
    fn connect(this: &Host, call: f64);
    #[wasm_bindgen(method)]
    fn claim(this: &Host, call: f64);
    #[wasm_bindgen(method, js_name = lookForUpdate)]
    fn look_for_update(this: &Host);
    #[wasm_bindgen(method)]
    fn answer(this: &Host, request: f64, is_granted: bool, message: WorkerMessage);
    #[wasm_bindgen(method)]
    fn fail(this: &Host, request: f64, code: JsString, message: JsString);
    #[wasm_bindgen(method)]
    fn rows(this: &Host, request: f64, messages: Array, newer: Array, actions: f64);
    #[wasm_bindgen(method, js_name = caughtUp)]
    fn caught_up(this: &Host, slice: JsString, messages: Array, newer: Array);
    #[wasm_bindgen(method)]
    fn gone(this: &Host, slice: JsString, ids: IdSet);
    #[wasm_bindgen(method)]
    fn deliver(this: &Host, message: WorkerMessage, actions: Option<f64>);
    #[wasm_bindgen(method)]
    fn resync(this: &Host, reason: JsString);
    #[wasm_bindgen(method)]
    fn lists(this: &Host);
    #[wasm_bindgen(method, js_name = noStatus)]
    fn no_status(this: &Host, code: JsString, message: JsString);
    #[wasm_bindgen(method)]
    fn report(this: &Host, code: JsString, message: JsString);

    /// A set of items' ids. They stay in JavaScript, because there may be very many.
    #[wasm_bindgen(typescript_type = "IdSet")]
    #[derive(Clone)]
    pub type IdSet;
    #[wasm_bindgen(method, js_name = isEmpty)]
    fn has_none(this: &IdSet) -> bool;
    #[wasm_bindgen(method, js_name = addAll)]
    fn add_all(this: &IdSet, others: &IdSet);
    #[wasm_bindgen(method, js_name = removeAll)]
    fn remove_all(this: &IdSet, others: &IdSet);
    #[wasm_bindgen(method, js_name = without)]
    fn less(this: &IdSet, others: &IdSet) -> IdSet;
}

pub struct JavaScript;

impl client::Types for JavaScript {
    type Action = JsString;
    type Burst = Texts;
    type Ids = IdSet;
    type Message = WorkerMessage;
}

/// The texts of actions. They are joined once, when they are posted.
#[derive(Clone)]
pub struct Texts(Array);

impl Burst<JsString> for Texts {
    fn of(action: JsString) -> Self {
        Texts(Array::of1(&action))
    }

    fn push(&mut self, action: JsString) {
        self.0.push(&action);
    }
}

impl Ids for IdSet {
    fn is_empty(&self) -> bool {
        self.has_none()
    }

    fn add(&mut self, others: &IdSet) {
        self.add_all(others);
    }

    fn remove(&mut self, others: &IdSet) {
        self.remove_all(others);
    }

    fn without(&self, others: &IdSet) -> IdSet {
        self.less(others)
    }
}

fn array(messages: Vec<WorkerMessage>) -> Array {
    let array = Array::new();
    for message in messages {
        array.push(&message);
    }
    array
}

impl connection::Host for Host {
    type Types = JavaScript;

    fn perform(&self, output: Output<JavaScript>) {
        match output {
            Output::Post(Message::Text(text)) => self.post(text.into(), None),
            Output::Post(Message::Burst { before, burst }) => self.post(before.into(), Some(burst.0)),
            Output::PostSoon => self.post_soon(),
            Output::Connect(call, _) => self.connect(call as f64),
            Output::Claim(call) => self.claim(call as f64),
            Output::LookForUpdate => self.look_for_update(),
            Output::Answer { request, is_granted, message } => {
                self.answer(request as f64, is_granted, message)
            }
            Output::Fail { request, why } => self.fail(request as f64, why.code.into(), why.message.into()),
            Output::Rows { request, rows: Rows { messages, newer }, actions } => {
                self.rows(request as f64, array(messages), array(newer), actions as f64);
            }
            Output::CaughtUp { slice, rows: Rows { messages, newer } } => {
                self.caught_up(slice.into(), array(messages), array(newer));
            }
            Output::Gone { slice, ids } => self.gone(slice.into(), ids),
            Output::Deliver { message, actions } => {
                self.deliver(message, actions.map(|actions| actions as f64))
            }
            Output::Resync(reason) => self.resync(
                match reason {
                    Resync::Joined => "joined",
                    Resync::Registered => "registered",
                    Resync::SignedOut => "signedOut",
                }
                .into(),
            ),
            Output::Lists => self.lists(),
            Output::NoStatus(why) => self.no_status(why.code.into(), why.message.into()),
            Output::Report(why) => self.report(why.code.into(), why.message.into()),
        }
    }

    fn arm(&self, ms: f64) {
        Host::arm(self, ms);
    }
}

/// The page's client.
#[wasm_bindgen]
pub struct Machine(Connection<Host>);

#[wasm_bindgen]
impl Machine {
    /// `page` is a random id for the page's lifetime.
    #[wasm_bindgen(constructor)]
    pub fn new(page: JsString, host: Host) -> Machine {
        Machine(Connection::new(&String::from(page), host))
    }

    /// Takes an action, as JSON text of at most so many bytes.
    pub fn dispatch(&self, action: JsString, bytes: f64, is_hidden: bool) {
        self.0.with(|client, now| client.dispatch(now, action, bytes as usize, is_hidden));
    }

    /// Handles a message of the worker, to this page or to all.
    #[wasm_bindgen(js_name = handleMessage)]
    pub fn handle_message(&self, #[wasm_bindgen(unchecked_param_type = "object")] message: WorkerMessage) {
        self.0.handle_message(message);
    }

    /// Tells the client something, and returns what it answers: a number, true or false, a text or a set of ids. One function for
    /// all that is not in every action, because the code of wasm-bindgen for thirty of them would be larger than the client.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn act(&self, #[wasm_bindgen(unchecked_param_type = "Input")] input: WorkerMessage) -> JsValue {
        let text = |name: &str| input.text(name).unwrap_or_default();
        let ids = |name: &str| input.get(name).unchecked_into::<IdSet>();
        let number = input.number("request").unwrap_or_default();
        let [kind, slice, what] = ["kind", "slice", "what"].map(text);
        let mut answer = JsValue::UNDEFINED;
        if kind == "tick" {
            self.0.tick();
        }
        self.0.with(|client, now| match &*kind {
            "next" => answer = (client.next_number() as f64).into(),
            // The code and the sentence, with a space between.
            "check" => {
                if let Err(Failure { code, message }) = client.check(&what) {
                    answer = [&*code, " ", &message].concat().into();
                }
            }
            "register" => {
                let [worker_url, api, name] = ["workerUrl", "api", "name"].map(text);
                let place = Addresses { worker_url, api, name, user: input.text("user") };
                let [slices, auto_sync, device] = ["slices", "autoSync", "device"].map(text);
                let gives_tokens = input.is("givesTokens");
                client.register(now, number, Call { place, slices, auto_sync, device, gives_tokens });
            }
            "isRepeated" => answer = client.is_repeated(number).into(),
            "connected" => {
                let failure = input.text("code").map(|code| Failure { code, message: text("message") });
                client.connected(now, failure.map_or(Ok(()), Err));
            }
            "lookedForUpdate" => client.looked_for_update(now, input.is("isThere")),
            "adopted" => client.adopted(now),
            "post" => client.post(now),
            "hide" => client.hide(now),
            "show" => client.show(now, input.is("wasPutAside")),
            "tell" => client.tell(&what),
            "token" => client.token(number, input.text("token").as_deref()),
            "watch" => client.watch(&slice),
            "ask" => {
                let [slice, id, settings] = ["slice", "id", "settings"].map(|name| input.text(name));
                let subject =
                    Subject { slice: slice.as_deref(), id: id.as_deref(), settings: settings.as_deref() };
                client.ask(now, number, &what, subject);
            }
            "forget" => client.forget(number),
            "track" => client.track(&slice, ids("ids")),
            "countListeners" => client.count_listeners(&slice, input.is("more")),
            "actsOn" => {
                let left = client.acts_on(&slice, Effect::of(&text("verb")), &ids("ids"));
                answer = left.into();
            }
            "minds" => answer = client.minds(&slice).into(),
            "noteChange" => {
                let position = input.number("position").unwrap_or_default();
                let change = input.get("change").unchecked_into();
                client.note_change(&slice, position, &ids("puts"), &ids("deletes"), &change);
            }
            "hasRead" => client.has_read(&slice, &ids("ids")),
            "caughtUp" => answer = client.caught_up(&slice, ids("ids")).into(),
            "resync" => client.resync(now),
            _ => {}
        });
        answer
    }
}
