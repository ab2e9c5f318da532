//! The page.

use crate::slice::{edit, use_progress, use_slice, use_status};
use crate::thing::{Change, Thing};
use crate::words::{detail, words};
use nightferry_page::{Connection, ProgressState, RegisterOptions, Status, register, sync_now};
use web_sys::{HtmlElement, HtmlInputElement};
use yew::platform::spawn_local;
use yew::prelude::*;

const TITLE: &str = "Packing list";
const CANNOT_START: &str = "The list cannot be opened, and nothing can be saved now. What was saved before is still on this \
    device. Open this page again. If that does not help, tell whoever runs this site.";

/// Registers Nightferry, then shows the list, or says why it cannot.
#[component]
pub fn App() -> Html {
    let registered = use_state(|| None::<Result<(), String>>);
    let setter = registered.setter();
    use_effect_with((), move |()| {
        spawn_local(async move {
            let registration = register(RegisterOptions::new(["things"])).await;
            setter.set(Some(registration.map(drop).map_err(|error| error.message)));
        });
    });
    match &*registered {
        None => html! {
            <main data-phase="opening"><h1>{ TITLE }</h1><p class="quiet">{ "Opening…" }</p></main>
        },
        Some(Ok(())) => html! { <PackingList /> },
        Some(Err(why)) => html! {
            <main data-phase="refused">
                <h1>{ TITLE }</h1>
                <div class="problem" role="alert">
                    <p>{ CANNOT_START }</p>
                    <details><summary>{ "The reason, for them" }</summary><p>{ why }</p></details>
                </div>
            </main>
        },
    }
}

#[component]
fn PackingList() -> Html {
    let problem = use_state(String::new);
    let show_problem = Callback::from({
        let setter = problem.setter();
        move |why| setter.set(why)
    });
    let list = use_slice::<Thing>("things", show_problem.clone());
    let progress = use_progress("things");
    let status = use_status();
    let change = Callback::from({
        let (list, progress, show_problem) = (list.clone(), progress.clone(), show_problem.clone());
        move |change: Change| match edit(&list, &progress, change) {
            Ok(()) => show_problem.emit(String::new()),
            Err(error) => show_problem.emit(error.message),
        }
    });

    // The items that were removed here and can be brought back, the latest last.
    let removed = use_state(Vec::<Thing>::new);
    let remove = Callback::from({
        let (removed, change) = (removed.clone(), change.clone());
        move |thing: Thing| {
            change.emit(Change::Remove(thing.id.clone()));
            removed.set([&removed[..], &[thing]].concat());
        }
    });
    let undo = Callback::from({
        let (removed, change) = (removed.clone(), change.clone());
        move |()| {
            if let [earlier @ .., latest] = &removed[..] {
                change.emit(Change::Add(latest.clone()));
                removed.set(earlier.to_vec());
            }
        }
    });
    let close = Callback::from({
        let setter = removed.setter();
        move |()| setter.set(Vec::new())
    });

    let mut things: Vec<&Thing> = list.items.values().collect();
    things.sort_by(|a, b| a.added_at.total_cmp(&b.added_at).then_with(|| a.id.cmp(&b.id)));
    let phase = if list.is_read() { "ready" } else { "opening" };
    html! {
        <main data-phase={phase}>
            <Header status={(*status).clone()} problem={show_problem} />
            // It is empty while all is well, and keeps its room, so that nothing jumps.
            <p class="detail" role="status" data-state={words(&status).0.name()}>{ detail(&status) }</p>
            if !problem.is_empty() {
                <p class="problem" role="alert">{ &**problem }</p>
            }
            if !things.is_empty() {
                <Packed packed={things.iter().filter(|thing| thing.packed).count()} of={things.len()} />
            }
            <ul>
                { for things.iter().map(|thing| html! {
                    <Row key={&*thing.id} thing={(*thing).clone()} change={change.clone()}
                        remove={remove.clone()} progress={progress.of(&thing.id)} />
                }) }
            </ul>
            if list.is_read() && things.is_empty() {
                <p class="quiet">{ "Nothing to pack yet. The first thing is saved on this device the moment you add it." }</p>
            }
            <AddForm {change} />
            if let Some(latest) = removed.last() {
                <Undo key={&*latest.id} name={latest.name.clone()} {undo} {close} />
            }
        </main>
    }
}

#[derive(PartialEq, Properties)]
struct HeaderProps {
    status: Status,
    problem: Callback<String>,
}

#[component]
fn Header(HeaderProps { status, problem }: &HeaderProps) -> Html {
    let syncing = use_state(|| false);
    let sync = Callback::from({
        let (setter, problem) = (syncing.setter(), problem.clone());
        move |_: MouseEvent| {
            let (setter, problem) = (setter.clone(), problem.clone());
            spawn_local(async move {
                setter.set(true);
                // That the server cannot be reached is the status's to say, for as long as it lasts.
                let failed = sync_now().await.err().filter(|error| error.code != "unreachable");
                problem.emit(failed.map(|error| error.message).unwrap_or_default());
                setter.set(false);
            });
        }
    });
    let connection = match status.connection {
        Connection::Unknown => "unknown",
        Connection::Online => "online",
        Connection::LocalOnly => "local-only",
    };
    let (state, text) = words(status);
    html! {
        <header>
            <h1>{ TITLE }</h1>
            <span class="connection" data-connection={connection} data-state={state.name()}>{ text }</span>
            <button class="sync" type="button" onclick={sync} disabled={*syncing}>{ "Sync now" }</button>
        </header>
    }
}

