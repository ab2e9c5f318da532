//! HTTP to Nightferry's API.

use gloo_net::http::Request;
use nightferry::engine::{Answer, Unreachable};
use web_sys::{AbortSignal, RequestCache};

/// Sends a request and reads its answer whole. Every HTTP status is an answer.
pub async fn request(url: &str, body: Option<String>, signal: &AbortSignal) -> Result<Answer, Unreachable> {
    exchange(url, body, signal).await.map_err(|error| match error {
        gloo_net::Error::JsError(error) => Unreachable(error.message),
        gloo_net::Error::GlooError(error) => Unreachable(error),
    })
}

async fn exchange(url: &str, body: Option<String>, signal: &AbortSignal) -> Result<Answer, gloo_net::Error> {
    let request = if body.is_some() { Request::post(url) } else { Request::get(url) };
    let request = request.cache(RequestCache::NoStore).abort_signal(Some(signal));
    let request = match body {
        Some(body) => request.header("Content-Type", "application/json").body(body)?,
        None => request.build()?,
    };
    let response = request.send().await?;
    let headers = response.headers();
    let content_type = headers.get("content-type").unwrap_or_default();
    let end = content_type.bytes().position(|byte| byte == b';').unwrap_or(content_type.len());
    let content_type = content_type.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let retry_after = headers.get("retry-after");
    let retry_after = retry_after.and_then(|seconds| Some(seconds.trim_ascii().parse::<u64>().ok()? * 1000));
    let body = response.text().await?;
    Ok(Answer { status: response.status(), content_type, retry_after, body })
}
