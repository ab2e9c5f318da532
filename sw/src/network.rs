//! HTTP to Nightferry's API, by gloo-net. It has no way to abort a request: `AbortController` of web-sys stands beside it
//! (the worker's, see `worker.rs`), because dropping the future of `send` does not end the request.
//!
//! Traps of gloo-net 0.7:
//! - A rejection that is no `Error` is `unreachable!` there. Code that aborts must call `abort()`, whose reason is a
//!   `DOMException`, and never `abort_with_reason(text)`.
//! - `Headers` and `QueryParams` throw past the panic hook, and past destructors, for a header's name that is no token.
//!   Names of headers are constants here, and there are no query parameters.
//!
//! # Compression
//!
//! A longer body is sent as a gzip once the server has said that it takes one: each of its answers has `Accept-Encoding: gzip` (RFC
//! 7694). Something before the server may dislike a gzip all the same, or take its header away. So a gzip that is refused is sent
//! once more as it was before, at once; if only that is taken, nothing is compressed for the rest of the worker's life. Sending
//! twice is safe: a push is numbered. gloo-net has no compression, and web-sys has `CompressionStream` among its unstable types only.

use crate::platform::look_for_update;
use gloo_net::http;
use js_sys::{Array, ArrayBuffer};
use nightferry::engine::{NetworkError, REDIRECTED, Response};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, ReadableWritablePair, RequestCache, RequestRedirect, ResponseType};

#[wasm_bindgen]
extern "C" {
    type CompressionStream;
    /// Throws where the browser has no such stream.
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;
}

/// From so many bytes on, a body is compressed. A shorter one fits into a few packets anyway.
const GZIP_FROM_BYTES: usize = 4096;

/// A newer worker is looked for at most so often, in ms. Some sites serve the worker from elsewhere, in another build for good.
const UPDATE_MS: f64 = 60_000.0;

/// The API at an address.
pub struct Network {
    api: String,
    /// The build of this worker.
    build: String,
    /// When a newer one was last looked for, in epoch ms.
    updated_at: Cell<f64>,
    gzip: Cell<Gzip>,
}

/// The server's support for compressed bodies, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gzip {
    Unknown,
    Announced,
    /// Announced, and refused all the same.
    Refused,
}

impl Network {
    pub fn new(api: String, build: String) -> Self {
        Network { api, build, updated_at: Cell::default(), gzip: Cell::new(Gzip::Unknown) }
    }

    /// The server serves a worker of this build: where it is another one, this worker is not the newest.
    fn heard_of_build(&self, build: &str) {
        let now = js_sys::Date::now();
        if *build != self.build && now >= self.updated_at.get() + UPDATE_MS {
            self.updated_at.set(now);
            look_for_update();
        }
    }

    /// The address of the API.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Sends a request, a `POST` if it has a body, and reads the whole answer. Every HTTP status is an answer.
    pub async fn request(
        &self,
        path: &str,
        body: Option<String>,
        token: Option<&str>,
        signal: &AbortSignal,
    ) -> Result<Response, NetworkError> {
        self.exchange(path, body, token, signal).await.map_err(|error| match error {
            gloo_net::Error::JsError(error) => NetworkError(error.message),
            gloo_net::Error::GlooError(error) => NetworkError(error),
        })
    }

    async fn exchange(
        &self,
        path: &str,
        body: Option<String>,
        token: Option<&str>,
        signal: &AbortSignal,
    ) -> Result<Response, gloo_net::Error> {
        let url = format!("{}{path}", self.api);
        // A redirect is an identity proxy's that wants a sign-in. Followed to another origin, it would be a failure without a reason.
        let begun = |request: http::RequestBuilder| {
            let request = request.cache(RequestCache::NoStore).redirect(RequestRedirect::Manual);
            let request = request.abort_signal(Some(signal));
            match token {
                Some(token) => request.header("Authorization", &format!("Bearer {token}")),
                None => request,
            }
        };
        let Some(body) = body else {
            return self.receive(begun(http::Request::get(&url)).build()?.send().await?).await;
        };
        let post = |encoding: &[(&str, &str)], body: JsValue| {
            let request = begun(http::Request::post(&url)).header("Content-Type", "application/json");
            encoding.iter().fold(request, |request, (name, value)| request.header(name, value)).body(body)
        };
        let may_compress = self.gzip.get() == Gzip::Announced && body.len() >= GZIP_FROM_BYTES;
        let compressed = if may_compress { gzip(&body).await } else { None };
        if let Some(compressed) = compressed {
            let sent = post(&[("Content-Encoding", "gzip")], compressed.into())?.send().await?;
            let answer = self.receive(sent).await?;
            if !may_be_of_the_encoding(answer.status) {
                return Ok(answer);
            }
            let plain = self.receive(post(&[], body.into())?.send().await?).await?;
            if plain.status == 200 {
                self.gzip.set(Gzip::Refused);
            }
            return Ok(plain);
        }
        self.receive(post(&[], body.into())?.send().await?).await
    }

    async fn receive(&self, response: http::Response) -> Result<Response, gloo_net::Error> {
        if response.type_() == ResponseType::Opaqueredirect {
            return Ok(Response {
                status: REDIRECTED,
                content_type: String::new(),
                retry_after: None,
                body: String::new(),
            });
        }
        let headers = response.headers();
        if let Some(build) = headers.get("nightferry-build") {
            self.heard_of_build(&build);
        }
        let accepted = headers.get("accept-encoding").unwrap_or_default();
        if self.gzip.get() == Gzip::Unknown && accepted.split(',').any(|coding| coding.trim_ascii() == "gzip")
        {
            self.gzip.set(Gzip::Announced);
        }
        let content_type = headers.get("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let retry_after = headers.get("retry-after").and_then(|after| wait_ms(after.trim_ascii()));
        let body = response.text().await?;
        Ok(Response { status: response.status(), content_type: media_type, retry_after, body })
    }
}

/// Returns true if a compressed body may be the reason of an answer: it was not understood, not allowed, or could not be read.
fn may_be_of_the_encoding(status: u16) -> bool {
    matches!(status, 400 | 403 | 415 | 422 | 501)
}

/// Returns the text as a gzip; nothing where the browser cannot compress.
async fn gzip(text: &str) -> Option<ArrayBuffer> {
    let compression = CompressionStream::new("gzip").ok()?;
    let blob = Blob::new_with_str_sequence(&Array::of1(&text.into())).ok()?;
    // It has what a pair has, `readable` and `writable`.
    let pair = compression.unchecked_ref::<ReadableWritablePair>();
    let compressed = blob.stream().pipe_through(pair);
    let response = web_sys::Response::new_with_opt_readable_stream(Some(&compressed)).ok()?;
    JsFuture::from(response.array_buffer().ok()?).await.ok()?.dyn_into().ok()
}

/// Returns the ms that a `Retry-After` asks for: it names seconds, or a date.
fn wait_ms(after: &str) -> Option<u64> {
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = js_sys::Date::parse(after);
    (!date.is_nan()).then(|| (date - js_sys::Date::now()).max(0.0) as u64)
}
