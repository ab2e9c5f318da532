//! HTTP to Nightferry's API.

use gloo_net::http::Method;
use gloo_net::http::{RequestBuilder, Response};
use nightferry::engine::{Answer, Unreachable};
use web_sys::{AbortSignal, RequestCache};

/// Sends a request and reads its answer whole. Every HTTP status is an answer.
pub async fn request(url: &str, body: Option<String>, signal: &AbortSignal) -> Result<Answer, Unreachable> {
    let request = RequestBuilder::new(url).cache(RequestCache::NoStore).abort_signal(Some(signal));
    let response = match body {
        Some(body) => {
            let request = request.method(Method::POST).header("Content-Type", "application/json").body(body);
            request.map_err(unreachable)?.send().await
        }
        None => request.send().await,
    };
    let response = response.map_err(unreachable)?;
    let (status, content_type, retry_after) = head(&response);
    let body = response.text().await.map_err(unreachable)?;
    Ok(Answer { status, content_type, retry_after, body })
}

fn head(response: &Response) -> (u16, String, Option<u64>) {
    let header = |name| response.headers().get(name);
    let content_type = header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let retry_after =
        header("retry-after").and_then(|seconds| Some(seconds.trim().parse::<u64>().ok()? * 1000));
    (response.status(), content_type, retry_after)
}

fn unreachable(error: gloo_net::Error) -> Unreachable {
    Unreachable(error.to_string())
}
