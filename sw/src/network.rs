//! HTTP to Nightferry's API, by gloo-net. It has no way to abort a request: `AbortController` of web-sys stands beside it
//! (the worker's, see `worker.rs`), because dropping the future of `send` does not end the request.
//!
//! Traps of gloo-net 0.7:
//! - A rejection that is no `Error` is `unreachable!` there. Whoever aborts must call `abort()`, whose reason is a
//!   `DOMException`, and never `abort_with_reason(text)`.
//! - `Headers` and `QueryParams` throw past the panic hook, and past destructors, for a header's name that is no token.
//!   Names of headers are constants here, and there are no query parameters.

use gloo_net::http::Request;
use nightferry::engine::{NetworkError, Response};
use web_sys::{AbortSignal, RequestCache};

/// Sends a request, a `POST` if it has a body, and reads the whole answer. Every HTTP status is an answer.
pub async fn request(
    url: &str,
    body: Option<String>,
    signal: &AbortSignal,
) -> Result<Response, NetworkError> {
    exchange(url, body, signal).await.map_err(|error| match error {
        gloo_net::Error::JsError(error) => NetworkError(error.message),
        gloo_net::Error::GlooError(error) => NetworkError(error),
    })
}

async fn exchange(
    url: &str,
    body: Option<String>,
    signal: &AbortSignal,
) -> Result<Response, gloo_net::Error> {
    let request = if body.is_some() { Request::post(url) } else { Request::get(url) };
    let request = request.cache(RequestCache::NoStore).abort_signal(Some(signal));
    let request = match body {
        Some(body) => request.header("Content-Type", "application/json").body(body)?,
        None => request.build()?,
    };
    let response = request.send().await?;
    let headers = response.headers();
    let content_type = headers.get("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let retry_after = headers.get("retry-after").and_then(|after| wait_ms(after.trim_ascii()));
    let body = response.text().await?;
    Ok(Response { status: response.status(), content_type: media_type, retry_after, body })
}

/// Returns the ms that a `Retry-After` asks for: it names seconds, or a date.
fn wait_ms(after: &str) -> Option<u64> {
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = js_sys::Date::parse(after);
    (!date.is_nan()).then(|| (date - js_sys::Date::now()).max(0.0) as u64)
}