#[derive(PartialEq, Properties)]
struct PackedProps {
    packed: usize,
    of: usize,
}

#[component]
fn Packed(PackedProps { packed, of }: &PackedProps) -> Html {
    html! {
        <label class="packed">
            <progress value={packed.to_string()} max={(*of).max(1).to_string()} />
            <span>{ format!("{packed} of {of} packed") }</span>
        </label>
    }
}

#[derive(PartialEq, Properties)]
struct RowProps {
    thing: Thing,
    progress: ProgressState,
    change: Callback<Change>,
    remove: Callback<Thing>,
}

#[component]
fn Row(RowProps { thing, progress, change, remove }: &RowProps) -> Html {
    let (state, words) = match progress {
        ProgressState::Local => ("local", "Only on this device"),
        ProgressState::Sending => ("sending", "On its way"),
        ProgressState::Synced => ("synced", "On the server"),
        ProgressState::Conflict => ("conflict", "Changed elsewhere, too"),
        ProgressState::Rejected => ("rejected", "Refused by the server"),
    };
    let id = thing.id.clone();
    let pack = change.reform({
        let id = id.clone();
        move |event: Event| Change::Pack { id: id.clone(), packed: field(&event).checked() }
    });
    let rename = change.reform({
        let id = id.clone();
        move |event: InputEvent| Change::Rename { id: id.clone(), name: field(&event).value() }
    });
    let remove = remove.reform({
        let thing = thing.clone();
        move |_: MouseEvent| thing.clone()
    });
    let described_by = format!("state-{id}");
    html! {
        <li data-id={thing.id.clone()} data-state={state}>
            <input type="checkbox" checked={thing.packed} onchange={pack} aria-label={format!("{} is packed", thing.name)} />
            <input class="name" value={thing.name.clone()} oninput={rename} aria-label="Name"
                aria-describedby={described_by.clone()} autocomplete="off" />
            <span class="state" id={described_by}>{ words }</span>
            <button class="remove" type="button" onclick={remove} title="Remove"
                aria-label={format!("Remove {}", thing.name)}>{ "✕" }</button>
        </li>
    }
}

#[derive(PartialEq, Properties)]
struct UndoProps {
    name: String,
    undo: Callback<()>,
    close: Callback<()>,
}

/// The line that brings back what was removed last. It stays until it is used or closed, and begins with the keyboard's focus.
#[component]
fn Undo(UndoProps { name, undo, close }: &UndoProps) -> Html {
    let button = use_node_ref();
    use_effect_with(button.clone(), |button| {
        if let Some(button) = button.cast::<HtmlElement>() {
            // Without the focus the line is there all the same.
            let _ = button.focus();
        }
    });
    html! {
        <div class="undo">
            <span id="undo-text">{ format!("“{}” is removed.", shortened(name)) }</span>
            <button ref={button} type="button" aria-describedby="undo-text" onclick={undo.reform(|_: MouseEvent| ())}>
                { "Undo" }
            </button>
            <button class="close" type="button" aria-label="Close" onclick={close.reform(|_: MouseEvent| ())}>{ "✕" }</button>
        </div>
    }
}

/// The beginning of a name that is long.
fn shortened(name: &str) -> String {
    let mut letters = name.chars();
    let beginning: String = letters.by_ref().take(39).collect();
    if letters.next().is_some() { beginning + "…" } else { beginning }
}

#[derive(PartialEq, Properties)]
struct AddProps {
    change: Callback<Change>,
}

#[component]
fn AddForm(AddProps { change }: &AddProps) -> Html {
    let name = use_node_ref();
    let add = Callback::from({
        let (name, change) = (name.clone(), change.clone());
        move |event: SubmitEvent| {
            event.prevent_default();
            let Some(field) = name.cast::<HtmlInputElement>() else { return };
            let text = field.value().trim().to_owned();
            if !text.is_empty() {
                field.set_value("");
                change.emit(Change::Add(Thing { id: new_id(), name: text, packed: false, added_at: now() }));
            }
        }
    });
    html! {
        <form onsubmit={add}>
            <input ref={name} name="thing" placeholder="What else comes along?" aria-label="What else comes along?"
                autocomplete="off" required=true />
            <button class="primary" type="submit">{ "Add" }</button>
        </form>
    }
}

/// The field that an event is of.
fn field(event: &Event) -> HtmlInputElement {
    event.target_unchecked_into()
}

fn new_id() -> String {
    let crypto = web_sys::window().and_then(|window| window.crypto().ok());
    crypto.map(|crypto| crypto.random_uuid()).unwrap_or_default()
}

fn now() -> f64 {
    web_sys::js_sys::Date::now()
}
