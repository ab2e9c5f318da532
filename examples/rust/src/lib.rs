//! A packing list in Yew. Nightferry keeps each change on this device and carries it to the server.
#![cfg(target_family = "wasm")]

mod app;
mod slice;
mod thing;
mod words;

use wasm_bindgen::prelude::*;

#[wasm_bindgen(start)]
fn start() {
    yew::Renderer::<app::App>::new().render();
}
