//! HTTP to Nightferry's API.

use crate::task::settled;
use js_sys::{JSON, Promise};
use nightferry::engine::{Answer, Unreachable};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, RequestCache, RequestInit, Response};

#[wasm_bindgen]
extern "C" {
    fn fetch(url: &str, init: &RequestInit) -> Promise;
}

/// Sends a request and reads its answer whole. Every HTTP status is an answer.
pub async fn request(url: &str, body: Option<String>, signal: &AbortSignal) -> Result<Answer, Unreachable> {
    exchange(url, body, signal).await.map_err(|error| {
        let error = error.dyn_ref::<js_sys::Error>();
        Unreachable(error.map_or_else(|| "the browser gave no reason".into(), |error| error.message().into()))
    })
}

async fn exchange(url: &str, body: Option<String>, signal: &AbortSignal) -> Result<Answer, JsValue> {
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(signal));
    if let Some(body) = body {
        init.set_method("POST");
        init.set_headers(&JSON::parse(r#"{"Content-Type":"application/json"}"#)?);
        init.set_body(&body.into());
    }
    let response: Response = settled(&fetch(url, &init)).await?.unchecked_into();
    let headers = response.headers();
    let content_type = headers.get("content-type")?.unwrap_or_default();
    let end = content_type.bytes().position(|byte| byte == b';').unwrap_or(content_type.len());
    let content_type = content_type.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let retry_after = headers.get("retry-after")?;
    let retry_after = retry_after.and_then(|seconds| Some(seconds.trim_ascii().parse::<u64>().ok()? * 1000));
    let body = settled(&response.text()?).await?.as_string().unwrap_or_default();
    Ok(Answer { status: response.status(), content_type, retry_after, body })
}
